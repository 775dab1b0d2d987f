//! The rungs of chapter 04: played by two connections to a real PostgreSQL, and served as
//! shops, about which the judge is asked.
//!
//! It needs the examples of this package, which `cargo test -p flash-workshop` builds.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flash_testkit::{Stores, WAIT};
use flash_workshop::page::{read, root};
use flash_workshop::table::Scope;
use tokio::sync::oneshot;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

#[path = "checks/gallery.rs"]
mod gallery;

const TABLES: &str = "\
CREATE TABLE skus (sku text PRIMARY KEY,
                   available_units bigint CHECK (available_units >= 0));
CREATE TABLE orders (buyer_id text);
INSERT INTO skus VALUES ('tee', 1);
";

/// Where the run is told; its first line is its head.
const RUN: &str = "docs/book/runs/rungs.txt";

struct Rung {
    name: &'static str,
    begin: &'static str,
    read: &'static str,
    /// `:read` is what was read, `:rest` one less.
    write: &'static str,
    tries: u32,
}

const BEGIN: &str = "BEGIN";
const REPEATABLE: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";
const SERIALIZABLE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";
const READ: &str = "SELECT available_units FROM skus WHERE sku = 'tee'";
const WRITE: &str = "UPDATE skus SET available_units = :rest WHERE sku = 'tee'";

const RUNGS: [Rung; 8] = [
    Rung {
        name: "0 naive",
        begin: BEGIN,
        read: READ,
        write: WRITE,
        tries: 1,
    },
    Rung {
        name: "1 relative write",
        begin: BEGIN,
        read: READ,
        write: "UPDATE skus SET available_units = available_units - 1
 WHERE sku = 'tee'",
        tries: 1,
    },
    Rung {
        name: "2 conditional update",
        begin: BEGIN,
        read: "",
        write: "UPDATE skus SET available_units = available_units - 1
 WHERE sku = 'tee' AND available_units >= 1",
        tries: 1,
    },
    Rung {
        name: "3 optimistic",
        begin: BEGIN,
        read: READ,
        write: "UPDATE skus SET available_units = :rest
 WHERE sku = 'tee' AND available_units = :read",
        tries: 3,
    },
    Rung {
        name: "4 repeatable read",
        begin: REPEATABLE,
        read: READ,
        write: WRITE,
        tries: 1,
    },
    Rung {
        name: "4 with a retry",
        begin: REPEATABLE,
        read: READ,
        write: WRITE,
        tries: 3,
    },
    Rung {
        name: "4 serializable",
        begin: SERIALIZABLE,
        read: READ,
        write: WRITE,
        tries: 3,
    },
    Rung {
        name: "5 lock",
        begin: BEGIN,
        read: "SELECT available_units FROM skus WHERE sku = 'tee' FOR UPDATE",
        write: WRITE,
        tries: 1,
    },
];

/// What came of one try.
enum Tried {
    Sold,
    SoldOut,
    /// Told in a few words; whether another try may help.
    Not(String, bool),
}

async fn connect(stores: &Stores) -> Result<Client> {
    let (client, connection) =
        flash_db::connect_anywhere(stores.database_url()).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn number(client: &Client, sql: &str) -> Result<i64, tokio_postgres::Error> {
    let messages = client.simple_query(sql).await?;
    let row = messages.iter().find_map(|it| match it {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    Ok(row.unwrap_or_default())
}

/// Begins, and reads if this rung does.
async fn reads(client: &Client, rung: &Rung) -> Result<i64, tokio_postgres::Error> {
    client.batch_execute(rung.begin).await?;
    match rung.read {
        "" => Ok(i64::MAX),
        sql => number(client, sql).await,
    }
}

/// Decides and writes; the transaction stays open where it sold.
async fn writes(
    client: &Client,
    rung: &Rung,
    units: i64,
) -> Result<Tried, tokio_postgres::Error> {
    if units < 1 {
        return Ok(Tried::SoldOut);
    }
    let rest = units.saturating_sub(1).to_string();
    let sql = rung.write.replace(":read", &units.to_string());
    let messages = match client.simple_query(&sql.replace(":rest", &rest)).await {
        Ok(messages) => messages,
        Err(error) => return Ok(refused(&error)),
    };
    let changed = messages
        .iter()
        .any(|it| matches!(it, SimpleQueryMessage::CommandComplete(1..)));
    Ok(match (changed, rung.tries) {
        (true, _) => Tried::Sold,
        (false, 1) => Tried::SoldOut,
        (false, _) => Tried::Not("0 rows".to_owned(), true),
    })
}

fn refused(error: &tokio_postgres::Error) -> Tried {
    let again = error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE);
    let what = match error.as_db_error() {
        Some(_) if again => "could not serialize access".to_owned(),
        Some(error) => match error.constraint() {
            Some(_) => "violates the CHECK".to_owned(),
            None => error.message().to_owned(),
        },
        None => error.to_string(),
    };
    Tried::Not(what, again)
}

/// Ends a try, and says what the buyer is told; none where it is tried again.
async fn ends(
    client: &Client,
    buyer: &str,
    tried: &Tried,
    may_try: bool,
) -> Result<Option<&'static str>> {
    if matches!(tried, Tried::Sold) {
        let order = format!("INSERT INTO orders VALUES ('{buyer}'); COMMIT");
        client.batch_execute(&order).await?;
        return Ok(Some("you have it"));
    }
    client.batch_execute("ROLLBACK").await?;
    Ok(match tried {
        Tried::SoldOut => Some("sold out"),
        Tried::Not(_, true) if may_try => None,
        _ => Some("an error"),
    })
}

/// Waits until the other one waits for a lock.
async fn wait_for_waiting(watcher: &Client) -> Result<()> {
    let sql = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waiting = async {
        while number(watcher, sql).await? == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(WAIT, waiting)
        .await
        .context("nobody waits")?
}

/// Bob's purchase: reads, says so, waits for the word to write, and goes on to an answer.
async fn bob_buys(
    client: Client,
    rung: &'static Rung,
    has_read: oneshot::Sender<()>,
    may_write: oneshot::Receiver<()>,
) -> Result<String> {
    let mut notes = Vec::new();
    let mut units = reads(&client, rung).await?;
    // Nobody listens to one who waits at his read.
    let _ = has_read.send(());
    may_write.await?;
    for more in (0..rung.tries).rev() {
        if rung.read.ends_with("FOR UPDATE") || notes.last().is_some() {
            notes.push(format!("reads {units}"));
        }
        let tried = writes(&client, rung, units).await?;
        if let Tried::Not(what, _) = &tried {
            notes.push(what.clone());
        }
        if let Some(told) = ends(&client, "bob", &tried, more > 0).await? {
            notes.push(told.to_owned());
            return Ok(notes.join("; "));
        }
        units = reads(&client, rung).await?;
    }
    Ok(notes.join("; "))
}

/// Both have begun, and both read where nothing stops them, before Ann writes.
async fn play(stores: &Stores, rung: &'static Rung, units: i64) -> Result<String> {
    let fresh =
        format!("UPDATE skus SET available_units = {units}; DELETE FROM orders");
    stores.run(&fresh).await?;
    let (ann, watcher) = (connect(stores).await?, connect(stores).await?);
    let (has_read, reading) = oneshot::channel();
    let (may_write, word) = oneshot::channel();

    let read = reads(&ann, rung).await?;
    let bob = connect(stores).await?;
    let bob = tokio::spawn(bob_buys(bob, rung, has_read, word));
    tokio::select! {
        read = reading => read?,
        waits = wait_for_waiting(&watcher) => waits?,
    }
    let tried = writes(&ann, rung, read).await?;
    ensure!(may_write.send(()).is_ok(), "bob is gone");
    wait_for_waiting(&watcher).await?;
    let told = ends(&ann, "ann", &tried, false).await?;
    ensure!(told == Some("you have it"), "ann is told {told:?}");

    let bob = bob.await??;
    let orders = number(&watcher, "SELECT count(*) FROM orders").await?;
    let stock = number(&watcher, READ).await?;
    let name = rung.name;
    Ok(format!(
        "{name:<20}{units:>5}  {bob:<48}{orders:>7}{stock:>6}\n"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rungs_do_what_chapter_04_says() -> Result<()> {
    let mut told = format!("{TABLES}\n");
    for rung in &RUNGS {
        told += &format!("-- {}\n{};\n", rung.name, rung.write);
    }
    let (rung, bob) = ("rung", "bob: waits for ann; then");
    told += &format!("\n{rung:<20}units  {bob:<48} orders stock\n");
    let stores = Stores::empty().await?;
    stores.run(TABLES).await?;
    for rung in &RUNGS {
        for units in [1, 10] {
            let played = play(&stores, rung, units).await;
            told += &played.with_context(|| format!("{}, {units}", rung.name))?;
        }
    }
    compare(RUN, &told)
}

/// Writes what was told, where that is asked for; else it is what stands there.
fn compare(path: &str, told: &str) -> Result<()> {
    let run = read(path).unwrap_or_default();
    let (head, output) = run.split_once('\n').unwrap_or_default();
    if std::env::var_os("UPDATE_BOOK").is_some() {
        fs::write(root().join(path), format!("{head}\n{told}"))?;
    } else {
        ensure!(output == told, "{path} says other than this:\n{told}");
    }
    Ok(())
}

/// What the judge says.
const JUDGED: &str = "docs/book/runs/rungs-judged.txt";

/// Each rung as a shop of the gallery.
const SHOPS: [(&str, &str); 7] = [
    ("0 naive", "e00/miss/read_without_lock"),
    ("1 relative write", "rung/relative_write"),
    ("2 conditional update", "e01/solution"),
    ("3 optimistic", "rung/optimistic"),
    ("4 serializable", "e04/start"),
    ("4 with a retry", "e04/solution"),
    ("5 lock", "e00/solution"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_judge_says_of_the_rungs_what_chapter_04_says() -> Result<()> {
    let mut told = format!("{:<20} units  the judge\n", "rung");
    for (rung, variant) in SHOPS {
        for (units, scenario) in [(1, "last-unit"), (10, "one-each")] {
            let scope = Scope {
                stages: vec!["interleave".to_owned()],
                scenarios: vec![scenario.to_owned()],
                changes_max: 2,
                ..Scope::default()
            };
            let finding = gallery::judged(variant, &scope).await?;
            let word = match finding.broken {
                None => "held".to_owned(),
                Some((rule, sentence)) => format!("{rule}: {sentence}"),
            };
            told += &format!("{rung:<20} {units:>5}  {word}\n");
        }
    }
    compare(JUDGED, &told)
}
