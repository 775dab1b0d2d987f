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
pub const EXAMPLES: &str = "\
Examples:
  lab interleave --strategy naive           every order, and the shortest one that
                                            oversells, which is this one:
  lab interleave --strategy naive --schedule 111222222111
  lab interleave --strategy hybrid --json - | jq .matrix

Each buyer has a server of its own; a proxy between the servers and the stores holds
each statement until its turn. A step is a statement of the transaction that sells, or the
question to Redis; whatever else a server says to its stores passes at once. A buyer who
waits for a lock is seen to wait, and the other one goes on; the step ends by itself when
the lock is free. A turn of a buyer who waits or is done passes to the other one. After the
last turn the first buyer goes on whenever there is a choice, until both have answers.

refused early: a buyer was refused, and nobody waited for a lock. Hybrid refuses at once
whom Redis does not admit, also while the unit is only held; the engine lets such a buyer
wait for the word of PostgreSQL. Hybrid's gates live for ten minutes here, so that no clock
decides.
JSON: one object for one strategy, {\"runs\":[…]} for several; with --schedule the matrix
counts this one schedule. `sql` is what was sent, `readable` is at most 160 characters.

Exit codes: 0 naive oversold in some order (not asked with --schedule), the others in
none, 1 error, 2 usage, 3 not as promised, 69 a needed program is missing";
