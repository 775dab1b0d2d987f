//! `./just leg cluster|sentinel`: the demo of the engine and ten runs of chaos where Redis is
//! run so. Everything that is started is gone at the end.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use flash_sandbox::{Options, Sandbox};
use flash_testkit::{Cluster, Sentinels};

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
            sell(&cluster.url())
        }
        "sentinel" => {
            let sentinels = Sentinels::start(sandbox.dir())?;
            sell(&sentinels.url())
        }
        _ => {
            eprintln!("error: name a leg: cluster or sentinel");
            Ok(2)
        }
    }
}

/// Runs the lab that was built beside this program.
fn sell(redis_url: &str) -> Result<u8> {
    let here = env::current_exe()?;
    let built = here.parent().and_then(|examples| examples.parent());
    let lab = built.context("not built by cargo")?.join("lab");
    for arguments in [
        &["demo-oversell", "--strategy", "engine"][..],
        &["chaos", "--runs", "10"],
    ] {
        let status = Command::new(&lab)
            .args(arguments)
            .env("REDIS_URL", redis_url)
            .env("CHAOS_REDIS_URL", redis_url)
            .status()
            .with_context(|| format!("cannot start {}", lab.display()))?;
        match status.code().map(u8::try_from) {
            Some(Ok(0)) => {}
            Some(Ok(code)) => return Ok(code),
            _ => bail!("lab {} was ended by a signal", arguments.join(" ")),
        }
    }
    Ok(0)
}
