//! Ctrl-C in the middle of a demo.
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStderr, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab;

#[test]
fn ctrl_c_ends_the_demo_and_removes_what_it_started() {
    let results = tempfile::tempdir().expect("a directory");
    let json = results.path().join("out.json");
    let sale = "demo-oversell --strategy pessimistic --units 1000000 --buyers 5000";
    let mut lab = lab(sale)
        .arg("--json")
        .arg(&json)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("lab starts");
    let mut stderr = BufReader::new(lab.stderr.take().expect("a pipe"));
    let dir = sandbox_dir(&mut stderr);
    assert!(dir.exists());

    let pid = i32::try_from(lab.id()).expect("a process id");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("lab is there");
    // It holds the pipe until it ends.
    let last_words = stderr.lines().last().expect("a line").expect("text");
    assert_eq!(lab.wait().expect("an end").code(), Some(130));
    assert!(last_words.starts_with("interrupted"), "{last_words}");
    assert!(!dir.exists());
    assert!(!json.exists());
}

/// Waits for the line that says where the sandbox is.
fn sandbox_dir(stderr: &mut BufReader<ChildStderr>) -> PathBuf {
    let mut line = String::new();
    while stderr.read_line(&mut line).expect("text") > 0 {
        let word = line
            .split([' ', ','])
            .find(|it| it.contains("/flash-sale-"));
        if let Some(dir) = word {
            return dir.into();
        }
        line.clear();
    }
    panic!("no sandbox was announced");
}
