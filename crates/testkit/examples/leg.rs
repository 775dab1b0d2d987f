//! Runs a command with private stores that are reached in another way than usual:
//!
//!     cargo run --example leg -- tls|pgbouncer COMMAND [ARGUMENT...]
//!
//! The command finds `DATABASE_URL` and `REDIS_URL` in its environment. Exit codes: that of the
//! command, 1 error, 2 usage, 69 a needed program is missing.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use flash_sandbox::{Options, PgBouncer, PoolMode, Sandbox, SandboxError};
use flash_testkit::Authority;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [leg, program, arguments @ ..] = arguments.as_slice() else {
        eprintln!("usage: leg tls|pgbouncer COMMAND [ARGUMENT...]");
        return ExitCode::from(2);
    };
    match run(leg, program, arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            let missing = error.downcast_ref::<SandboxError>();
            ExitCode::from(missing.map_or(1, SandboxError::exit_code))
        }
    }
}

fn run(leg: &str, program: &str, arguments: &[String]) -> Result<u8> {
    let authority = Authority::new()?;
    let options = Options {
        certificate: Some(authority.sign("localhost")?),
        ..Options::default()
    };
    let sandbox = Sandbox::start(&options)?;
    let pgbouncer;
    let database_url = match leg {
        "tls" => {
            let root = sandbox.dir().join("root.crt");
            std::fs::write(&root, authority.root())?;
            let url = sandbox.database_tcp_url().context("no TCP")?;
            format!(
                "{}?sslmode=verify-full&channel_binding=require&sslrootcert={}",
                url.replace("127.0.0.1", "localhost"),
                root.display()
            )
        }
        "pgbouncer" => {
            pgbouncer = PgBouncer::start(&sandbox, PoolMode::Session)?;
            pgbouncer.database_url().to_owned()
        }
        _ => {
            eprintln!("there is no leg {leg}: tls or pgbouncer");
            return Ok(2);
        }
    };
    let redis_url = sandbox.redis_url().context("no Redis")?;
    let status = Command::new(program)
        .args(arguments)
        .env("DATABASE_URL", database_url)
        .env("REDIS_URL", redis_url)
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    Ok(status
        .code()
        .and_then(|code| code.try_into().ok())
        .unwrap_or(1))
}
