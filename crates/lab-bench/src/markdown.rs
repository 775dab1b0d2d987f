//! The tables as Markdown, so that no number is copied by hand.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;

use crate::result::Report;
use crate::table::{Rows, environment, notes, ratios, steady, throughput};

const BEGIN: &str = "<!-- measured -->";
const END: &str = "<!-- /measured -->";

/// Writes the tables into a file: between its markers, or as all of a new one.
pub(crate) fn write(path: &Path, report: &Report) -> anyhow::Result<()> {
    let tables = tables(report);
    let old = match fs::read_to_string(path) {
        Ok(old) => old,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read {}", path.display()));
        }
    };
    fs::write(path, merged(&old, &tables))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Puts the tables between the markers, and appends both where there are none.
fn merged(old: &str, tables: &str) -> String {
    let (before, after) = match old.split_once(BEGIN) {
        // Of a block without an end only the mark is replaced: what follows may be prose.
        Some((before, rest)) => (before, rest.split_once(END).map_or(rest, |it| it.1)),
        None => (old, "\n"),
    };
    format!("{before}{BEGIN}\n\n{tables}\n{END}{after}")
}

fn tables(report: &Report) -> String {
    let quick = if report.quick { " --quick" } else { "" };
    let notes: String = notes(report)
        .iter()
        .map(|note| format!("- {note}\n"))
        .collect();
    format!(
        "Measured {} by `./just bench{quick}`.\n\n### Ratios\n\n{}\n### Throughput\n\n{}\n\
         {notes}\n### Latency below the capacity\n\n{}\n### Machine\n\n{}",
        report.environment.here.date,
        markdown(&ratios(report)),
        markdown(&throughput(report)),
        markdown(&steady(report)),
        markdown(&environment(report)),
    )
}

fn markdown(rows: &Rows) -> String {
    let line = |row: &[String]| format!("| {} |\n", row.join(" | "));
    let mut rule = vec!["---".to_owned()];
    rule.resize(rows.header.len(), "--:".to_owned());
    let mut text = line(&rows.header) + &line(&rule);
    for row in &rows.rows {
        text += &line(row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_mark_without_an_end_is_kept() {
        let old = format!("# Title\n\n{BEGIN}\nThe rest.\n");
        assert_eq!(
            merged(&old, "new\n"),
            format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\nThe rest.\n")
        );
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let old = format!("# Title\n\n{BEGIN}\nold\n{END}\n\nThe rest.\n");
        assert_eq!(
            merged(&old, "new\n"),
            format!("# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nThe rest.\n")
        );
    }

    #[test]
    fn a_file_without_markers_gets_them() {
        assert_eq!(merged("", "new\n"), format!("{BEGIN}\n\nnew\n\n{END}\n"));
    }

    #[test]
    fn a_row_has_as_many_cells_as_the_header() {
        let rows = Rows {
            header: vec!["a".to_owned(), "b".to_owned()],
            rows: vec![vec!["1".to_owned(), "2".to_owned()]],
        };
        assert_eq!(markdown(&rows), "| a | b |\n| --- | --: |\n| 1 | 2 |\n");
    }
}
