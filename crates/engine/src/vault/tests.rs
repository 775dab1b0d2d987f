use flash_core::{BuyerId, IdempotencyKey, Units};
use tokio::sync::oneshot;

use crate::purchase::Waiting;

use super::*;

/// A request for one unit, and the buyer who waits for its answer.
fn entry(buyer: &str) -> (Entry, Waiting) {
    let (reply, _) = oneshot::channel();
    let purchase = Arc::new(Purchase::new(PurchaseRequest {
        sku: Sku::new("tee").expect("a sku"),
        buyer_id: BuyerId::new(buyer).expect("a buyer"),
        units: Units::new(1).expect("units"),
        idempotency_key: IdempotencyKey::new("k1").expect("a key"),
    }));
    let waiting = Waiting::new(&purchase);
    let ticket = Ticket {
        purchase,
        permit: None,
    };
    (Entry::new(ticket, reply), waiting)
}

const SOLD_OUT: Decision = Decision::SoldOut { available_units: 0 };

/// Decides one batch on a stock row as a run of it finds it.
fn run_once(entries: &[Entry], available_units: i64, fence: i64) -> Vec<Decision> {
    run_with(entries, available_units, fence, HashMap::new())
}

fn run_with(
    entries: &[Entry],
    available_units: i64,
    fence: i64,
    known: HashMap<Key, Order>,
) -> Vec<Decision> {
    let row = StockRow {
        sku: "tee".to_owned(),
        available_units,
        per_buyer_limit: None,
        fence,
    };
    let mut stock = BTreeMap::from([("tee".to_owned(), row)]);
    decide(entries, &mut stock, known, HashMap::new())
}

#[test]
fn who_comes_first_gets_the_last_unit() {
    let ((ann, _ann), (bob, _bob)) = (entry("ann"), entry("bob"));
    let decisions = run_once(&[ann, bob], 1, 1);
    assert_eq!(decisions, [Decision::Accept, SOLD_OUT]);
}

#[test]
fn nothing_is_sold_to_a_buyer_who_has_left() {
    let ((ann, waiting), (bob, _bob)) = (entry("ann"), entry("bob"));
    drop(waiting);
    let decisions = run_once(&[ann, bob], 1, 1);
    assert_eq!(decisions, [Decision::TooLate, Decision::Accept]);
}

#[test]
fn a_batch_that_is_run_again_sells_nothing_that_was_added_since() {
    let (ann, _waiting) = entry("ann");
    let entries = [ann];
    assert_eq!(run_once(&entries, 0, 1), [SOLD_OUT]);
    assert_eq!(run_once(&entries, 5, 2), [Decision::TooLate]);
}

#[test]
fn a_batch_that_is_run_again_under_the_same_fence_is_decided_as_before() {
    let (ann, _waiting) = entry("ann");
    let entries = [ann];
    assert_eq!(run_once(&entries, 1, 7), [Decision::Accept]);
    assert_eq!(run_once(&entries, 1, 7), [Decision::Accept]);
}

#[test]
fn an_order_that_was_written_is_found_whatever_happened_since() {
    let (ann, waiting) = entry("ann");
    let request = ann.request();
    let key = (request.buyer_id.clone(), request.idempotency_key.clone());
    let known = HashMap::from([(key, ann.order.clone())]);
    let order = ann.order.clone();
    let entries = [ann];
    assert_eq!(run_once(&entries, 1, 1), [Decision::Accept]);
    drop(waiting);
    let again = run_with(&entries, 0, 9, known);
    assert_eq!(again, [Decision::Replay(order.clone())]);
    let answer = Decision::Replay(order.clone()).answer(order.clone());
    let own = Placement::Accepted {
        order,
        replayed: false,
    };
    assert_eq!(answer.expect("an order"), own);
}
