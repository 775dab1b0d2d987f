//! `lab interleave`: two buyers, one unit, every possible order of their steps.
//!
//! A `Stage` keeps the stores and two servers of one strategy; `Stage::play(&mut self,
//! &Schedule, Finish) -> anyhow::Result<Transcript>` takes the turns of a schedule on a
//! fresh SKU and stops there, or goes on until both buyers have answers.

mod schedule;
mod transcript;

pub use schedule::{Buyer, Schedule};
pub use transcript::{
    BuyerState, Ending, Place, Statement, Step, Store, Transcript, Wait,
};
