//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use flash_core::Sku;
use flash_lab_bench::BenchArgs;
use flash_lab_chaos::ChaosArgs;
use flash_lab_crowd::{SellerArgs, StoreArgs, TermArgs};
use flash_lab_interleave::InterleaveArgs;
use flash_lab_judge::JudgeArgs;
use flash_lab_page::{PageArgs, ReportArgs};

/// Shows what flash-sale strategies promise, and counts whether they keep it.
#[derive(Debug, Parser)]
#[command(name = "lab", version, after_help = include_str!("exit-codes.txt"))]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the lab can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sell the same units once per strategy and count who oversells
    #[command(after_help = include_str!("demo-oversell.txt"))]
    DemoOversell(DemoArgs),
    /// Show a sale live in the browser, and the race step by step
    #[command(after_help = flash_lab_page::EXAMPLES)]
    Page(PageArgs),
    /// Write a sale of all phases as one HTML file
    #[command(after_help = flash_lab_page::REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Sell while servers, stores and connections break, and judge what comes of it
    #[command(after_help = flash_lab_chaos::EXAMPLES)]
    Chaos(ChaosArgs),
    /// Measure what each strategy can do, against the others and the machine's limit
    #[command(after_help = flash_lab_bench::EXAMPLES)]
    Bench(BenchArgs),
    /// Let two buyers of one unit take their steps in every possible order
    #[command(after_help = flash_lab_interleave::EXAMPLES)]
    Interleave(InterleaveArgs),
    /// Judge a server, ours or yours, and say why it is wrong
    #[command(after_help = flash_lab_judge::EXAMPLES)]
    Judge(JudgeArgs),
    /// Count the books of a database: oversold, lost updates, lost units; never writes
    #[command(after_help = include_str!("audit.txt"))]
    Audit(AuditArgs),
    /// List what this machine has and lacks, and what each thing is needed for
    Doctor,
}

/// What `demo-oversell` is asked for.
#[derive(Debug, ClapArgs)]
pub struct DemoArgs {
    /// What the sale has.
    #[command(flatten)]
    pub terms: TermArgs,

    /// Who sells; where nobody is named, all four strategies.
    #[command(flatten)]
    pub sellers: SellerArgs,

    /// File for the result as JSON, - for standard output (tables then go to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,

    /// The stores; those that are not given are started and removed at the end.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// What `audit` is asked for.
#[derive(Debug, ClapArgs)]
pub struct AuditArgs {
    /// Audit this SKU only [default: all]
    #[arg(long)]
    pub sku: Option<Sku>,

    /// File for the result as JSON, - for standard output (tables then go to stderr)
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,

    /// The stores of the sale; Redis only for the drift of the gate.
    #[command(flatten)]
    pub stores: StoreArgs,

    /// What the keys of its servers begin with in Redis
    #[arg(long, env = "REDIS_PREFIX", default_value = flash_engine::PREFIX,
          value_name = "TEXT")]
    pub redis_prefix: String,
}
