//! What is printed of the sales of a demo.

use flash_core::{Audit, Verdict};

use crate::lesson;
use crate::look::{Look, count, paragraph};
use crate::run::{Run, live_units};
use crate::sheet::{Cell, Column, Sheet, below};

/// The table, a verdict per strategy, and what to do next.
pub fn demo(runs: &[Run], pool_size: u16, look: &Look) -> String {
    let verdicts: String = runs.iter().map(|run| verdict(run, look)).collect();
    let debug = if cfg!(debug_assertions) {
        LEGEND_DEBUG
    } else {
        ""
    };
    format!(
        "\n{}\n{}\n{verdicts}\n{}",
        demo_table(runs).text(look),
        paragraph(&format!("{LEGEND}{debug}"), look),
        paragraph(&lesson::of(runs, pool_size), look)
    )
}

/// What the table's words mean.
const LEGEND: &str = "\
oversold: units sold beyond the supply; undersold: units left although buyers were \
refused; lost updates: units sold that the stock row still counts as there; p50, p99, \
max: half, 99 of 100, all of the buyers had their answers so long after all were let go.";

const LEGEND_DEBUG: &str = " \
The programs are not optimized, so that they build quickly: compare the times with each \
other only; `./just bench` measures.";

const SOLD: [Column<Run>; 3] = [
    ("strategy", |it| Cell::new(&it.seller)),
    ("accepted", |it| Cell::new(it.outcomes.accepted)),
    ("sold\nout", |it| Cell::new(it.outcomes.sold_out)),
];

/// A column that would be all zeros in a good sale is shown in a bad one only.
const TROUBLES: [Column<Run>; 4] = [
    ("limit\nreached", |it| of_buyers(it.outcomes.limit_reached)),
    ("busy", |it| of_buyers(it.outcomes.busy)),
    ("failed", |it| of_buyers(it.outcomes.failed)),
    ("un-\nknown", |it| of_buyers(it.outcomes.unknown)),
];

const COUNTED: [Column<Run>; 6] = [
    ("over-\nsold", |it| Cell::fault(it.audit.oversold_units)),
    ("under-\nsold", |it| Cell::fault(it.undersold_units)),
    ("lost\nupdates", |it| Cell::fault(it.audit.lost_updates)),
    ("p50\nms", |it| whole(it.latency_ms.p50)),
    ("p99\nms", |it| whole(it.latency_ms.p99)),
    ("max\nms", |it| whole(it.latency_ms.max)),
];

fn of_buyers(count: u32) -> Cell {
    Cell::fault(count.into())
}

fn whole(ms: f64) -> Cell {
    Cell::new(format!("{ms:.0}"))
}

fn demo_table(runs: &[Run]) -> Sheet {
    let mut columns = SOLD.to_vec();
    let is_there =
        |(_, cell): &Column<Run>| runs.iter().any(|it| cell(it) != of_buyers(0));
    columns.extend(TROUBLES.into_iter().filter(is_there));
    columns.extend(COUNTED);
    Sheet::of(runs, &columns)
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
    format!("{judged}{}\n", below(&stock_row(audit), look).join("\n"))
}

/// What the stock row should say, what it says, and what became of the difference.
fn stock_row(audit: &Audit) -> String {
    let (says, gone) = (audit.available_units, audit.unaccounted_units);
    let lost = match gone {
        0 => return format!("the stock row says {says}, as it should"),
        1.. => format!("{} lost", count(gone, "unit")),
        _ => count(audit.lost_updates, "lost update"),
    };
    format!(
        "the stock row should say {} and says {says}: {lost}",
        says + gone
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{DEFAULT_POOL_SIZE, Strategy};
    use crate::run::Latency;
    use crate::run::tests::{sale, told};

    fn naive_run(books: (i64, i64)) -> Run {
        let run = sale(Strategy::Naive, (100, 1000), told(912, 88), books);
        let latency_ms = Latency::at(|_| 123_456.0);
        Run { latency_ms, ..run }
    }

    #[test]
    fn where_books_do_not_balance_it_is_told_what_the_stock_row_should_say() {
        assert_eq!(
            verdict(&naive_run((912, 12)), &Look::FILE),
            "naive: oversold by 812: 912 orders for 100 units\n  the stock row should \
             say -812 and says 12: 824 lost updates\n"
        );
        // A lost unit is no lost update.
        let text = verdict(&naive_run((99, 0)), &Look::FILE);
        let lost = "should say 1 and says 0: 1 unit lost\n";
        assert!(text.ends_with(lost), "{text}");
    }

    #[test]
    fn eighty_columns_hold_the_table_and_sixty_a_list() {
        let good = naive_run((912, 12));
        let mut troubled = good.clone();
        troubled.outcomes.busy = 3;
        for (columns, runs) in [(60, [&good; 2]), (80, [&good, &troubled])] {
            let look = Look {
                columns,
                ..Look::FILE
            };
            let text = demo(&runs.map(Run::clone), DEFAULT_POOL_SIZE, &look);
            let lengths = text.lines().map(|line| line.chars().count());
            assert!(lengths.max() <= Some(columns), "{text}");
            assert_eq!(text.contains('─'), columns == 80, "{text}");
            assert_eq!(text.contains("busy"), columns == 80, "{text}");
        }
    }
}
