//! The real `lab`, from its command line to its exit code.
//!
//! It needs `server` beside it: `cargo test --workspace` builds it, and
//! `cargo build --bins` does.
#![expect(
    clippy::expect_used,
    reason = "what surrounds a test ends it when it fails"
)]

mod refusals;
mod demo;
mod audit;
mod doctor;
mod interrupt;
mod interleave;
mod judge;
mod chaos;
mod bench;

use std::process::Command;

use serde_json::Value;

/// A `lab` that knows nothing of the stores and programs of whoever runs the tests. In front
/// of its arguments there may be variables, as in `COLUMNS=60 doctor`.
fn lab(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    for name in ["DATABASE_URL", "REDIS_URL", "REDIS_PREFIX"] {
        command.env_remove(name);
    }
    let is_variable = |name: &str| name.starts_with(|it: char| it.is_ascii_uppercase());
    for word in line.split_whitespace() {
        match word.split_once('=') {
            Some((name, value)) if is_variable(name) => command.env(name, value),
            _ => command.arg(word),
        };
    }
    command
}

/// Checks the exit code, and returns what was printed as a result and what was said beside
/// it.
#[track_caller]
fn ended(command: &mut Command, code: i32) -> (String, String) {
    let output = command.output().expect("lab starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let (printed, said) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}");
    (printed, said)
}

/// The same of a command whose result is JSON.
#[track_caller]
fn json(command: &mut Command, code: i32) -> (Value, String) {
    let (printed, said) = ended(command.args(["--json", "-"]), code);
    (serde_json::from_str(&printed).expect("JSON"), said)
}

#[track_caller]
fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}
