//! What `learn` does, one verb after the other.

mod cli;
mod place;
mod progress;
mod reading;
mod playing;
mod checking;
mod predicting;
mod report;
mod stick;
mod recording;
mod command;

pub use cli::{Args, Verb};
pub use command::run;
