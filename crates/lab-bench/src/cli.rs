//! What the benchmark is asked for.

use std::path::PathBuf;

use clap::{Args as ClapArgs, value_parser};

/// What `bench` is asked for.
#[derive(Debug, Default, ClapArgs)]
pub struct BenchArgs {
    /// Two minutes instead of up to twenty: the same ratios, in fewer and shorter blocks
    #[arg(long)]
    pub quick: bool,

    /// Measure a program of your own, too, beside pessimistic: its orders and its refusals
    #[arg(long = "server", value_name = "PROGRAM")]
    pub server: Option<PathBuf>,

    /// File for the result as JSON, - for standard output (tables then go to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,

    /// File for the result as one page with plots
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,

    /// File for the result as tables in Markdown; of a file that has them, only what is
    /// between the lines `<!-- measured -->` and `<!-- /measured -->` changes
    #[arg(long, value_name = "PATH")]
    pub markdown: Option<PathBuf>,

    /// Length of a block in milliseconds; for tests
    #[arg(long, hide = true, value_name = "MS",
          value_parser = value_parser!(u64).range(10..=60_000))]
    pub block_ms: Option<u64>,

    /// Repetitions; for tests
    #[arg(long, hide = true, value_name = "N",
          value_parser = value_parser!(u16).range(1..=100))]
    pub rounds: Option<u16>,

    /// Size of the largest crowd; for tests
    #[arg(long, hide = true, value_name = "N",
          value_parser = value_parser!(u16).range(1..=1_000))]
    pub buyers_max: Option<u16>,
}

/// Ends the help.
pub const EXAMPLES: &str = include_str!("examples.txt");
