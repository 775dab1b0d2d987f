//! Does the exercises; see `learn --help`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use flash_lab_crowd::error::{Ending, exit_code, sentence};
use flash_workshop::learn::{Args, run};
use tokio::runtime::Runtime;

/// A sandbox that is being started when Ctrl-C comes has this long to be cleared away.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    match learn(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.downcast_ref() {
                // The verdict has said it.
                Some(Ending::RuleBroken(_)) => {}
                ending if ending.is_none_or(Ending::is_mistake) => {
                    eprintln!("error: {}", sentence(&error));
                }
                _ => eprintln!("{}", sentence(&error)),
            }
            ExitCode::from(exit_code(&error))
        }
    }
}

fn learn(args: Args) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("cannot start threads")?;
    let ended = runtime.block_on(async {
        // Dropping it ends and removes all that it has started.
        tokio::select! {
            ended = run(args.verb) => ended,
            signal = tokio::signal::ctrl_c() => {
                signal.context("cannot listen for Ctrl-C")?;
                Err(Ending::Interrupted.into())
            }
        }
    });
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    ended
}
