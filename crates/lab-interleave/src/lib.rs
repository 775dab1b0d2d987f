#![doc = include_str!("../README.md")]

mod cli;
mod schedule;
mod transcript;
mod desk;
mod seat;
mod observer;
mod table;
mod stage;
mod explore;
mod text;
mod command;

pub use cli::{EXAMPLES, InterleaveArgs};
pub use command::run;
pub use schedule::{Buyer, Schedule};
pub use stage::{Finish, Stage, start_stores};
pub use text::to_text;
pub use transcript::{BuyerState, Ending, Place, Step, Transcript, Wait};
