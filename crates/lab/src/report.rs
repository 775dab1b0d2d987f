//! Everything that is printed as a result.

use std::env;
use std::io::{self, ErrorKind, Write};

use anyhow::Context;
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, Color, Table, TableComponent};
use flash_core::{Audit, Verdict};

use crate::doctor::{Finding, State};
use crate::json_file::JsonFile;
use crate::lesson;
use crate::run::{Run, live_units};

/// Prints a result. A reader who has seen enough, such as `head`, is no error.
pub(crate) fn to_stdout(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}

/// Prints a result for people: where JSON takes standard output, on standard error.
pub(crate) fn beside_json(json: Option<&JsonFile>, text: &str) -> anyhow::Result<()> {
    match json {
        Some(JsonFile::Stdout) => {
            eprint!("{text}");
            Ok(())
        }
        _ => to_stdout(text),
    }
}

/// The table, a line per strategy, and what to do next.
pub(crate) fn demo(runs: &[Run]) -> String {
    let verdicts: String = runs.iter().map(|run| verdict(run) + "\n").collect();
    format!(
        "\n{}\n\n{LEGEND}\n\n{verdicts}\n{}\n",
        demo_table(runs).trim_fmt(),
        lesson::of(runs)
    )
}

/// What the table's words mean.
const LEGEND: &str = "\
oversold: units sold beyond the supply; undersold: units left although buyers
were refused; lost updates: decrements of the stock row that vanished; times
from the moment when all buyers are let go";

/// A column that would be all zeros in a good sale is shown in a bad one only.
type Column = (&'static str, fn(&Run) -> u32);
const TROUBLES: [Column; 4] = [
    ("limit\nreached", |run| run.outcomes.limit_reached),
    ("busy", |run| run.outcomes.busy),
    ("failed", |run| run.outcomes.failed),
    ("un-\nknown", |run| run.outcomes.unknown),
];

fn demo_table(runs: &[Run]) -> Table {
    let troubles: Vec<_> = TROUBLES
        .into_iter()
        .filter(|(_, count)| runs.iter().any(|run| count(run) > 0))
        .collect();
    let mut header = vec!["strategy", "accepted", "sold\nout"];
    header.extend(troubles.iter().map(|(title, _)| *title));
    header.extend(["over-\nsold", "under-\nsold", "lost\nupdates"]);
    header.extend(["p50\nms", "p99\nms", "max\nms", "total\nms"]);

    let mut table = new_table(header);
    for run in runs {
        let mut row = vec![
            Cell::new(run.strategy),
            Cell::new(run.outcomes.accepted),
            Cell::new(run.outcomes.sold_out),
        ];
        row.extend(troubles.iter().map(|(_, count)| fault(count(run).into())));
        row.extend([
            fault(run.audit.oversold_units),
            fault(run.undersold_units),
            fault(run.audit.lost_updates),
        ]);
        let latency = &run.latency_ms;
        row.extend(
            [latency.p50, latency.p99, latency.max, run.elapsed_ms]
                .map(|ms| Cell::new(format!("{ms:.0}"))),
        );
        table.add_row(row);
    }
    align_numbers(&mut table);
    table
}

/// One line below the header and space between the columns: fits 80 characters.
pub(crate) fn new_table(header: Vec<&str>) -> Table {
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─')
        .set_header(header);
    if env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        table.force_no_tty();
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    table
}

pub(crate) fn align_numbers(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

/// A number that should be zero.
pub(crate) fn fault(count: i64) -> Cell {
    let cell = Cell::new(count);
    if count == 0 {
        cell
    } else {
        cell.fg(Color::Red).add_attribute(Attribute::Bold)
    }
}

/// A number with its noun.
fn count(number: i64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn verdict(run: &Run) -> String {
    let (strategy, audit) = (run.strategy, &run.audit);
    let units = count(run.units.into(), "unit");
    let orders = count(live_units(audit), "order");
    let judged = match audit.verdict {
        Verdict::Oversold => format!(
            "oversold by {}: {orders} for {units}; the stock row says {}",
            audit.oversold_units, audit.available_units
        ),
        Verdict::Drifted => format!(
            "drifted: {orders} for {units}; the stock row says {}",
            audit.available_units
        ),
        Verdict::Violated => format!(
            "violated: {} keys with two orders, {} buyers beyond their limit, stock {}",
            audit.duplicate_keys, audit.limit_overruns, audit.available_units
        ),
        Verdict::Exact if run.undersold_units > 0 => format!(
            "undersold by {}: {orders} for {units}, and buyers were refused",
            run.undersold_units
        ),
        Verdict::Exact => format!(
            "exact: {orders} for {units}; the stock row says {}",
            audit.available_units
        ),
    };
    format!("{strategy}: {judged}")
}

/// The table of `lab audit`.
pub(crate) fn audits(audits: &[Audit]) -> String {
    if audits.is_empty() {
        return "no SKU was created in this database\n".to_owned();
    }
    let mut table = new_table(vec![
        "SKU",
        "units",
        "orders",
        "left",
        "over-\nsold",
        "un-\naccounted",
        "gate\ndrift",
        "verdict",
    ]);
    for audit in audits {
        let supply = audit.initial_units + audit.restocked_units;
        let gate_drift = audit.gate_drift_units.map_or(Cell::new("-"), Cell::new);
        let verdict = format!("{:?}", audit.verdict).to_lowercase();
        table.add_row(vec![
            Cell::new(&audit.sku),
            Cell::new(supply),
            Cell::new(live_units(audit)),
            Cell::new(audit.available_units),
            fault(audit.oversold_units),
            fault(audit.unaccounted_units),
            gate_drift,
            Cell::new(verdict),
        ]);
    }
    align_numbers(&mut table);
    format!("{}\n\n{AUDIT_LEGEND}\n", table.trim_fmt())
}

const AUDIT_LEGEND: &str = "\
unaccounted: units - orders - left; below 0: decrements of the stock row that
were lost, above 0: units that were lost; gate drift: Redis - PostgreSQL, at
rest (- without --redis-url)";

/// The table of `lab doctor`.
pub(crate) fn findings(findings: &[Finding]) -> String {
    let mut table = new_table(vec!["", "what", "found"]);
    for finding in findings {
        let (mark, color) = match finding.state {
            State::Good => ("ok", Color::Green),
            State::Optional => ("note", Color::Yellow),
            State::Missing => ("missing", Color::Red),
            State::Broken => ("broken", Color::Red),
        };
        table.add_row(vec![
            Cell::new(mark).fg(color),
            Cell::new(finding.what),
            Cell::new(&finding.text),
        ]);
    }
    table.trim_fmt() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Strategy;
    use crate::run::tests::audit;
    use crate::run::{Latency, Outcomes};

    fn naive_run() -> Run {
        Run {
            strategy: Strategy::Naive,
            units: 100,
            buyers: 1000,
            outcomes: Outcomes {
                accepted: 912,
                sold_out: 88,
                ..Outcomes::default()
            },
            undersold_units: 0,
            elapsed_ms: 123_456.0,
            latency_ms: Latency {
                p50: 99_999.0,
                p90: 99_999.0,
                p99: 99_999.0,
                max: 123_456.0,
            },
            audit: audit(100, 912, 12),
        }
    }

    #[test]
    fn the_verdict_of_an_oversell_gives_all_three_numbers() {
        assert_eq!(
            verdict(&naive_run()),
            "naive: oversold by 812: 912 orders for 100 units; the stock row says 12"
        );
    }

    #[test]
    fn the_table_fits_eighty_columns_and_hides_what_did_not_happen() {
        let table = demo_table(&[naive_run()]).trim_fmt();
        assert!(
            table.lines().all(|line| line.chars().count() <= 80),
            "{table}"
        );
        assert!(!table.contains("busy"));

        let mut troubled = naive_run();
        troubled.outcomes.busy = 3;
        let table = demo_table(&[naive_run(), troubled]).trim_fmt();
        assert!(table.contains("busy"), "{table}");
    }
}
