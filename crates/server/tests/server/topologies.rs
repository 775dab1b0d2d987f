//! A Redis that is run otherwise than its URL says: one sentence with the right form.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use flash_testkit::{Cluster, Node, PRIMARY, Sentinels, Stores, TlsRedis};

use crate::running::{Running, WAIT, server};

/// Starts a server that must not start, and returns what it says last.
async fn refused(strategy: &str, stores: &Stores, redis_url: &str) -> Result<String> {
    let mut command = server(&["--strategy", strategy, "--listen", "127.0.0.1:0"]);
    command
        .env("DATABASE_URL", stores.database_url())
        .env("REDIS_URL", redis_url)
        .env("START_WAIT_MS", "1000");
    let output = tokio::time::timeout(WAIT, command.output()).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "{redis_url}: {said}");
    let errors: Vec<_> = said
        .lines()
        .filter(|it| it.starts_with("error: "))
        .collect();
    ensure!(errors.len() == 1 && !said.contains("panicked"), "{said}");
    Ok(said)
}

/// What must not start, and what it must say, without the password.
async fn all_refused(cases: &[(String, &str)], password: &str) -> Result<()> {
    let stores = Stores::new().await?;
    for (redis_url, says) in cases {
        let said = refused("engine", &stores, redis_url).await?;
        ensure!(
            said.contains(says),
            "{redis_url}: {says:?} is not in {said}"
        );
        ensure!(!said.contains(password), "{said}");
        ensure!(!said.contains("wr0ng"), "{said}");
    }
    Ok(())
}

fn with_wrong_password(url: &str, node: &Node) -> String {
    url.replace(node.password(), "wr0ng")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_no_single_redis_and_no_sentinel() -> Result<()> {
    let cluster = Cluster::start(Stores::new().await?.directory())?;
    let (url, node) = (cluster.url(), &cluster.nodes[0]);
    let password = node.password();
    let sentinels = url.replace("-cluster", "-sentinel") + "/0";
    let known = format!("{sentinels}?sentinel_password={password}#{PRIMARY}");
    let right = format!("redis-cluster://{}", node.address());
    let cases = [
        (node.url(), &*right),
        (node.url() + "/3", &right),
        (known, "no sentinel is there"),
        (format!("{sentinels}#{PRIMARY}"), "?sentinel_password="),
        (with_wrong_password(&url, node), "the user or the password"),
        (url.replace(&format!(":{password}@"), ""), "password"),
    ];
    all_refused(&cases, password).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sentinel_and_a_replica_are_told_by_what_they_are() -> Result<()> {
    let all = Sentinels::start(Stores::new().await?.directory())?;
    let ([primary, replica], sentinel) = (&all.nodes, &all.sentinel);
    let right = format!("redis-sentinel://{}", sentinel.address());
    let single = format!("redis://{}", primary.address());
    let as_cluster = |node: &Node| node.url().replace("redis:", "redis-cluster:");
    let cases = [
        (sentinel.url(), &*right),
        (sentinel.url() + "/3", &right),
        (as_cluster(sentinel), &right),
        (replica.url(), "it is a replica"),
        (as_cluster(primary), &single),
        (all.url_of("nobody"), "#NAME"),
        (with_wrong_password(&all.url(), sentinel), "the password"),
        (
            all.url().replacen(sentinel.password(), "wr0ng", 1),
            "the password",
        ),
    ];
    all_refused(&cases, sentinel.password()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_the_rights_is_told_which() -> Result<()> {
    let all = Sentinels::start(Stores::new().await?.directory())?;
    let primary = &all.nodes[0];
    let user = |name: &str, rules: &str| {
        let mut add = flash_testkit::redis::cmd("ACL");
        add.arg("SETUSER").arg(name).arg("on").arg(">s3cret");
        add.arg(rules.split(' ').collect::<Vec<_>>());
        primary.ask::<()>(&add)
    };
    user("reader", "~* +@read +ping +client")?;
    user("stranger", "~other:* +@all")?;
    user(
        "seller",
        "~flash:* +evalsha +script|load +hget +hmget +hset +del",
    )?;
    let url = |user: &str| {
        primary.url().replace(
            &format!(":{}", primary.password()),
            &format!("{user}:s3cret"),
        )
    };
    let cases = [
        (url("reader"), "+evalsha"),
        (url("stranger"), "--redis-prefix"),
        (url("nobody"), "the user or the password"),
    ];
    all_refused(&cases, "s3cret").await?;
    // What the sentence asks for is enough.
    let stores = Stores::new().await?;
    let mut command = server(&["--strategy", "engine", "--listen", "127.0.0.1:0"]);
    command
        .env("DATABASE_URL", stores.database_url())
        .env("REDIS_URL", url("seller"));
    Running::start(&mut command).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_does_not_fit_is_told() -> Result<()> {
    let redis = TlsRedis::start(Stores::new().await?.directory())?;
    let right = redis.url("127.0.0.1", &redis.root);
    let plain = right.replace("rediss:", "redis:");
    let (plain, _) = plain.split_once('?').unwrap_or_default();
    let cases = [
        (redis.url("127.0.0.1", &redis.stranger), "certificate"),
        (redis.url("localhost", &redis.root), "not valid for name"),
        (plain.to_owned(), "cannot use Redis at 127.0.0.1:"),
        (
            right.replace("rediss:", "rediss-cluster:"),
            "no node of a Redis Cluster: give rediss://127.0.0.1:",
        ),
    ];
    all_refused(&cases, redis.password()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_client_of_a_cluster_says_is_not_in_the_log() -> Result<()> {
    let stores = Stores::new().await?;
    let mut cluster = Cluster::start(stores.directory())?;
    let mut command = server(&["--strategy", "engine", "--listen", "127.0.0.1:0"]);
    command
        .env("DATABASE_URL", stores.database_url())
        .env("REDIS_URL", cluster.url());
    let running = Running::start(&mut command).await?;
    cluster.nodes[0].kill();
    let end = Instant::now() + WAIT;
    let url = format!("{}/readyz", running.url);
    let mut looks = 0;
    while looks < 100 {
        let ready: serde_json::Value = reqwest::get(&url).await?.json().await?;
        looks += i32::from(ready["redis"] == false);
        ensure!(Instant::now() < end, "still {ready}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.signal(nix::sys::signal::Signal::SIGTERM)?;
    let (_, log) = running.end().await?;
    let says = |word: &str| log.contains(word);
    ensure!(!says("connect to node") && !says("recovery"), "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hybrid_names_the_strategy_that_knows_more() -> Result<()> {
    let stores = Stores::new().await?;
    for url in [
        "redis-cluster://:s3cret@a,b",
        "rediss-sentinel://:s3cret@a/0#shop",
        "rediss://:s3cret@a/?sslrootcert=/root.pem",
    ] {
        let said = refused("hybrid", &stores, url).await?;
        ensure!(said.contains("--strategy engine"), "{said}");
        ensure!(!said.contains("s3cret"), "{said}");
    }
    Ok(())
}
