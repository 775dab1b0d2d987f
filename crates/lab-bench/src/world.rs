//! What runs: the private stores, and the servers of the arms that are being compared.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use diesel::sql_types::{BigInt, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use flash_lab_crowd::{
    ANYWHERE, DEFAULT_POOL_SIZE, Progress, Seller, Server, StoreArgs, Stores,
    server_process, stores,
};
use flash_sandbox::{Options, Sandbox};
use tempfile::TempDir;

use crate::arm::{Arm, Setup, Work};
use crate::counters::Sources;
use crate::load::{self, Load};
use crate::pgbench;
use crate::tally::Tally;

/// Two servers with their pools at a time, up to 64 clients of pgbench, and ourselves.
const MAX_CONNECTIONS: u16 = 220;

/// Connections of a server to PostgreSQL that serve buyers: what the demo has too.
pub(crate) const POOL_SIZE: u16 = DEFAULT_POOL_SIZE;

/// How long a server that has just started is used before it counts.
const WARM_UP: Duration = Duration::from_millis(300);

/// Connections of the warm-up.
const WARM_UP_BUYERS: u16 = 32;

/// A migration of an empty database.
const MIGRATION_LIMIT: Duration = Duration::from_secs(10);

/// Everything that runs. It ends when this is dropped.
pub(crate) struct World {
    /// Before the stores, so that servers end before them.
    running: HashMap<Key, (Server, SocketAddr)>,
    /// Their first database is that which nobody measures.
    pub(crate) stores: Stores,
    /// A database for each arm.
    databases: HashMap<Arm, Stores>,
    pub(crate) pgbench: PathBuf,
    own: Option<Seller>,
    static_route: PathBuf,
    /// What the engine says to a buyer who gets an order, and to one who does not.
    answers: TempDir,
    last_number: u64,
}

/// An arm, and the answer of static where it is one: who gets an order gets another one
/// than who does not.
pub(crate) type Key = (Arm, Option<&'static str>);

const ORDER: &str = "order";
const REFUSAL: &str = "refusal";

fn key(setup: &Setup) -> Key {
    let answer = match setup.work {
        Work::Refusals => REFUSAL,
        _ => ORDER,
    };
    (setup.arm, (setup.arm == Arm::Static).then_some(answer))
}

impl World {
    /// Starts the stores and learns from the engine what static has to say; other servers
    /// follow when they are needed.
    pub(crate) async fn start(
        own: Option<Seller>,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let none = StoreArgs::default();
        let mut world = Self {
            running: HashMap::new(),
            pgbench: pgbench::find()?,
            own,
            static_route: server_process::find_beside("static-route")?,
            stores: Stores::open(none, true, MAX_CONNECTIONS, progress).await?,
            databases: HashMap::new(),
            answers: tempfile::tempdir().context("cannot make a directory")?,
            last_number: 0,
        };
        world.learn_answers().await?;
        Ok(world)
    }

    async fn learn_answers(&mut self) -> anyhow::Result<()> {
        let engine = Setup {
            arm: Arm::Engine,
            work: Work::Refusals,
            buyers: WARM_UP_BUYERS,
            rate: None,
        };
        self.run_only(&[engine]).await?;
        let prefix = self.put_on_sale(&engine).await?.prefix;
        let once = (None, Duration::ZERO);
        for (answer, expected) in [(ORDER, [1, 0]), (REFUSAL, [0, 1])] {
            let tally = self.apply(&engine, &prefix, 1, once).await?;
            let told = &tally.answers;
            let is_right = [told.accepted, told.sold_out] == expected;
            ensure!(is_right, "the engine has no {answer} but {told:?}");
            fs::write(self.answers.path().join(answer), &tally.last_answer)?;
        }
        Ok(())
    }

    /// The directory of the private stores is on this disk.
    pub(crate) fn disk(&self) -> &Path {
        let sandbox = self.stores.sandbox.as_ref();
        let above = sandbox.and_then(|sandbox| sandbox.dir().parent());
        above.unwrap_or(Path::new("/tmp"))
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The database of an arm, which is made where there is none yet.
    pub(crate) async fn database_url(&mut self, arm: Arm) -> anyhow::Result<String> {
        if let Some(made) = self.databases.get(&arm) {
            return Ok(made.database_url.clone());
        }
        let name = format!("bench_{arm}").replace('-', "_");
        let made = self.stores.beside(&name, true).await?;
        let url = made.database_url.clone();
        flash_db::migrate(&url, MIGRATION_LIMIT).await?;
        self.databases.insert(arm, made);
        Ok(url)
    }

    /// Forgets all orders, so that every block finds the same tables, and puts new SKUs on
    /// sale; static has no database to do it in. Returns where they are counted.
    pub(crate) async fn put_on_sale(
        &mut self,
        setup: &Setup,
    ) -> anyhow::Result<Sources> {
        let asks_redis = matches!(setup.arm, Arm::Hybrid | Arm::Engine);
        let mut sources = Sources {
            prefix: format!("bench-{:05}", self.next_number()),
            conn: None,
            redis_url: self.stores.redis_url.clone().filter(|_| asks_redis),
            server_pid: self.running.get(&key(setup)).map(|it| it.0.pid()),
        };
        if setup.arm == Arm::Static {
            return Ok(sources);
        }
        let url = self.database_url(setup.arm).await?;
        let mut conn = flash_db::connect(&url).await?;
        conn.batch_execute("TRUNCATE orders").await?;
        diesel::sql_query(
            "INSERT INTO skus (sku, initial_units, available_units)
             SELECT $1 || '-' || lpad(number::text, 4, '0'), $2, $2
               FROM generate_series(0, $3 - 1) AS number",
        )
        .bind::<Text, _>(&sources.prefix)
        .bind::<BigInt, _>(i64::from(setup.work.units()))
        .bind::<BigInt, _>(i64::from(setup.work.skus()))
        .execute(&mut conn)
        .await
        .context("cannot put units on sale")?;
        sources.conn = Some(conn);
        Ok(sources)
    }

    /// Starts the servers that are needed and ends all others: who is not measured does
    /// not use the processor.
    pub(crate) async fn run_only(&mut self, setups: &[Setup]) -> anyhow::Result<()> {
        let wanted: Vec<_> = setups.iter().map(key).collect();
        let others = self.running.extract_if(|key, _| !wanted.contains(key));
        for (_, (server, _)) in others.collect::<Vec<_>>() {
            server.stop().await?;
        }
        for setup in setups.iter().filter(|setup| setup.arm != Arm::Pgbench) {
            if !self.running.contains_key(&key(setup)) {
                self.start_server(setup)
                    .await
                    .with_context(|| format!("{} could not be started", setup.arm))?;
            }
        }
        Ok(())
    }

    /// Starts a server and warms it up with orders.
    async fn start_server(&mut self, setup: &Setup) -> anyhow::Result<()> {
        let mut amply = *setup;
        amply.work = Work::Orders;
        let prefix = self.put_on_sale(&amply).await?.prefix;
        let started = match key(setup) {
            (arm, None) => self.start_seller(arm).await?,
            (_, Some(answer)) => self.start_static(answer).await?,
        };
        self.running.insert(key(setup), started);
        let buyers = setup.buyers.min(WARM_UP_BUYERS);
        self.apply(setup, &prefix, buyers, (None, WARM_UP)).await?;
        Ok(())
    }

    async fn start_seller(&mut self, arm: Arm) -> anyhow::Result<(Server, SocketAddr)> {
        let redis_alone = Options {
            postgres: false,
            ..Options::default()
        };
        // It is there when the server starts, and never again.
        let doomed = match arm {
            Arm::EngineRedisDown => Some(stores::start(redis_alone).await?),
            _ => None,
        };
        let ours = arm.strategy().map(Seller::of).transpose()?;
        let seller = ours.or_else(|| self.own.clone());
        let seller = seller.context("there is no such program")?;
        let url = self.database_url(arm).await?;
        let redis_url = self.stores.redis_url.as_deref();
        let redis_url = doomed.as_ref().map_or(redis_url, Sandbox::redis_url);
        let flags = server_process::patient(POOL_SIZE);
        let arguments = seller.arguments(ANYWHERE, &flags);
        let mut environment = seller.environment(ANYWHERE, &url, redis_url);
        // What the caller has set would cost time.
        environment.push(("RUST_LOG", "warn,server=info"));
        let started = Server::start(&seller.program, arguments, environment, None);
        let started = started.await?;
        tokio::task::spawn_blocking(move || drop(doomed)).await?;
        Ok(started)
    }

    async fn start_static(&self, answer: &str) -> anyhow::Result<(Server, SocketAddr)> {
        let answer = self.answers.path().join(answer).display().to_string();
        let wait_ms = server_process::PATIENCE_MS.to_string();
        let arguments = ["--answer", &answer, "--client-wait-ms", &wait_ms];
        let arguments = arguments.map(str::to_owned).to_vec();
        let as_it_is: [(_, &str); 0] = [];
        Server::start(&self.static_route, arguments, as_it_is, None).await
    }

    /// Lets buyers ask the server of a setup, at a rate where one is given, for some time.
    pub(crate) async fn apply(
        &mut self,
        setup: &Setup,
        prefix: &str,
        connections: u16,
        (per_second, lasting): (Option<f64>, Duration),
    ) -> anyhow::Result<Tally> {
        // No block has so many buyers.
        let first_buyer = self.next_number() * 100_000_000;
        let running = self.running.get(&key(setup));
        let (_, address) =
            running.with_context(|| format!("{} does not run", setup.arm))?;
        load::apply(Load {
            address: *address,
            prefix: prefix.to_owned(),
            skus: setup.work.skus(),
            connections,
            per_second,
            lasting,
            first_buyer,
        })
        .await
    }
}
