//! That faults do what they say, and that it is over afterwards.

use std::path::PathBuf;

use diesel::dsl::sql;
use diesel::result::DatabaseErrorKind;
use diesel::result::Error::DatabaseError;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use flash_lab_crowd::{Seller, Strategy};
use futures_util::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::schedule::PlannedSku;
use crate::way::Way;
use crate::world::{Instance, Recipe};

/// Longer than any test: the fault is broken off once it was seen.
const LONG_MS: u64 = 600_000;

/// In this time a fault comes, and goes.
const SEEN_LIMIT: Duration = Duration::from_secs(30);

/// Silence for this long is silence.
const SILENCE: Duration = Duration::from_millis(100);

/// How often to look.
const LOOK: Duration = Duration::from_millis(10);

fn recipe(strategy: Strategy) -> Result<Recipe> {
    let test = std::env::current_exe()?;
    let programs = test.ancestors().nth(2).context("target/debug")?;
    let program = programs.join(format!("server{}", std::env::consts::EXE_SUFFIX));
    Ok(Recipe {
        way: Way::Plain,
        seller: Seller::of_server(program, strategy),
        batch_max: None,
        redis_url: None,
    })
}

async fn stores(strategy: Strategy) -> Result<Arc<World>> {
    let tee = PlannedSku::tee(1, None);
    let world = World::with_stores(&recipe(strategy)?, &[tee]).await?;
    Ok(Arc::new(world))
}

/// Begins a fault, waits until it is there, breaks it off, heals, and sees it gone. Then it
/// comes once more, and goes by itself.
async fn comes_and_goes<F: Into<Fault>>(
    world: &Arc<World>,
    fault: impl Fn(u64) -> F,
    mut is_there: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let (running, long) = (Arc::clone(world), fault(LONG_MS).into());
    let breaking = tokio::spawn(async move { act(&running, long).await });
    let seeing = async {
        while !is_there().await? {
            ensure!(!breaking.is_finished(), "{long} is over");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    };
    timeout(SEEN_LIMIT, seeing)
        .await
        .context("it does not come")??;
    breaking.abort();
    // It was cut short, which is no result.
    let _cut = breaking.await;
    world.heal_stores().await?;
    ensure!(!is_there().await?, "{long} was not healed");

    act(world, fault(1).into()).await?;
    ensure!(!is_there().await?, "{long} does not go by itself");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_answers_and_takes_no_writes() -> Result<()> {
    let world = stores(Strategy::Hybrid).await?;
    let (socket, key) = (world.redis_socket.as_path(), &world.gate_keys[0]);
    let faults: [fn(u64) -> RedisFault; 2] = [
        |for_ms| RedisFault::RefuseRedisWrites { for_ms },
        |for_ms| RedisFault::DemoteRedis { for_ms },
    ];
    for fault in faults {
        comes_and_goes(&world, fault, async || {
            redis::dump(socket, key).await?;
            // Deletes a gate that is not there.
            Ok(redis::restore(socket, key, &None).await.is_err())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_are_ahead_of_a_database_that_was_restored() -> Result<()> {
    let fault = Fault::from(RedisFault::RestoreDatabase {
        stops_servers: false,
    });
    // The engine's gates have a fence and name nobody.
    let gates: [(_, _, _, &[&str]); 2] = [
        (Strategy::Hybrid, "'ann k', 1, 'bob k', 0", None, &["ann k"]),
        (
            Strategy::Engine,
            "'fence', 7, 'loaded_units', 9",
            Some(1_000_007),
            &[],
        ),
    ];
    for (strategy, fields, fence, names) in gates {
        let world = stores(strategy).await?;
        let (socket, key) = (world.redis_socket.as_path(), &world.gate_keys[0]);
        act(&world, fault).await?;
        assert_eq!(redis::dump(socket, key).await?, None);

        let load = format!(
            "redis.call('HSET', KEYS[1], {fields}, 'free_units', 5) \
             return redis.call('PEXPIRE', KEYS[1], 60000)"
        );
        let () = redis::eval(socket, &load, key).await?;
        let before = redis::dump(socket, key).await?;
        act(&world, fault).await?;
        let read = "return redis.call('HMGET', KEYS[1], 'free_units', 'fence')";
        let ahead: (i64, Option<i64>) = redis::eval(socket, read, key).await?;
        assert_eq!(ahead, (0, fence));

        // What is rolled back has its number again, and expires when it would have.
        redis::restore(socket, key, &before).await?;
        let after = redis::dump(socket, key).await?;
        assert!(before.is_some());
        assert_eq!(after.map(|it| it.1), before.map(|it| it.1));
        let permits = redis::permits(socket, key).await?;
        assert!(permits.0 > 0, "it does not expire");
        assert_eq!(permits.1, names);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deaf_listener_hears_of_nothing_and_is_answered() -> Result<()> {
    let world = stores(Strategy::Naive).await?;
    let port = world.instances[1].postgres.address().port();
    let url = format!("host=127.0.0.1 port={port} user=flash dbname=flash");
    let mut listener = flash_db::connect(&url).await?;
    listener.batch_execute("LISTEN news").await?;
    let fault = |for_ms| Fault::DeafListener {
        instance: 1,
        for_ms,
    };
    comes_and_goes(&world, fault, async || {
        // Its own notification comes before the answer.
        listener.batch_execute("NOTIFY news").await?;
        let mut news = std::pin::pin!(listener.notifications_stream());
        Ok(timeout(SILENCE, news.next()).await.is_err())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_takes_no_writes_until_it_is_promoted_with_all_who_are_connected()
-> Result<()> {
    let world = stores(Strategy::Naive).await?;
    let url = world.database_url.as_str();
    let mut conn = flash_db::connect(url).await?;
    conn.batch_execute("CREATE TABLE kept (id int)").await?;

    let insert = "INSERT INTO kept VALUES (1)";
    let mut connected = None;
    let fault = |for_ms| PostgresFault::ReadOnlyPostgres { for_ms };
    comes_and_goes(&world, fault, async || {
        let connecting = async {
            let (client, wire) = flash_db::connect_anywhere(url).await?;
            let new = AsyncPgConnection::try_from_client_and_connection(client, wire);
            anyhow::Ok(new.await?)
        };
        // Between the primary and the standby nobody is let in.
        let Ok(mut new) = connecting.await else {
            return Ok(false);
        };
        let refused = DatabaseErrorKind::ReadOnlyTransaction;
        let written = new.batch_execute(insert).await;
        let is_read_only =
            matches!(written, Err(DatabaseError(kind, _)) if kind == refused);
        if is_read_only {
            connected = Some(new);
        } else if let Some(mut old) = connected.take() {
            // It was promoted.
            old.batch_execute(insert).await?;
        }
        Ok(is_read_only)
    })
    .await?;
    assert!(connected.is_none(), "nobody was connected");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_is_added_unless_somebody_holds_the_table() -> Result<()> {
    let world = stores(Strategy::Naive).await?;
    let url = world.database_url.as_str();
    flash_db::migrate(url, SEEN_LIMIT).await?;
    let mut conn = flash_db::connect(url).await?;
    let columns = "SELECT coalesce(string_agg(table_name, ' ' ORDER BY table_name), '') \
                   FROM information_schema.columns WHERE column_name LIKE 'note%'";
    let mut added = async || sql::<Text>(columns).get_result::<String>(&mut conn).await;
    let add = async |pick| act(&world, PostgresFault::AddColumn { pick }.into()).await;
    add(4).await?;
    add(7).await?;
    assert_eq!(added().await?, "orders skus");

    let mut conn = flash_db::connect(url).await?;
    let lock = "BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE";
    conn.batch_execute(lock).await?;
    let why = format!("{:#}", add(0).await.expect_err("the table is held"));
    assert!(why.contains("lock timeout"), "{why}");
    assert_eq!(added().await?, "orders skus");
    Ok(())
}

/// What a new connection to the first host of an instance hears; none where it is silence.
async fn heard(instance: &Instance) -> Result<Option<std::io::Result<u8>>> {
    let mut stream = TcpStream::connect(instance.first_host.address()).await?;
    Ok(timeout(SILENCE, stream.read_u8()).await.ok())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_host_is_silent_for_one_instance_and_its_connections_break()
-> Result<()> {
    let world = stores(Strategy::Naive).await?;
    let [other, broken] = &world.instances;
    // The first host sends everybody away.
    let (first, second) = (broken.first_host.address(), broken.postgres.address());
    let url = format!("postgresql://flash@{first},{second}/flash");
    let mut conn = flash_db::connect(&url).await?;
    conn.batch_execute("SELECT 1").await?;

    let fault = |for_ms| Fault::HangFirstHost {
        instance: 1,
        for_ms,
    };
    comes_and_goes(&world, fault, async || {
        let other = heard(other)
            .await?
            .context("it does not end the connection")?;
        assert!(other.is_err(), "it says nothing");
        Ok(heard(broken).await?.is_none())
    })
    .await?;
    let cut = conn.batch_execute("SELECT 1").await;
    assert!(cut.is_err(), "the connection did not break");
    // The second host is there.
    flash_db::connect(&url).await?;
    Ok(())
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_on_with_a_log_that_cannot_be_written() -> Result<()> {
    let world = World::start(&recipe(Strategy::Naive)?, &[]).await?;
    let sinks = async || {
        let process = world.instances[1].process.lock().await;
        let pid = process.server.as_ref().expect("a server").pid();
        [1, 2].map(|fd| std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok())
    };
    let full = Some(PathBuf::from(FULL));
    assert!(!sinks().await.contains(&full));

    act(&world, Fault::LogSinkGone { instance: 1 }).await?;
    assert_eq!(sinks().await, [full.clone(), full.clone()]);
    world.heal().await?;
    assert_eq!(sinks().await, [full.clone(), full.clone()]);

    act(&world, Fault::DrainServer { instance: 1 }).await?;
    assert!(!sinks().await.contains(&full));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ended_by_itself_is_found_at_the_end() -> Result<()> {
    let world = World::start(&recipe(Strategy::Naive)?, &[]).await?;
    let pid = world.take(0)?.server.as_ref().context("a server")?.pid();
    signal(pid, Signal::SIGKILL)?;
    // Until its parent knows.
    let ending = async {
        while world.take(0).is_ok() {
            tokio::time::sleep(LOOK).await;
        }
    };
    timeout(SEEN_LIMIT, ending).await?;
    // No fault that starts another one hides it.
    let (instance, down_ms) = (0, 0);
    for fault in [
        Fault::KillServer { instance, down_ms },
        Fault::DrainServer { instance },
        Fault::LogSinkGone { instance },
    ] {
        let skipped = act(&world, fault).await.expect_err("it ended");
        assert_eq!(skipped.to_string(), "it ended by itself");
    }
    let error = world.heal().await.expect_err("one ended");
    assert!(error.to_string().contains("server 0 ended by itself"));
    Ok(())
}
