//! `./just leg cluster|sentinel`: the demo of the engine and ten runs of chaos where Redis is
//! run so; the sentinel makes the other one the primary all the time. Everything that is
//! started is gone at the end.

use std::cell::Cell;
use std::env;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flash_sandbox::{Options, Sandbox};
use flash_testkit::{Cluster, Sentinels};

/// A sale of the chaos lasts a few seconds.
const BETWEEN: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let name = env::args().nth(1).unwrap_or_default();
    match run(&name) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str) -> Result<u8> {
    // For its directory.
    let sandbox = Sandbox::start(&Options {
        postgres: false,
        ..Options::default()
    })?;
    match name {
        "cluster" => {
            let cluster = Cluster::start(sandbox.dir())?;
            sell(&cluster.url(), || {})
        }
        "sentinel" => {
            let sentinels = Sentinels::start(sandbox.dir())?;
            let fail_overs = Cell::new(0);
            let code = sell(&sentinels.url(), || {
                // What it refuses, since the last one is not over, comes the next time.
                fail_overs
                    .set(fail_overs.get() + i32::from(sentinels.fail_over().is_ok()));
            })?;
            eprintln!("{} fail-overs of Redis meanwhile", fail_overs.get());
            Ok(code)
        }
        _ => {
            eprintln!("error: name a leg: cluster or sentinel");
            Ok(2)
        }
    }
}

/// Runs the lab that was built beside this program, and disturbs it again and again.
fn sell(redis_url: &str, disturb: impl Fn()) -> Result<u8> {
    let here = env::current_exe()?;
    let built = here.parent().and_then(|examples| examples.parent());
    let lab = built.context("not built by cargo")?.join("lab");
    for arguments in [
        &["demo-oversell", "--strategy", "engine"][..],
        &["chaos", "--runs", "10"],
    ] {
        let mut running = Command::new(&lab)
            .args(arguments)
            .env("REDIS_URL", redis_url)
            .env("CHAOS_REDIS_URL", redis_url)
            .spawn()
            .with_context(|| format!("cannot start {}", lab.display()))?;
        let status = loop {
            if let Some(status) = running.try_wait()? {
                break status;
            }
            thread::park_timeout(BETWEEN);
            disturb();
        };
        match status.code().map(u8::try_from) {
            Some(Ok(0)) => {}
            Some(Ok(code)) => return Ok(code),
            _ => bail!("lab {} was ended by a signal", arguments.join(" ")),
        }
    }
    Ok(0)
}
