//! A headless Chromium, driven over its own pipe: no port, no socket, nothing to download.
//!
//! # Source
//!
//! `--remote-debugging-pipe`: Chromium reads JSON messages, each with a zero byte at its
//! end, from descriptor 3 and writes them to 4, and ends when 3 does.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a laptop beside a projector has.
pub(crate) const SMALL: (u32, u32) = (1280, 720);

/// What most projectors have.
pub(crate) const LARGE: (u32, u32) = (1920, 1080);

/// What a large screen in a lecture hall has.
pub(crate) const HUGE: (u32, u32) = (3840, 2160);

/// How long anything may take that takes milliseconds or seconds. It only bounds how long
/// a broken run takes; no result depends on it.
const LIMIT: Duration = Duration::from_secs(300);

/// What Debian, Fedora, Alpine and others call it, and where macOS has it;
/// `FLASHSALE_CHROMIUM` goes first.
const NAMES: [&str; 6] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/// Its stdin and stdout become the descriptors that it talks over. It leaves alone the
/// network, the graphics card and first-run dialogs, and a tab that nobody looks at is not
/// slower.
const START: &str = "exec \"$0\" --user-data-dir=\"$1\" --headless --no-sandbox \
    --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run \
    --no-default-browser-check --disable-background-networking \
    --disable-component-update --disable-default-apps --disable-sync \
    --disable-extensions --disable-renderer-backgrounding \
    --disable-backgrounding-occluded-windows --disable-background-timer-throttling \
    --hide-scrollbars --remote-debugging-pipe 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// A tab of a browser of its own, which ends with this value. Whatever goes wrong with it
/// ends the test.
pub(crate) struct Tab {
    browser: Child,
    from: Receiver<Value>,
    /// None while there is no more than the browser.
    session: Option<String>,
    calls: Cell<u64>,
    events: RefCell<Vec<Value>>,
    // After the browser that writes into it.
    _profile: TempDir,
}

impl Tab {
    /// Opens a tab of this size, and watches its network and its console.
    pub(crate) fn open(url: &str, size: (u32, u32)) -> Self {
        let mut tab = Self::start();
        let blank = tab.call("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": blank["targetId"], "flatten": true});
        let attached = tab.call("Target.attachToTarget", attach);
        tab.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Runtime", "Network", "Log"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        tab.resize(size);
        let went = tab.call("Page.navigate", json!({"url": url}));
        assert_eq!(went["errorText"], Value::Null, "{url}");
        tab
    }

    fn start() -> Self {
        let profile = TempDir::new().expect("a directory for a profile");
        let mut browser = Command::new("/bin/sh")
            .args(["-c", START])
            .arg(find())
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the browser starts");
        let stdout = BufReader::new(browser.stdout.take().expect("a pipe"));
        let (message, from) = channel();
        thread::spawn(move || {
            let messages = stdout.split(0).map_while(Result::ok);
            messages
                .map_while(|bytes| serde_json::from_slice(&bytes).ok())
                .try_for_each(|it| message.send(it))
        });
        Self {
            browser,
            from,
            session: None,
            calls: Cell::default(),
            events: RefCell::default(),
            _profile: profile,
        }
    }

    /// Calls a method.
    fn call(&self, method: &str, parameters: Value) -> Value {
        let mut answer = self.ask(method, parameters);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Calls a method and waits for its answer, or for the error; events that come first
    /// are kept.
    fn ask(&self, method: &str, parameters: Value) -> Value {
        let id = self.calls.get() + 1;
        self.calls.set(id);
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        let mut to = self.browser.stdin.as_ref().expect("a pipe");
        let sent = to.write_all(format!("{message}\0").as_bytes());
        sent.expect("the browser is there");
        loop {
            let answer = self.from.recv_timeout(LIMIT);
            let answer = answer.expect("an answer from the browser");
            if answer["id"] == id {
                return answer;
            }
            self.events.borrow_mut().push(answer);
        }
    }

    /// Loads the page again, and waits until the old one has gone.
    pub(crate) fn reload(&self) {
        self.value("window.isOld = true");
        self.call("Page.reload", json!({}));
        self.wait_for("window.isOld === undefined");
    }

    /// Changes the size.
    pub(crate) fn resize(&self, (width, height): (u32, u32)) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1,
                          "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Shows the page as it is printed.
    pub(crate) fn show_print(&self) {
        self.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    }

    /// Prints it, and counts its pages of A4.
    pub(crate) fn print(&self, name: &str) -> usize {
        let paper = json!({"preferCSSPageSize": true});
        let pdf = self.save("Page.printToPDF", paper, &format!("{name}.pdf"));
        String::from_utf8_lossy(&pdf)
            .matches("/Type /Page\n")
            .count()
    }

    /// Takes a picture, as it is.
    pub(crate) fn picture(&self, name: &str) {
        let png = json!({"format": "png"});
        self.save("Page.captureScreenshot", png, &format!("{name}.png"));
    }

    /// Takes pictures at all sizes, in light and in dark.
    pub(crate) fn pictures(&self, name: &str) {
        for size in [SMALL, LARGE, HUGE] {
            self.resize(size);
            for scheme in ["dark", "light"] {
                let feature = json!({"name": "prefers-color-scheme", "value": scheme});
                let media = json!({"features": [feature]});
                self.call("Emulation.setEmulatedMedia", media);
                self.picture(&format!("{name}-{}-{scheme}", size.1));
            }
        }
        self.resize(SMALL);
    }

    /// Keeps what a method answers among the pictures.
    fn save(&self, method: &str, parameters: Value, file: &str) -> Vec<u8> {
        let answer = self.call(method, parameters);
        let bytes = STANDARD.decode(answer["data"].as_str().expect("data"));
        let bytes = bytes.expect("base64");
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        fs::write(path, &bytes).expect(file);
        bytes
    }

    /// The value of an expression, or why there is none.
    fn evaluate(&self, expression: &str) -> Result<Value, Value> {
        let ask = json!({"expression": expression, "awaitPromise": true,
                         "returnByValue": true});
        let mut answer = self.ask("Runtime.evaluate", ask);
        let result = &mut answer["result"];
        match result["exceptionDetails"].is_null() && result.is_object() {
            true => Ok(result["result"]["value"].take()),
            false => Err(answer),
        }
    }

    /// The value of an expression.
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> Value {
        self.evaluate(expression).expect(expression)
    }

    /// Whether a condition is true now.
    #[track_caller]
    pub(crate) fn holds(&self, condition: &str) -> bool {
        self.value(condition) == true
    }

    /// Waits until a condition is true. A page that is being loaded, or has not yet what is
    /// asked about, is asked again.
    #[track_caller]
    pub(crate) fn wait_for(&self, condition: &str) {
        let soon = format!(
            "new Promise((done) => setTimeout(done, 20)).then(() => {condition})"
        );
        let end = Instant::now() + LIMIT;
        loop {
            let answer = self.evaluate(&soon);
            if answer.as_ref().is_ok_and(|it| it == true) {
                return;
            }
            assert!(
                Instant::now() < end,
                "not so within {LIMIT:?}: {condition}: {answer:?}; the page says:\n{}",
                self.value("document.body.innerText")
            );
        }
    }

    /// The text of an element.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let text =
            self.value(&format!("document.querySelector(`{selector}`).textContent"));
        text.as_str().expect("text").to_owned()
    }

    /// Clicks on an element.
    pub(crate) fn click(&self, selector: &str) {
        self.value(&format!("document.querySelector(`{selector}`).click()"));
    }

    /// Presses a key on whatever has the focus.
    pub(crate) fn press(&self, key: &str) {
        // How the browser knows those that do something in a form.
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            " " => (32, " "),
            "ArrowDown" => (40, ""),
            "ArrowUp" => (38, ""),
            key => (0, if key.len() == 1 { key } else { "" }),
        };
        for (kind, text) in [("keyDown", text), ("keyUp", "")] {
            let event = json!({"type": kind, "key": key, "code": key, "text": text,
                               "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Presses a key, and waits for what comes of it.
    #[track_caller]
    pub(crate) fn press_until(&self, key: &str, condition: &str) {
        self.press(key);
        self.wait_for(condition);
    }

    /// What it has told so far.
    fn events(&self) -> Vec<Value> {
        let mut events = self.events.borrow_mut();
        events.extend(self.from.try_iter());
        events.clone()
    }

    /// What has gone wrong so far: exceptions, errors on the console, and requests that
    /// left this machine.
    pub(crate) fn troubles(&self) -> Vec<Value> {
        self.events().into_iter().filter(is_trouble).collect()
    }

    /// The URLs that were asked for so far.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|it| it["method"] == "Network.requestWillBeSent");
        let url = |it: &mut Value| it["params"]["request"]["url"].take();
        events.iter_mut().map(url).collect()
    }

    /// Nothing went wrong, and nothing was asked of another machine.
    #[track_caller]
    pub(crate) fn assert_quiet(&self) {
        assert_eq!(self.troubles(), Vec::<Value>::new());
        assert!(!self.requests().is_empty(), "no request was seen");
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        // It ends when its pipe does, and its other processes with it.
        drop(self.browser.stdin.take());
        while self.from.recv_timeout(Duration::from_secs(5)).is_ok() {}
        // If it hangs; otherwise there is nobody to kill.
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

fn is_trouble(event: &Value) -> bool {
    let is_here = |url: &str| {
        let here = ["http://127.0.0.1:", "file:///", "data:"];
        here.iter().any(|it| url.starts_with(it))
    };
    let told = &event["params"];
    match event["method"].as_str() {
        Some("Runtime.exceptionThrown") => true,
        Some("Runtime.consoleAPICalled") => told["type"] == "error",
        Some("Log.entryAdded") => told["entry"]["level"] == "error",
        Some("Network.requestWillBeSent") => {
            !told["request"]["url"].as_str().is_some_and(is_here)
        }
        _ => false,
    }
}

fn find() -> String {
    let given = env::var("FLASHSALE_CHROMIUM").ok();
    let names = given.map_or(NAMES.map(str::to_owned).to_vec(), |it| vec![it]);
    let runs = |name: &String| Command::new(name).arg("--version").output().is_ok();
    names.into_iter().find(runs).expect(
        "the tests of the page need Chromium: `./just test` installs it, or `apt-get \
         install chromium` (dnf install chromium, brew install --cask chromium); \
         FLASHSALE_CHROMIUM names one elsewhere",
    )
}
