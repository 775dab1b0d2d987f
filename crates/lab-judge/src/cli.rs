//! What `judge` is asked for.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use flash_lab_crowd::seller::SellerArgs;
use flash_lab_interleave::{Fault, Scenario};
use serde::Serialize;
use strum::Display;

/// Few enough to wait for, and far more than a fault has ever needed.
const DEFAULT_CHANGES: usize = 4;

/// What is judged, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum StageName {
    /// One buyer at a time
    Http,
    /// Two buyers, in every order of their steps
    Interleave,
    /// One buyer, whose server or connection breaks at each step
    Crash,
}

/// What `judge` is asked for.
#[derive(Debug, ClapArgs)]
pub struct JudgeArgs {
    /// Who is judged.
    #[command(flatten)]
    pub sellers: SellerArgs,

    /// What is judged of them.
    #[command(flatten)]
    pub scope: Scope,

    /// File for the result as JSON, - for standard output (the text then goes to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
}

/// What is judged, and how far.
#[derive(Debug, Clone, ClapArgs)]
pub struct Scope {
    /// What is judged, one after the other
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STAGE,…",
          default_values_t = StageName::value_variants().to_vec())]
    pub stages: Vec<StageName>,

    /// Play this sale only, in stage interleave; can be given several times
    #[arg(long = "scenario", value_name = "ID", value_parser = Scenario::named)]
    pub scenarios: Vec<&'static Scenario>,

    /// The most changes of turn that an order of steps may have
    #[arg(long, default_value_t = DEFAULT_CHANGES, value_name = "K")]
    pub changes_max: usize,

    /// Break steps in this way only, in stage crash; can be given several times
    #[arg(long = "fault", value_enum, value_name = "ID")]
    pub faults: Vec<Fault>,
}

/// Ends the help.
pub const EXAMPLES: &str = include_str!("examples.txt");
