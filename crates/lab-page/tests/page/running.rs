//! A page that runs.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The program of this name that was built like these tests, which are one directory
/// below it.
pub(crate) fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("this program");
    tests.parent().expect("deps").with_file_name(name)
}

/// A `lab` that knows nothing of the stores of whoever runs the tests.
pub(crate) fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(program("lab"));
    command.env_remove("DATABASE_URL").env_remove("REDIS_URL");
    command.args(arguments);
    command
}

pub(crate) struct Page {
    lab: Child,
    pub(crate) url: String,
}

impl Page {
    /// Starts a page with further arguments at any free port.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(lab(&["page", "--listen", "127.0.0.1:0"]).args(arguments))
    }

    /// Starts a page, and waits for the line that says where it is.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut lab = command.stdout(Stdio::piped()).spawn().expect("lab starts");
        let stdout = lab.stdout.take().expect("a pipe");
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url).expect("a line");
        url.truncate(url.trim_end().len());
        Self { lab, url }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn interrupt(&mut self) -> ExitStatus {
        let pid = i32::try_from(self.lab.id()).expect("a process id");
        kill(Pid::from_raw(pid), Signal::SIGINT).expect("lab is there");
        self.lab.wait().expect("an end")
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // It is still running, unless it was interrupted; its stores end with it.
        let _ = self.lab.kill();
        let _ = self.lab.wait();
    }
}
