//! What is printed of the sales of a demo.

use flash_core::{Audit, Verdict};

use crate::lesson;
use crate::look::{Look, count, paragraph};
use crate::run::{Run, live_units};
use crate::sheet::{Cell, Sheet, below};

/// The table, a verdict per strategy, and what to do next.
pub fn demo(runs: &[Run], pool_size: u16, look: &Look) -> String {
    let verdicts: String = runs.iter().map(|run| verdict(run, look)).collect();
    let legend = if cfg!(debug_assertions) {
        format!("{LEGEND} {LEGEND_DEBUG}")
    } else {
        LEGEND.to_owned()
    };
    format!(
        "\n{}\n{}\n{verdicts}\n{}",
        demo_table(runs).text(look),
        paragraph(&legend, look),
        paragraph(&lesson::of(runs, pool_size), look)
    )
}

/// What the table's words mean.
const LEGEND: &str = "\
oversold: units sold beyond the supply; undersold: units left although buyers were \
refused; lost updates: units sold that the stock row still counts as there; p50, p99, \
max: half, 99 of 100, all of the buyers had their answers so long after all were let go.";

const LEGEND_DEBUG: &str = "\
The programs are not optimized, so that they build quickly: compare the times with each \
other only; `./just bench` measures.";

/// A column that would be all zeros in a good sale is shown in a bad one only.
type Column = (&'static str, fn(&Run) -> u32);
const TROUBLES: [Column; 4] = [
    ("limit\nreached", |run| run.outcomes.limit_reached),
    ("busy", |run| run.outcomes.busy),
    ("failed", |run| run.outcomes.failed),
    ("un-\nknown", |run| run.outcomes.unknown),
];

fn demo_table(runs: &[Run]) -> Sheet {
    let troubles: Vec<_> = TROUBLES
        .into_iter()
        .filter(|(_, count)| runs.iter().any(|run| count(run) > 0))
        .collect();
    let mut header = vec!["strategy", "accepted", "sold\nout"];
    header.extend(troubles.iter().map(|(title, _)| *title));
    header.extend(["over-\nsold", "under-\nsold", "lost\nupdates"]);
    header.extend(["p50\nms", "p99\nms", "max\nms"]);

    let mut table = Sheet::new(header);
    for run in runs {
        let mut row = vec![
            Cell::new(&run.seller),
            Cell::new(run.outcomes.accepted),
            Cell::new(run.outcomes.sold_out),
        ];
        row.extend(
            troubles
                .iter()
                .map(|(_, count)| Cell::fault(count(run).into())),
        );
        row.extend([
            Cell::fault(run.audit.oversold_units),
            Cell::fault(run.undersold_units),
            Cell::fault(run.audit.lost_updates),
        ]);
        let latency = &run.latency_ms;
        row.extend(
            [latency.p50, latency.p99, latency.max]
                .map(|ms| Cell::new(format!("{ms:.0}"))),
        );
        table.add(row);
    }
    table
}

/// One line, and where the books do not balance a second one that says how.
fn verdict(run: &Run, look: &Look) -> String {
    let (strategy, audit) = (&run.seller, &run.audit);
    let units = count(run.units.into(), "unit");
    let orders = count(live_units(audit), "order");
    let sold = format!("{orders} for {units}");
    let judged = match audit.verdict {
        Verdict::Oversold => format!("oversold by {}: {sold}", audit.oversold_units),
        Verdict::Drifted => format!("drifted: {sold}"),
        Verdict::Violated => format!(
            "violated: {} with two orders, {} beyond their limit",
            count(audit.duplicate_keys, "key"),
            count(audit.limit_overruns, "buyer")
        ),
        Verdict::Exact if run.undersold_units > 0 => format!(
            "undersold by {}: {sold}, and buyers were refused",
            run.undersold_units
        ),
        Verdict::Exact => format!("exact: {sold}"),
    };
    if audit.verdict == Verdict::Exact {
        let row = format!("the stock row says {}", audit.available_units);
        return paragraph(&format!("{strategy}: {judged}; {row}"), look);
    }
    let judged = paragraph(&format!("{strategy}: {judged}"), look);
    judged + &below(&stock_row(audit), look)
}

/// What the stock row should say, what it says, and what became of the difference.
fn stock_row(audit: &Audit) -> String {
    let says = audit.available_units;
    let should = says + audit.unaccounted_units;
    let lost = audit.lost_updates;
    let gone = audit.unaccounted_units;
    match gone {
        0 => format!("the stock row says {says}, as it should"),
        1.. => format!(
            "the stock row should say {should} and says {says}: {} lost",
            count(gone, "unit")
        ),
        _ => format!(
            "the stock row should say {should} and says {says}: {}",
            count(lost, "lost update")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{DEFAULT_POOL_SIZE, Strategy};
    use crate::run::Latency;
    use crate::run::tests::{audit, sale, told};

    fn naive_run() -> Run {
        let audit = audit(100, 912, 12);
        Run {
            elapsed_ms: 123_456.0,
            latency_ms: Latency {
                max: 123_456.0,
                ..Latency::at(|_| 99_999.0)
            },
            ..sale(Strategy::Naive, (100, 1000), told(912, 88), audit)
        }
    }

    fn longest_line(text: &str) -> usize {
        let lengths = text.lines().map(|line| line.chars().count());
        lengths.max().unwrap_or_default()
    }

    #[test]
    fn an_oversell_is_told_with_what_the_stock_row_should_say() {
        assert_eq!(
            verdict(&naive_run(), &Look::FILE),
            "naive: oversold by 812: 912 orders for 100 units\n  the stock row should \
             say -812 and says 12: 824 lost updates\n"
        );
    }

    #[test]
    fn a_lost_unit_is_no_lost_update() {
        let run = Run {
            audit: audit(100, 99, 0),
            ..naive_run()
        };
        let text = verdict(&run, &Look::FILE);
        assert!(
            text.ends_with("should say 1 and says 0: 1 unit lost\n"),
            "{text}"
        );
    }

    #[test]
    fn eighty_columns_hold_the_table_and_sixty_a_list() {
        let mut troubled = naive_run();
        troubled.outcomes.busy = 3;
        for columns in [60, 80] {
            let look = Look {
                columns,
                ..Look::FILE
            };
            let text = demo(&[naive_run()], DEFAULT_POOL_SIZE, &look);
            assert!(longest_line(&text) <= columns, "{text}");
            assert_eq!(text.contains("─"), columns == 80, "{text}");
            assert!(!text.contains("busy"), "{text}");
            let text = demo(&[naive_run(), troubled.clone()], DEFAULT_POOL_SIZE, &look);
            assert!(longest_line(&text) <= columns, "{text}");
            assert!(text.contains("busy"), "{text}");
        }
    }
}
