//! What `interleave` is asked for.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use flash_lab_crowd::SellerArgs;

use crate::schedule::Schedule;

/// What `interleave` is asked for.
#[derive(Debug, ClapArgs)]
pub struct InterleaveArgs {
    /// Who sells; where nobody is named, all four strategies.
    #[command(flatten)]
    pub sellers: SellerArgs,

    /// Play this one only: whose turn it is, step by step, 1 or 2
    #[arg(long, value_name = "TURNS")]
    pub schedule: Option<Schedule>,

    /// File for the result as JSON, - for standard output (tables then go to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
}

/// Ends the help.
pub const EXAMPLES: &str = include_str!("examples.txt");
