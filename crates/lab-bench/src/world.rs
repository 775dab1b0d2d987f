//! What runs: the private stores, and the servers of the arms that are being compared.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use diesel::sql_types::{BigInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use flash_lab_crowd::{DEFAULT_POOL_SIZE, Seller, Server, server_process, stores};
use flash_sandbox::{Options, Sandbox};
use tempfile::TempDir;

use crate::arm::{Arm, Setup, Work};
use crate::counters::Sources;
use crate::load::{self, Load};
use crate::pgbench;
use crate::tally::Tally;

/// Two servers with their pools at a time, up to 64 clients of pgbench, and ourselves.
const MAX_CONNECTIONS: u32 = 250;

/// Connections of a server to PostgreSQL that serve buyers: what the demo has too.
pub(crate) const POOL_SIZE: u16 = DEFAULT_POOL_SIZE;

/// How long a server that has just started is used before it counts.
const WARM_UP: Duration = Duration::from_millis(300);

/// Connections of the warm-up.
const WARM_UP_BUYERS: u16 = 32;

/// A migration of an empty database.
const MIGRATION_LIMIT: Duration = Duration::from_secs(10);

/// A free port of loopback, where admin calls need no token.
const ANYWHERE: &str = "127.0.0.1:0";

/// Everything that runs. It ends when this is dropped.
pub(crate) struct World {
    /// Before the stores, so that servers end before them.
    running: HashMap<Key, (Server, SocketAddr)>,
    pub(crate) sandbox: Sandbox,
    pub(crate) pgbench: PathBuf,
    server: PathBuf,
    own: Option<Seller>,
    static_route: PathBuf,
    /// Databases that were made.
    databases: Vec<Arm>,
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
    pub(crate) async fn start(own: Option<Seller>) -> anyhow::Result<Self> {
        let options = Options {
            max_connections: MAX_CONNECTIONS,
            ..Options::default()
        };
        let mut world = Self {
            running: HashMap::new(),
            server: server_process::find()?,
            pgbench: pgbench::find()?,
            own,
            static_route: server_process::find_beside("static-route")?,
            sandbox: stores::start(options).await?,
            databases: Vec::new(),
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
        let (prefix, _conn) = self.put_on_sale(&engine).await?;
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
        self.sandbox.dir().parent().unwrap_or(Path::new("/tmp"))
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The database that nobody measures.
    pub(crate) fn first_url(&self) -> anyhow::Result<&str> {
        self.sandbox.database_url().context("there is no database")
    }

    /// The database of an arm.
    pub(crate) fn database_url(&self, arm: Arm) -> anyhow::Result<String> {
        let name = format!("/{}?", database(arm));
        Ok(self.first_url()?.replacen("/flash?", &name, 1))
    }

    /// Where the counters of a setup are.
    pub(crate) fn sources(
        &self,
        setup: &Setup,
        prefix: &str,
        conn: Option<AsyncPgConnection>,
    ) -> Sources {
        let asks_redis = matches!(setup.arm, Arm::Hybrid | Arm::Engine);
        let redis_url = self.sandbox.redis_url().filter(|_| asks_redis);
        Sources {
            conn,
            redis_url: redis_url.map(str::to_owned),
            server_pid: self.running.get(&key(setup)).map(|it| it.0.pid()),
            prefix: prefix.to_owned(),
        }
    }

    /// Opens the database of an arm, and makes it where there is none yet.
    async fn connect(&mut self, arm: Arm) -> anyhow::Result<AsyncPgConnection> {
        let url = self.database_url(arm)?;
        if !self.databases.contains(&arm) {
            let making = format!("CREATE DATABASE {}", database(arm));
            let mut conn = flash_db::connect(self.first_url()?).await?;
            conn.batch_execute(&making).await?;
            flash_db::migrate(&url, MIGRATION_LIMIT).await?;
            self.databases.push(arm);
        }
        Ok(flash_db::connect(&url).await?)
    }

    /// Forgets all orders, so that every block finds the same tables, and puts new SKUs on
    /// sale; returns how their names begin, and where it was done: static has no database.
    pub(crate) async fn put_on_sale(
        &mut self,
        setup: &Setup,
    ) -> anyhow::Result<(String, Option<AsyncPgConnection>)> {
        let prefix = format!("bench-{:05}", self.next_number());
        if setup.arm == Arm::Static {
            return Ok((prefix, None));
        }
        let mut conn = self.connect(setup.arm).await?;
        conn.batch_execute("TRUNCATE orders").await?;
        diesel::sql_query(
            "INSERT INTO skus (sku, initial_units, available_units)
             SELECT $1 || '-' || lpad(number::text, 4, '0'), $2, $2
               FROM generate_series(0, $3 - 1) AS number",
        )
        .bind::<Text, _>(&prefix)
        .bind::<BigInt, _>(i64::from(setup.work.units()))
        .bind::<BigInt, _>(i64::from(setup.work.skus()))
        .execute(&mut conn)
        .await
        .context("cannot put units on sale")?;
        Ok((prefix, Some(conn)))
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
        let arm = setup.arm;
        // Its Redis is there when it starts, and never again.
        let redis_alone = Options {
            postgres: false,
            ..Options::default()
        };
        let doomed = match arm {
            Arm::EngineRedisDown => Some(stores::start(redis_alone).await?),
            _ => None,
        };
        let redis = doomed.as_ref().unwrap_or(&self.sandbox);
        let redis_url = redis.redis_url().context("there is no Redis")?.to_owned();
        let mut amply = *setup;
        amply.work = Work::Orders;
        let (prefix, _conn) = self.put_on_sale(&amply).await?;
        let environment = [
            ("DATABASE_URL", self.database_url(arm)?),
            ("REDIS_URL", redis_url),
            ("ADMIN_TOKEN", String::new()),
            ("LISTEN", ANYWHERE.to_owned()),
            ("RUST_LOG", "warn,server=info".to_owned()),
        ];
        let (program, arguments) = self.program(key(setup));
        let started = Server::start_with(program, arguments, environment).await?;
        self.running.insert(key(setup), started);
        if let Some(redis) = doomed {
            tokio::task::spawn_blocking(move || drop(redis)).await?;
        }
        let buyers = setup.buyers.min(WARM_UP_BUYERS);
        self.apply(setup, &prefix, buyers, (None, WARM_UP)).await?;
        Ok(())
    }

    /// The program of a server, and its arguments; one of somebody's own may ignore them.
    pub(crate) fn program(&self, (arm, answer): Key) -> (&Path, Vec<String>) {
        if let Some(answer) = answer {
            let answer = self.answers.path().join(answer).display().to_string();
            let patience = ("--client-wait-ms", server_process::PATIENCE_MS);
            let flags = server_process::flags(&[("--answer", &answer), patience]);
            return (&self.static_route, flags);
        }
        let own = self.own.as_ref().filter(|_| arm == Arm::Own);
        let strategy = match arm {
            Arm::EngineRedisDown => Arm::Engine.to_string(),
            arm => arm.to_string(),
        };
        let strategy = own.is_none().then_some(("--strategy", &*strategy));
        let pool_size = POOL_SIZE.to_string();
        let mut flags = Vec::from_iter(strategy);
        flags.extend([("--listen", ANYWHERE), ("--drain-delay-ms", "0")]);
        flags.extend(server_process::patient(&pool_size));
        let program = own.map_or(&*self.server, Seller::executable);
        (program, server_process::flags(&flags))
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

fn database(arm: Arm) -> String {
    format!("bench_{arm}").replace('-', "_")
}
