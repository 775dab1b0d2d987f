//! The code of a strategy as it stands in the workspace: what a step is done by. It is read,
//! not built in, so that a change of a phase builds nothing of the lab. An installed `lab`
//! has no workspace, and shows none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flash_lab_crowd::{Seller, Strategy};
use serde::Serialize;

/// The steps that every phase names in its comments, `// 1. Read what is available.` first.
const PARTS: [char; 4] = ['1', '2', '3', '4'];

/// What a step that locks does more, though not below its comment.
const LOCKS: &str = ".for_update()";

/// What a purchase is done by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Source {
    /// Its path in the workspace.
    file: String,
    /// The lines below each of the four comments.
    parts: [Vec<Line>; 4],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    number: usize,
    /// Without what all lines of a function are indented by.
    text: String,
}

/// The code of all phases, as it was when this was made.
#[derive(Default)]
pub(crate) struct Sources(BTreeMap<&'static str, Source>);

impl Sources {
    /// Reads what stands around this program, or around whoever calls it.
    pub(crate) fn read() -> Self {
        let starts = [env::current_exe(), env::current_dir()];
        let phases = Strategy::PHASES.into_iter().filter_map(|phase| {
            let name = phase.as_str();
            let found = starts.iter().flatten().find_map(|it| find(it, name))?;
            Some((name, found))
        });
        Self(phases.collect())
    }

    /// None of a program of somebody's own, whatever it is called.
    pub(crate) fn of(&self, seller: &Seller) -> Option<&Source> {
        self.0.get(seller.strategy()?.as_str())
    }
}

/// The code of a phase of the nearest workspace above a path.
fn find(start: &Path, phase: &str) -> Option<Source> {
    start.ancestors().find_map(|root| {
        let entries = fs::read_dir(root.join("crates")).ok()?;
        let mut names =
            entries.filter_map(|it| it.ok()?.file_name().into_string().ok());
        let folder = names.find(|it| {
            it.starts_with("phase")
                && it.split_once('-').is_some_and(|(_, it)| it == phase)
        })?;
        let file = PathBuf::from("crates").join(folder).join("src/strategy.rs");
        let text = fs::read_to_string(root.join(&file)).ok()?;
        Source::cut(&file.to_string_lossy(), &text)
    })
}

impl Source {
    /// What stands below the four comments; none where one is missing.
    fn cut(file: &str, text: &str) -> Option<Self> {
        let lines: Vec<_> = (1..).zip(text.lines()).collect();
        let mut parts = PARTS.map(|part| below(&lines, part));
        let locks = lines.iter().find(|(_, it)| it.trim() == LOCKS);
        parts[0].extend(locks.map(|(number, it)| Line::of(*number, it)));
        let is_whole = parts.iter().all(|part| !part.is_empty());
        is_whole.then(|| Self {
            file: file.to_owned(),
            parts,
        })
    }
}

/// The lines from a comment to the next, or to the end of the function.
fn below(lines: &[(usize, &str)], part: char) -> Vec<Line> {
    let comment = format!("// {part}. ");
    let begins = |line: &str| line.trim_start().starts_with(&comment);
    let after = lines.iter().skip_while(|(_, it)| !begins(it)).skip(1);
    after
        .take_while(|(_, it)| !it.trim().is_empty() && *it != "}")
        .map(|(number, it)| Line::of(*number, it))
        .collect()
}

impl Line {
    fn of(number: usize, text: &str) -> Self {
        let text = text.strip_prefix("    ").unwrap_or(text);
        Self {
            number,
            text: text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &Source, part: usize) -> Vec<&str> {
        source.parts[part - 1]
            .iter()
            .map(|it| it.text.as_str())
            .collect()
    }

    #[test]
    fn each_phase_is_cut_at_its_four_comments() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (phase, locks) in
            [("naive", false), ("pessimistic", true), ("hybrid", true)]
        {
            let source = find(here, phase).expect(phase);
            assert!(source.file.ends_with(&format!("-{phase}/src/strategy.rs")));
            let reads = texts(&source, 1);
            assert!(reads[0].contains("= read_stock("), "{reads:?}");
            assert_eq!(
                reads.last() == Some(&"    .for_update()"),
                locks,
                "{reads:?}"
            );
            assert!(texts(&source, 2)[0].contains("orders::find_by_key("));
            let writes = texts(&source, 3);
            assert!(writes[1].contains("eq(available_units - "), "{writes:?}");
            let records = texts(&source, 4);
            assert!(records[0].contains("orders::insert("), "{records:?}");
            assert_eq!(records.last(), Some(&"})"), "{records:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(find(dir.path(), "naive"), None);
        assert_eq!(Source::cut("strategy.rs", "// 1. Read.\nread();\n"), None);
    }
}
