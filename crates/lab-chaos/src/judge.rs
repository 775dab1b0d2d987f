//! The judge of a run. It knows the journal and the books, and nothing of the servers.

use flash_lab_crowd::Rule;

use crate::buyers::Probe;
use crate::evidence::{Evidence, Purchase, Violation};
use crate::journal::{Answer, Ask, Entry};
use crate::schedule::PlannedSku;

/// How long a server may not have noticed that a buyer hung up.
const HANGING_UP_US: i64 = 1_000_000;

/// Finds all violations, the gravest rules first.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Violation> {
    let purchases = evidence.purchases();
    let mut violations = Vec::new();
    for planned in &evidence.skus {
        violations.extend(audited(evidence, planned));
        violations.extend(evidence.false_sold_out(&purchases, planned));
    }
    for purchase in &purchases {
        violations.extend(acknowledged(purchase));
        violations.extend(refused(evidence, purchase));
        violations.extend(unanswered(purchase));
    }
    let entries = evidence.entries.iter();
    violations.extend(entries.filter_map(|it| returned(evidence, it)));
    violations.extend(evidence.probes.iter().filter_map(stranded));
    violations.sort_by_key(|violation| violation.rule);
    violations
}

/// What one look at the books of a SKU shows.
fn audited(evidence: &Evidence, planned: &PlannedSku) -> Vec<Violation> {
    let sku = planned.sku.as_str();
    let audits = &evidence.audits;
    let Some(audit) = audits.iter().find(|it| it.sku.as_str() == sku) else {
        let what = "the SKU is gone".to_owned();
        return vec![Violation::of_sku(Rule::Books, sku, what)];
    };
    let restocks = evidence.restocks.iter();
    let restocked_units: i64 = restocks
        .filter(|row| row.sku == sku)
        .map(|row| row.units)
        .sum();
    let sums = format!(
        "{} were supplied, {} are in orders, {} are left",
        audit.initial_units + audit.restocked_units,
        audit.accepted_units - audit.cancelled_units,
        audit.available_units
    );
    let uncounted_units = restocked_units - audit.restocked_units;
    let found = [
        (Rule::Oversold, audit.oversold_units, "units too many"),
        (
            Rule::Books,
            audit.unaccounted_units,
            "units unaccounted for",
        ),
        (Rule::Limit, audit.limit_overruns, "buyers beyond the limit"),
        (
            Rule::Acknowledged,
            audit.duplicate_keys,
            "keys with two orders",
        ),
        (Rule::Returned, uncounted_units, "added units not counted"),
    ];
    found
        .into_iter()
        .filter(|(_, count, _)| *count != 0)
        .map(|(rule, count, text)| {
            Violation::of_sku(rule, sku, format!("{count} {text}: {sums}"))
        })
        .collect()
}

/// Each accepted answer names the one order that there is.
fn acknowledged(purchase: &Purchase<'_>) -> Option<Violation> {
    purchase.attempts.iter().find_map(|attempt| {
        let Answer::Accepted(order_id) = &attempt.answer else {
            return None;
        };
        let wish = &attempt.wish;
        let what = match purchase.orders.as_slice() {
            [order] if order.order_id != *order_id => {
                format!("order {order_id} was told, {} is there", order.order_id)
            }
            [order] if order.sku != wish.sku || order.units != wish.units => {
                format!("order {order_id} is {} units of {}", order.units, order.sku)
            }
            [_] => return None,
            [] => format!("order {order_id} was told, none is there"),
            several => format!("there are {} orders", several.len()),
        };
        Some(Violation::of(Rule::Acknowledged, wish, what))
    })
}

/// A refusal is final: there is no order, unless the buyer asked again after it.
fn refused(evidence: &Evidence, purchase: &Purchase<'_>) -> Option<Violation> {
    let order = purchase.orders.first()?;
    let mut refusals = purchase.attempts.iter().filter(|it| it.answer.is_refusal());
    refusals.find_map(|refusal| {
        let (word, order_id) = (refusal.answer.word(), &order.order_id);
        let attempts = || purchase.attempts.iter();
        let mut owned: Vec<_> = attempts()
            .filter(|it| matches!(it.answer, Answer::Accepted(_)))
            .filter(|it| it.answered_us <= refusal.sent_us)
            .collect();
        owned.sort_by_key(|it| it.answered_us);
        let (rule, is_forgiven, what) = match owned.first() {
            Some(first) => {
                let is_elsewhere =
                    owned.iter().all(|it| it.instance != refusal.instance);
                let is_forgiven = (is_elsewhere
                    && evidence.may_not_have_heard(refusal))
                    || evidence.is_of_an_older_gate(refusal, first.answered_us);
                let what = format!("{word} was told to the owner of order {order_id}");
                (Rule::WinnerRefused, is_forgiven, what)
            }
            None => {
                let is_forgiven = attempts()
                    .any(|it| it.sent_us >= refusal.answered_us)
                    || (attempts().any(|it| is_on_its_way(it, refusal))
                        && evidence.may_be_overtaken(refusal, order.created_us))
                    || (attempts().any(|it| has_just_hung_up(it, refusal))
                        && evidence.was_added_to(refusal));
                let what = format!("{word} was told, but there is order {order_id}");
                (Rule::RefusedButSold, is_forgiven, what)
            }
        };
        (!is_forgiven).then(|| Violation::of(rule, &refusal.wish, what))
    })
}

/// Whether an attempt may still have been under way when another one was refused.
fn is_on_its_way(attempt: &Entry, refusal: &Entry) -> bool {
    matches!(attempt.answer, Answer::Lost | Answer::Again(_))
        && attempt.sent_us <= refusal.answered_us
}

/// Whether a buyer hung up so shortly before that a server on a busy machine may not have
/// noticed: then the first request is still as good as the second.
fn has_just_hung_up(attempt: &Entry, refusal: &Entry) -> bool {
    is_on_its_way(attempt, refusal)
        && refusal.sent_us <= attempt.answered_us + HANGING_UP_US
}

/// Everybody who does not leave gets a final answer, and one that the contract knows.
fn unanswered(purchase: &Purchase<'_>) -> Option<Violation> {
    let attempts = &purchase.attempts;
    let unexpected = attempts.iter().find_map(|it| match &it.answer {
        Answer::Unexpected(answer) => Some((it, format!("the answer was {answer}"))),
        _ => None,
    });
    let is_answered = attempts
        .iter()
        .any(|it| it.wish.leaves || it.answer.is_final());
    let silent = attempts.last().filter(|_| !is_answered).map(|it| {
        let what = "no final answer although everything was healed";
        (it, what.to_owned())
    });
    let (attempt, what) = unexpected.or(silent)?;
    Some(Violation::of(Rule::Unanswered, &attempt.wish, what))
}

/// What was added and taken back is in the books, once.
fn returned(evidence: &Evidence, entry: &Entry) -> Option<Violation> {
    let wish = &entry.wish;
    let what = match &wish.ask {
        _ if entry.answer != Answer::Done => return None,
        Ask::Order => return None,
        Ask::Restock => {
            let rows = evidence.restocks.iter();
            let own =
                rows.filter(|it| it.sku == wish.sku && it.idempotency_key == wish.key);
            let units: Vec<_> = own.map(|row| row.units).collect();
            if units == [wish.units] {
                return None;
            }
            let (asked_units, key) = (wish.units, &wish.key);
            format!("{asked_units} units were added by {key}, the books have {units:?}")
        }
        Ask::Cancel(order_id) => {
            let order = evidence.orders.iter().find(|it| it.order_id == *order_id);
            if order.is_some_and(|it| it.status == "cancelled") {
                return None;
            }
            format!("order {order_id} was cancelled, but is not")
        }
    };
    Some(Violation::of(Rule::Returned, wish, what))
}

/// What is left at the end can be bought, and then it is sold out.
fn stranded(probe: &Probe) -> Option<Violation> {
    let (left, bought) = (probe.left_units, probe.bought_units);
    let what = if bought < left {
        format!("{left} units were left, the probe could buy {bought} of them in time")
    } else {
        let then = probe.then.iter().find(|it| !it.is_sold_out())?;
        let word = then.word();
        format!("nothing was left, but the next buyer was told {word}")
    };
    Some(Violation::of_sku(Rule::Stranded, &probe.sku, what))
}

#[cfg(test)]
mod tests;
