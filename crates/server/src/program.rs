//! A whole server program, from its arguments to its exit code.

use std::process::ExitCode;
use std::sync::Arc;

use actix_web::rt::System;
use clap::Parser;
use flash_core::{Store, StrategyError};
use flash_sandbox::SandboxError;
use tokio::runtime::Builder;

use crate::cli::{Command, EXAMPLES, Settings};
use crate::fail_stop::end_on_panic;
use crate::secrets::{Invalid, no_redis_url};
use crate::startup::Shop;
use crate::stores::migrate;
use crate::telemetry::{say, start_logging};

/// The exit code for arguments that make no sense; clap uses the same.
const USAGE: u8 = 2;

/// Sells limited stock to a crowd over HTTP.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Args {
    /// Ignored: this program has one strategy
    #[arg(long, hide = true)]
    strategy: Option<String>,

    #[command(flatten)]
    settings: Settings,
}

/// Runs a program that has one strategy: opens a shop as the arguments and the environment
/// say and calls `sell`, which makes a strategy and has the shop serve it until a signal
/// comes. `examples/own_program.rs` is one.
pub fn run(sell: impl AsyncFnOnce(Shop) -> anyhow::Result<()>) -> ExitCode {
    run_with(Args::parse().settings, sell)
}

/// The same for a program that parses its arguments itself.
pub fn run_with(
    settings: Settings,
    sell: impl AsyncFnOnce(Shop) -> anyhow::Result<()>,
) -> ExitCode {
    end_on_panic();
    start_logging(settings.log_format);
    let redis_url = settings.redis_url.clone().unwrap_or_default();
    // The rooms of the engine pass work to each other all the time. On one thread that
    // needs no system call, and one thread passes on far more orders than PostgreSQL takes.
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            say(format_args!("error: cannot start threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    // With an actix system in place, many answers that are ready together wake a worker
    // once; without one, each is a system call.
    let _system = System::with_tokio_rt(|| Arc::clone(&runtime));
    let working = async {
        match settings.command {
            Some(Command::Migrate) => migrate(&settings).await,
            None => sell(Shop::open(settings).await?).await,
        }
    };
    match runtime.block_on(working) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let (sentence, code) = ending(&error, &redis_url);
            say(format_args!("error: {sentence}"));
            ExitCode::from(code)
        }
    }
}

/// What is said at the end, and the exit code.
fn ending(error: &anyhow::Error, redis_url: &str) -> (String, u8) {
    if let Some(error) = error.downcast_ref::<SandboxError>() {
        // It says its cause itself.
        return (error.to_string(), error.exit_code());
    }
    match error.downcast_ref::<StrategyError>() {
        // A strategy that could not even be made was given no URL of a Redis.
        Some(error @ StrategyError::Store { store, .. }) if *store == Store::Redis => {
            (no_redis_url(redis_url, error).to_string(), USAGE)
        }
        _ if error.is::<Invalid>() => (error.to_string(), USAGE),
        _ => (format!("{error:#}"), 1),
    }
}
