//! A page that runs, and a browser that looks at it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::browser::{Browser, Tab};

/// What a laptop beside a projector has.
pub(crate) const SMALL: (u32, u32) = (1280, 720);

/// What most projectors have.
pub(crate) const LARGE: (u32, u32) = (1920, 1080);

/// What a large screen in a lecture hall has.
pub(crate) const HUGE: (u32, u32) = (3840, 2160);

/// The `lab` that was built like these tests, which are one directory below it.
pub(crate) fn program() -> PathBuf {
    let tests = std::env::current_exe().expect("this program");
    tests.parent().expect("deps").with_file_name("lab")
}

/// A `lab` that knows nothing of the stores of whoever runs the tests.
pub(crate) fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    for variable in ["DATABASE_URL", "REDIS_URL"] {
        command.env_remove(variable);
    }
    command.args(arguments);
    command
}

pub(crate) struct Page {
    lab: Child,
    pub(crate) url: String,
}

impl Page {
    /// Starts a page at any free port, and waits for the line that says which.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with further arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let mut lab = lab(&["page", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("lab starts");
        let stdout = lab.stdout.take().expect("a pipe");
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url).expect("a line");
        Self {
            lab,
            url: url.trim_end().to_owned(),
        }
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
        // A test that failed leaves it running; its stores end with it.
        let _ = self.lab.kill();
        let _ = self.lab.wait();
    }
}

/// Takes pictures at all sizes, in light and in dark.
pub(crate) fn take_pictures(browser: &mut Browser, tab: &Tab, name: &str) {
    for (height, size) in [(720, SMALL), (1080, LARGE), (2160, HUGE)] {
        browser.resize(tab, size).expect("a size");
        for scheme in ["light", "dark"] {
            browser.prefer(tab, scheme).expect("a preference");
            let path = picture(&format!("{name}-{height}-{scheme}.png"));
            browser.picture(tab, &path).expect("a picture");
        }
    }
    browser.resize(tab, SMALL).expect("a size");
    browser.prefer(tab, "light").expect("a preference");
}

/// Takes one, as it is.
pub(crate) fn take_picture(browser: &mut Browser, tab: &Tab, name: &str) {
    let path = picture(&format!("{name}.png"));
    browser.picture(tab, &path).expect("a picture");
}

/// Prints the page on A4, and says on how many sheets.
pub(crate) fn print(browser: &mut Browser, tab: &Tab, name: &str) -> Result<usize> {
    browser.print(tab, &picture(&format!("{name}.pdf")))
}

fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The text of an element, by its selector.
pub(crate) fn text(browser: &mut Browser, tab: &Tab, selector: &str) -> String {
    let ask = format!("document.querySelector(`{selector}`).textContent");
    let value = browser.value(tab, &ask).expect("an element");
    value.as_str().expect("text").to_owned()
}

/// Chooses an option of a select element, as a click does.
pub(crate) fn choose(browser: &mut Browser, tab: &Tab, id: &str, value: &str) {
    let choose = format!(
        "(() => {{ const it = document.getElementById('{id}'); it.value = '{value}';
           it.dispatchEvent(new Event('change', {{bubbles: true}})); }})()"
    );
    let chosen = browser.value(tab, &choose).expect("an element");
    assert_eq!(chosen, Value::Null);
}

/// Nothing went wrong in the browser, and nothing was asked of another machine.
#[track_caller]
pub(crate) fn assert_quiet(browser: &mut Browser) {
    let troubles = browser.troubles();
    assert!(troubles.is_empty(), "{troubles:#?}");
    assert!(!browser.requests().is_empty(), "no request was seen");
}
