//! Servers that others might have written, in Python, with drivers that speak other dialects
//! of PostgreSQL's protocol: `./just test-others`.
#![expect(
    clippy::expect_used,
    reason = "what surrounds a test ends it when it fails"
)]

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

const OTHERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../lab-judge/others");

/// The programs of a Python that has the drivers.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("others");
        let bin = venv.join("bin");
        if !bin.join("pip").is_file() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        }
        let list = Path::new(OTHERS).join("requirements.txt");
        run(Command::new(bin.join("pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(list));
        bin
    })
}

fn run(command: &mut Command) {
    let status = command.status().expect("a Python with venv and pip");
    assert!(status.success(), "{command:?}");
}

#[track_caller]
fn judged(program: &str) -> (Value, String) {
    let path = env::var("PATH").unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["judge", "--json", "-", "--server"])
        .arg(Path::new(OTHERS).join(format!("{program}.py")))
        .env("PATH", format!("{}:{path}", python().display()))
        .output()
        .expect("lab starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).expect("JSON");
    (json, text)
}

#[test]
fn each_is_wrong_for_its_own_reason() {
    for (program, why) in [
        ("read_check_write", "read-then-written"),
        ("ignored_count", "ignored-guard"),
        ("lock_in_process", "lock-of-its-own"),
        ("lock_per_buyer", "lock-of-its-own"),
        ("unlocked_too_early", "unlocked-too-early"),
    ] {
        let (verdict, text) = judged(program);
        assert_eq!(verdict["verdict"], "broken", "{program}: {text}");
        let rules = verdict["rules"].as_array().expect("rules");
        let broken = rules.iter().find(|it| it["held"] == false).expect("one");
        assert_eq!(broken["id"], "oversold", "{program}: {text}");
        assert_eq!(broken["why"]["id"], why, "{program}: {text}");
    }
}

#[test]
fn the_right_one_holds() {
    let (verdict, text) = judged("right");
    assert_eq!(verdict["verdict"], "held", "{text}");
}
