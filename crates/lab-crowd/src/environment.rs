//! Where and with what sales were held.

use std::thread::available_parallelism;

use anyhow::Context;
use chrono::{SecondsFormat, Utc};
use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use flash_sandbox::find_redis;
use nix::sys::utsname::uname;
use serde::Serialize;

use crate::stores::Stores;

/// Where and with what it was measured.
#[derive(Debug, Serialize)]
pub struct Environment {
    /// In seconds, of UTC.
    date: String,
    /// Name, release and architecture.
    os: String,
    cpus: usize,
    lab: &'static str,
    postgresql: String,
    fsync: bool,
    /// Null where Redis was not used, or was given by its URL.
    redis: Option<String>,
    pool_size: u16,
}

impl Environment {
    /// Asks this machine, now, and PostgreSQL.
    ///
    /// # Errors
    ///
    /// They do not say what they are.
    pub async fn ask(stores: &Stores, pool_size: u16) -> anyhow::Result<Self> {
        let system = uname().context("cannot ask for the operating system")?;
        let words = [system.sysname(), system.release(), system.machine()];
        let mut conn = flash_db::connect(&stores.database_url).await?;
        let (postgresql, fsync) = database_facts(&mut conn)
            .await
            .context("cannot ask PostgreSQL for its version")?;
        let sandbox = stores.sandbox.as_ref();
        let is_private = sandbox.is_some_and(|it| it.redis_url().is_some());
        let redis = is_private.then(find_redis).transpose()?;
        Ok(Self {
            date: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            os: words.map(|word| word.to_string_lossy()).join(" "),
            cpus: available_parallelism().map_or(1, usize::from),
            lab: env!("CARGO_PKG_VERSION"),
            postgresql,
            fsync,
            redis: redis.map(|it| it.version),
            pool_size,
        })
    }

    /// The same for people.
    pub fn sentence(&self) -> String {
        format!(
            "{}; {}; {} CPUs; PostgreSQL {}, fsync {}; {} connections per server; lab {}",
            self.date,
            self.os,
            self.cpus,
            self.postgresql,
            if self.fsync { "on" } else { "off" },
            self.pool_size,
            self.lab
        )
    }
}

/// Asks PostgreSQL for its version, such as `16.4`, and whether a commit waits for the disk.
///
/// # Errors
///
/// It does not answer.
pub async fn database_facts(
    conn: &mut AsyncPgConnection,
) -> QueryResult<(String, bool)> {
    let facts = sql::<(Text, Bool)>(
        "SELECT split_part(current_setting('server_version'), ' ', 1), \
                current_setting('fsync')::boolean",
    );
    facts.get_result(conn).await
}
