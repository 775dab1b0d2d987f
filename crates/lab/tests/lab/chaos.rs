//! `lab chaos`, with plans that are known to reach certain faults.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::demo::same_keys;
use crate::{json, lab, list};

/// What happened in the one run with a seed, in which nothing was violated.
fn faults(seed: &str) -> Vec<Value> {
    let (chaos, _) = json(lab("chaos --runs 1 --seed").arg(seed), 0);
    list(&chaos["runs"][0]["faults"]).to_vec()
}

#[test]
fn chaos_finds_nothing_in_the_engine() {
    let (chaos, _) = json(&mut lab("chaos --runs 2 --seed 1"), 0);
    same_keys(
        &chaos,
        "strategy batch_max runs faults answers stranded_units violations seconds",
    );
    assert_eq!(chaos["violations"], 0);
    let runs = list(&chaos["runs"]);
    let seeds: Vec<_> = runs.iter().map(|run| &run["plan"]["seed"]).collect();
    assert_eq!(seeds, [1, 2]);
}

/// Its last fault kills a backend beside one that does not end: PostgreSQL waits 5 s for it.
#[test]
fn chaos_finds_nothing_where_postgresql_recovers_late() {
    let faults = faults("8013");
    let last = faults.last().expect("a fault");
    assert_eq!(last["what"], "kill -9 backend beside a deaf one");
    assert!(last["skipped"].is_null(), "{last}");
    let us = |end: &str| last[end].as_i64().expect("microseconds");
    // It counts whole seconds of the clock, so that the first may be a short one.
    assert!(us("to_us") - us("from_us") > 3_000_000, "{last}");
}

/// Its faults are the six that leave things half broken, one of each.
#[test]
fn chaos_finds_nothing_where_things_break_by_half() {
    let faults = faults("325877");
    let what = |fault: &Value| fault["what"].as_str().map(str::to_owned);
    let planned = [
        "demote redis (125 ms)",
        "add column",
        "log sink gone (instance 1)",
        "read-only postgres (718 ms)",
        "hang first host (instance 0, 1424 ms)",
        "refuse redis writes (1222 ms)",
    ];
    // Two that come one after the other may begin together.
    let mut happened: Vec<_> = faults.iter().filter_map(what).collect();
    happened.sort_by_key(|it| planned.iter().position(|plan| it == plan));
    assert_eq!(happened, planned);
    // A column may find its table taken for so long that the standby finds PostgreSQL taken,
    // and a server that starts without a log may take as long on a busy machine.
    let may_be_skipped = &planned[1..4];
    for fault in faults.iter().filter(|fault| !fault["skipped"].is_null()) {
        let what = what(fault).expect("a fault");
        assert!(may_be_skipped.contains(&what.as_str()), "{fault}");
    }
}

/// What phase 3 does not promise is no violation, and it is told.
#[test]
fn chaos_finds_nothing_in_the_hybrid_beyond_the_life_of_a_gate() {
    let (chaos, said) = json(&mut lab("chaos --strategy hybrid --runs 1"), 0);
    assert!(said.contains("stranded units came back"), "{said}");
    assert_eq!(chaos["violations"], 0);
    assert!(chaos["stranded_units"].is_u64(), "{chaos}");
}

#[test]
fn chaos_finds_the_oversell_of_the_naive() {
    let (chaos, said) = json(&mut lab("chaos --strategy naive --runs 1"), 3);
    assert!(said.contains("--seed 1"), "{said}");
    let violations = list(&chaos["runs"][0]["violations"]);
    let rules: BTreeSet<_> = violations.iter().map(|it| it["rule"].as_str()).collect();
    assert!(rules.contains(&Some("oversold")), "{rules:?}");
}
