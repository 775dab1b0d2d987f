//! `./just leg WAY [ARGUMENT...]`: the demo of the engine, and chaos with these arguments,
//! where the stores are reached in another way than usual. Exit codes: those of the lab,
//! 1 error, 2 usage, 69 a needed program is missing. Everything that is started is gone at the
//! end.

use std::cell::Cell;
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, fs, thread};

use anyhow::{Context, Result, bail};
use flash_sandbox::{Options, PgBouncer, PoolMode, Sandbox, SandboxError};
use flash_testkit::{Authority, Cluster, Sentinels};

/// A sale of the chaos lasts a few seconds.
const BETWEEN: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let way = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    match run(&way, &arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            let missing = error.downcast_ref::<SandboxError>();
            ExitCode::from(missing.map_or(1, SandboxError::exit_code))
        }
    }
}

fn run(way: &str, arguments: &[String]) -> Result<u8> {
    let authority = Authority::new()?;
    let options = Options {
        certificate: Some(authority.sign("localhost")?),
        ..Options::default()
    };
    let sandbox = Sandbox::start(&options)?;
    let redis_url = sandbox.redis_url().context("no Redis")?;
    match way {
        "tls" => {
            let root = sandbox.dir().join("root.crt");
            fs::write(&root, authority.root())?;
            let server = sandbox.database_tcp_url().context("no TCP")?;
            let database_url = format!(
                "{}?sslmode=verify-full&channel_binding=require&sslrootcert={}",
                server.replace("127.0.0.1", "localhost"),
                root.display()
            );
            let stores = [("DATABASE_URL", &*database_url), ("REDIS_URL", redis_url)];
            sell(&stores, &["--postgresql", way], arguments, || {})
        }
        "pgbouncer" => {
            let pgbouncer = PgBouncer::start(&sandbox, PoolMode::Session)?;
            let database_url = pgbouncer.database_url();
            let stores = [("DATABASE_URL", database_url), ("REDIS_URL", redis_url)];
            sell(&stores, &["--postgresql", way], arguments, || {})
        }
        "cluster" => {
            let cluster = Cluster::start(sandbox.dir())?;
            let url = cluster.url();
            let given = ["--redis-url", &*url];
            sell(&[("REDIS_URL", &url)], &given, arguments, || {})
        }
        "sentinel" => {
            let sentinels = Sentinels::start(sandbox.dir())?;
            let url = sentinels.url();
            let fail_overs = Cell::new(0);
            let given = ["--redis-url", &*url];
            let code = sell(&[("REDIS_URL", &url)], &given, arguments, || {
                // What it refuses, since the last one is not over, comes the next time.
                fail_overs
                    .set(fail_overs.get() + i32::from(sentinels.fail_over().is_ok()));
            })?;
            eprintln!("{} fail-overs of Redis meanwhile", fail_overs.get());
            Ok(code)
        }
        _ => {
            eprintln!(
                "error: there is no way {way:?}: tls, pgbouncer, cluster, sentinel"
            );
            Ok(2)
        }
    }
}

/// Runs the lab that was built beside this program, and disturbs it again and again.
fn sell(
    stores: &[(&str, &str)],
    given: &[&str],
    arguments: &[String],
    disturb: impl Fn(),
) -> Result<u8> {
    let here = env::current_exe()?;
    let built = here.parent().and_then(|examples| examples.parent());
    let lab = built.context("not built by cargo")?.join("lab");
    let mut demo = Command::new(&lab);
    demo.args(["demo-oversell", "--strategy", "engine"])
        .envs(stores.iter().copied());
    let mut chaos = Command::new(&lab);
    chaos.arg("chaos").args(given).args(arguments);
    for mut command in [demo, chaos] {
        let mut running = command
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
            _ => bail!("{command:?} was ended by a signal"),
        }
    }
    Ok(0)
}
