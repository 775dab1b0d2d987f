//! Runs one command of the lab; see `lab --help`.

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use flash_lab::cli::{Args, Command};
use flash_lab::{audit, demo, doctor};
use flash_lab_crowd::{Ending, exit_code, sentence};
use mimalloc::MiMalloc;
use tokio::runtime::Runtime;

/// The server's allocator: what `bench` compares must not differ in this.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A sandbox that is being started when Ctrl-C comes has this long to be cleared away;
/// beyond it, its supervisor goes on without us.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

/// The recipes run in the directory of the justfile; what is read and written is meant
/// from where the caller stands.
const CALLER_DIR: &str = "FLASHSALE_CALLER_DIR";

fn main() -> ExitCode {
    let args = Args::parse();
    match stand_with_the_caller().and_then(|()| run(args.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let is_mistake = error.downcast_ref().is_none_or(Ending::is_mistake);
            let prefix = if is_mistake { "error: " } else { "" };
            eprintln!("{prefix}{}", sentence(&error));
            ExitCode::from(exit_code(&error))
        }
    }
}

fn stand_with_the_caller() -> anyhow::Result<()> {
    let Some(dir) = env::var_os(CALLER_DIR).filter(|dir| !dir.is_empty()) else {
        return Ok(());
    };
    env::set_current_dir(&dir)
        .with_context(|| format!("cannot go to {} ({CALLER_DIR})", dir.display()))
}

fn run(command: Command) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("cannot start threads")?;
    let ended = runtime.block_on(async {
        // Dropping the command ends and removes all that it has started.
        tokio::select! {
            ended = dispatch(command) => ended,
            signal = tokio::signal::ctrl_c() => {
                signal.context("cannot listen for Ctrl-C")?;
                Err(Ending::Interrupted.into())
            }
        }
    });
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    ended
}

async fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::DemoOversell(args) => demo::run(args).await,
        Command::Page(args) => flash_lab_page::run(args).await,
        Command::Report(args) => flash_lab_page::report(args).await,
        Command::Chaos(args) => flash_lab_chaos::run(args).await,
        Command::Interleave(args) => flash_lab_interleave::run(args).await,
        Command::Judge(args) => flash_lab_judge::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Bench(args) => flash_lab_bench::run(args).await,
        Command::Doctor => doctor::run().await,
    }
}
