//! The tables and what is said below them: for the terminal, as Markdown and for the page.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use flash_lab_crowd::{Cell, Column, Look, Sheet, paragraph};
use minijinja::Environment;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use serde::Serialize;

use crate::arm::{Arm, SERIES};
use crate::block::Block;
use crate::ratios::{Ratio, Side};
use crate::result::Report;
use crate::statistics::{significant, whole};

/// A run as it is told: what is in its report, and what stands in more than one place.
#[derive(Debug, Serialize)]
pub(crate) struct Tables<'a> {
    report: &'a Report,
    /// A row per ratio, and a sentence below it.
    ratios: Sheet,
    /// A row per size of the crowd, a column per strategy.
    throughput: Sheet,
    /// A fact about machine, programs or settings in each row.
    machine: Vec<(String, String)>,
    /// What the tables do not say.
    notes: Vec<String>,
}

impl<'a> Tables<'a> {
    /// Puts a report into words.
    ///
    /// # Errors
    ///
    /// As [`rendered`].
    pub(crate) fn of(report: &'a Report) -> anyhow::Result<Self> {
        let machine = rendered("machine.txt", include_str!("machine.txt"), report)?;
        let facts = machine.lines().filter_map(|line| line.split_once(": "));
        let notes = Notes::of(report);
        let notes = rendered("notes.txt", include_str!("notes.txt"), &notes)?;
        Ok(Self {
            report,
            ratios: Sheet::of(&report.ratios, &RATIOS)
                .with_notes(report.ratios.iter().map(Ratio::meaning)),
            throughput: throughput(report),
            machine: facts.map(|(name, it)| (name.into(), it.into())).collect(),
            notes: notes.lines().map(str::to_owned).collect(),
        })
    }

    /// The first two tables, and what to know before believing them.
    pub(crate) fn terminal(&self, look: &Look) -> String {
        format!(
            "\n{}\n{}\n{}",
            self.ratios.text(look),
            self.throughput.text(look),
            paragraph(&self.notes.join("\n"), look)
        )
    }

    /// Writes all tables into a file of Markdown: between its markers, or as all of a new
    /// one.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written.
    pub(crate) fn write_markdown(&self, path: &Path) -> anyhow::Result<()> {
        let tables = rendered("tables.md", include_str!("tables.md"), self)?;
        let old = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            old => old.with_context(|| format!("cannot read {}", path.display()))?,
        };
        fs::write(path, merged(&old, &tables))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// What `notes.txt` says.
#[derive(Serialize)]
struct Notes<'a> {
    #[serde(flatten)]
    report: &'a Report,
    pgbench: Vec<&'a Block>,
    /// Whether the generator could have been what was measured.
    generator_share: f64,
    static_over_best: f64,
}

impl<'a> Notes<'a> {
    fn of(report: &'a Report) -> Self {
        let shares = report.measured.blocks.iter();
        let shares = shares.filter_map(|block| block.counters.generator_cpu_share);
        let best = |is_static: bool| {
            let points = report.series.iter();
            let points = points.filter(|it| (it.arm == Arm::Static) == is_static);
            points.map(|it| it.per_second.median).fold(0.0, f64::max)
        };
        let pgbench = report.measured.of("pgbench-clients");
        Self {
            report,
            pgbench: pgbench.filter(|block| block.void.is_none()).collect(),
            generator_share: shares.fold(0.0, f64::max),
            static_over_best: best(true) / best(false).max(1.0),
        }
    }
}

/// Fills a template; where its name ends in `html`, text is escaped.
///
/// # Errors
///
/// A template that is wrong.
pub(crate) fn rendered(
    name: &str,
    template: &str,
    what: &impl Serialize,
) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    environment.add_filter("significant", significant);
    environment.add_filter("whole", whole);
    let lines = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    lines
        .map(|lines| environment.set_syntax(lines))
        .and_then(|()| environment.render_named_str(name, template, Serde(what)))
        .with_context(|| format!("cannot fill {name}"))
}

const BEGIN: &str = "<!-- measured -->";
const END: &str = "<!-- /measured -->";

/// Puts the tables between the markers, and appends both where there are none.
fn merged(old: &str, tables: &str) -> String {
    let (before, after) = match old.split_once(BEGIN) {
        // Of a block without an end only the mark is replaced: what follows may be prose.
        Some((before, rest)) => (before, rest.split_once(END).map_or(rest, |it| it.1)),
        None => (old, "\n"),
    };
    format!("{before}{BEGIN}\n\n{tables}\n{END}{after}")
}

/// The columns of the table of ratios; what it means is its note.
const RATIOS: [Column<Ratio>; 6] = [
    ("ratio", |it| Cell::new(&it.promise.id)),
    ("median", |it| shown(it.median)),
    ("low", |it| shown(it.low)),
    ("high", |it| shown(it.high)),
    ("target", |it| match (it.promise.side, it.promise.target) {
        (_, None) => Cell::new("-"),
        (Side::AtLeast, Some(target)) => Cell::new(format!("≥ {target}")),
        (Side::AtMost, Some(target)) => Cell::new(format!("≤ {target}")),
    }),
    ("met", |it| match it.met {
        Some(true) => Cell::new("yes"),
        Some(false) => Cell::new("no"),
        None => Cell::new("-"),
    }),
];

fn shown(value: Option<f64>) -> Cell {
    Cell::new(value.map_or("-".to_owned(), significant))
}

fn throughput(report: &Report) -> Sheet {
    let crowds: BTreeSet<_> = report.series.iter().map(|it| it.buyers).collect();
    let arms = SERIES.map(|arm| arm.to_string());
    let mut sheet = Sheet::new([vec!["buyers".to_owned()], arms.to_vec()].concat());
    for buyers in crowds {
        let cell = |arm| {
            let mut points = report.series.iter();
            let point = points.find(|it| it.arm == arm && it.buyers == buyers);
            Cell::new(point.map_or("-".to_owned(), |it| whole(it.per_second.median)))
        };
        sheet.add([vec![Cell::new(buyers)], SERIES.map(cell).to_vec()].concat());
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let new = format!("{BEGIN}\n\nnew\n\n{END}");
        let (title, rest) = ("# Title\n\n", "\n\nThe rest.\n");
        let without_end = String::new();
        for old in [format!("\nold\n{END}"), without_end] {
            let merged = merged(&format!("{title}{BEGIN}{old}{rest}"), "new\n");
            assert_eq!(merged, format!("{title}{new}{rest}"));
        }
        assert_eq!(merged("", "new\n"), format!("{new}\n"));
    }

    #[test]
    fn a_page_escapes_its_text_and_no_other_text_does() {
        let what = [("text", "orders & <buyers>")];
        let what = std::collections::HashMap::from(what);
        let filled = |name| rendered(name, "{{ text }}\n", &what).expect("filled");
        assert_eq!(filled("page.html"), "orders &amp; &lt;buyers&gt;\n");
        assert_eq!(filled("tables.md"), "orders & <buyers>\n");
    }
}
