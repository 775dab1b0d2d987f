//! What a comment before a block asks for.
//!
//! # Errors
//!
//! All functions here fail where the text that is asked for is not there.
#![expect(clippy::missing_errors_doc, reason = "said once, above")]

use anyhow::{Context, Result, bail};

use crate::page::{Block, read};
use crate::phases;

/// A part of a text: from a line to another one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Part<'a> {
    from: Option<&'a str>,
    to: Option<&'a str>,
    through: Option<&'a str>,
}

impl<'a> Part<'a> {
    /// Reads `from "…" to "…"`, where each half may be missing.
    pub fn parse(text: &'a str) -> Result<Self> {
        let mut part = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let parse = || {
                let (word, quoted) = rest.split_once(" \"")?;
                let (value, after) = quoted.split_once('"')?;
                Some((word, value, after.trim_start()))
            };
            let (word, value, after) =
                parse().with_context(|| format!("not understood: {rest}"))?;
            match word {
                "from" => part.from = Some(value),
                "to" => part.to = Some(value),
                "through" => part.through = Some(value),
                other => bail!("{other} is none of from, to, through"),
            }
            rest = after;
        }
        Ok(part)
    }

    /// The lines of a text that it names, moved to the left as far as they go.
    pub fn of(&self, text: &str) -> Result<String> {
        let lines: Vec<_> = text.lines().collect();
        let find = |wanted: &str, after: usize| {
            let rest = lines.get(after..).unwrap_or_default();
            let position = rest.iter().position(|line| line.contains(wanted));
            let position =
                position.with_context(|| format!("{wanted:?} is not there"))?;
            anyhow::Ok(after + position)
        };
        let first = self.from.map_or(Ok(0), |it| find(it, 0))?;
        let end = match (self.to, self.through) {
            (Some(to), _) => find(to, first + 1)?,
            (None, Some(through)) => find(through, first)? + 1,
            (None, None) => lines.len(),
        };
        Ok(moved_left(lines.get(first..end).unwrap_or_default()))
    }
}

fn moved_left(lines: &[&str]) -> String {
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let written = lines.iter().filter(|line| !line.trim().is_empty());
    let least = written.map(indent).min().unwrap_or_default();
    let text: String = lines
        .iter()
        .map(|line| format!("{}\n", line.get(least..).unwrap_or_default().trim_end()))
        .collect();
    let text = text.trim_end();
    if text.is_empty() {
        String::new()
    } else {
        format!("{text}\n")
    }
}

/// What a block has to say, if its comment names a source.
pub fn wanted(block: &Block) -> Result<Option<String>> {
    let Some((kind, rest)) = block.note.as_deref().and_then(|it| it.split_once(": "))
    else {
        return Ok(None);
    };
    if !["code", "diff", "recorded"].contains(&kind) {
        return Ok(None);
    }
    let (source, part) = rest.split_once(", ").unwrap_or((rest, ""));
    let part = Part::parse(part)?;
    let text = match kind {
        "code" => part.of(&read(source)?)?,
        "diff" => part.of(&phases::diff(source)?)?,
        _ => {
            let run = read(&format!("docs/book/runs/{source}.txt"))?;
            let (head, output) = run.split_once('\n').context("a run has two lines")?;
            let output = part.of(output)?;
            // Statements stand alone; what a machine said, under its name.
            match block.language.as_str() {
                "sql" => output,
                // A line for the command, one for machine and date.
                _ => format!("{}\n{output}", head.replacen(" · ", "\n# ", 1)),
            }
        }
    };
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(part: &str, text: &str) -> Result<String> {
        Part::parse(part)?.of(text)
    }

    #[test]
    fn a_part_goes_from_a_line_to_the_line_before_another() -> Result<()> {
        let text = "a\n    b {\n        c\n    }\n\nd\n";
        assert_eq!(part("", text)?, text);
        assert_eq!(part("from \"b {\" to \"d\"", text)?, "b {\n    c\n}\n");
        assert_eq!(part("from \"b {\" through \"}\"", text)?, "b {\n    c\n}\n");
        assert_eq!(part("to \"b {\"", text)?, "a\n");
        Ok(())
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert!(part("from \"x\"", "a\n").is_err());
        assert!(part("from \"a\" to \"a\"", "a\n").is_err());
        assert!(part("since \"a\"", "a\n").is_err());
        assert!(part("from a", "a\n").is_err());
    }
}
