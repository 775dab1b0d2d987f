//! Stores that half work: a sale goes on where it can, the server says where it cannot, and
//! each cause stands in its log once.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use flash_sandbox::{Options, Sandbox};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_postgres::SimpleQueryMessage;

use crate::running::{Running, WAIT, server};
use crate::shop::{has_gate, problem};

/// Stores of one's own, whose settings and roles nobody else shares, and what is asked of
/// the server that sells from them.
struct Sale {
    sandbox: Sandbox,
    client: Client,
    url: String,
    redis_prefix: Option<&'static str>,
}

impl Sale {
    async fn new(redis: bool) -> Result<Self> {
        let options = Options {
            redis,
            fsync: false,
            ..Options::default()
        };
        let start = tokio::task::spawn_blocking(move || Sandbox::start(&options));
        Ok(Self {
            sandbox: start.await??,
            client: Client::new(),
            url: String::new(),
            redis_prefix: None,
        })
    }

    fn database_url(&self) -> Result<&str> {
        self.sandbox.database_url().context("no PostgreSQL")
    }

    /// Starts a server as this role, and puts ten units of `tee` on sale.
    async fn open(&mut self, strategy: &str, role: &str) -> Result<Running> {
        let mut command = server(&["--strategy", strategy, "--listen", "127.0.0.1:0"]);
        let database_url = self.database_url()?.replace("flash@", &format!("{role}@"));
        command.env("DATABASE_URL", database_url);
        if let Some(redis_url) = self.sandbox.redis_url() {
            command.env("REDIS_URL", redis_url);
        }
        command.envs(self.redis_prefix.map(|it| ("REDIS_PREFIX", it)));
        let running = Running::start(&mut command).await?;
        self.url.clone_from(&running.url);
        let created = self.client.put(format!("{}/v1/skus/tee", self.url));
        let created = created.json(&json!({ "initial_units": 10 })).send().await?;
        ensure!(created.status().is_success(), "{created:?}");
        Ok(running)
    }

    async fn buy(&self, key: &str) -> Result<Response> {
        let order = self.client.post(format!("{}/v1/skus/tee/orders", self.url));
        let order = order.header("idempotency-key", key);
        let body = json!({ "buyer_id": "ann", "units": 1 });
        Ok(order.json(&body).send().await?)
    }

    /// Waits until `/readyz` answers with this status.
    async fn until_ready(&self, status: StatusCode) -> Result<()> {
        self.until(|answer, _| answer == status).await
    }

    /// Waits until a ready server says whether Redis can be worked with.
    async fn until_redis(&self, works: bool) -> Result<()> {
        self.until(|answer, body| answer == StatusCode::OK && body["redis"] == works)
            .await
    }

    async fn until(&self, holds: impl Fn(StatusCode, &Value) -> bool) -> Result<()> {
        let end = Instant::now() + WAIT;
        loop {
            let url = format!("{}/readyz", self.url);
            let answer = self.client.get(url).send().await?;
            let status = answer.status();
            let body = answer.json().await?;
            if holds(status, &body) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "still {status}: {body}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs SQL as the owner of everything; returns the first value.
    async fn sql(&self, sql: &str) -> Result<Option<String>> {
        let (client, wire) = flash_db::connect_anywhere(self.database_url()?).await?;
        tokio::spawn(wire);
        let answers = client.simple_query(sql).await?;
        Ok(answers.iter().find_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    }

    async fn fence(&self) -> Result<i64> {
        let fence = self.sql("SELECT fence FROM skus WHERE sku = 'tee'").await?;
        Ok(fence.context("no fence")?.parse()?)
    }

    /// Sends Redis one command, and returns what it says first.
    async fn redis(&self, command: &str) -> Result<String> {
        let socket = self.sandbox.dir().join("redis.sock");
        let mut stream = UnixStream::connect(socket).await?;
        stream
            .write_all(format!("{command}\r\n").as_bytes())
            .await?;
        let mut answer = vec![0; 1_024];
        let count = stream.read(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer[..count]).into_owned())
    }
}

/// The lines of a log in which all of these words stand.
fn lines(log: &str, words: &[&str]) -> usize {
    let has_all = |line: &&str| words.iter().all(|word| line.contains(word));
    log.lines().filter(has_all).count()
}

async fn stop(running: Running) -> Result<String> {
    running.signal(nix::sys::signal::Signal::SIGTERM)?;
    let (code, log) = running.end().await?;
    ensure!(code == Some(0), "{log}");
    Ok(log)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_answers_and_does_not_write_stops_no_sale() -> Result<()> {
    let mut sale = Sale::new(true).await?;
    let running = sale.open("engine", "flash").await?;
    let refusals = [
        (
            "CONFIG SET min-replicas-to-write 1",
            "CONFIG SET min-replicas-to-write 0",
        ),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    ];
    for (number, (refuse, accept)) in refusals.into_iter().enumerate() {
        // Without a gate the first thing that is needed of Redis is to write one.
        sale.redis("FLUSHALL").await?;
        let said = sale.redis(refuse).await?;
        ensure!(said.starts_with("+OK"), "{said}");
        let before = sale.fence().await?;
        for buyer in 0..3 {
            let bought = sale.buy(&format!("k{number}-{buyer}")).await?;
            assert_eq!(bought.status(), StatusCode::CREATED, "{refuse}");
        }
        let moved = sale.fence().await? - before;
        ensure!(moved <= 2, "{refuse}: the fence was moved {moved} times");
        sale.until_redis(false).await?;
        sale.redis(accept).await?;
        sale.until_redis(true).await?;
    }
    let log = stop(running).await?;
    // It may not have been tried again in between: then it was away all the time.
    ensure!((1..=3).contains(&lines(&log, &["Redis is away"])), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_becomes_a_replica_is_told_once() -> Result<()> {
    let mut sale = Sale::new(true).await?;
    let running = sale.open("engine", "flash").await?;
    assert_eq!(sale.buy("k1").await?.status(), StatusCode::CREATED);
    sale.redis("REPLICAOF 127.0.0.1 1").await?;
    for buyer in 0..3 {
        let bought = sale.buy(&format!("k2-{buyer}")).await?;
        assert_eq!(bought.status(), StatusCode::CREATED);
    }
    sale.until_redis(false).await?;
    sale.redis("REPLICAOF NO ONE").await?;
    sale.until_redis(true).await?;
    let log = stop(running).await?;
    ensure!(lines(&log, &["it is a replica"]) == 1, "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_keys_begin_with_what_was_asked_for() -> Result<()> {
    for strategy in ["hybrid", "engine"] {
        let mut sale = Sale::new(true).await?;
        sale.redis_prefix = Some("shop-2:");
        let running = sale.open(strategy, "flash").await?;
        assert_eq!(sale.buy("k1").await?.status(), StatusCode::CREATED);
        let all = sale
            .redis("EVAL \"return #redis.call('KEYS','*')\" 0")
            .await?;
        let ours = "EVAL \"return #redis.call('KEYS','shop-2:*')\" 0";
        ensure!(all != ":0\r\n" && sale.redis(ours).await? == all, "{all}");
        stop(running).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_stands_in_redis_comes_right_in_one_step() -> Result<()> {
    let mut sale = Sale::new(true).await?;
    let running = sale.open("engine", "flash").await?;
    let gate = "flash:{tee}:gate";
    for (number, tamper) in [
        format!("SET {gate} nonsense"),
        format!("HSET {gate} fence nonsense free_units 10 loaded_units 10"),
        format!("HSET {gate} fence 9007199254740993 free_units 0 loaded_units 0"),
        format!("HSET {gate} fence 1000000 free_units 0 loaded_units 0"),
    ]
    .iter()
    .enumerate()
    {
        sale.redis(&format!("DEL {gate}")).await?;
        sale.redis(tamper).await?;
        let before = sale.fence().await?;
        let bought = sale.buy(&format!("k{number}")).await?;
        assert_eq!(bought.status(), StatusCode::CREATED, "{tamper}");
        let moved = sale.fence().await?;
        ensure!(
            moved - before <= 2 || moved == 1_000_001,
            "{tamper}: the fence went from {before} to {moved}"
        );
    }
    let log = stop(running).await?;
    ensure!(lines(&log, &["Redis is away"]) == 0, "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_record_orders_nothing_is_ready_and_the_cause_told_once()
-> Result<()> {
    for strategy in ["pessimistic", "hybrid", "engine"] {
        let mut sale = Sale::new(has_gate(strategy)).await?;
        let owner = sale.open("naive", "flash").await?;
        stop(owner).await?;
        sale.sql(
            "CREATE ROLE seller LOGIN;
             GRANT SELECT, INSERT, UPDATE ON skus, orders, restocks TO seller",
        )
        .await?;
        let running = sale.open(strategy, "seller").await?;
        assert_eq!(sale.buy("k1").await?.status(), StatusCode::CREATED);

        sale.sql("REVOKE INSERT ON orders FROM seller").await?;
        for buyer in 0..20 {
            let key = format!("k2-{buyer}");
            problem(sale.buy(&key).await?, 503, "unavailable").await?;
        }
        sale.until_ready(StatusCode::SERVICE_UNAVAILABLE).await?;
        sale.sql("GRANT INSERT ON orders TO seller").await?;
        sale.until_ready(StatusCode::OK).await?;
        assert_eq!(sale.buy("k3").await?.status(), StatusCode::CREATED);

        let log = stop(running).await?;
        let cause = ["permission denied for table orders"];
        ensure!((1..=2).contains(&lines(&log, &cause)), "{strategy}: {log}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_lost_is_seen_before_anybody_buys() -> Result<()> {
    for strategy in ["pessimistic", "hybrid", "engine"] {
        let mut sale = Sale::new(has_gate(strategy)).await?;
        let running = sale.open(strategy, "flash").await?;
        sale.until_ready(StatusCode::OK).await?;
        sale.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            .await?;
        sale.sql("SELECT pg_reload_conf()").await?;
        sale.until_ready(StatusCode::SERVICE_UNAVAILABLE).await?;
        sale.sql("ALTER SYSTEM RESET synchronous_standby_names")
            .await?;
        sale.sql("SELECT pg_reload_conf()").await?;
        sale.until_ready(StatusCode::OK).await?;
        assert_eq!(sale.buy("k1").await?.status(), StatusCode::CREATED);
        let log = stop(running).await?;
        ensure!(
            lines(&log, &["does not end a commit"]) == 1,
            "{strategy}: {log}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_get_all_its_connections_does_not_start() -> Result<()> {
    let mut sale = Sale::new(true).await?;
    let owner = sale.open("naive", "flash").await?;
    stop(owner).await?;
    sale.sql(
        "CREATE ROLE seller LOGIN CONNECTION LIMIT 37;
         GRANT SELECT, INSERT, UPDATE ON skus, orders, restocks TO seller",
    )
    .await?;
    let mut command = server(&["--strategy", "engine", "--listen", "127.0.0.1:0"]);
    command
        .env(
            "DATABASE_URL",
            sale.database_url()?.replace("flash@", "seller@"),
        )
        .env("REDIS_URL", sale.sandbox.redis_url().context("no Redis")?)
        .stdin(Stdio::null());
    let output = tokio::time::timeout(WAIT, command.output()).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{said}");
    ensure!(
        lines(&said, &["error: ", "39 connections", "--pool-size"]) == 1,
        "{said}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_trigger_swallows_are_no_orders() -> Result<()> {
    for (strategy, table, event) in [
        ("naive", "orders", "INSERT"),
        ("pessimistic", "orders", "INSERT"),
        ("hybrid", "orders", "INSERT"),
        ("engine", "orders", "INSERT"),
        ("engine", "skus", "UPDATE"),
    ] {
        let mut sale = Sale::new(has_gate(strategy)).await?;
        let running = sale.open(strategy, "flash").await?;
        assert_eq!(sale.buy("k1").await?.status(), StatusCode::CREATED);
        sale.sql(&format!(
            "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN RETURN NULL; END';
             CREATE TRIGGER swallow BEFORE {event} ON {table}
                 FOR EACH ROW EXECUTE FUNCTION swallow()"
        ))
        .await?;
        problem(sale.buy("k2").await?, 503, "unavailable").await?;
        sale.until_ready(StatusCode::SERVICE_UNAVAILABLE).await?;
        sale.sql(&format!("DROP TRIGGER swallow ON {table}"))
            .await?;
        sale.until_ready(StatusCode::OK).await?;
        assert_eq!(sale.buy("k2").await?.status(), StatusCode::CREATED);
        let log = stop(running).await?;
        let told = lines(&log, &["0 rows were written instead of 1"]);
        // By who answers, and by the lanes.
        ensure!((1..=2).contains(&told), "{log}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_changes_while_it_sells_costs_nobody_an_answer() -> Result<()> {
    for strategy in ["naive", "pessimistic", "hybrid", "engine"] {
        let mut sale = Sale::new(has_gate(strategy)).await?;
        let running = sale.open(strategy, "flash").await?;
        assert_eq!(sale.buy("k1").await?.status(), StatusCode::CREATED);
        assert_eq!(sale.buy("k1").await?.status(), StatusCode::OK);
        for (number, change) in [
            "ALTER TABLE orders ADD COLUMN note text",
            "ALTER TABLE skus ADD COLUMN note text",
            // What is prepared returns another type than before.
            "ALTER TABLE orders ALTER COLUMN status TYPE varchar(20)",
        ]
        .iter()
        .enumerate()
        {
            // A younger connection is not taken for one of yesterday.
            tokio::time::sleep(Duration::from_millis(100)).await;
            sale.sql(change).await?;
            for key in [format!("k2-{number}"), "k1".to_owned()] {
                let answer = sale.buy(&key).await?;
                let status = answer.status();
                ensure!(status.is_success(), "{strategy}, {change}: {status}");
            }
        }
        stop(running).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_postgresql_refuses_is_not_run_for_ever() -> Result<()> {
    for strategy in ["pessimistic", "hybrid", "engine"] {
        let mut sale = Sale::new(has_gate(strategy)).await?;
        let running = sale.open(strategy, "flash").await?;
        sale.sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN RAISE ''not him''; END';
             CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON orders
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
                 WHEN (NEW.idempotency_key = 'k1') EXECUTE FUNCTION refuse()",
        )
        .await?;
        for _ in 0..3 {
            problem(sale.buy("k1").await?, 503, "unavailable").await?;
        }
        assert_eq!(sale.buy("k2").await?.status(), StatusCode::CREATED);
        let log = stop(running).await?;
        ensure!(lines(&log, &["not him"]) == 1, "{strategy}: {log}");
    }
    Ok(())
}
