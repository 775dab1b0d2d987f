//! Whether a connection has a back end of PostgreSQL to itself.

use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};

use crate::connect::connect_anywhere;
use crate::{DbError, Wire};

/// How often both connections are asked. Once is enough where nobody else uses the pooler;
/// where others do, each time they would have to take and leave back ends between our
/// questions in just the order that keeps ours apart.
const ROUNDS: u32 = 5;

/// How long a back end may keep its answer to itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// Refuses a pooler that lends its back ends for a transaction or a statement: what is set on
/// a connection, prepared on it and listened for does not stay with it. Sets nothing.
///
/// Two connections are asked who serves them. A pooler of sessions, or none, keeps one back
/// end for each; two that change, or serve both, can only be lent from one to the next.
///
/// # Errors
///
/// As [`connect_anywhere`]; [`DbError::Pooler`].
///
/// # Source
///
/// PgBouncer 1.18 manual, `pool_mode` and `server_round_robin`: the back end that was used
/// last is lent first, or the one that was not used for the longest time.
pub async fn check_session(url: &str) -> Result<(), DbError> {
    let (first, wire) = connect_anywhere(url).await?;
    let _first_wire = Driven(tokio::spawn(drive(wire)));
    // Where only one is let in, or served, each has a back end to itself.
    let Ok((second, wire)) = connect_anywhere(url).await else {
        return Ok(());
    };
    let _second_wire = Driven(tokio::spawn(drive(wire)));
    let mine = backend(&first).await?;
    let Ok(theirs) = backend(&second).await else {
        return Ok(());
    };
    for _ in 0..ROUNDS {
        // Twice, because of those that take turns.
        let still_mine = [backend(&first).await?, backend(&first).await?];
        let still_theirs = backend(&second).await?;
        if mine == theirs || still_mine != [mine, mine] || still_theirs != theirs {
            return Err(DbError::Pooler);
        }
    }
    Ok(())
}

/// Ends with whoever waits for it.
struct Driven(tokio::task::JoinHandle<()>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn drive(wire: Wire) {
    // Whoever asks hears that it broke.
    drop(wire.await);
}

/// Which process serves a connection now.
async fn backend(client: &Client) -> Result<i32, DbError> {
    let asking = client.simple_query("SELECT pg_backend_pid()");
    let answers = tokio::time::timeout(PATIENCE, asking)
        .await
        .map_err(|_elapsed| DbError::Silent)?
        .map_err(DbError::Connect)?;
    let number = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    number.ok_or(DbError::Silent)
}
