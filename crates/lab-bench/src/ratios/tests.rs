use flash_lab_crowd::Latency;

use super::*;
use crate::arm::{Arm, Work};
use crate::block::{Block, Counters};
use crate::books::Answers;
use crate::meaning::meaning;

fn block(arm: Arm, buyers: usize, per_second: f64) -> Block {
    Block {
        section: "static",
        arm,
        work: Work::ORDERS.name(),
        buyers,
        offered_per_second: None,
        seconds: 1.0,
        per_second,
        answers: Answers::default(),
        books: None,
        latency_ms: Latency::default(),
        counters: Counters {
            commits_per_order: Some(0.005),
            ..Counters::default()
        },
        void: None,
        violation: false,
        accepted_at_ms: Vec::new(),
        curve: Vec::new(),
    }
}

/// Two pairs with the static route: 0.6 and 0.4.
fn measured() -> Measured {
    Measured {
        blocks: vec![
            block(Arm::Static, 1_000, 100.0),
            block(Arm::Engine, 1_000, 60.0),
            block(Arm::Engine, 1_000, 40.0),
            block(Arm::Static, 1_000, 100.0),
        ],
        pairs: [("static", vec![[0, 1], [3, 2]])].into(),
        rounds: Vec::new(),
    }
}

fn of<'a>(ratios: &'a [Ratio], id: &str) -> &'a Ratio {
    ratios.iter().find(|ratio| ratio.id == id).expect("the id")
}

#[test]
fn every_promise_is_told_in_words_and_so_is_a_missed_target() {
    for promise in &PROMISES {
        let Some(target) = promise.target else {
            let told = meaning(&Ratio::new(promise, vec![1.0; 2]));
            assert!(!told.contains("target"), "{told}");
            assert!(!told.ends_with(" times."), "{}: {told}", promise.id);
            continue;
        };
        let kept = Ratio::new(promise, vec![target; 2]);
        let far = match promise.side {
            Side::AtLeast => target / 2.0,
            Side::AtMost => target * 2.0,
        };
        let open = Ratio::new(promise, vec![target / 2.0, target * 2.0]);
        let open = meaning(&open);
        assert!(
            open.contains("Not decided: ") && !open.contains("missed"),
            "{open}"
        );
        let (kept, missed) =
            (meaning(&kept), meaning(&Ratio::new(promise, vec![far; 2])));
        let id = promise.id;
        assert!(
            kept.ends_with('.') && !kept.contains("missed"),
            "{id}: {kept}"
        );
        assert!(missed.contains("Target missed: "), "{id}: {missed}");
        // These are what an id without words of its own gets.
        assert!(!kept.ends_with(" times."), "{id}: {kept}");
        assert!(!missed.contains("PERFORMANCE"), "{id}: {missed}");
    }
}

#[test]
fn every_promise_is_reported_under_its_id() {
    let ids: Vec<_> = ratios(&Measured::default(), 1_000)
        .iter()
        .map(|ratio| ratio.id)
        .collect();
    assert_eq!(
        ids,
        [
            "refusals_vs_static",
            "orders_vs_static",
            "orders_vs_pessimistic",
            "orders_vs_hybrid",
            "orders_vs_pgbench",
            "orders_many_skus",
            "orders_crowd",
            "burst_vs_pessimistic",
            "hybrid_burst_vs_pessimistic",
            "hybrid_refusals_vs_pessimistic",
            "commits_per_order",
            "wal_vs_pessimistic",
            "redis_down_vs_normal",
            "overload_goodput",
            "order_p50_half_load",
        ]
    );
}

#[test]
fn what_was_not_measured_is_not_met() {
    for ratio in ratios(&Measured::default(), 1_000) {
        assert!(
            ratio.median.is_none() && ratio.met != Some(true),
            "{}",
            ratio.id
        );
    }
}

#[test]
fn the_hard_side_of_the_interval_decides() {
    let ratios = ratios(&measured(), 1_000);
    let orders = of(&ratios, "orders_vs_static");
    assert_eq!(orders.median, Some(0.5));
    assert_eq!(orders.low, Some(0.4));
    assert_eq!(orders.met, Some(false));
    let commits = of(&ratios, "commits_per_order");
    assert_eq!(commits.high, Some(0.005));
    assert_eq!(commits.met, Some(true));
    let reported = of(&ratios, "wal_vs_pessimistic");
    assert_eq!((reported.target, reported.met), (None, None));
}

#[test]
fn a_void_block_takes_its_pair_with_it() {
    let mut measured = measured();
    measured.blocks[2].void = Some("the books do not balance".to_owned());
    let ratios = ratios(&measured, 1_000);
    assert_eq!(of(&ratios, "orders_vs_static").values, [0.6]);
}

#[test]
fn the_crowd_is_held_against_the_best_of_its_round() {
    let mut measured = measured();
    measured.blocks.push(block(Arm::Engine, 64, 80.0));
    measured.rounds.push(vec![1, 4]);
    let ratios = ratios(&measured, 1_000);
    assert_eq!(of(&ratios, "orders_crowd").values, [0.75]);
}

#[test]
fn the_json_of_a_ratio_is_as_agreed() {
    let ratios = ratios(&measured(), 1_000);
    let json = serde_json::to_value(of(&ratios, "orders_vs_static")).expect("JSON");
    for key in ["id", "median", "low", "high", "target", "met"] {
        assert!(json.get(key).is_some(), "{key}");
    }
    assert_eq!(json["side"], "at_least");
}
