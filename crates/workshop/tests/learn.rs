//! `learn`, from its command line to its exit code.
#![expect(
    clippy::expect_used,
    reason = "what surrounds a test ends it when it fails"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Checks the exit code, and returns what was said.
#[track_caller]
fn learn(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = command(folder, arguments).output().expect("learn starts");
    said(&output, code)
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut learn = Command::new(env!("CARGO_BIN_EXE_learn"));
    learn.args(arguments).env("LEARN_DIR", folder);
    learn
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
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
    let text = learn(&folder, &["stick", "a-stick"], 2);
    assert!(text.contains("outside of the repository"), "{text}");
    assert!(!Path::new("a-stick").exists());
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

/// Puts back what a learner edits, however the test ends.
struct Edited(PathBuf, String);

impl Edited {
    fn new(exercise: &str, edit: impl FnOnce(&str) -> String) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("exercises");
        let path = path.join(exercise).join("strategy.rs");
        let released = fs::read_to_string(&path).expect("an exercise");
        fs::write(&path, edit(&released)).expect("an edit");
        Self(path, released)
    }
}

impl Drop for Edited {
    fn drop(&mut self) {
        fs::write(&self.0, &self.1).expect("as it was released");
    }
}

#[test]
fn what_is_half_typed_is_said_and_a_reset_keeps_it() {
    let folder = folder("learn-half-typed");
    let exercise = "e03_unlocked_too_early";
    let edited = Edited::new(exercise, |it| it.replace("// YOUR PART", "let half ="));
    let text = learn(&folder, &["check", "e03"], 1);
    let sentence = "error: e03 does not compile; nothing else is broken by that";
    assert!(text.trim_end().ends_with(sentence), "{text}");
    let place = format!("{exercise}/strategy.rs:");
    assert!(
        text.contains("error: expected") && text.contains(&place),
        "{text}"
    );

    let text = learn(&folder, &["reset", "e03"], 0);
    assert!(text.contains("what you wrote is kept in"), "{text}");
    let released = fs::read_to_string(&edited.0).expect("an exercise");
    assert_eq!(released, edited.1);
    let attempts = fs::read_dir(folder.join("attempts")).expect("attempts");
    let kept: Vec<_> = attempts.map(|it| it.expect("a file").path()).collect();
    assert_eq!(kept.len(), 1);
    let kept = fs::read_to_string(&kept[0]).expect("what was typed");
    assert!(kept.contains("let half ="), "{kept}");
}

#[test]
fn without_a_store_nothing_is_judged_and_the_code_is_69() {
    let folder = folder("learn-no-store");
    // One is judged by the judge, the other one judges itself.
    for exercise in ["e01", "e10"] {
        let output = command(&folder, &["check", exercise])
            .env("FLASHSALE_PG_BIN", folder.join("nothing"))
            .output();
        let text = said(&output.expect("learn starts"), 69);
        assert!(
            text.contains("postgres (with initdb)") && !text.contains("not yet"),
            "{text}"
        );
    }
    assert!(!folder.join("progress.json").exists(), "it was no check");
}

#[test]
fn the_order_that_broke_it_is_played_at_the_address_that_is_printed() {
    let folder = folder("learn-page");
    let text = learn(&folder, &["why", "e01", "--page"], 1);
    assert!(text.contains("./just learn check e01"), "{text}");
    learn(&folder, &["check", "e01"], 3);
    let mut page = command(&folder, &["why", "e01", "--page"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("learn starts");
    let mut address = String::new();
    BufReader::new(page.stdout.take().expect("a pipe"))
        .read_line(&mut address)
        .expect("an address");
    let played = played_at(address.trim());
    let pid = i32::try_from(page.id()).expect("a process id");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("learn is there");
    assert_eq!(page.wait().expect("an end").code(), Some(130));

    let played = played.expect("what is played");
    assert_eq!(played["strategy"], "e01");
    assert_eq!(played["ending"]["oversold_units"], 1, "{played}");
    let last = fs::read_to_string(folder.join("last/e01.json")).expect("a verdict");
    let order = played["schedule"].as_str().expect("an order");
    assert!(last.contains(order), "{order}: {last}");
}

/// Has a page play what its address names, as its script does.
fn played_at(address: &str) -> Result<serde_json::Value, Box<dyn Error>> {
    let (page, part) = address.split_once("steps#").ok_or(address)?;
    let pairs = part.split('&').filter_map(|it| it.split_once('='));
    let named: BTreeMap<_, _> = pairs.collect();
    let body = serde_json::json!({
        "strategy": named.get("strategy").ok_or("a strategy")?,
        "schedule": named.get("order").ok_or("an order")?,
        "finish": true,
    });
    let body = body.to_string();
    let host = page.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(host)?;
    write!(
        stream,
        "POST /plays HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
    let played: serde_json::Value = serde_json::from_str(body)?;
    let steps = played["steps"].as_array().map_or(0, Vec::len);
    let step: usize = named.get("step").ok_or("a step")?.parse()?;
    match (1..=steps).contains(&step) {
        true => Ok(played),
        false => Err(format!("step {step} of {steps}").into()),
    }
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

#[test]
fn a_run_of_the_book_that_is_not_there_or_not_a_recipes_is_refused() {
    let folder = folder("learn-record");
    let text = learn(&folder, &["record", "nothing-of-the-sort"], 2);
    assert!(text.contains("say what is run behind its name"), "{text}");
    let text = learn(&folder, &["record", "same-key"], 2);
    assert!(text.contains("is not of a recipe"), "{text}");
    let text = learn(&folder, &["record", "../facts", "true"], 2);
    assert!(text.contains("letters, digits and - only"), "{text}");
}
