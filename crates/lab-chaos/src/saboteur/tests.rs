//! That faults do what they say, and that it is over afterwards.

use std::path::PathBuf;

use ::redis::RedisResult;
use diesel::dsl::sql;
use diesel::result::QueryResult;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use flash_lab_crowd::{Seller, Strategy};
use futures_util::StreamExt;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_postgres::AsyncMessage;

use super::*;
use crate::schedule;
use crate::way::Way;
use crate::world::Recipe;

/// Longer than any test: the fault is broken off once it was seen.
const LONG_MS: u64 = 600_000;

/// In this time a fault comes, and goes.
const SEEN_LIMIT: Duration = Duration::from_secs(30);

/// Silence for this long is silence.
const SILENCE: Duration = Duration::from_millis(100);

fn recipe(strategy: Strategy) -> Recipe {
    recipe_of(beside(), strategy)
}

fn beside() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a program");
    let programs = test.ancestors().nth(2).expect("target/debug");
    programs.join(format!("server{}", std::env::consts::EXE_SUFFIX))
}

fn recipe_of(program: PathBuf, strategy: Strategy) -> Recipe {
    Recipe {
        way: Way::Plain,
        seller: Seller::of_server(program, strategy),
        batch_max: None,
        redis_url: None,
    }
}

async fn stores(strategy: Strategy) -> Arc<World> {
    let recipe = recipe_of(PathBuf::from("/no/server"), strategy);
    Arc::new(World::with_stores(recipe).await.expect("stores"))
}

async fn done(world: &World, fault: Fault) -> anyhow::Result<()> {
    act(world, &schedule::draw(1, true), fault).await
}

/// Begins a fault, waits until it is there, breaks it off, heals, and sees it gone. Then it
/// comes once more, and goes by itself.
async fn comes_and_goes(
    world: &Arc<World>,
    fault: impl Fn(u64) -> Fault,
    mut is_there: impl AsyncFnMut() -> bool,
) {
    let (running, long) = (Arc::clone(world), fault(LONG_MS));
    let breaking = tokio::spawn(async move { done(&running, long).await });
    let seeing = async {
        while !is_there().await {
            assert!(!breaking.is_finished(), "{long} is over");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SEEN_LIMIT, seeing)
        .await
        .unwrap_or_else(|_| panic!("{long} does not come"));
    breaking.abort();
    // It was cut short, which is no result.
    let _cut = breaking.await;
    world.heal_stores().await.expect("it is healed");
    assert!(!is_there().await, "{long} was not healed");

    done(world, fault(1)).await.expect("it is done");
    assert!(!is_there().await, "{long} does not go by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_answers_and_takes_no_writes() {
    let world = stores(Strategy::Hybrid).await;
    let socket = world.redis_socket.as_path();
    let key = world.gate_key("tee");
    let faults: [fn(u64) -> Fault; 2] = [
        |for_ms| Fault::RefuseRedisWrites { for_ms },
        |for_ms| Fault::DemoteRedis { for_ms },
    ];
    for fault in faults {
        comes_and_goes(&world, fault, async || {
            redis::dump(socket, &key).await.expect("an answer");
            // Deletes a gate that is not there.
            redis::restore(socket, &key, &None).await.is_err()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_are_ahead_of_a_database_that_was_restored() {
    let sku = schedule::draw(1, true).skus[0].sku.clone();
    for strategy in [Strategy::Hybrid, Strategy::Engine] {
        let world = stores(strategy).await;
        let (socket, key) = (world.redis_socket.as_path(), world.gate_key(&sku));
        let fault = Fault::RestoreDatabase {
            stops_servers: false,
        };
        done(&world, fault).await.expect("there is no gate");
        assert_eq!(redis::dump(socket, &key).await.expect("an answer"), None);

        let hash = match strategy {
            Strategy::Engine => "'fence', 7, 'loaded_units', 9,",
            _ => "'ann k', 1, 'bob k', 0,",
        };
        let load = format!(
            "redis.call('HSET', KEYS[1], {hash} 'free_units', 5) \
             return redis.call('PEXPIRE', KEYS[1], 60000)"
        );
        redis::eval::<i64>(socket, &load, &key)
            .await
            .expect("a gate");
        let before = redis::dump(socket, &key).await.expect("an answer");
        done(&world, fault).await.expect("it is done");
        let read =
            |field: &str| format!("return redis.call('HGET', KEYS[1], '{field}')");
        let free_units: RedisResult<Option<Vec<u8>>> =
            redis::eval(socket, &read("free_units"), &key).await;
        assert_eq!(free_units.expect("a gate"), Some(b"0".to_vec()));
        let fence: RedisResult<Option<Vec<u8>>> =
            redis::eval(socket, &read("fence"), &key).await;
        let is_engine = strategy == Strategy::Engine;
        let ahead = is_engine.then(|| b"1000007".to_vec());
        assert_eq!(fence.expect("a gate"), ahead);

        // What is rolled back has its number again, and expires when it would have.
        redis::restore(socket, &key, &before).await.expect("a gate");
        let after = redis::dump(socket, &key).await.expect("an answer");
        assert!(before.is_some());
        assert_eq!(after.map(|it| it.1), before.map(|it| it.1));
        let permits = redis::permits(socket, &key).await.expect("an answer");
        assert!(permits.0 > 0, "it does not expire");
        let names: &[&str] = if is_engine { &[] } else { &["ann k"] };
        // The engine's gates name nobody.
        assert_eq!(permits.1, names);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deaf_listener_hears_of_nothing_and_is_answered() {
    let world = stores(Strategy::Naive).await;
    let address = world.postgres_links[1].address();
    let url = format!(
        "host=127.0.0.1 port={} user=flash dbname=flash",
        address.port()
    );
    let (listener, mut connection) =
        flash_db::connect_anywhere(&url).await.expect("a way in");
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let messages =
            futures_util::stream::poll_fn(move |it| connection.poll_message(it));
        let mut messages = std::pin::pin!(messages);
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notification(_) = message {
                tell.send(()).expect("a test");
            }
        }
    });
    listener
        .batch_execute("LISTEN news")
        .await
        .expect("it listens");
    let fault = |for_ms| Fault::DeafListener {
        instance: 1,
        for_ms,
    };
    comes_and_goes(&world, fault, async || {
        // Its own notification comes before the answer.
        listener
            .batch_execute("NOTIFY news")
            .await
            .expect("an answer");
        tokio::time::timeout(SILENCE, told.recv()).await.is_err()
    })
    .await;
}

async fn ask(conn: &mut AsyncPgConnection, query: &str) -> QueryResult<String> {
    sql::<Text>(query).get_result(conn).await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_takes_no_writes_until_it_is_promoted_with_all_who_are_connected() {
    let world = stores(Strategy::Naive).await;
    let url = world.database_url.as_str();
    let mut conn = flash_db::connect(url).await.expect("a primary");
    let create = "CREATE TABLE kept (id int)";
    conn.batch_execute(create).await.expect("a write");

    let insert = "INSERT INTO kept VALUES (1)";
    let mut connected = None;
    let fault = |for_ms| Fault::ReadOnlyPostgres { for_ms };
    comes_and_goes(&world, fault, async || {
        // Between the primary and the standby nobody is let in.
        let Ok((client, wire)) = flash_db::connect_anywhere(url).await else {
            return false;
        };
        let prepared = AsyncPgConnection::try_from_client_and_connection(client, wire);
        let mut new = prepared.await.expect("a connection");
        let query = "SELECT current_setting('transaction_read_only')";
        let is_read_only = ask(&mut new, query).await.is_ok_and(|word| word == "on");
        if is_read_only {
            new.batch_execute(insert).await.expect_err("it is a write");
            connected = Some(new);
        } else if let Some(mut old) = connected.take() {
            old.batch_execute(insert).await.expect("it was promoted");
        }
        is_read_only
    })
    .await;
    assert!(connected.is_none(), "nobody was connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_is_added_unless_somebody_holds_the_table() {
    let world = stores(Strategy::Naive).await;
    let url = world.database_url.as_str();
    let wait = Duration::from_secs(5);
    flash_db::migrate(url, wait).await.expect("tables");
    let mut conn = flash_db::connect(url).await.expect("a database");
    let columns = "SELECT coalesce(string_agg(table_name || '.' || column_name, ' ' \
                   ORDER BY column_name), '') \
                   FROM information_schema.columns WHERE column_name LIKE 'note%'";

    for pick in [4, 7] {
        let fault = Fault::AddColumn { pick };
        done(&world, fault).await.expect("a column");
    }
    let added = ask(&mut conn, columns).await.expect("an answer");
    assert_eq!(added, "orders.note_0 skus.note_1");

    let lock = "BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE";
    conn.batch_execute(lock).await.expect("a lock");
    let skipped = done(&world, Fault::AddColumn { pick: 0 }).await;
    let why = format!("{:#}", skipped.expect_err("the table is held"));
    assert!(why.contains("lock timeout"), "{why}");
    let unchanged = ask(&mut conn, columns).await.expect("an answer");
    assert_eq!(unchanged, added);
}

/// What a new connection to the first host of an instance hears.
async fn heard(world: &World, instance: usize) -> Option<std::io::Result<usize>> {
    let first = world.first_hosts[instance].address();
    let mut stream = TcpStream::connect(first).await.expect("it listens");
    let reading = stream.read_u8();
    let heard = tokio::time::timeout(SILENCE, reading).await.ok()?;
    Some(heard.map(usize::from))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_host_is_silent_for_one_instance_and_its_connections_break() {
    let world = stores(Strategy::Naive).await;
    let url = world.database_url_of(1);
    // The first host sends everybody away.
    let mut conn = flash_db::connect(&url).await.expect("the second host");
    conn.batch_execute("SELECT 1").await.expect("an answer");

    let fault = |for_ms| Fault::HangFirstHost {
        instance: 1,
        for_ms,
    };
    comes_and_goes(&world, fault, async || {
        let other = heard(&world, 0).await.expect("it ends the connection");
        assert!(other.is_err(), "it says nothing");
        heard(&world, 1).await.is_none()
    })
    .await;
    let broken = conn.batch_execute("SELECT 1").await;
    assert!(broken.is_err(), "the connection did not break");
    flash_db::connect(&url).await.expect("the second host");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_on_with_a_log_that_cannot_be_written() {
    let world = World::start(recipe(Strategy::Naive))
        .await
        .expect("servers");
    let sinks = async || {
        let server = world.servers[1].lock().await;
        let pid = server.as_ref().expect("a server").pid();
        [1, 2].map(|fd| std::fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok())
    };
    let full = Some(PathBuf::from(FULL));
    assert!(!sinks().await.contains(&full));

    let fault = Fault::LogSinkGone { instance: 1 };
    done(&world, fault).await.expect("it starts");
    assert_eq!(sinks().await, [full.clone(), full.clone()]);
    world.heal().await.expect("it runs");
    assert_eq!(sinks().await, [full.clone(), full.clone()]);

    let fault = Fault::DrainServer { instance: 1 };
    done(&world, fault).await.expect("it starts");
    assert!(!sinks().await.contains(&full));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ended_by_itself_is_found_at_the_end() {
    let world = World::start(recipe(Strategy::Naive))
        .await
        .expect("servers");
    let pid = world.servers[0].lock().await.as_ref().expect("one").pid();
    signal(pid, Signal::SIGKILL).expect("it runs");
    let ending = async {
        while world.servers[0]
            .lock()
            .await
            .as_mut()
            .is_some_and(|it| it.is_running())
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SEEN_LIMIT, ending)
        .await
        .expect("an end");
    // No fault that starts another one hides it.
    for fault in [
        Fault::KillServer {
            instance: 0,
            down_ms: 0,
        },
        Fault::DrainServer { instance: 0 },
        Fault::LogSinkGone { instance: 0 },
    ] {
        let skipped = done(&world, fault).await.expect_err("it ended");
        assert_eq!(skipped.to_string(), "it ended by itself");
    }
    let error = world.heal().await.expect_err("one ended");
    assert!(error.to_string().contains("server 0 ended by itself"));
}
