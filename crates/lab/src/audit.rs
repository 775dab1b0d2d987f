//! `lab audit`: the judge, called by hand.

use std::collections::BTreeMap;

use flash_core::{Audit, Verdict};
use flash_engine::Gates;
use flash_lab_crowd::{
    Auditor, Cell, Column, Ending, JsonFile, Look, Sheet, live_units, paragraph,
};

use crate::cli::AuditArgs;
use crate::given;

const NO_DATABASE: &str = "\
an audit reads the stores of a running sale: give --database-url or DATABASE_URL, which \
`server` prints when it starts private ones";

/// Runs `lab audit`.
///
/// # Errors
///
/// No database given, a store that does not answer, an unknown SKU, or an SKU whose
/// books are not exact.
pub async fn run(args: AuditArgs) -> anyhow::Result<()> {
    let stores = args.stores.without_empty();
    let Some(database_url) = stores.database_url.as_deref() else {
        return Err(Ending::Usage(NO_DATABASE.to_owned()).into());
    };
    let json = JsonFile::open(args.json)?;
    given::check(&stores, true).await?;

    let mut auditor = Auditor::open(database_url).await?;
    let skus = match &args.sku {
        Some(sku) => vec![sku.clone()],
        None => auditor.skus().await?,
    };
    let mut audits = Vec::new();
    for sku in skus {
        let gates = stores.redis_url.as_deref().map(|redis_url| Gates {
            redis_url,
            prefix: &args.redis_prefix,
        });
        let free = given::gate_free_units(gates, &sku).await?;
        audits.push(auditor.audit(&sku, None, free).await?);
    }

    match (args.sku, audits.as_slice()) {
        (Some(_), [audit]) => json.write(audit)?,
        (_, audits) => json.write(&BTreeMap::from([("audits", audits)]))?,
    }
    json.tell(|look| table(&audits, look))?;
    judge(&audits)
}

fn judge(audits: &[Audit]) -> anyhow::Result<()> {
    let inexact = audits.iter().filter(|it| it.verdict != Verdict::Exact);
    let names: Vec<_> = inexact.map(|it| it.sku.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Ending::NotAsPromised(format!(
        "{} of {} SKUs are not exact: {}",
        names.len(),
        audits.len(),
        names.join(", ")
    ))
    .into())
}

/// A row for each SKU.
const COLUMNS: [Column<Audit>; 9] = [
    ("SKU", |it| Cell::new(&it.sku)),
    ("units", |it| {
        Cell::new(it.initial_units + it.restocked_units)
    }),
    ("orders", |it| Cell::new(live_units(it))),
    ("left", |it| Cell::new(it.available_units)),
    ("over-\nsold", |it| Cell::fault(it.oversold_units)),
    ("lost\nupdates", |it| Cell::fault(it.lost_updates)),
    ("lost\nunits", |it| Cell::fault(it.unaccounted_units.max(0))),
    ("gate\ndrift", |it| {
        it.gate_drift_units.map_or(Cell::new("-"), Cell::new)
    }),
    ("verdict", |it| {
        Cell::new(format!("{:?}", it.verdict).to_lowercase())
    }),
];

fn table(audits: &[Audit], look: &Look) -> String {
    if audits.is_empty() {
        return "no SKU was created in this database\n".to_owned();
    }
    let table = Sheet::of(audits, &COLUMNS).text(look);
    format!("{table}\n{}", paragraph(LEGEND, look))
}

const LEGEND: &str = "\
units: all that were ever supplied; orders: units in orders that are not cancelled; left: \
what the stock row says; lost updates: units sold that the stock row still counts as \
there; lost units: units that neither the stock row nor an order has; gate drift: Redis - \
PostgreSQL, at rest (- without --redis-url).";
