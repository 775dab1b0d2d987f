//! When "sold out" was true, and when it was not.

use super::*;

#[test]
fn sold_out_is_not_said_while_there_is_enough() {
    let mut evidence = sold(8);
    evidence.books.orders = vec![order("a", 8, 5)];
    evidence.books.orders[0].buyer_id = "bob".to_owned();
    evidence.entries = vec![told(20..30, Answer::SoldOut)];
    assert_broken(&evidence, &[Rule::FalseSoldOut]);

    // Three are not there.
    evidence.entries[0].units = 3;
    assert_broken(&evidence, &[]);
}

#[test]
fn what_may_have_been_sold_by_then_does_not_count_as_free() {
    let mut evidence = sold(9);
    evidence.books.orders = vec![order("a", 9, 29)];
    evidence.books.orders[0].buyer_id = "bob".to_owned();
    evidence.entries = vec![told(20..30, Answer::SoldOut)];
    assert_broken(&evidence, &[]);
    // An order that came long after the answer took nothing from it.
    evidence.books.orders[0].created_us = 500_000;
    assert_broken(&evidence, &[Rule::FalseSoldOut]);
}

/// All ten are sold, then something is added at 100 ms, and ann is told at 2 s.
fn after_addition(added: Entry) -> Evidence {
    let mut evidence = sold(10);
    evidence.books.orders = vec![order("a", 10, 5)];
    evidence.books.orders[0].buyer_id = "bob".to_owned();
    evidence.entries = vec![added, told(2_000..2_010, Answer::SoldOut)];
    evidence
}

#[test]
fn what_a_restock_added_is_free_once_the_lease_is_over() {
    let mut restock = told(90..100, Answer::Done);
    restock.ask = Ask::Restock;
    let mut evidence = after_addition(restock);
    evidence.books.restocks = vec![RestockRow {
        sku: SKU.to_owned(),
        idempotency_key: "k".to_owned(),
        units: 2,
    }];
    evidence.books.audits[0] = audit(|counts| {
        counts.restocked_units = 2;
        counts.accepted_units = 10;
        counts.available_units = 2;
    });
    assert_broken(&evidence, &[Rule::FalseSoldOut]);
    evidence.entries[0].answered_us = 1_000_000;
    assert_broken(&evidence, &[]);
}

#[test]
fn what_a_cancellation_gave_back_is_free_once_the_lease_is_over() {
    let mut cancel = told(90..100, Answer::Done);
    cancel.ask = Ask::Cancel {
        order_id: "a".to_owned(),
    };
    let mut evidence = after_addition(cancel);
    evidence.books.orders[0].status = "cancelled".to_owned();
    assert_broken(&evidence, &[Rule::FalseSoldOut]);
    evidence.entries[0].answered_us = 1_000_000;
    assert_broken(&evidence, &[]);
}

/// Ann buys at one instance what was added there at 1,000 ms, and asks at another.
fn after_buying_elsewhere() -> Evidence {
    let mut evidence = sold(10);
    evidence.books.orders = vec![order("a", 2, 1_002), order("b", 8, 5)];
    evidence.books.orders[1].buyer_id = "bob".to_owned();
    evidence.books.orders[1].status = "cancelled".to_owned();
    let mut cancel = told(990..1_000, Answer::Done);
    cancel.ask = Ask::Cancel {
        order_id: "b".to_owned(),
    };
    let mut refusal = told(1_200..1_210, Answer::SoldOut);
    refusal.instance = 1;
    evidence.entries = vec![cancel, told(1_002..1_010, accepted("a")), refusal];
    evidence
}

#[test]
fn an_instance_may_not_have_heard_yet_of_units_that_were_bought_elsewhere() {
    assert_broken(&after_buying_elsewhere(), &[]);
}

#[test]
fn an_instance_must_hear_in_time_and_knows_what_it_did_itself() {
    let broken: [fn(&mut Evidence); 4] = [
        |late| {
            late.entries[2] = Entry {
                instance: 1,
                // More than is free.
                units: 9,
                ..told(2_501..2_510, Answer::SoldOut)
            }
        },
        |sold_it_itself| sold_it_itself.entries[1].instance = 1,
        |added_it_itself| added_it_itself.entries[0].instance = 1,
        |not_sold_out| not_sold_out.entries[2].answer = Answer::LimitReached,
    ];
    for breaks in broken {
        let mut evidence = after_buying_elsewhere();
        breaks(&mut evidence);
        assert_broken(&evidence, &[Rule::WinnerRefused]);
    }
}

/// Phase 3 with gates that live for half a second.
fn of_phase_3(mut evidence: Evidence) -> Evidence {
    evidence.promise = Promise::UntilGateExpires {
        lifetime_us: 500_000,
    };
    evidence
}

/// Bob asks for all ten at 0 to 10 ms and gets no answer; ann is refused at this time.
fn after_a_lost_permit(refused_ms: i64) -> Evidence {
    let mut lost = told(0..10, Answer::Lost);
    lost.buyer = "bob".to_owned();
    lost.units = 10;
    lost.leaves = true;
    let mut evidence = sold(0);
    let times_ms = refused_ms..refused_ms + 10;
    evidence.entries = vec![lost, told(times_ms, Answer::SoldOut)];
    evidence
}

#[test]
fn a_permit_may_keep_units_away_until_its_gate_has_expired_and_in_phase_3_only() {
    assert_broken(&after_a_lost_permit(400), &[Rule::FalseSoldOut]);
    assert_broken(&of_phase_3(after_a_lost_permit(400)), &[]);
    let late = of_phase_3(after_a_lost_permit(5_600));
    assert_broken(&late, &[Rule::FalseSoldOut]);
    // What PostgreSQL says is true at once.
    let mut by_row = of_phase_3(after_a_lost_permit(400));
    by_row.entries[1].answer = Answer::SoldOutByRow;
    assert_broken(&by_row, &[]);
    by_row.entries[0].units = 8;
    assert_broken(&by_row, &[Rule::FalseSoldOut]);
}

#[test]
fn whom_a_gate_refuses_holds_nothing_in_it() {
    let mut evidence = of_phase_3(after_a_lost_permit(400));
    evidence.entries[0].answer = Answer::SoldOut;
    evidence.entries[0].units = 11;
    assert_broken(&evidence, &[Rule::FalseSoldOut]);
    // It may have been admitted, tried in vain, and refused when it was tried again.
    evidence.entries[0].answered_us = 60_000;
    assert_broken(&evidence, &[]);
}

#[test]
fn a_gate_that_was_set_to_nothing_refuses_until_it_has_expired() {
    let mut evidence = of_phase_3(sold(0));
    evidence.entries = vec![told(3_000..3_010, Answer::SoldOut)];
    assert_broken(&evidence, &[Rule::FalseSoldOut]);
    evidence.emptied_us = vec![(990_000, 1_000_000)];
    assert_broken(&evidence, &[]);
    evidence.entries = vec![told(3_501..3_510, Answer::SoldOut)];
    assert_broken(&evidence, &[Rule::FalseSoldOut]);
    evidence.entries = vec![told(900..980, Answer::SoldOut)];
    assert_broken(&evidence, &[Rule::FalseSoldOut]);
}

#[test]
fn the_owner_of_an_order_is_refused_by_an_older_gate_only() {
    let mut evidence = sold(10);
    evidence.books.orders = vec![order("a", 10, 5)];
    evidence.entries = vec![
        told(0..10, accepted("a")),
        told(2_000..2_010, Answer::SoldOut),
    ];
    for entry in &mut evidence.entries {
        entry.units = 10;
    }
    assert_broken(&evidence, &[Rule::WinnerRefused]);
    let mut evidence = of_phase_3(evidence);
    assert_broken(&evidence, &[]);
    evidence.entries[1].answer = Answer::SoldOutByRow;
    assert_broken(&evidence, &[Rule::WinnerRefused]);
    evidence.entries[1].answer = Answer::SoldOut;
    evidence.entries[1].sent_us = 2_511_000;
    evidence.entries[1].answered_us = 2_520_000;
    assert_broken(&evidence, &[Rule::WinnerRefused]);
}

#[test]
fn a_request_of_phase_3_may_go_on_after_its_buyer_and_postgresql_knows_its_order() {
    let mut evidence = of_phase_3(sold(2));
    evidence.books.orders = vec![order("a", 2, 35)];
    evidence.entries = vec![told(0..10, Answer::Lost), told(20..30, Answer::SoldOut)];
    assert_broken(&evidence, &[Rule::FalseSoldOut]);
    for entry in &mut evidence.entries {
        entry.units = 9;
    }
    evidence.books.orders[0].units = 9;
    evidence.books.audits = sold(9).books.audits;
    assert_broken(&evidence, &[]);
    evidence.entries[1].answer = Answer::SoldOutByRow;
    assert_broken(&evidence, &[]);
    // It was there before PostgreSQL was asked.
    evidence.entries[1].sent_us = 200_000;
    evidence.entries[1].answered_us = 210_000;
    assert_broken(&evidence, &[Rule::RefusedButSold]);
    evidence.entries[1].sent_us = 20_000;
    evidence.promise = Promise::Exact;
    assert_broken(&evidence, &[Rule::RefusedButSold]);
}
