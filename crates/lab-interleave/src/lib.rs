#![doc = include_str!("../README.md")]

mod schedule;
mod scenario;
mod transcript;
mod desk;
mod seat;
mod observer;
mod table;
mod stage;
mod fault;
mod together;
mod explore;
mod text;
mod command;

pub use command::{EXAMPLES, InterleaveArgs, run, tell};
pub use explore::Frontier;
pub use fault::{Broken, Fault};
pub use observer::OrderRow;
pub use scenario::{Ask, Scenario};
pub use schedule::{Buyer, Finish, Schedule};
pub use seat::Unrehearsed;
pub use stage::{Books, Played, Stage, start_stores};
pub use text::{Page, to_text};
pub use transcript::{BuyerState, Ending, Place, Step, Transcript, Wait};
