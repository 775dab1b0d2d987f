//! The code of a strategy as it stands in the workspace: what a step is done by. It is read,
//! not built in, so that a change of a phase builds nothing of the lab. An installed `lab`
//! has no workspace, and shows none.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use flash_lab_crowd::Strategy;
use serde::Serialize;

/// What a step that locks does more, though not below its comment.
const LOCKS: &str = ".for_update()";

/// What a purchase is done by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Source {
    /// Its path in the workspace.
    file: String,
    /// The lines below each of the four comments, `// 1. Read what is available.` first.
    parts: [Vec<Line>; 4],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Line {
    number: usize,
    /// Without what all lines of a function are indented by.
    text: String,
}

/// Reads the code of all phases that stands around this program, or around whoever calls
/// it, by their names.
pub(crate) fn read() -> BTreeMap<&'static str, Source> {
    let starts = [env::current_exe(), env::current_dir()];
    let phases = Strategy::PHASES.map(Strategy::as_str).into_iter();
    let found = phases.filter_map(|phase| {
        let source = starts.iter().flatten().find_map(|it| find(it, phase))?;
        Some((phase, source))
    });
    found.collect()
}

/// The code of a phase of the nearest workspace above a path.
fn find(start: &Path, phase: &str) -> Option<Source> {
    start.ancestors().find_map(|root| {
        // Its number is part of the name of its crate.
        (1..=Strategy::PHASES.len()).find_map(|number| {
            let file = format!("crates/phase{number}-{phase}/src/strategy.rs");
            let text = fs::read_to_string(root.join(&file)).ok()?;
            cut(file, &text)
        })
    })
}

/// What stands below the four comments; none where one is missing.
fn cut(file: String, text: &str) -> Option<Source> {
    let lines: Vec<_> = (1..).zip(text.lines()).collect();
    let mut parts = [1, 2, 3, 4].map(|part| below(&lines, part));
    let locks = lines.iter().find(|(_, it)| it.trim() == LOCKS);
    parts[0].extend(locks.map(Line::of));
    let is_whole = parts.iter().all(|part| !part.is_empty());
    is_whole.then_some(Source { file, parts })
}

/// The lines from a comment to the next, or to the end of the function.
fn below(lines: &[(usize, &str)], part: usize) -> Vec<Line> {
    let comment = format!("// {part}. ");
    let begins = |line: &str| line.trim_start().starts_with(&comment);
    let after = lines.iter().skip_while(|(_, it)| !begins(it)).skip(1);
    after
        .take_while(|(_, it)| !it.trim().is_empty() && *it != "}")
        .map(Line::of)
        .collect()
}

impl Line {
    fn of((number, text): &(usize, &str)) -> Self {
        Self {
            number: *number,
            text: text.strip_prefix("    ").unwrap_or(text).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_is_cut_at_its_four_comments() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (phase, locks) in
            [("naive", false), ("pessimistic", true), ("hybrid", true)]
        {
            let source = find(here, phase).expect(phase);
            assert!(source.file.ends_with(&format!("-{phase}/src/strategy.rs")));
            let [reads, decides, writes, records] = source.parts.map(|part| {
                let texts = part.into_iter().map(|it| it.text);
                texts.collect::<Vec<_>>().join("\n")
            });
            assert!(reads.contains("= read_stock("), "{reads}");
            assert_eq!(reads.ends_with("\n    .for_update()"), locks, "{reads}");
            assert!(decides.contains("orders::find_by_key("), "{decides}");
            assert!(writes.contains("eq(available_units - "), "{writes}");
            assert!(records.contains("orders::insert("), "{records}");
            assert!(records.ends_with("\n})"), "{records}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(find(dir.path(), "naive"), None);
        assert_eq!(cut(String::new(), "// 1. Read.\nread();\n"), None);
    }
}
