#![doc = include_str!("../README.md")]

pub mod cli;
pub mod error;
pub mod look;
pub mod sheet;
pub mod output;
pub mod progress;
pub mod open_files;
pub mod client;
pub mod outcome;
pub mod rule;
pub mod run;
pub mod crowd;
pub mod stores;
pub mod server_process;
pub mod seller;
pub mod audit;
pub mod environment;
mod lesson;
pub mod promise;
pub mod report;

pub use audit::{Auditor, DatabaseFacts};
pub use cli::{DEFAULT_POOL_SIZE, StoreArgs, Strategy, TermArgs};
pub use client::{
    Client, Method, Reply, SendError, StatusCode, json_request, purchase,
};
pub use crowd::{Answer, Onlooker};
pub use environment::{Environment, Here, environment};
pub use error::{Ending, exit_code, sentence};
pub use look::{Look, count, paragraph};
pub use outcome::Outcome;
pub use output::JsonFile;
pub use progress::Progress;
pub use promise::keep_promises;
pub use rule::Rule;
pub use run::{Latency, Outcomes, Run, live_units, millis};
pub use seller::{Seller, SellerArgs};
pub use server_process::{FULL, Server, create_sku, put_on_sale};
pub use sheet::{Cell, Column, Sheet, sentences};
pub use stores::{Stores, first_line};
