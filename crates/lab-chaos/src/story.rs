//! The shortest story that shows a violation.

use flash_lab_crowd::Rule;

use crate::evidence::{Evidence, Violation};
use crate::journal::{Answer, Ask, Entry};
use crate::saboteur::Happened;

/// Faults this long before the first line of a story belong to it.
const BEFORE_US: i64 = 1_000_000;

/// Units that came back this long before or after a refusal may be those that were sold.
const AROUND_US: i64 = 500_000;

/// The most lines of requests in a story, and in that of a SKU, which its sums tell.
const LINES_MAX: usize = 16;
const SKU_LINES_MAX: usize = 6;

/// Tells what happened around a violation, in the order of time.
pub(crate) fn tell(
    violation: &Violation,
    evidence: &Evidence,
    faults: &[Happened],
) -> Vec<String> {
    let mut entries = entries_of(violation, evidence);
    let lines_max = match violation.key {
        Some(_) => LINES_MAX,
        None => SKU_LINES_MAX,
    };
    let start = entries.len().saturating_sub(lines_max);
    entries.drain(..start);
    let from_us = entries.first().map_or(0, |entry| entry.sent_us) - BEFORE_US;
    let to_us = entries
        .iter()
        .map(|entry| entry.answered_us)
        .max()
        .unwrap_or(i64::MAX);

    let mut lines: Vec<(i64, String)> = entries
        .into_iter()
        .map(|entry| (entry.sent_us, line(entry)))
        .collect();
    lines.extend(
        faults
            .iter()
            .filter(|fault| fault.skipped.is_none())
            .filter(|fault| fault.from_us <= to_us && fault.to_us >= from_us)
            .map(|fault| {
                let times = times(fault.from_us, fault.to_us);
                (fault.from_us, format!("{times} fault: {}", fault.what))
            }),
    );
    let orders = evidence.books.orders.iter();
    lines.extend(
        orders
            .filter(|order| {
                Some(&order.idempotency_key) == violation.key.as_ref()
                    && Some(&order.buyer_id) == violation.buyer.as_ref()
            })
            .map(|order| {
                let text = format!(
                    "{:>9.1} ms              order {} of {} units was made, is {}",
                    ms(order.created_us),
                    order.order_id,
                    order.units,
                    order.status
                );
                (order.created_us, text)
            }),
    );
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect()
}

/// All attempts of the purchase, and what was added around the last; for a SKU what was added
/// and the last that was told.
fn entries_of<'a>(violation: &Violation, evidence: &'a Evidence) -> Vec<&'a Entry> {
    let of_sku = || evidence.entries.iter().filter(|it| it.sku == violation.sku);
    let is_own = |entry: &Entry| {
        Some(&entry.key) == violation.key.as_ref()
            && Some(&entry.buyer) == violation.buyer.as_ref()
    };
    let own = || of_sku().filter(|entry| is_own(entry));
    let from_us = own().map(|entry| entry.sent_us).max();
    let to_us = own().map(|entry| entry.answered_us).max();
    let around_us = match violation.rule {
        // From the beginning: all that was added is free.
        Rule::FalseSoldOut => 0..=to_us.unwrap_or(i64::MAX),
        Rule::RefusedButSold | Rule::WinnerRefused => {
            let (from_us, to_us) = (from_us.unwrap_or(0), to_us.unwrap_or(0));
            from_us - AROUND_US..=to_us + AROUND_US
        }
        // Nothing was added before the run began.
        _ if violation.key.is_some() => -1..=-1,
        _ => 0..=i64::MAX,
    };
    of_sku()
        .filter(|entry| {
            let added = entry.ask != Ask::Order && entry.answer == Answer::Done;
            let told = violation.key.is_none() && entry.answer.is_final();
            is_own(entry) || (added && around_us.contains(&entry.sent_us)) || told
        })
        .collect()
}

fn line(entry: &Entry) -> String {
    let (sku, buyer, key) = (&entry.sku, &entry.buyer, &entry.key);
    let (units, instance) = (entry.units, entry.instance);
    let what = match &entry.ask {
        Ask::Order => format!("{buyer} orders {units} of {sku}, key {key}"),
        Ask::Cancel { order_id } => format!("{buyer} cancels {order_id} of {sku}"),
        Ask::Restock => format!("{units} are added to {sku}, key {key}"),
    };
    let answer = match &entry.answer {
        Answer::Accepted { order_id } => format!("accepted {order_id}"),
        Answer::Unexpected(text) => text.clone(),
        other => other.word().to_owned(),
    };
    let times = times(entry.sent_us, entry.answered_us);
    format!("{times} {what}, at {instance}: {answer}")
}

fn times(from_us: i64, to_us: i64) -> String {
    format!("{:>9.1} – {:>7.1} ms", ms(from_us), ms(to_us))
}

/// For people: a tenth of a millisecond.
fn ms(us: i64) -> f64 {
    // A run lasts seconds, far below what 32 bits hold in tenths of a millisecond.
    i32::try_from(us / 100).map_or(f64::INFINITY, f64::from) / 10.0
}
