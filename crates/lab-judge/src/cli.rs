//! What `judge` is asked for.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use flash_lab_crowd::seller::SellerArgs;
use flash_lab_interleave::{Fault, Scenario};
use serde::Serialize;

/// Few enough to wait for, and far more than a fault has ever needed.
const DEFAULT_CHANGES: usize = 4;

/// What is judged, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
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
    #[arg(long = "scenario", value_name = "ID", value_parser = scenario)]
    pub scenarios: Vec<Scenario>,

    /// The most changes of turn that an order of steps may have
    #[arg(long, default_value_t = DEFAULT_CHANGES, value_name = "K")]
    pub changes_max: usize,

    /// Break steps in this way only, in stage crash; can be given several times
    #[arg(long = "fault", value_name = "ID", value_parser = fault)]
    pub faults: Vec<Fault>,
}

/// Finds a sale by its name.
///
/// # Errors
///
/// The names that there are.
pub fn scenario(id: &str) -> Result<Scenario, String> {
    let found = Scenario::ALL.into_iter().find(|it| it.id == id);
    found.ok_or_else(|| {
        let ids: Vec<_> = Scenario::ALL.iter().map(|it| it.id).collect();
        format!("there are {}", ids.join(", "))
    })
}

/// Finds a fault by its name.
///
/// # Errors
///
/// The names that there are.
pub fn fault(id: &str) -> Result<Fault, String> {
    let found = Fault::ALL.into_iter().find(|it| it.id() == id);
    found.ok_or_else(|| format!("there are {}", Fault::ALL.map(Fault::id).join(", ")))
}

/// Ends the help.
pub const EXAMPLES: &str = "\
Examples:
  lab judge --strategy naive                     broken, and why, in seconds
  lab judge --server ./my-server                 a program of your own, in any language
  lab judge --strategy hybrid --stages crash
  lab judge --server ./my-server --scenario last-unit --changes-max 8 --json -

Stages: http, one buyer at a time; interleave, two buyers in every order of their steps that
has at most --changes-max changes of turn, those with the fewest first; crash, every step of a
purchase with its server killed before it, killed after it, with its answer lost, and with
its connection broken before it arrives. The first rule that is broken ends it: what was not judged then is said.
Scenarios: last-unit, one-each, too-much-and-one, two-keys, same-key, lost-and-again.
A program is told DATABASE_URL, REDIS_URL, ADMIN_TOKEN and LISTEN by its environment, prints
`listening on http://ADDRESS`, answers PUT and GET of a SKU, POST of an order, /livez and
/readyz, and ends at SIGTERM; orders stand in `orders`, stock in `skus`. Private stores are
started, and removed at the end.

The judge knows no promises: naive is broken in interleave, hybrid in crash.
Exit codes: 0 every rule held, 1 could not judge (and why), 2 usage, 3 a rule is broken, 69 a
needed program is missing";
