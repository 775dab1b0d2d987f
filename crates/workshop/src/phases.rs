//! What differs between two phases, as the book shows it.
//!
//! # Errors
//!
//! All functions here fail where a phase is not there.
#![expect(clippy::missing_errors_doc, reason = "said once, above")]

use anyhow::{Context, Result};

use crate::page::read;

const PHASES: [(&str, &str); 3] = [
    ("1", "phase1-naive"),
    ("2", "phase2-pessimistic"),
    ("3", "phase3-hybrid"),
];

/// Lines that are shown before and after what differs.
const AROUND: usize = 1;

/// The lines that differ between two phases, such as `1 2`; `@@` where some are left out.
pub fn diff(numbers: &str) -> Result<String> {
    let (old, new) = numbers.split_once(' ').context("a diff has two phases")?;
    Ok(between(&strategy(old)?, &strategy(new)?))
}

fn strategy(number: &str) -> Result<String> {
    let phase = PHASES.iter().find(|(it, _)| *it == number);
    let (_, folder) = phase.with_context(|| format!("there is no phase {number}"))?;
    read(&format!("crates/{folder}/src/strategy.rs"))
}

fn between(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let lines = compared(&old, &new);
    let is_near = |position: usize| {
        let first = position.saturating_sub(AROUND);
        let near = lines.iter().skip(first).take(position + AROUND - first + 1);
        near.into_iter().any(|(sign, _)| *sign != ' ')
    };
    let mut text = String::new();
    let mut was_near = true;
    for (position, (sign, line)) in lines.iter().enumerate() {
        let is_empty = *sign == ' ' && line.is_empty();
        let near = is_near(position) && !is_empty;
        if near {
            if !was_near && !text.is_empty() {
                text.push_str("@@\n");
            }
            text.push_str(format!("{sign}{line}").trim_end());
            text.push('\n');
        }
        was_near = near;
    }
    text
}

/// All lines of both, each with a sign: in the old one only, in the new one only, or both.
fn compared<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    // The length of the longest common rest, from each line on.
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for (row, old_line) in old.iter().enumerate().rev() {
        for (column, new_line) in new.iter().enumerate().rev() {
            common[row][column] = if old_line == new_line {
                common[row + 1][column + 1] + 1
            } else {
                common[row + 1][column].max(common[row][column + 1])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut lines = Vec::new();
    loop {
        match (old.get(row), new.get(column)) {
            (Some(line), Some(other)) if line == other => {
                lines.push((' ', *line));
                row += 1;
                column += 1;
            }
            (Some(line), other)
                if other.is_none()
                    || common[row + 1][column] >= common[row][column + 1] =>
            {
                lines.push(('-', *line));
                row += 1;
            }
            (_, Some(line)) => {
                lines.push(('+', *line));
                column += 1;
            }
            (_, None) => return lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diff_shows_what_differs_and_the_lines_around() {
        assert_eq!(between("a\nb\nc\n", "a\nb\nc\n"), "");
        assert_eq!(between("\nb\n\n", "\nc\n\n"), "-b\n+c\n");
        assert_eq!(between("a\nb\nc\nd\n", "a\nx\nc\nd\n"), " a\n-b\n+x\n c\n");
        let (old, new) = ("a\nb\nc\nd\ne\nf\n", "a\nB\nc\nd\ne\nF\n");
        assert_eq!(between(old, new), " a\n-b\n+B\n c\n@@\n e\n-f\n+F\n");
    }
}
