//! Where `--json` goes, and `--html`.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
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
        let found = match OpenOptions::new().write(true).create_new(true).open(&path) {
            // A command that is interrupted leaves no empty file.
            Ok(_) => fs::remove_file(&path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                OpenOptions::new().append(true).open(&path).map(drop)
            }
            Err(error) => Err(error),
        };
        found.with_context(|| format!("cannot write {}", path.display()))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_once_something_is_written_into_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("out.json");
        let file = JsonFile::open(path.clone()).expect("writable");
        assert!(!path.exists());
        file.write_text("{}").expect("written");

        let again = JsonFile::open(path.clone()).expect("writable");
        assert_eq!(fs::read_to_string(&path).expect("text"), "{}");
        again.write_text("[]").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("text"), "[]");
    }
}
