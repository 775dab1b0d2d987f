//! The tables: for the terminal, and as Markdown.

use comfy_table::{Cell, Table};

use super::ratios::{Ratio, Side};
use super::result::Report;
use super::session::SERIES;
use crate::report::{align_numbers, new_table};

/// Both tables, and what to know before believing them.
pub(crate) fn terminal(report: &Report) -> String {
    let ratios = filled(ratios(report));
    let throughput = filled(throughput(report));
    format!(
        "\n{ratios}\n\n{throughput}\n\n{}\n",
        notes(report).join("\n")
    )
}

/// A table before it has a look.
pub(crate) struct Rows {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

fn filled(rows: Rows) -> String {
    let mut table: Table = new_table(rows.header.iter().map(String::as_str).collect());
    for row in rows.rows {
        table.add_row(row.into_iter().map(Cell::new));
    }
    align_numbers(&mut table);
    table.trim_fmt()
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// A row per ratio.
pub(crate) fn ratios(report: &Report) -> Rows {
    let row = |ratio: &Ratio| {
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), significant);
        let sign = match ratio.side {
            Side::AtLeast => "≥",
            Side::AtMost => "≤",
        };
        vec![
            ratio.id.to_owned(),
            shown(ratio.median),
            shown(ratio.low),
            shown(ratio.high),
            format!("{sign} {}", ratio.target),
            if ratio.met { "yes" } else { "no" }.to_owned(),
        ]
    };
    Rows {
        header: words(["ratio", "median", "low", "high", "target", "met"]),
        rows: report.ratios.iter().map(row).collect(),
    }
}

/// A row per size of the crowd, a column per strategy.
pub(crate) fn throughput(report: &Report) -> Rows {
    let mut levels: Vec<_> = report.series.iter().map(|point| point.buyers).collect();
    levels.sort_unstable();
    levels.dedup();
    let mut header = words(["buyers"]);
    header.extend(SERIES.map(|arm| arm.to_string()));
    let row = |buyers: usize| {
        let cell = |arm| {
            let point = report
                .series
                .iter()
                .find(|point| point.arm == arm && point.buyers == buyers);
            point.map_or("-".to_owned(), |it| whole(it.per_second.median))
        };
        let mut row = vec![buyers.to_string()];
        row.extend(SERIES.map(cell));
        row
    };
    Rows {
        header,
        rows: levels.into_iter().map(row).collect(),
    }
}

/// What the tables do not say.
pub(crate) fn notes(report: &Report) -> Vec<String> {
    let mut notes = vec![
        "durable orders per second, counted in the database; of static, answers"
            .to_owned(),
        "low and high: 95 % interval of the median over pairs of neighboring blocks"
            .to_owned(),
    ];
    if let Some(same) = report.same_vs_same {
        notes.push(format!(
            "hybrid against itself: {} ({} to {}), which is the noise of this machine",
            significant(same.median),
            significant(same.low),
            significant(same.high)
        ));
    }
    let clients: Vec<_> = report
        .pgbench()
        .map(|(clients, rate)| format!("{} with {clients}", whole(rate)))
        .collect();
    notes.push(format!(
        "pgbench, orders per second: {}",
        clients.join(", ")
    ));
    notes.push(format!(
        "blocks: {}, of which void: {}, violations: {}",
        report.blocks.len(),
        report.void_blocks,
        report.violations
    ));
    if report.environment.debug_build {
        notes.push("a debug build was measured: the numbers mean nothing".to_owned());
    }
    notes
}

/// Three digits that mean something.
pub(crate) fn significant(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => whole(value),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// A number without a fraction, its thousands apart.
pub(crate) fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 && digit.is_ascii_digit() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        assert_eq!(whole(1_234_567.4), "1,234,567");
        assert_eq!(whole(999.0), "999");
        assert_eq!(significant(49.96), "50.0");
        assert_eq!(significant(0.123_4), "0.12");
        assert_eq!(significant(0.004_21), "0.0042");
    }
}
