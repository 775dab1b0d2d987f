//! A page of the book, as its tests read it: blocks, prose, headings.
//!
//! # Errors
//!
//! All functions here fail where a file cannot be read, or a page is not formed as
//! README.md says.
#![expect(clippy::missing_errors_doc, reason = "said once, above")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// A Markdown file below `docs/book/src`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// From `docs/book/src`.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The line of its first fence, counted from 1.
    pub line: usize,
    /// What stands behind the fence.
    pub language: String,
    /// What stands between the fences.
    pub text: String,
    /// What the comment right before it says.
    pub note: Option<String>,
}

/// What never changes, and how it is found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// As it is told.
    pub value: String,
    /// A command that prints JSON, and where in it.
    pub command: Option<String>,
    /// Where in the JSON.
    pub pointer: Option<String>,
    /// A file, and a text that occurs as often as the value says.
    pub file: Option<String>,
    /// That text.
    pub occurrences_of: Option<String>,
}

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Reads a file by its path from the root.
pub fn read(path: &str) -> Result<String> {
    let text = fs::read_to_string(root().join(path));
    Ok(text.with_context(|| path.to_owned())?.replace("\r\n", "\n"))
}

/// All files below a directory, by their path from the root, that end like this.
pub fn files(below: &str, endings: &[&str]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut directories = vec![below.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root().join(&directory)).context(directory.clone())? {
            let entry = entry?;
            let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                directories.push(path);
            } else if endings.iter().any(|it| path.ends_with(it)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Where the pages are.
pub const PAGES: &str = "docs/book/src";

/// All pages, by their path.
pub fn pages() -> Result<Vec<Page>> {
    let paths = files(PAGES, &[".md"])?;
    ensure!(!paths.is_empty(), "the book has no pages");
    paths
        .into_iter()
        .map(|path| {
            let text = read(&path)?;
            let path = path[PAGES.len() + 1..].to_owned();
            Ok(Page { path, text })
        })
        .collect()
}

/// All facts, by their names.
pub fn facts() -> Result<BTreeMap<String, Fact>> {
    toml::from_str(&read("docs/book/facts.toml")?).context("docs/book/facts.toml")
}

/// What a line says that is nothing but a comment.
#[must_use]
pub fn note(line: &str) -> Option<&str> {
    let note = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    (!note.contains("-->")).then_some(note)
}

impl Block {
    /// With which code its commands end, if its comment says `run`.
    #[must_use]
    pub fn expected_code(&self) -> Option<i32> {
        match self.note.as_deref()?.strip_prefix("run")? {
            "" => Some(0),
            more => more.strip_prefix(" expect=")?.parse().ok(),
        }
    }
}

impl Page {
    /// Whether it is one of the numbered chapters.
    #[must_use]
    pub fn is_chapter(&self) -> bool {
        self.path.starts_with(|it: char| it.is_ascii_digit())
    }

    /// Its blocks, from top to bottom.
    pub fn blocks(&self) -> Result<Vec<Block>> {
        let mut blocks: Vec<Block> = Vec::new();
        let (mut open, mut before) = (None, "");
        for (position, line) in self.text.lines().enumerate() {
            let number = position + 1;
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    open = Some(Block {
                        line: number,
                        language: language.to_owned(),
                        text: String::new(),
                        note: note(before).map(str::to_owned),
                    });
                }
                (Some(_), Some("")) => blocks.extend(open.take()),
                (Some(block), _) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => ensure!(
                    !line.trim_start().starts_with("```"),
                    "{}:{number}: a fence begins its line",
                    self.path
                ),
            }
            before = line;
        }
        if let Some(block) = open {
            bail!("{}:{}: the block has no end", self.path, block.line);
        }
        Ok(blocks)
    }

    /// The page with other texts in its blocks.
    pub fn with_texts(&self, texts: &[String]) -> Result<String> {
        let blocks = self.blocks()?;
        ensure!(blocks.len() == texts.len(), "{}: other blocks", self.path);
        let lines: Vec<_> = self.text.lines().collect();
        let (mut text, mut next) = (String::new(), 0);
        for (block, new) in blocks.iter().zip(texts) {
            // Up to its first fence.
            for line in lines.get(next..block.line).unwrap_or_default() {
                text.push_str(line);
                text.push('\n');
            }
            text.push_str(new);
            next = block.line + block.text.lines().count();
        }
        for line in lines.get(next..).unwrap_or_default() {
            text.push_str(line);
            text.push('\n');
        }
        Ok(text)
    }

    /// The lines outside of blocks, with their numbers.
    #[must_use]
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let mut inside = false;
        let mut prose = Vec::new();
        for (position, line) in self.text.lines().enumerate() {
            if line.starts_with("```") {
                inside = !inside;
            } else if !inside {
                prose.push((position + 1, line));
            }
        }
        prose
    }

    /// What stands between backticks in the prose, with its line.
    pub fn spans(&self) -> Result<Vec<(usize, &str)>> {
        let mut spans = Vec::new();
        for (number, line) in self.prose() {
            let pieces: Vec<_> = line.split('`').collect();
            ensure!(
                pieces.len() % 2 == 1,
                "{}:{number}: a span in backticks ends on its line",
                self.path
            );
            let inside = pieces.into_iter().skip(1).step_by(2);
            spans.extend(inside.map(|span| (number, span)));
        }
        Ok(spans)
    }

    /// Its headings, with how deep each is.
    #[must_use]
    pub fn headings(&self) -> Vec<(usize, &str)> {
        let heading = |(_, line): (usize, _)| {
            let line: &str = line;
            let depth = line.chars().take_while(|it| *it == '#').count();
            let title = line.get(depth..)?.strip_prefix(' ')?;
            (depth > 0).then_some((depth, title))
        };
        self.prose().into_iter().filter_map(heading).collect()
    }

    /// What stands under a heading of the second depth.
    #[must_use]
    pub fn section(&self, title: &str) -> Option<&str> {
        let (_, rest) = self.text.split_once(&format!("\n## {title}\n"))?;
        rest.split("\n## ").next()
    }

    /// The first heading.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.headings().first().map(|(_, title)| *title)
    }

    /// What is told as a fact: its line, what is said, its name.
    pub fn told_facts(&self) -> Result<Vec<(usize, String, &str)>> {
        let mut told = Vec::new();
        for (number, line) in self.prose() {
            let mut pieces = line.split("<!-- fact: ");
            let mut before = pieces.next().unwrap_or_default();
            for piece in pieces {
                let end = piece.split_once(" -->");
                let (name, after) =
                    end.with_context(|| format!("{}:{number}", self.path))?;
                let shown = before.trim_end_matches('`');
                let is_word = |it: char| it.is_ascii_alphanumeric() || it == ',';
                let word = shown.trim_end_matches(is_word);
                let word = shown.get(word.len()..).unwrap_or_default();
                told.push((number, word.replace(',', ""), name));
                before = after;
            }
        }
        Ok(told)
    }
}
