//! `lab judge`, from its command line to its verdict.

use serde_json::{Value, json as value};

use crate::{json, lab, list};

/// The most lines that a verdict may have.
const LINES_MAX: usize = 25;

#[track_caller]
fn judged(arguments: &str, code: i32) -> (Value, String) {
    json(&mut lab(&format!("judge {arguments}")), code)
}

fn broken(verdict: &Value) -> &Value {
    let mut rules = list(&verdict["rules"]).iter();
    rules.find(|it| it["held"] == false).expect("a broken rule")
}

#[test]
fn naive_is_broken_within_the_first_dozen_and_the_reason_is_named() {
    let (verdict, said) = judged("--strategy naive", 3);
    assert_eq!(verdict["verdict"], "broken");
    let broken = broken(&verdict);
    assert_eq!(broken["id"], "oversold");
    assert_eq!(broken["scenario"], "last-unit");
    assert_eq!(broken["why"]["id"], "read-then-written");
    assert_eq!(broken["why"]["steps"], value!([2, 4]));
    let mut stages = list(&verdict["stages"]).iter();
    let race = stages.find(|it| it["id"] == "interleave").expect("a stage");
    assert!(race["schedules"].as_u64() <= Some(12), "{race}");
    assert!(list(&verdict["not_judged"]).contains(&"crash".into()));

    let lines = said.lines().skip_while(|it| !it.contains("naive: broken"));
    assert!(lines.count() <= LINES_MAX + 2, "{said}");
    let why = "Steps 2 and 4 read the same 1; nothing made one of them wait.";
    assert!(said.contains(why), "{said}");
    assert!(said.contains("not judged: "), "{said}");

    assert_eq!(verdict, judged("--strategy naive", 3).0);
}

#[test]
fn pessimistic_holds_in_every_order_and_at_every_step() {
    let (verdict, said) = judged("--strategy pessimistic", 0);
    assert_eq!(verdict["verdict"], "held", "{said}");
    assert_eq!(list(&verdict["stages"]).len(), 8, "{said}");
    assert_eq!(verdict["not_judged"], value!([]));
}

#[test]
fn a_permit_of_hybrid_dies_with_its_server_and_comes_back() {
    let (verdict, said) = judged("--strategy hybrid --stages crash", 3);
    let broken = broken(&verdict);
    assert_eq!(broken["id"], "stranded");
    assert_eq!(broken["why"]["id"], "died-with-its-permit");
    assert_eq!(
        broken["fault"],
        value!({"fault": "killed-after", "step": 1})
    );
    // What is set, and not what was measured.
    let why = "The unit that step 1 took from Redis died with the server. \
               It came back after 10 s.";
    assert_eq!(broken["why"]["sentence"], why);
    assert!(said.contains("crates/phase3-hybrid/README.md"), "{said}");
}

#[test]
fn who_wants_more_than_there_is_does_not_wait_and_two_judges_see_the_same_orders() {
    let too_much = "--strategy engine --stages interleave --scenario too-much-and-one \
                    --changes-max 3";
    let (verdict, said) = judged(too_much, 0);
    assert_eq!(verdict["verdict"], "held", "{said}");
    assert_eq!(verdict, judged(too_much, 0).0);
}

#[test]
fn the_engine_holds_at_every_step() {
    let (verdict, said) = judged("--strategy engine --stages http,crash", 0);
    assert_eq!(verdict["verdict"], "held", "{said}");
}

#[test]
fn who_cannot_be_judged_is_not_called_wrong() {
    let (verdict, said) = judged("--server /bin/true", 1);
    assert_eq!(verdict["verdict"], "unknown");
    assert!(said.contains("could not judge"), "{said}");
    let reason = verdict["reason"].as_str().expect("a reason");
    assert!(reason.contains("ended with code 0"), "{reason}");
}
