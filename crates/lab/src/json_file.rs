//! Where `--json` goes, and `--html`.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;

use crate::report;

/// A place for the result, which was found writable before there was one.
pub(crate) enum JsonFile {
    Stdout,
    Path(PathBuf),
}

impl JsonFile {
    /// Checks that the file can be written, without touching what is in it.
    pub(crate) fn open(path: PathBuf) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self::Path(path))
    }

    pub(crate) fn write(&self, value: &impl Serialize) -> anyhow::Result<()> {
        self.write_text(&(serde_json::to_string_pretty(value)? + "\n"))
    }

    /// Writes text of any kind.
    pub(crate) fn write_text(&self, text: &str) -> anyhow::Result<()> {
        match self {
            Self::Stdout => report::to_stdout(text),
            Self::Path(path) => fs::write(path, text)
                .with_context(|| format!("cannot write {}", path.display())),
        }
    }
}
