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
                ..told(1_251..1_260, Answer::SoldOut)
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
