//! `lab audit`: the judge, called by hand.

use anyhow::anyhow;
use flash_core::{Audit, Verdict};
use flash_engine::Gates;
use flash_lab_crowd::{
    Auditor, Cell, Ending, JsonFile, Look, Sheet, live_units, output, paragraph,
};
use serde::Serialize;

use crate::cli::AuditArgs;
use crate::given;

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

    let mut auditor = Auditor::open(&database_url).await?;
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
        match auditor.audit(&sku, None, free).await? {
            Some(audit) => audits.push(audit),
            None => return Err(anyhow!("unknown SKU {sku}: this database has none")),
        }
    }

    let look = output::look_beside_json(json.as_ref());
    let table = table(&audits, &look);
    match (&json, args.sku, audits.as_slice()) {
        (Some(json), Some(_), [audit]) => json.write(audit)?,
        (Some(json), _, audits) => json.write(&Audits { audits })?,
        (None, ..) => {}
    }
    output::beside_json(json.as_ref(), &table)?;
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

/// A row for each SKU.
fn table(audits: &[Audit], look: &Look) -> String {
    if audits.is_empty() {
        return "no SKU was created in this database\n".to_owned();
    }
    let mut table = Sheet::new([
        "SKU",
        "units",
        "orders",
        "left",
        "over-\nsold",
        "lost\nupdates",
        "lost\nunits",
        "gate\ndrift",
        "verdict",
    ]);
    for audit in audits {
        let supply = audit.initial_units + audit.restocked_units;
        let gate_drift = audit.gate_drift_units.map_or(Cell::new("-"), Cell::new);
        let verdict = format!("{:?}", audit.verdict).to_lowercase();
        table.add(vec![
            Cell::new(&audit.sku),
            Cell::new(supply),
            Cell::new(live_units(audit)),
            Cell::new(audit.available_units),
            Cell::fault(audit.oversold_units),
            Cell::fault(audit.lost_updates),
            Cell::fault(audit.unaccounted_units.max(0)),
            gate_drift,
            Cell::new(verdict),
        ]);
    }
    format!("{}\n{}", table.text(look), paragraph(AUDIT_LEGEND, look))
}

const AUDIT_LEGEND: &str = "\
units: all that were ever supplied; orders: units in orders that are not cancelled; left: \
what the stock row says; lost updates: units sold that the stock row still counts as \
there; lost units: units that neither the stock row nor an order has; gate drift: Redis - \
PostgreSQL, at rest (- without --redis-url).";

#[cfg(test)]
mod tests {
    use flash_core::{AuditCounts, Sku};

    use super::*;

    #[test]
    fn eighty_columns_hold_the_table_and_sixty_a_list() {
        let audit = AuditCounts {
            sku: Sku::new("demo").expect("a valid sku"),
            initial_units: 100,
            restocked_units: 0,
            accepted_units: 912,
            cancelled_units: 0,
            available_units: 12,
            duplicate_keys: 0,
            limit_overruns: 0,
            gate_free_units: None,
        };
        let audits = [audit.judge(None)];
        for columns in [60, 80] {
            let look = Look {
                columns,
                ..Look::FILE
            };
            let text = table(&audits, &look);
            let lengths = text.lines().map(|line| line.chars().count());
            assert!(lengths.max() <= Some(columns), "{text}");
        }
    }
}
