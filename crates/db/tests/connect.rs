//! Where a connection leads, and what is set on it.

use std::fs;

use anyhow::{Context, Result, ensure};
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use flash_db::{DbError, connect, connect_anywhere, connect_bounded};
use flash_sandbox::{Options, Sandbox};
use flash_testkit::{Stores, WAIT};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpListener;

#[derive(QueryableByName)]
struct Setting {
    #[diesel(sql_type = Text)]
    value: String,
}

async fn setting(conn: &mut AsyncPgConnection, name: &str) -> Result<String> {
    let query = format!("SELECT current_setting('{name}') AS value");
    let setting: Setting = diesel::sql_query(query).get_result(conn).await?;
    Ok(setting.value)
}

/// The name of a database, from its URL.
fn database(url: &str) -> Result<&str> {
    let (head, _) = url.split_once('?').context("no parameters")?;
    head.rsplit('/').next().context("no database")
}

/// The URL of a database that is reached by a cable, and by an address before it.
fn behind(url: &str, first: std::net::SocketAddr) -> String {
    url.replace("flash@", &format!("flash@{first},"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_statement_means_is_not_left_to_the_database() -> Result<()> {
    let stores = Stores::new().await?;
    let url = stores.database_url();
    let database = database(url)?;
    let theirs = [
        ("default_transaction_isolation", "serializable"),
        ("default_transaction_read_only", "on"),
        ("synchronous_commit", "off"),
        ("statement_timeout", "1s"),
        ("idle_session_timeout", "1s"),
    ];
    let mut conn = connect(url).await?;
    for (name, value) in theirs {
        conn.batch_execute(&format!(
            "ALTER DATABASE {database} SET {name} = '{value}'"
        ))
        .await?;
    }

    let ours = ["read committed", "off", "on", "0", "0"];
    let mut conn = connect_bounded(url, WAIT).await?;
    for ((name, _), value) in theirs.into_iter().zip(ours) {
        let is = setting(&mut conn, name).await?;
        ensure!(is == value, "{name} is {is}");
    }
    // Who wants more than we do gets it.
    let more = "ALTER DATABASE {} SET synchronous_commit = 'remote_apply'";
    conn.batch_execute(&more.replace("{}", database)).await?;
    let is = setting(&mut connect(url).await?, "synchronous_commit").await?;
    ensure!(is == "remote_apply", "{is}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_host_that_hangs_or_refuses_does_not_keep_the_second_from_being_tried()
-> Result<()> {
    let stores = Stores::new().await?;
    let (_cable, url) = stores.cable_to_postgresql().await?;
    // The kernel accepts for it; nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    connect(&behind(&url, silent.local_addr()?)).await?;
    let nobody = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    connect(&behind(&url, nobody)).await?;
    connect(&url.replace("flash@", "flash@no-such-host.invalid:5432,")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_passed_over_and_taken_once_it_is_promoted() -> Result<()> {
    let options = Options {
        redis: false,
        fsync: false,
        ..Options::default()
    };
    let start = tokio::task::spawn_blocking(move || Sandbox::start(&options));
    let mut sandbox = start.await??;
    let standby = sandbox.database_url().context("no PostgreSQL")?.to_owned();
    let postmaster = sandbox.postgres_pid().context("no PostgreSQL")?;
    kill(Pid::from_raw(postmaster.try_into()?), Signal::SIGQUIT)?;
    fs::write(sandbox.dir().join("pgdata/standby.signal"), "")?;
    tokio::task::block_in_place(|| sandbox.restart_postgres())?;

    let refused = connect(&standby).await.err().context("it let us in")?;
    ensure!(matches!(refused, DbError::Standby), "{refused:?}");
    ensure!(refused.is_away(), "it may be promoted");

    let stores = Stores::new().await?;
    let (_cable, primary) = stores.cable_to_postgresql().await?;
    let directory = sandbox.dir().display().to_string();
    let socket = directory.replace('/', "%2F");
    let both = primary.replace("flash@", &format!("flash@{socket}:5432,"));
    connect(&both).await?;

    let (client, wire) = connect_anywhere(&standby).await?;
    tokio::spawn(wire);
    client.batch_execute("SELECT pg_promote()").await?;
    connect(&standby).await?;
    Ok(())
}
