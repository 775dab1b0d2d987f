//! Where results go: standard output, or a file that was asked for.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;

use crate::look::Look;

/// A place for the result, which was found writable before there was one.
pub enum JsonFile {
    /// Nobody asked for it.
    Nowhere,
    /// Standard output.
    Stdout,
    /// A file.
    Path(PathBuf),
}

impl JsonFile {
    /// Checks that the file can be written, without touching what is in it.
    ///
    /// # Errors
    ///
    /// It cannot.
    pub fn open(path: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::Nowhere);
        };
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        let is_new = !path.exists();
        let opened = OpenOptions::new().append(true).create(true).open(&path);
        opened.with_context(|| format!("cannot write {}", path.display()))?;
        if is_new {
            // A command that is interrupted leaves no empty file.
            fs::remove_file(&path)?;
        }
        Ok(Self::Path(path))
    }

    /// Writes JSON.
    ///
    /// # Errors
    ///
    /// It could not be written.
    pub fn write(&self, value: &impl Serialize) -> anyhow::Result<()> {
        self.write_text(&(serde_json::to_string_pretty(value)? + "\n"))
    }

    /// Writes text of any kind.
    ///
    /// # Errors
    ///
    /// It could not be written.
    pub fn write_text(&self, text: &str) -> anyhow::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Stdout => to_stdout(text),
            Self::Path(path) => fs::write(path, text)
                .with_context(|| format!("cannot write {}", path.display())),
        }
    }

    /// Prints a result for people: where JSON takes standard output, on standard error.
    ///
    /// # Errors
    ///
    /// Nobody takes it.
    pub fn tell(&self, text: impl FnOnce(&Look) -> String) -> anyhow::Result<()> {
        if let Self::Stdout = self {
            eprint!("{}", text(&Look::of_stderr()));
            return Ok(());
        }
        to_stdout(&text(&Look::of_stdout()))
    }
}

/// Text inside of HTML.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Prints a result. A reader who has seen enough, such as `head`, is no error.
///
/// # Errors
///
/// Nobody takes it.
pub fn to_stdout(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    match written.and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_once_something_is_written_into_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("out.json");
        for (before, text) in [(None, "{}"), (Some("{}"), "[]")] {
            let file = JsonFile::open(Some(path.clone())).expect("writable");
            let found = fs::read_to_string(&path).ok();
            assert_eq!(found.as_deref(), before);
            file.write_text(text).expect("written");
        }
        assert_eq!(fs::read_to_string(&path).expect("text"), "[]");
    }
}
