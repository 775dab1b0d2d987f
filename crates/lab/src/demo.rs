//! `lab demo-oversell`: one sale per strategy, from an empty database to the verdict.

use std::path::Path;
use std::thread::available_parallelism;
use std::time::Instant;

use anyhow::Context;
use chrono::{SecondsFormat, Utc};
use flash_core::Sku;
use nix::sys::utsname::uname;
use serde::Serialize;
use uuid::Uuid;

use crate::audit::{Auditor, DatabaseFacts};
use crate::cli::{DemoArgs, StoreArgs, Strategy, TermArgs};
use crate::crowd::{Answer, Onlooker};
use crate::error::Ending;
use crate::json_file::JsonFile;
use crate::lesson::is_mended;
use crate::progress::Progress;
use crate::promise::broken_promise;
use crate::run::{Outcomes, Run};
use crate::server_process::{self, Server};
use crate::stores::Stores;
use crate::{crowd, open_files, report};

/// Where and with what it was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Environment {
    date: String,
    os: String,
    cpus: usize,
    postgresql: String,
    /// Null where Redis was not used, or was given by its URL.
    redis: Option<String>,
    lab: &'static str,
    fsync: bool,
    pool_size: u16,
}

impl Environment {
    /// The same for people.
    pub(crate) fn sentence(&self) -> String {
        let fsync = if self.fsync { "on" } else { "off" };
        format!(
            "{}; {}; {} CPUs; PostgreSQL {}, fsync {fsync}; {} connections per server; \
             lab {}",
            self.date, self.os, self.cpus, self.postgresql, self.pool_size, self.lab
        )
    }
}

#[derive(Debug, Serialize)]
struct Demo<'a> {
    environment: Environment,
    runs: &'a [Run],
    as_promised: bool,
}

/// Runs `lab demo-oversell`.
///
/// # Errors
///
/// Whatever keeps a sale from taking place, or a strategy that broke its promise.
///
/// # Cancel safety
///
/// A dropped future ends and removes what it has started.
pub async fn run(mut args: DemoArgs) -> anyhow::Result<()> {
    let json = args.json.take().map(JsonFile::open).transpose()?;
    let program = server_process::find()?;
    open_files::raise_for(args.terms.buyers)?;

    let progress = Progress::start();
    let given = std::mem::take(&mut args.stores).without_empty();
    let with_redis = args.strategies.iter().any(|it| it.uses_redis());
    let redis = redis_version(with_redis, &given);
    let stores =
        Stores::open(given, with_redis, args.terms.pool_size, &progress).await?;
    let mut runs = Vec::new();
    for strategy in &args.strategies {
        let run = sell(&program, *strategy, &stores, args.terms, &progress)
            .await
            .with_context(|| format!("{strategy} could not sell"))?;
        runs.push(run);
    }
    let facts = Auditor::open(&stores.database_url, None)
        .await?
        .database_facts()
        .await?;
    progress.step("removing what was started");
    drop(stores);
    drop(progress);

    let kept = keep_promises(&runs, args.terms.pool_size);
    if let Some(json) = &json {
        json.write(&Demo {
            environment: environment(facts, redis, args.terms.pool_size)?,
            runs: &runs,
            as_promised: kept.is_ok(),
        })?;
    }
    let look = report::look_beside_json(json.as_ref());
    let text = report::demo(&runs, args.terms.pool_size, &look);
    report::beside_json(json.as_ref(), &text)?;
    kept
}

/// Checks what each strategy owes. A phase 1 that was mended does not do what the demo
/// promises of it either, and is told so in other words.
pub(crate) fn keep_promises(runs: &[Run], pool_size: u16) -> anyhow::Result<()> {
    let mut mended = Ok(());
    let mut broken = Vec::new();
    for run in runs {
        match broken_promise(run, pool_size) {
            Some(_) if is_mended(run, pool_size) => {
                mended = Err(better_than_promised())
            }
            Some(how) => broken.push(format!("{}: {how}", run.strategy)),
            None => {}
        }
    }
    if broken.is_empty() {
        return mended;
    }
    let broken = broken.join("; ");
    Err(Ending::NotAsPromised(format!("not as promised: {broken}")).into())
}

fn better_than_promised() -> anyhow::Error {
    let text = "better than promised: phase 1 is there to oversell, and did not; scripts \
                see exit code 3 and as_promised false";
    Ending::BetterThanPromised(text.to_owned()).into()
}

/// One sale: a server, a crowd, and the judge once both have gone.
async fn sell(
    program: &Path,
    strategy: Strategy,
    stores: &Stores,
    terms: TermArgs,
    progress: &Progress,
) -> anyhow::Result<Run> {
    let TermArgs {
        units,
        buyers,
        pool_size,
    } = terms;
    progress.step(&format!("{strategy}: starting the server"));
    let (server, address) = Server::start(program, strategy, stores, pool_size).await?;
    let sku = new_sku(strategy)?;
    server_process::create_sku(address, &sku, units, None).await?;

    progress.step(&format!(
        "{strategy}: {units} units, {buyers} buyers connect"
    ));
    let onlooker = Teller {
        strategy,
        buyers,
        progress,
    };
    let sale = crowd::rush(address, &sku, buyers, &onlooker).await?;
    progress.step(&format!("{strategy}: stopping the server, counting"));
    server.stop().await?;

    // The drift is that of the engine's gates.
    let redis_url = stores
        .redis_url
        .as_deref()
        .filter(|_| strategy == Strategy::Engine);
    let audit = Auditor::open(&stores.database_url, redis_url)
        .await?
        .audit(&sku, Some(strategy.as_str()))
        .await?
        .with_context(|| format!("the SKU {sku} has vanished"))?;
    Ok(sale.counted(strategy, (units, buyers), audit))
}

/// Tells on standard error how a sale goes.
struct Teller<'a> {
    strategy: Strategy,
    buyers: u32,
    progress: &'a Progress,
}

impl Onlooker for Teller<'_> {
    fn arrived(&self, arrived: u32) {
        let what = "buyers are at the door";
        self.progress
            .count(self.strategy, arrived, self.buyers, what);
    }

    fn released(&self, _released: Instant) {}

    fn answered(&self, _answer: Answer, outcomes: &Outcomes) {
        self.progress.count(
            self.strategy,
            outcomes.total(),
            self.buyers,
            &format!(
                "answers: {} accepted, {} sold out",
                outcomes.accepted, outcomes.sold_out
            ),
        );
    }
}

/// A name that no earlier sale in a given database has.
pub(crate) fn new_sku(strategy: Strategy) -> anyhow::Result<Sku> {
    // The last bytes of a UUID of version 7 are random.
    let id = Uuid::now_v7().simple().to_string();
    let (_, random) = id.split_at(id.len() - 8);
    Ok(Sku::new(format!("demo-{strategy}-{random}"))?)
}

/// Only a strategy knows how to talk to Redis, so only a private one has a known version.
fn redis_version(used: bool, given: &StoreArgs) -> Option<String> {
    if !used || given.redis_url.is_some() {
        return None;
    }
    Some(flash_sandbox::find_redis().ok()?.version)
}

/// Describes this machine and what was used.
pub(crate) fn environment(
    facts: DatabaseFacts,
    redis: Option<String>,
    pool_size: u16,
) -> anyhow::Result<Environment> {
    let system = uname().context("cannot ask for the operating system")?;
    let words = [system.sysname(), system.release(), system.machine()];
    Ok(Environment {
        date: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        os: words.map(|word| word.to_string_lossy()).join(" "),
        cpus: available_parallelism().map_or(1, usize::from),
        postgresql: facts.version,
        redis,
        lab: env!("CARGO_PKG_VERSION"),
        fsync: facts.fsync,
        pool_size,
    })
}
