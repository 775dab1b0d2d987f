//! `lab judge`, from its command line to its verdict.
//!
//! It needs `server` beside it, as `tests/lab.rs` does.
#![expect(
    clippy::expect_used,
    reason = "what surrounds a test ends it when it fails"
)]

use std::process::Command;

use serde_json::Value;

/// The most lines that a verdict may have.
const LINES_MAX: usize = 25;

/// Checks the exit code, and returns the JSON and what was said beside it.
#[track_caller]
fn judged(arguments: &[&str], code: i32) -> (Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["judge", "--json", "-"])
        .args(arguments)
        .output()
        .expect("lab starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    let json = serde_json::from_slice(&output.stdout).expect("JSON");
    (json, text)
}

fn broken(verdict: &Value) -> &Value {
    let rules = verdict["rules"].as_array().expect("rules");
    rules
        .iter()
        .find(|it| it["held"] == false)
        .expect("a broken rule")
}

#[test]
fn naive_is_broken_within_the_first_dozen_and_the_reason_is_named() {
    let (verdict, text) = judged(&["--strategy", "naive"], 3);
    assert_eq!(verdict["verdict"], "broken");
    let broken = broken(&verdict);
    assert_eq!(
        (&broken["id"], &broken["scenario"]),
        (&"oversold".into(), &"last-unit".into())
    );
    assert_eq!(broken["why"]["id"], "read-then-written");
    assert_eq!(broken["why"]["steps"], serde_json::json!([2, 4]));
    let looked = verdict["stages"].as_array().expect("stages");
    let race = looked
        .iter()
        .find(|it| it["id"] == "interleave")
        .expect("a stage");
    assert!(race["schedules"].as_u64().expect("a count") <= 12, "{race}");
    assert!(
        verdict["not_judged"]
            .as_array()
            .expect("a list")
            .contains(&"crash".into())
    );

    let said: Vec<_> = text
        .lines()
        .skip_while(|it| !it.contains("naive: broken"))
        .collect();
    assert!(said.len() <= LINES_MAX + 2, "{text}");
    assert!(
        text.contains("Steps 2 and 4 read the same 1; nothing made one of them wait.")
    );
    assert!(text.contains("not judged: "), "{text}");

    let (again, _) = judged(&["--strategy", "naive"], 3);
    assert_eq!(verdict, again);
}

#[test]
fn pessimistic_holds_in_every_order_and_at_every_step() {
    let (verdict, text) = judged(&["--strategy", "pessimistic"], 0);
    assert_eq!(verdict["verdict"], "held", "{text}");
    let stages = verdict["stages"].as_array().expect("stages");
    assert_eq!(stages.len(), 8, "{text}");
    assert!(verdict["not_judged"].as_array().expect("a list").is_empty());
}

#[test]
fn a_permit_of_hybrid_dies_with_its_server_and_comes_back() {
    let arguments = ["--strategy", "hybrid", "--stages", "crash"];
    let (verdict, text) = judged(&arguments, 3);
    let broken = broken(&verdict);
    assert_eq!(broken["id"], "stranded");
    assert_eq!(broken["why"]["id"], "died-with-its-permit");
    assert_eq!(
        broken["fault"],
        serde_json::json!({"fault": "killed-after", "step": 1})
    );
    let sentence = "The unit that step 1 took from Redis died with the server.";
    assert!(text.contains(sentence), "{text}");
    assert!(text.contains("came back after"), "{text}");
    assert!(text.contains("crates/phase3-hybrid/README.md"), "{text}");
}

#[test]
fn the_engine_holds_at_every_step() {
    let (verdict, text) =
        judged(&["--strategy", "engine", "--stages", "http,crash"], 0);
    assert_eq!(verdict["verdict"], "held", "{text}");
}

#[test]
fn who_cannot_be_judged_is_not_called_wrong() {
    let (verdict, text) = judged(&["--server", "/bin/true"], 1);
    assert_eq!(verdict["verdict"], "unknown");
    assert!(text.contains("could not judge"), "{text}");
    assert!(
        verdict["reason"]
            .as_str()
            .expect("a reason")
            .contains("ended with code 0")
    );

    for (arguments, reason) in [
        (&[][..], "say who is judged"),
        (&["--server", "/nowhere/server"], "there is no such program"),
        (
            &["--strategy", "naive", "--scenario", "tea"],
            "there are last-unit, one-each",
        ),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_lab"))
            .arg("judge")
            .args(arguments)
            .output()
            .expect("lab starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(reason), "{text}");
    }
}
