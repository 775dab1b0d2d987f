//! For each rule: a story that breaks it, and one that comes close but does not.

use flash_core::{Audit, AuditCounts, Sku};

use super::*;
use crate::books::{Books, RestockRow};
use crate::evidence::Promise;
use crate::schedule::PlannedSku;

mod sold_out;

const SKU: &str = "tee";

/// Ten units, of which `sold` were, without a flaw.
fn sold(sold: i64) -> Evidence {
    Evidence {
        skus: vec![PlannedSku {
            sku: SKU.to_owned(),
            units: 10,
            limit: None,
        }],
        books: Books {
            audits: vec![audit(|counts| {
                counts.accepted_units = sold;
                counts.available_units = 10 - sold;
            })],
            ..Books::default()
        },
        ..Evidence::default()
    }
}

fn audit(change: impl FnOnce(&mut AuditCounts)) -> Audit {
    let mut counts = AuditCounts {
        sku: Sku::new(SKU).expect("a valid sku"),
        initial_units: 10,
        restocked_units: 0,
        accepted_units: 0,
        cancelled_units: 0,
        available_units: 10,
        duplicate_keys: 0,
        limit_overruns: 0,
        gate_free_units: None,
    };
    change(&mut counts);
    counts.judge(None)
}

/// What ann was answered to her key k, in these milliseconds.
fn told(times_ms: std::ops::Range<i64>, answer: Answer) -> Entry {
    Entry {
        sku: SKU.to_owned(),
        buyer: "ann".to_owned(),
        key: "k".to_owned(),
        units: 2,
        ask: Ask::Order,
        instance: 0,
        sent_us: times_ms.start * 1_000,
        answered_us: times_ms.end * 1_000,
        answer,
        leaves: false,
    }
}

fn accepted(order_id: &str) -> Answer {
    let order_id = order_id.to_owned();
    Answer::Accepted { order_id }
}

/// The order of ann's key k.
fn order(order_id: &str, units: i64, created_ms: i64) -> OrderRow {
    OrderRow {
        order_id: order_id.to_owned(),
        sku: SKU.to_owned(),
        buyer_id: "ann".to_owned(),
        idempotency_key: "k".to_owned(),
        units,
        status: "accepted".to_owned(),
        created_us: created_ms * 1_000,
    }
}

#[track_caller]
fn assert_broken(evidence: &Evidence, rules: &[Rule]) {
    let violations = judge(evidence);
    let found: Vec<_> = violations.iter().map(|it| it.rule).collect();
    assert_eq!(found, rules, "{violations:#?}");
}

#[test]
fn a_sale_without_a_flaw_breaks_nothing() {
    assert_broken(&sold(0), &[]);
    assert_broken(&sold(10), &[]);
}

#[test]
fn more_units_sold_than_supplied_is_an_oversell() {
    let mut evidence = sold(10);
    evidence.books.audits[0] = audit(|counts| {
        counts.accepted_units = 11;
        counts.available_units = 0;
    });
    assert_broken(&evidence, &[Rule::Oversold, Rule::Books]);
}

#[test]
fn a_unit_that_is_nowhere_is_a_flaw_in_the_books() {
    let mut evidence = sold(0);
    evidence.books.audits[0] = audit(|counts| counts.available_units = 9);
    assert_broken(&evidence, &[Rule::Books]);
    evidence.books.audits.clear();
    assert_broken(&evidence, &[Rule::Books]);
}

#[test]
fn a_buyer_with_more_than_the_limit_is_found() {
    let mut evidence = sold(0);
    evidence.books.audits[0] = audit(|counts| counts.limit_overruns = 1);
    assert_broken(&evidence, &[Rule::Limit]);
}

#[test]
fn an_acknowledged_order_is_there_under_the_name_that_was_told() {
    let mut evidence = sold(2);
    evidence.books.orders = vec![order("a", 2, 5)];
    evidence.entries = vec![
        told(0..10, Answer::Lost),
        told(20..30, accepted("a")),
        told(40..50, accepted("a")),
    ];
    assert_broken(&evidence, &[]);

    evidence.entries.push(told(60..70, accepted("b")));
    assert_broken(&evidence, &[Rule::Acknowledged]);
}

#[test]
fn an_acknowledged_order_that_is_not_there_or_another_is_found() {
    let mut evidence = sold(0);
    evidence.entries = vec![told(0..10, accepted("a"))];
    assert_broken(&evidence, &[Rule::Acknowledged]);
    evidence.books.orders = vec![order("a", 3, 5)];
    assert_broken(&evidence, &[Rule::Acknowledged]);
    evidence.books.orders = vec![order("a", 2, 5), order("b", 2, 5)];
    assert_broken(&evidence, &[Rule::Acknowledged]);
}

#[test]
fn who_is_refused_for_good_has_no_order() {
    let mut evidence = sold(2);
    evidence.entries = vec![
        told(0..10, Answer::Lost),
        told(20..30, Answer::LimitReached),
    ];
    assert_broken(&evidence, &[]);
    // The first attempt came through after the second was refused.
    evidence.books.orders = vec![order("a", 2, 5)];
    assert_broken(&evidence, &[Rule::RefusedButSold]);
}

#[test]
fn whoever_has_just_hung_up_may_be_sold_what_was_added_since() {
    let mut evidence = sold(2);
    evidence.books.orders = vec![order("a", 2, 50)];
    evidence.skus[0].units = 0;
    let mut restock = told(40..60, Answer::Lost);
    restock.ask = Ask::Restock;
    evidence.entries = vec![
        told(0..10, Answer::Lost),
        told(20..30, Answer::SoldOut),
        restock,
    ];
    assert_broken(&evidence, &[]);
    // A second later the server has noticed.
    evidence.entries[1] = told(1_020..1_030, Answer::SoldOut);
    evidence.entries[2].answered_us = 1_100_000;
    assert_broken(&evidence, &[Rule::RefusedButSold]);
}

#[test]
fn who_asks_again_after_a_refusal_may_get_the_order() {
    let mut evidence = sold(2);
    evidence.books.orders = vec![order("a", 2, 50)];
    evidence.entries = vec![
        told(20..30, Answer::LimitReached),
        told(40..60, Answer::Lost),
    ];
    assert_broken(&evidence, &[]);
}

#[test]
fn a_winner_is_never_refused() {
    let mut evidence = sold(2);
    evidence.books.orders = vec![order("a", 2, 5)];
    evidence.entries = vec![
        told(0..10, accepted("a")),
        told(20..30, Answer::LimitReached),
        told(40..50, accepted("a")),
    ];
    assert_broken(&evidence, &[Rule::WinnerRefused]);
}

#[test]
fn what_is_left_can_be_bought_and_then_it_is_sold_out() {
    let probe = Probe {
        sku: SKU.to_owned(),
        left_units: 3,
        bought_units: 3,
        then: [Answer::SoldOut, Answer::SoldOut],
    };
    let mut evidence = sold(10);
    evidence.probes = vec![probe.clone()];
    assert_broken(&evidence, &[]);
    evidence.probes[0].bought_units = 2;
    assert_broken(&evidence, &[Rule::Stranded]);
    evidence.probes = vec![probe];
    evidence.probes[0].then[1] = Answer::Again("busy".to_owned());
    assert_broken(&evidence, &[Rule::Stranded]);
}

#[test]
fn an_acknowledged_restock_counts_exactly_once() {
    let mut restock = told(90..100, Answer::Done);
    restock.ask = Ask::Restock;
    let mut evidence = sold(0);
    let row = RestockRow {
        sku: SKU.to_owned(),
        idempotency_key: "k".to_owned(),
        units: 2,
    };
    let counted = |units| {
        audit(|counts| {
            counts.restocked_units = units;
            counts.available_units = 10 + units;
        })
    };
    // Told twice, added once.
    evidence.entries = vec![restock.clone(), restock];
    evidence.books.restocks = vec![row];
    evidence.books.audits = vec![counted(2)];
    assert_broken(&evidence, &[]);

    evidence.books.audits = vec![counted(4)];
    assert_broken(&evidence, &[Rule::Returned]);

    evidence.entries.truncate(1);
    evidence.books.restocks.clear();
    evidence.books.audits = vec![counted(0)];
    assert_broken(&evidence, &[Rule::Returned]);
}

#[test]
fn an_acknowledged_cancellation_is_there() {
    let mut cancel = told(90..100, Answer::Done);
    cancel.ask = Ask::Cancel {
        order_id: "a".to_owned(),
    };
    let mut evidence = sold(2);
    evidence.entries = vec![cancel];
    evidence.books.orders = vec![order("a", 2, 5)];
    assert_broken(&evidence, &[Rule::Returned]);
    evidence.books.orders[0].status = "cancelled".to_owned();
    assert_broken(&evidence, &[]);
}

#[test]
fn everybody_gets_a_final_and_proper_answer() {
    let mut evidence = sold(0);
    let busy = || Answer::Again("busy".to_owned());
    evidence.entries = vec![told(0..10, busy()), told(20..30, Answer::NotSent)];
    assert_broken(&evidence, &[Rule::Unanswered]);
    let unknown = Answer::Unexpected("404 unknown-sku".to_owned());
    evidence.entries.push(told(40..50, unknown));
    assert_broken(&evidence, &[Rule::Unanswered]);

    // All ten are bob's.
    evidence.books.orders = vec![order("a", 10, 5)];
    evidence.books.orders[0].buyer_id = "bob".to_owned();
    evidence.books.audits = sold(10).books.audits;
    evidence.entries.truncate(2);
    evidence.entries.push(told(40..50, Answer::SoldOut));
    assert_broken(&evidence, &[]);
}

#[test]
fn who_goes_away_needs_no_answer() {
    let mut evidence = sold(0);
    evidence.entries = vec![told(0..10, Answer::Lost)];
    assert_broken(&evidence, &[Rule::Unanswered]);
    evidence.entries[0].leaves = true;
    assert_broken(&evidence, &[]);
}
