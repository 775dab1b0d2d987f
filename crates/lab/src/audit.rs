//! The judge: reads the stores of a sale, and only reads.

use anyhow::{Context, anyhow, bail};
use diesel::QueryableByName;
use diesel::sql_types::{Bool, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use flash_core::{Audit, Sku, Verdict};
use flash_db::{Connection, Pool, PoolOptions};
use flash_engine::{gate_free_units, redis_address};
use serde::Serialize;

use crate::cli::AuditArgs;
use crate::error::Ending;
use crate::given::{self, POSTGRES};
use crate::json_file::JsonFile;
use crate::report;

/// An open view of the stores.
pub(crate) struct Auditor {
    conn: Connection,
    redis_url: Option<String>,
}

/// What the stores say about themselves.
#[derive(Debug, Clone, QueryableByName)]
pub(crate) struct DatabaseFacts {
    /// Such as `16.4`.
    #[diesel(sql_type = Text)]
    pub(crate) version: String,
    /// Whether a commit waits for the disk.
    #[diesel(sql_type = Bool)]
    pub(crate) fsync: bool,
}

impl Auditor {
    /// Connects, read-only, to a database that has our tables.
    ///
    /// # Errors
    ///
    /// What is wrong with the URLs, the connection or the database.
    pub(crate) async fn open(
        database_url: &str,
        redis_url: Option<&str>,
    ) -> anyhow::Result<Self> {
        let options = PoolOptions {
            size: 1,
            ..PoolOptions::default()
        };
        let pool = Pool::new(database_url, options)?;
        let mut conn = pool.get().await.with_context(|| {
            let address = flash_db::address(database_url);
            let origin = POSTGRES.origin(database_url);
            format!("cannot use PostgreSQL at {address} ({origin})")
        })?;
        // PostgreSQL itself now refuses whatever would write.
        conn.batch_execute("SET default_transaction_read_only = on")
            .await?;
        if !has_tables(&mut conn).await? {
            bail!(
                "this database has no flash sale: the tables skus and orders are \
                 missing, which a server creates when it starts"
            );
        }
        if let Some(url) = redis_url {
            redis_address(url).context("the URL of Redis is not valid")?;
        }
        let redis_url = redis_url.map(str::to_owned);
        Ok(Self { conn, redis_url })
    }

    /// Counts and judges one SKU; none if there is no such SKU.
    ///
    /// # Errors
    ///
    /// A store that does not answer.
    pub(crate) async fn audit(
        &mut self,
        sku: &Sku,
        strategy: Option<&str>,
    ) -> anyhow::Result<Option<Audit>> {
        // None without Redis, or where it has no gate of the SKU.
        let gate_free_units = match &self.redis_url {
            Some(url) => gate_free_units(url, sku).await.context(
                "cannot read the gate, leave --redis-url out to audit without it",
            )?,
            None => None,
        };
        let counts = flash_db::audit::count(&mut self.conn, sku, gate_free_units)
            .await
            .with_context(|| format!("cannot audit {sku}"))?;
        Ok(counts.map(|counts| counts.judge(strategy)))
    }

    /// Asks PostgreSQL what it is.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub(crate) async fn database_facts(&mut self) -> anyhow::Result<DatabaseFacts> {
        diesel::sql_query(
            "SELECT split_part(current_setting('server_version'), ' ', 1) AS version, \
                    current_setting('fsync')::boolean AS fsync",
        )
        .get_result(&mut self.conn)
        .await
        .context("cannot ask PostgreSQL for its version")
    }
}

#[derive(QueryableByName)]
struct Present {
    #[diesel(sql_type = Bool)]
    present: bool,
}

async fn has_tables(conn: &mut Connection) -> anyhow::Result<bool> {
    let row: Present = diesel::sql_query(
        "SELECT to_regclass('skus') IS NOT NULL AND to_regclass('orders') IS NOT NULL \
             AS present",
    )
    .get_result(&mut **conn)
    .await?;
    Ok(row.present)
}

#[derive(Serialize)]
struct Audits<'a> {
    audits: &'a [Audit],
}

/// Runs `lab audit`.
///
/// # Errors
///
/// No database given, a store that does not answer, an unknown SKU, or an SKU whose
/// books are not exact.
pub async fn run(args: AuditArgs) -> anyhow::Result<()> {
    let stores = args.stores.without_empty();
    let Some(database_url) = stores.database_url.clone() else {
        return Err(Ending::Usage(
            "an audit reads the stores of a running sale: give --database-url or \
             DATABASE_URL, which `server` prints when it starts private ones"
                .to_owned(),
        )
        .into());
    };
    let json = args.json.map(JsonFile::open).transpose()?;
    given::check(&stores, true).await?;

    let mut auditor = Auditor::open(&database_url, stores.redis_url.as_deref()).await?;
    let skus = match &args.sku {
        Some(sku) => vec![sku.clone()],
        None => flash_db::skus::list(&mut auditor.conn).await?,
    };
    let mut audits = Vec::new();
    for sku in skus {
        match auditor.audit(&sku, None).await? {
            Some(audit) => audits.push(audit),
            None => return Err(anyhow!("unknown SKU {sku}: this database has none")),
        }
    }

    let look = report::look_beside_json(json.as_ref());
    let table = report::audits(&audits, &look);
    match (&json, args.sku, audits.as_slice()) {
        (Some(json), Some(_), [audit]) => json.write(audit)?,
        (Some(json), _, audits) => json.write(&Audits { audits })?,
        (None, ..) => {}
    }
    report::beside_json(json.as_ref(), &table)?;
    judge(&audits)
}

fn judge(audits: &[Audit]) -> anyhow::Result<()> {
    let inexact: Vec<_> = audits
        .iter()
        .filter(|audit| audit.verdict != Verdict::Exact)
        .map(|audit| audit.sku.as_str())
        .collect();
    if inexact.is_empty() {
        return Ok(());
    }
    Err(Ending::NotAsPromised(format!(
        "{} of {} SKUs are not exact: {}",
        inexact.len(),
        audits.len(),
        inexact.join(", ")
    ))
    .into())
}
