//! `lab demo-oversell`: what is sold, written and shown.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{ended, json, lab, list};

/// `expected` is a list of words.
#[track_caller]
pub(crate) fn same_keys(value: &Value, expected: &str) {
    let object = value.as_object().expect("an object");
    let found: BTreeSet<_> = object.keys().map(String::as_str).collect();
    assert_eq!(found, expected.split_whitespace().collect());
}

#[test]
fn the_demo_sells_with_all_four_and_its_json_is_as_agreed() {
    let (demo, said) = json(&mut lab("demo-oversell --units 5 --buyers 40"), 0);
    for exact in ["hybrid", "engine"] {
        let verdict = format!("{exact}: exact: 5 orders for 5 units");
        assert!(said.contains(&verdict), "{said}");
    }
    let words: Vec<_> = said.split_whitespace().collect();
    assert!(words.join(" ").contains("--units 1000"), "{said}");
    // A sale of seconds tells no way into its stores.
    assert!(said.contains("private PostgreSQL"), "{said}");
    assert!(!said.contains("export") && !said.contains("psql"), "{said}");

    same_keys(&demo, "environment runs as_promised");
    assert_eq!(demo["as_promised"], true);
    same_keys(
        &demo["environment"],
        "date os cpus postgresql redis lab fsync pool_size",
    );
    assert_eq!(demo["environment"]["fsync"], true);
    let runs = list(&demo["runs"]);
    let strategies: Vec<_> = runs.iter().map(|run| &run["strategy"]).collect();
    assert_eq!(strategies, ["naive", "pessimistic", "hybrid", "engine"]);
    runs.iter().for_each(check_run);
    for exact in &runs[1..] {
        assert_eq!(exact["accepted"], 5);
        assert_eq!(exact["sold_out"], 35);
        assert_eq!(exact["audit"]["verdict"], "exact");
        assert_eq!(exact["undersold_units"], 0);
    }
    // The drift is that of the engine's gates.
    assert!(runs[2]["audit"]["gate_drift_units"].is_null());
    assert_eq!(runs[3]["audit"]["gate_drift_units"], 0);
}

fn check_run(run: &Value) {
    let classes = "accepted sold_out limit_reached busy failed unknown";
    let others = "strategy units buyers undersold_units elapsed_ms latency_ms audit";
    same_keys(run, &format!("{classes} {others}"));
    same_keys(&run["latency_ms"], "p50 p90 p99 max");
    same_keys(
        &run["audit"],
        "sku strategy initial_units restocked_units accepted_units cancelled_units \
         available_units oversold_units unaccounted_units lost_updates \
         negative_stock duplicate_keys limit_overruns gate_drift_units verdict",
    );

    let told: i64 = classes.split(' ').filter_map(|it| run[it].as_i64()).sum();
    assert_eq!(told, 40);
    assert_eq!(run["audit"]["accepted_units"], run["accepted"]);
    assert_eq!(run["audit"]["strategy"], run["strategy"]);
    let latency = &run["latency_ms"];
    assert!(latency["p50"].as_f64() <= latency["max"].as_f64());
    assert!(latency["max"].as_f64() <= run["elapsed_ms"].as_f64());
}

#[test]
fn files_are_meant_from_where_the_caller_stands() {
    let dir = tempfile::tempdir().expect("a directory");
    let command = &mut lab("demo-oversell --buyers 1 --strategy naive --json out.json");
    ended(command.env("FLASHSALE_CALLER_DIR", dir.path()), 0);
    assert!(dir.path().join("out.json").is_file());
}
