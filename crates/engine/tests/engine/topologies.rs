//! The engine where Redis is run as others run it: over TLS, as a cluster, behind a sentinel.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, anyhow, ensure};
use flash_core::{InventoryStrategy, Placement, Sku, StockTerms, Verdict, reason};
use flash_engine::{Gates, Strategy, gate_free_units, gate_key, redis_address};
use flash_testkit::{
    Cluster, Node, Sale, Sentinels, Stores, TlsRedis, order_of, purchase, sku,
};
use redis::cmd;

use crate::tampering::{OPTIONS, eventually};

#[test]
fn an_address_is_shown_without_its_secrets() -> Result<()> {
    for (url, address) in [
        ("redis://:s3cret@127.0.0.1:1", "127.0.0.1:1"),
        ("redis://u:s3cret@cache/3", "cache:6379"),
        ("redis://[::1]", "::1:6379"),
        ("redis+unix:///run/r.sock?pass=s3cret", "/run/r.sock"),
        ("unix:///run/r.sock", "/run/r.sock"),
        (
            "redis-cluster://u:s3cret@a,b:7,[::1]",
            "a:6379,b:7,::1:6379",
        ),
        ("redis-sentinel://:s3cret@a,b:7/3#shop", "a:26379,b:7"),
    ] {
        ensure!(redis_address(url)? == address, "{url}");
    }
    Ok(())
}

#[test]
fn a_url_that_leads_nowhere_is_told_without_its_secrets() -> Result<()> {
    for (url, word) in [
        ("redis://:s3cret@a,b", "redis-cluster://"),
        ("rediss://:s3cret@a/#insecure", "sslrootcert"),
        ("redis://:s3cret@a/?sslrootcert=/x", "rediss"),
        (
            "rediss-cluster://:s3cret@a?sslrootcert=/no/file",
            "/no/file",
        ),
        ("redis-cluster://:s3cret@a/1", "/DB"),
        ("redis-sentinel://:s3cret@a", "#NAME"),
        ("redis-sentinel://:s3cret@a/x#shop", "/DB"),
        ("redis-cluster://:s3cret@", "URL"),
        ("cache:6379", "URL"),
    ] {
        let error = reason(&redis_address(url).err().context(url)?);
        ensure!(error.contains(word), "{url}: {error}");
        ensure!(!error.contains("s3cret"), "{url}: {error}");
    }
    Ok(())
}

/// Keys that no other test has.
fn prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("t{}:", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn start_at(stores: &Stores, redis_url: &str, prefix: &str) -> Result<Strategy> {
    let gates = Gates { redis_url, prefix };
    let (database_url, pool) = (stores.database_url(), stores.pool()?);
    Ok(Strategy::start(pool, database_url, gates, OPTIONS)?)
}

async fn sale_at(redis_url: &str, prefix: &str) -> Result<Sale<Strategy>> {
    Sale::open(|stores| start_at(stores, redis_url, prefix)).await
}

/// Some SKUs of which one unit is bought at once: each has a gate that knows.
async fn gates_are_kept(redis_url: &str) -> Result<()> {
    let prefix = prefix();
    let gates = Gates {
        redis_url,
        prefix: &prefix,
    };
    let sale = sale_at(redis_url, &prefix).await?;
    sale.strategy.ready().await.redis.transpose()?;
    let mut buying = Vec::new();
    let skus = (0..20).map(|number| Sku::stored(format!("s{number}")));
    let skus: Vec<_> = skus.collect();
    for sku in &skus {
        let mut conn = sale.stores.connect().await?;
        flash_db::skus::create(&mut conn, sku, StockTerms::new(3, None)?).await?;
        let mut request = purchase("ann", sku.as_str(), 1)?;
        request.sku = sku.clone();
        buying.push(sale.start_buying(request));
    }
    for buying in buying {
        order_of(buying.await?)?;
    }
    for sku in &skus {
        eventually(async || Ok(gate_free_units(gates, sku).await? == Some(2))).await?;
    }
    sale.strategy.ready().await.redis.transpose()?;
    Ok(())
}

/// The contract where Redis is run so; all tests of a leg share one.
macro_rules! leg {
    ($name:ident, $redis:ty, $url:expr) => {
        mod $name {
            use super::*;

            fn url(stores: &Stores) -> Result<String> {
                static REDIS: OnceLock<Result<$redis>> = OnceLock::new();
                let started = REDIS.get_or_init(|| <$redis>::start(stores.directory()));
                let url: fn(&$redis) -> String = $url;
                let redis = started.as_ref();
                Ok(url(redis.map_err(|error| anyhow!("{error:#}"))?))
            }

            fn start(stores: &Stores) -> Result<Strategy> {
                start_at(stores, &url(stores)?, &prefix())
            }

            flash_testkit::contract_suite!(start);

            #[tokio::test(flavor = "multi_thread")]
            async fn gates_are_kept() -> Result<()> {
                super::gates_are_kept(&url(&Stores::new().await?)?).await
            }
        }
    };
}

leg!(over_tls, TlsRedis, |redis| redis
    .url("127.0.0.1", &redis.root));
leg!(over_a_cluster, Cluster, Cluster::url);
leg!(over_a_sentinel, Sentinels, Sentinels::url);

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_and_sentinels_speak_tls_too() -> Result<()> {
    let stores = Stores::new().await?;
    let cluster = Cluster::start_over_tls(stores.directory())?;
    gates_are_kept(&cluster.url()).await?;
    let sentinels = Sentinels::start_over_tls(stores.directory())?;
    gates_are_kept(&sentinels.url()).await
}

/// Units of which buyers buy one by one for as long as it takes.
const PLENTY: i64 = 10_000;

/// Buys one unit after the other, of which each must be had, until something holds.
async fn buy_until(
    sale: &Sale<Strategy>,
    mut holds: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let mut bought = 0;
    eventually(async || {
        bought += 1;
        order_of(sale.buy(&format!("until{bought}"), "k1", 1).await?)?;
        holds()
    })
    .await
}

/// The rest goes to one buyer, and no unit more.
async fn ends_exact(sale: &Sale<Strategy>) -> Result<()> {
    let left = sale.audit().await?.available_units;
    order_of(sale.buy("last", "k1", left).await?)?;
    ensure!(sale.buy("late", "k1", 1).await??.is_sold_out());
    let audit = sale.audit().await?;
    let all_sold = audit.accepted_units == PLENTY;
    ensure!(audit.verdict == Verdict::Exact && all_sold, "{audit:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_forgot_the_scripts_gets_them_again() -> Result<()> {
    let cluster = Cluster::start(Stores::new().await?.directory())?;
    let (redis_url, prefix) = (&*cluster.url(), &*prefix());
    let sale = sale_at(redis_url, prefix).await?;
    sale.stock_up(3, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    for node in &cluster.nodes {
        let () = node.ask(cmd("SCRIPT").arg("FLUSH"))?;
        // The two others know them.
        sale.strategy.ready().await.redis.transpose()?;
    }
    for node in &cluster.nodes {
        let () = node.ask(cmd("SCRIPT").arg("FLUSH"))?;
    }
    order_of(sale.buy("bob", "k1", 1).await?)?;
    let gates = Gates { redis_url, prefix };
    ensure!(gate_free_units(gates, &sku()?).await? == Some(1), "asked");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_loses_a_node_stops_no_sale() -> Result<()> {
    let mut cluster = Cluster::start(Stores::new().await?.directory())?;
    let prefix = prefix();
    let sale = sale_at(&cluster.url(), &prefix).await?;
    sale.stock_up(PLENTY, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;

    let key = gate_key(&prefix, &sku()?);
    let exists = cmd("EXISTS").arg(&key).clone();
    let has_gate = |node: &Node| node.ask(&exists).unwrap_or(false);
    let owner = cluster.nodes.iter_mut().find(|node| has_gate(node));
    let owner = owner.context("nobody has the gate")?;
    owner.kill();
    for buyer in 0..4 {
        order_of(sale.buy(&format!("b{buyer}"), "k1", 1).await?)?;
    }
    let ready = sale.strategy.ready().await.redis.transpose();
    ensure!(ready.is_err(), "a node is missing");
    // It comes back empty, and has the gate again when it was asked.
    owner.restart()?;
    buy_until(&sale, || Ok(has_gate(owner))).await?;
    ends_exact(&sale).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_in_mid_sale_stops_no_sale() -> Result<()> {
    let mut sentinels = Sentinels::start(Stores::new().await?.directory())?;
    let prefix = prefix();
    let sale = sale_at(&sentinels.url(), &prefix).await?;
    sale.stock_up(PLENTY, None).await?;
    order_of(sale.buy("ann", "k1", 1).await?)?;
    let key = gate_key(&prefix, &sku()?);
    let free_units = cmd("HGET").arg(&key).arg("free_units").clone();
    let primary = &mut sentinels.nodes[0];
    ensure!(primary.ask::<Option<i64>>(&free_units)? == Some(PLENTY - 1));

    primary.kill();
    for buyer in 0..3 {
        order_of(sale.buy(&format!("b{buyer}"), "k1", 1).await?)?;
    }
    sentinels.failed_over()?;
    // What the new primary knows is old, until somebody asks it.
    let [primary, replica] = &mut sentinels.nodes;
    let old: Option<i64> = replica.ask(&free_units)?;
    buy_until(
        &sale,
        || Ok(replica.ask::<Option<i64>>(&free_units)? != old),
    )
    .await?;

    primary.restart()?;
    ends_exact(&sale).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_shops_share_one_redis() -> Result<()> {
    let stores = Stores::new().await?;
    let redis_url = stores.redis_url();
    let one = sale_at(redis_url, "one:").await?;
    let other = sale_at(redis_url, "other:").await?;
    one.stock_up(2, None).await?;
    other.stock_up(5, None).await?;
    let request = purchase("ann", "k1", 2)?;
    let strategies: [&Arc<Strategy>; 2] = [&one.strategy, &other.strategy];
    for strategy in strategies {
        let placement = strategy.place_order(&request).await?;
        ensure!(matches!(placement, Placement::Accepted { .. }));
    }
    for (prefix, left) in [("one:", 0), ("other:", 3)] {
        let gates = Gates { redis_url, prefix };
        let free = gate_free_units(gates, &sku()?).await?;
        ensure!(free == Some(left), "{prefix} {free:?}");
    }
    Ok(())
}
