//! The judge of a run. It knows the journal and the books, and nothing of the servers.

use std::collections::{BTreeMap, HashMap};

use crate::books::OrderRow;
use flash_lab_crowd::Rule;

use crate::evidence::{Evidence, Violation};
use crate::journal::{Answer, Ask, Entry};
use crate::probe::Probe;
use crate::{returned, sold_out};

/// How long a server may not have noticed that a buyer hung up.
const HANGING_UP_US: i64 = 1_000_000;

/// The name of a purchase: its buyer and its key.
type Name<'a> = (&'a str, &'a str);

/// Finds all violations, the gravest rules first.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Violation> {
    let mut purchases: BTreeMap<Name<'_>, Vec<&Entry>> = BTreeMap::new();
    for entry in &evidence.entries {
        if entry.ask == Ask::Order {
            let name = (entry.buyer.as_str(), entry.key.as_str());
            purchases.entry(name).or_default().push(entry);
        }
    }
    let mut orders: HashMap<Name<'_>, Vec<&OrderRow>> = HashMap::new();
    for order in &evidence.books.orders {
        let name = (order.buyer_id.as_str(), order.idempotency_key.as_str());
        orders.entry(name).or_default().push(order);
    }

    let mut violations = audited(evidence);
    for (name, attempts) in &purchases {
        let orders = orders.get(name).map_or(&[][..], Vec::as_slice);
        violations.extend(acknowledged(attempts, orders));
        violations.extend(refused(evidence, attempts, orders));
        violations.extend(unanswered(attempts));
    }
    violations.extend(sold_out::false_ones(evidence));
    violations.extend(evidence.probes.iter().filter_map(stranded));
    violations.extend(returned::judge(evidence));
    violations.sort_by_key(|violation| violation.rule);
    violations
}

/// What a count says that is not zero.
const WRONG: [(Rule, &str); 4] = [
    (Rule::Oversold, "units too many"),
    (Rule::Books, "units unaccounted for"),
    (Rule::Limit, "buyers beyond the limit"),
    (Rule::Acknowledged, "keys with two orders"),
];

/// What one look at the books shows.
fn audited(evidence: &Evidence) -> Vec<Violation> {
    let mut violations = Vec::new();
    for planned in &evidence.skus {
        let audits = &evidence.books.audits;
        let Some(audit) = audits.iter().find(|it| it.sku.as_str() == planned.sku)
        else {
            let what = "the SKU is gone".to_owned();
            violations.push(Violation::of_sku(Rule::Books, &planned.sku, what));
            continue;
        };
        let supply_units = audit.initial_units + audit.restocked_units;
        let live_units = audit.accepted_units - audit.cancelled_units;
        let sums = format!(
            "{supply_units} were supplied, {live_units} are in orders, {} are left",
            audit.available_units
        );
        let counts = [
            audit.oversold_units,
            audit.unaccounted_units,
            audit.limit_overruns,
            audit.duplicate_keys,
        ];
        for ((rule, text), count) in WRONG.into_iter().zip(counts) {
            if count != 0 {
                let what = format!("{count} {text}: {sums}");
                violations.push(Violation::of_sku(rule, &planned.sku, what));
            }
        }
    }
    violations
}

/// Each accepted answer names the one order that there is.
fn acknowledged(attempts: &[&Entry], orders: &[&OrderRow]) -> Option<Violation> {
    attempts.iter().find_map(|attempt| {
        let Answer::Accepted { order_id } = &attempt.answer else {
            return None;
        };
        let what = match orders {
            [order] if order.order_id != *order_id => {
                format!("order {order_id} was told, {} is there", order.order_id)
            }
            [order] if order.sku != attempt.sku || order.units != attempt.units => {
                format!("order {order_id} is {} units of {}", order.units, order.sku)
            }
            [_] => return None,
            [] => format!("order {order_id} was told, none is there"),
            several => format!("there are {} orders", several.len()),
        };
        Some(Violation::of(Rule::Acknowledged, attempt, what))
    })
}

/// A refusal is final: there is no order, unless the buyer asked again after it.
fn refused(
    evidence: &Evidence,
    attempts: &[&Entry],
    orders: &[&OrderRow],
) -> Option<Violation> {
    let order = orders.first()?;
    attempts.iter().find_map(|refusal| {
        if !refusal.answer.is_refusal() {
            return None;
        }
        let word = refusal.answer.word();
        let before: Vec<_> = attempts
            .iter()
            .filter(|attempt| matches!(attempt.answer, Answer::Accepted { .. }))
            .filter(|attempt| attempt.answered_us <= refusal.sent_us)
            .collect();
        let after = attempts
            .iter()
            .any(|attempt| attempt.sent_us >= refusal.answered_us);
        let order_id = &order.order_id;
        if !before.is_empty() {
            let elsewhere = before.iter().all(|it| it.instance != refusal.instance);
            if elsewhere && sold_out::may_not_have_heard(evidence, refusal) {
                return None;
            }
            let ordered_us = before.iter().map(|it| it.answered_us).min();
            if sold_out::is_of_an_older_gate(evidence, refusal, ordered_us?) {
                return None;
            }
            let what = format!("{word} was told to the owner of order {order_id}");
            Some(Violation::of(Rule::WinnerRefused, refusal, what))
        } else if after
            || (attempts.iter().any(|it| is_on_its_way(it, refusal))
                && sold_out::may_be_overtaken(evidence, refusal, order.created_us))
            || (attempts.iter().any(|it| has_just_hung_up(it, refusal))
                && sold_out::was_added_to(evidence, refusal))
        {
            None
        } else {
            let what = format!("{word} was told, but there is order {order_id}");
            Some(Violation::of(Rule::RefusedButSold, refusal, what))
        }
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

fn unanswered(attempts: &[&Entry]) -> Option<Violation> {
    let unexpected = attempts.iter().find_map(|attempt| {
        let Answer::Unexpected(answer) = &attempt.answer else {
            return None;
        };
        let what = format!("the answer was {answer}");
        Some(Violation::of(Rule::Unanswered, attempt, what))
    });
    unexpected.or_else(|| {
        let last = attempts.last()?;
        let answered = attempts.iter().any(|it| it.leaves || it.answer.is_final());
        let what = "no final answer although everything was healed".to_owned();
        (!answered).then(|| Violation::of(Rule::Unanswered, last, what))
    })
}

fn stranded(probe: &Probe) -> Option<Violation> {
    let what = if probe.bought_units < probe.left_units {
        format!(
            "{} units were left, the probe could buy {} of them in time",
            probe.left_units, probe.bought_units
        )
    } else if let Some(then) = probe.then.iter().find(|it| !it.is_sold_out()) {
        format!(
            "nothing was left, but the next buyer was told {}",
            then.word()
        )
    } else {
        return None;
    };
    Some(Violation::of_sku(Rule::Stranded, &probe.sku, what))
}

#[cfg(test)]
mod tests;
