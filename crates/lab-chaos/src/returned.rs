//! Whether what was added and taken back is in the books, once.

use flash_lab_crowd::Rule;

use crate::evidence::{Evidence, Violation};
use crate::journal::{Answer, Ask, Entry};

/// What came back, and what was added.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Violation> {
    let done = evidence
        .entries
        .iter()
        .filter(|it| it.answer == Answer::Done);
    let mut violations: Vec<_> = done
        .filter_map(|entry| {
            let what = match &entry.ask {
                Ask::Order => return None,
                Ask::Restock => restock_fault(evidence, entry)?,
                Ask::Cancel { order_id } => {
                    let mut orders = evidence.books.orders.iter();
                    let cancelled = orders
                        .any(|it| it.order_id == *order_id && it.status == "cancelled");
                    if cancelled {
                        return None;
                    }
                    format!("order {order_id} was cancelled, but is not")
                }
            };
            Some(Violation::of(Rule::Returned, entry, what))
        })
        .collect();
    for planned in &evidence.skus {
        let rows = evidence.books.restocks.iter();
        let rows_units: i64 = rows
            .filter(|row| row.sku == planned.sku)
            .map(|row| row.units)
            .sum();
        let audits = &evidence.books.audits;
        let audit = audits.iter().find(|it| it.sku.as_str() == planned.sku);
        let counted_units = audit.map_or(0, |audit| audit.restocked_units);
        if counted_units != rows_units {
            let what =
                format!("{rows_units} units were added, {counted_units} counted");
            violations.push(Violation::of_sku(Rule::Returned, &planned.sku, what));
        }
    }
    violations
}

fn restock_fault(evidence: &Evidence, entry: &Entry) -> Option<String> {
    let rows = evidence.books.restocks.iter();
    let units: Vec<_> = rows
        .filter(|row| row.sku == entry.sku && row.idempotency_key == entry.key)
        .map(|row| row.units)
        .collect();
    (units != [entry.units]).then(|| {
        format!(
            "{} units were added by {}, the books have {units:?}",
            entry.units, entry.key
        )
    })
}
