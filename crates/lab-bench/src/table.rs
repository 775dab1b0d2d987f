//! The tables: for the terminal, and as Markdown.

use flash_lab_crowd::{Cell, Look, Sheet, paragraph};

use crate::arm::{Arm, SERIES};
use crate::meaning::meaning;
use crate::ratios::{Ratio, Side};
use crate::result::{Report, Steady};
use crate::statistics::{significant, whole};

/// Both tables, and what to know before believing them.
pub(crate) fn terminal(report: &Report, look: &Look) -> String {
    let notes = notes(report).join("\n");
    format!(
        "\n{}\n{}\n{}",
        sheet(ratios(report), true).text(look),
        sheet(throughput(report), false).text(look),
        paragraph(&notes, look)
    )
}

/// A table before it has a look.
pub(crate) struct Rows {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// What stands in the last column may come below each row.
fn sheet(mut rows: Rows, has_notes: bool) -> Sheet {
    if has_notes {
        rows.header.pop();
    }
    let mut sheet = Sheet::new(rows.header);
    for mut row in rows.rows {
        let note = if has_notes { row.pop() } else { None };
        let cells = row.into_iter().map(Cell::new).collect();
        sheet.add_with_note(cells, &note.unwrap_or_default());
    }
    sheet
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
            ratio
                .target
                .map_or("-".to_owned(), |it| format!("{sign} {it}")),
            match ratio.met {
                Some(true) => "yes",
                Some(false) => "no",
                None => "-",
            }
            .to_owned(),
            meaning(ratio),
        ]
    };
    Rows {
        header: words([
            "ratio", "median", "low", "high", "target", "met", "in words",
        ]),
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

/// A row per rate at which requests came.
pub(crate) fn steady(report: &Report) -> Rows {
    let row = |steady: &Steady| {
        let it = steady.latency_ms;
        let latencies = [it.p50, it.p90, it.p99, it.p999.unwrap_or_default(), it.max]
            .map(significant);
        [&[whole(steady.offered_per_second)], &latencies[..]].concat()
    };
    Rows {
        header: words(["due per second", "p50 ms", "p90", "p99", "p99.9", "max"]),
        rows: report.steady.iter().map(row).collect(),
    }
}

/// A row per fact about machine, programs and settings.
pub(crate) fn environment(report: &Report) -> Rows {
    let told = |value: Option<String>| value.unwrap_or_else(|| "not told".to_owned());
    let of = &report.environment;
    let setting = |name| told(of.settings.get(name).cloned());
    let facts = [
        ("date", of.here.date.clone()),
        ("system", of.here.os.clone()),
        ("processor", told(of.cpu.clone())),
        ("cores", of.here.cpus.to_string()),
        (
            "memory",
            told(of.memory_mib.map(|mib| format!("{mib} MiB"))),
        ),
        ("one page made durable", format!("{:.0} µs", of.fsync_us)),
        ("PostgreSQL", of.postgresql.clone()),
        ("Redis", of.redis.clone()),
        ("compiler", told(of.rustc.clone())),
        ("fsync", setting("fsync")),
        ("synchronous_commit", setting("synchronous_commit")),
        ("full_page_writes", setting("full_page_writes")),
        ("wal_sync_method", setting("wal_sync_method")),
        ("shared_buffers", setting("shared_buffers")),
        ("server", of.server_flags.join(" ")),
        ("block", format!("{} ms", of.block_ms)),
    ];
    Rows {
        header: words(["", ""]),
        rows: facts
            .map(|(name, value)| vec![name.to_owned(), value])
            .to_vec(),
    }
}

/// What the tables do not say.
pub(crate) fn notes(report: &Report) -> Vec<String> {
    let mut notes = words([
        "durable orders per second, counted in the database; of static, answers",
        "low and high: 95 % interval of the median over pairs of neighboring blocks",
    ]);
    if let Some(same) = report.same_vs_same {
        notes.push(format!(
            "engine against itself: {} ({} to {}); nothing closer to 1 means anything",
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
    notes.push(generator(report));
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

/// Whether the generator could have been what was measured.
fn generator(report: &Report) -> String {
    let busiest = report
        .blocks
        .iter()
        .filter_map(|block| block.counters.generator_cpu_share)
        .fold(0.0, f64::max);
    let best = |is_static: bool| {
        let points = report.series.iter();
        let points = points.filter(|it| (it.arm == Arm::Static) == is_static);
        points.map(|it| it.per_second.median).fold(0.0, f64::max)
    };
    let (ceiling, others) = (best(true), best(false).max(1.0));
    format!(
        "generator: at most {:.0} % of a core; static / best other arm {}, both at \
         their best",
        busiest * 100.0,
        significant(ceiling / others)
    )
}
