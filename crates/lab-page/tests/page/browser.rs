//! A headless Chromium, driven over its own pipe: no port, no socket, nothing to download.

mod pipe;

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use pipe::{LIMIT, Pipe};

/// What Debian, Fedora, Alpine and others call it; `FLASHSALE_CHROMIUM` goes first.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Where macOS has them.
const BUNDLES: [&str; 2] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/// What it should leave alone: the network, the graphics card, first-run dialogs.
const FLAGS: [&str; 17] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--disable-extensions",
    // A tab that nobody looks at should not be slower.
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
];

/// Keys that do something in a form, and how the browser knows them.
const CODES: [(&str, u32); 5] = [
    ("Enter", 13),
    ("Tab", 9),
    (" ", 32),
    ("ArrowDown", 40),
    ("ArrowUp", 38),
];

/// A running browser with a profile of its own; both end with this value.
pub(crate) struct Browser {
    pipe: Pipe,
    // After the browser that writes into it.
    _profile: TempDir,
}

/// One tab of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tab {
    session: String,
}

impl Browser {
    /// Starts it. Where it is missing, the error says what to install.
    pub(crate) fn start() -> Result<Self> {
        let program = find()?;
        let profile = TempDir::new().context("no directory for a profile")?;
        let data = format!("--user-data-dir={}", profile.path().display());
        let flags = FLAGS.iter().copied().chain([data.as_str()]);
        let pipe = Pipe::open(&program, flags)?;
        let mut browser = Self {
            pipe,
            _profile: profile,
        };
        browser.pipe.call(None, "Browser.getVersion", &json!({}))?;
        Ok(browser)
    }

    /// Opens a tab of this size, which watches its network and its console.
    pub(crate) fn open(&mut self, url: &str, size: (u32, u32)) -> Result<Tab> {
        let blank = json!({"url": "about:blank"});
        let target = self.pipe.call(None, "Target.createTarget", &blank)?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.pipe.call(None, "Target.attachToTarget", &attach)?;
        let session = attached["sessionId"].as_str().context("no session")?;
        let tab = Tab {
            session: session.to_owned(),
        };
        for domain in ["Page", "Runtime", "Network", "Log"] {
            self.call(&tab, &format!("{domain}.enable"), &json!({}))?;
        }
        self.resize(&tab, size)?;
        let went = self.call(&tab, "Page.navigate", &json!({"url": url}))?;
        ensure!(went["errorText"].is_null(), "{url}: {}", went["errorText"]);
        Ok(tab)
    }

    /// Loads the page of a tab again.
    pub(crate) fn reload(&mut self, tab: &Tab) -> Result<()> {
        self.call(tab, "Page.reload", &json!({})).map(drop)
    }

    /// Says whether people here prefer dark pages.
    pub(crate) fn prefer(&mut self, tab: &Tab, scheme: &str) -> Result<()> {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let media = json!({"features": features});
        self.call(tab, "Emulation.setEmulatedMedia", &media)
            .map(drop)
    }

    /// Shows the page as it is printed.
    pub(crate) fn show_print(&mut self, tab: &Tab) -> Result<()> {
        let media = json!({"media": "print"});
        self.call(tab, "Emulation.setEmulatedMedia", &media)
            .map(drop)
    }

    /// Prints it into a file, and counts its pages of A4.
    pub(crate) fn print(&mut self, tab: &Tab, path: &Path) -> Result<usize> {
        let paper = json!({"preferCSSPageSize": true});
        let answer = self.call(tab, "Page.printToPDF", &paper)?;
        let data = answer["data"].as_str().context("no PDF")?;
        let pdf = STANDARD.decode(data)?;
        write(path, &pdf)?;
        let pages = String::from_utf8_lossy(&pdf);
        Ok(pages.matches("/Type /Page\n").count())
    }

    /// The value of an expression; a promise is waited for.
    pub(crate) fn value(&mut self, tab: &Tab, expression: &str) -> Result<Value> {
        let ask = json!({"expression": expression, "awaitPromise": true,
                         "returnByValue": true});
        let mut answer = self.call(tab, "Runtime.evaluate", &ask)?;
        let exception = &answer["exceptionDetails"];
        if !exception.is_null() {
            bail!("{expression}: {}", exception["exception"]["description"]);
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until an expression is true. A page that is being loaded is asked again.
    pub(crate) fn wait_for(&mut self, tab: &Tab, condition: &str) -> Result<()> {
        let limit_ms = LIMIT.as_millis();
        let wait = format!(
            "new Promise((done) => {{
               const end = performance.now() + {limit_ms};
               const look = () => {{
                 let holds = false;
                 try {{ holds = ({condition}); }} catch {{ holds = false; }}
                 if (holds || performance.now() > end) {{ done(Boolean(holds)); }}
                 else {{ setTimeout(look, 20); }}
               }};
               look();
             }})"
        );
        let holds = loop {
            match self.value(tab, &wait) {
                Err(error) if is_of_left_page(&error) => {}
                answered => break answered?,
            }
        };
        ensure!(
            holds == true,
            "not so within {limit_ms} ms: {condition}; the page says:\n{}",
            self.value(tab, "document.body.innerText")?
        );
        Ok(())
    }

    /// Presses a key on whatever has the focus.
    pub(crate) fn press(&mut self, tab: &Tab, key: &str) -> Result<()> {
        let text = match key {
            "Enter" => "\r",
            key if key.chars().count() == 1 => key,
            _ => "",
        };
        let code = CODES.iter().find(|(name, _)| *name == key);
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "code": key});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = text.into();
            }
            if let Some((_, code)) = code {
                event["windowsVirtualKeyCode"] = (*code).into();
            }
            self.call(tab, "Input.dispatchKeyEvent", &event)?;
        }
        Ok(())
    }

    /// Changes the size of a tab.
    pub(crate) fn resize(
        &mut self,
        tab: &Tab,
        (width, height): (u32, u32),
    ) -> Result<()> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1,
                          "mobile": false});
        self.call(tab, "Emulation.setDeviceMetricsOverride", &size)
            .map(drop)
    }

    /// Takes a picture, as PNG.
    pub(crate) fn picture(&mut self, tab: &Tab, path: &Path) -> Result<()> {
        // A tab in the background has nothing to take a picture of.
        self.call(tab, "Page.bringToFront", &json!({}))?;
        let png = json!({"format": "png"});
        let answer = self.call(tab, "Page.captureScreenshot", &png)?;
        let data = answer["data"].as_str().context("no picture")?;
        write(path, &STANDARD.decode(data)?)
    }

    /// What has gone wrong so far in any tab: exceptions, errors on the console, and
    /// requests that left this machine.
    pub(crate) fn troubles(&mut self) -> Vec<String> {
        self.pipe.events().iter().filter_map(trouble).collect()
    }

    /// The URLs that any tab has asked for so far.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        self.pipe.events().iter().filter_map(requested).collect()
    }

    fn call(&mut self, tab: &Tab, method: &str, parameters: &Value) -> Result<Value> {
        self.pipe.call(Some(&tab.session), method, parameters)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Whether what was asked is gone with the page that was asked.
fn is_of_left_page(error: &anyhow::Error) -> bool {
    ["context was destroyed", "navigated or closed"]
        .iter()
        .any(|why| error.to_string().contains(why))
}

fn requested(event: &Value) -> Option<String> {
    let url = event["params"]["request"]["url"].as_str()?;
    (event["method"] == "Network.requestWillBeSent").then(|| url.to_owned())
}

fn trouble(event: &Value) -> Option<String> {
    let parameters = &event["params"];
    let is_trouble = match event["method"].as_str()? {
        "Runtime.exceptionThrown" => true,
        "Runtime.consoleAPICalled" => parameters["type"] == "error",
        "Log.entryAdded" => parameters["entry"]["level"] == "error",
        "Network.requestWillBeSent" => !requested(event).is_some_and(|it| is_here(&it)),
        _ => false,
    };
    is_trouble.then(|| event.to_string())
}

fn is_here(url: &str) -> bool {
    ["http://127.0.0.1:", "file:///", "data:"]
        .iter()
        .any(|here| url.starts_with(here))
}

fn find() -> Result<PathBuf> {
    if let Some(given) = env::var_os("FLASHSALE_CHROMIUM") {
        let given = PathBuf::from(given);
        ensure!(
            given.is_file(),
            "FLASHSALE_CHROMIUM: no {}",
            given.display()
        );
        return Ok(given);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    let on_path = NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    on_path
        .chain(BUNDLES.map(PathBuf::from))
        .find(|program| Path::is_file(program))
        .context(
            "the tests of the page need Chromium: `./just test` installs it, or \
             `apt-get install chromium` (dnf install chromium, brew install --cask \
             chromium); FLASHSALE_CHROMIUM names one elsewhere",
        )
}
