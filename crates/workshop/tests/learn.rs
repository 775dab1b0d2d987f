//! `learn`, from its command line to its exit code.
#![expect(
    clippy::expect_used,
    reason = "what surrounds a test ends it when it fails"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Checks the exit code, and returns what was said.
#[track_caller]
fn learn(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_learn"))
        .args(arguments)
        .env("LEARN_DIR", folder)
        .output()
        .expect("learn starts");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    text
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // There is none the first time.
    drop(fs::remove_dir_all(&folder));
    folder
}

#[test]
fn without_arguments_it_says_what_comes_next_on_one_screen() {
    let folder = folder("learn-list");
    let text = learn(&folder, &[], 0);
    assert!(text.lines().count() <= 24, "{text}");
    assert!(text.contains("next: ./just learn show e00"), "{text}");
    let text = learn(&folder, &["show", "e00"], 0);
    assert!(text.contains("then: ./just learn check e00"), "{text}");
    let text = learn(&folder, &["list"], 0);
    assert!(text.contains("next: ./just learn check e00"), "{text}");
}

#[test]
fn hints_come_one_after_the_other_and_are_written_down() {
    let folder = folder("learn-hints");
    for number in 1..=3 {
        let text = learn(&folder, &["hint", "e03"], 0);
        assert!(text.contains(&format!("hint {number}:")), "{text}");
    }
    let text = learn(&folder, &["hint", "3"], 0);
    assert!(
        text.contains("hint 3:") && text.contains("no more"),
        "{text}"
    );
    let progress = fs::read_to_string(folder.join("progress.json"));
    assert!(progress.expect("progress").contains("\"hints\": 3"));
}

#[test]
fn a_solution_is_shown_after_passing_or_giving_up() {
    let folder = folder("learn-solution");
    let text = learn(&folder, &["solution", "e01"], 2);
    assert!(text.contains("has not passed yet"), "{text}");
    let text = learn(&folder, &["solution", "e01", "--give-up"], 0);
    assert!(text.contains("if rows == 0"), "{text}");
    let text = learn(&folder, &["list"], 0);
    assert!(text.contains("given up"), "{text}");
}

#[test]
fn what_there_is_not_is_said_with_what_there_is() {
    let folder = folder("learn-usage");
    for arguments in [&["check", "e99"][..], &["show", "tea"], &["brew"]] {
        learn(&folder, arguments, 2);
    }
    let text = learn(&folder, &["check", "e99"], 2);
    assert!(text.contains("there are e00, e01"), "{text}");
    let text = learn(&folder, &["why", "e01"], 1);
    assert!(text.contains("./just learn check e01"), "{text}");
    assert!(learn(&folder, &["reset", "e01"], 0).contains("as it was released"));
}

#[test]
fn a_run_waits_for_a_prediction_and_a_class_has_medians() {
    let folder = folder("learn-class");
    // Nobody is there to type one.
    let text = learn(&folder, &["run", "ch03"], 2);
    assert!(text.contains("no prediction, no run"), "{text}");
    learn(&folder, &["predict", "ch03", "12", "of", "924"], 0);
    let progress = fs::read_to_string(folder.join("progress.json"));
    assert!(progress.expect("progress").contains("12 of 924"));

    let path = folder.join("reports");
    learn(&folder, &["report", path.to_str().expect("text")], 0);
    let html = fs::read_to_string(path.join("learn-report.html"));
    assert!(html.expect("a report").contains("12 of 924"));
    for (name, minute) in [("ann", "20"), ("bob", "30"), ("cid", "50")] {
        let json = format!(
            r#"{{"exercises":{{"e01":{{"opened":"2026-11-30T09:00",
            "passed":"2026-11-30T09:{minute}"}}}}}}"#
        );
        fs::write(path.join(format!("{name}.json")), json).expect("a file");
    }
    let text = learn(&folder, &["class", path.to_str().expect("text")], 0);
    assert!(text.contains("e01          3        30"), "{text}");
}

#[test]
fn an_exercise_as_released_is_not_yet_and_says_why() {
    let folder = folder("learn-check");
    let text = learn(&folder, &["check", "e01"], 3);
    assert!(text.contains("e01 One statement: not yet"), "{text}");
    assert!(text.contains("changed no row (UPDATE 0)"), "{text}");
    assert!(
        text.contains("as released: this is how it begins"),
        "{text}"
    );
    let why = learn(&folder, &["why", "e01"], 0);
    assert!(why.contains("UPDATE skus"), "{why}");
    let progress = fs::read_to_string(folder.join("progress.json")).expect("progress");
    assert!(progress.contains("ignored-guard"), "{progress}");
}
