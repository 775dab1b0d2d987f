//! The result as one page that needs no network: tables and plots.

use serde::Serialize;

use crate::arm::{Arm, SERIES};
use crate::plot::{Line, Scale, figure};
use crate::result::{Burst, Report, Steady};
use crate::statistics::whole;
use crate::tables::Tables;
use crate::template::rendered;

/// What `page.html` shows.
#[derive(Serialize)]
struct Page<'a> {
    style: &'static str,
    figures: [String; 3],
    #[serde(flatten)]
    tables: &'a Tables<'a>,
}

/// The whole page.
///
/// # Errors
///
/// As [`rendered`].
pub(crate) fn html(report: &Report, tables: &Tables<'_>) -> anyhow::Result<String> {
    let page = Page {
        style: include_str!("page.css"),
        figures: [throughput(report)?, latency(report)?, bursts(report)?],
        tables,
    };
    rendered("page.html", include_str!("page.html"), &page)
}

fn throughput(report: &Report) -> anyhow::Result<String> {
    let line = |(style, arm): (usize, Arm)| {
        let points = report.series.iter().filter(|point| point.arm == arm);
        let points = points.map(|it| (it.buyers.into(), it.per_second.median));
        Line {
            label: match arm {
                Arm::Static => "static route (answers)".to_owned(),
                arm => arm.to_string(),
            },
            style,
            points: points.collect(),
            marked: true,
        }
    };
    let (x, y) = ("buyers at once (connections)", "orders per second");
    figure(
        "Durable orders per second",
        [(x, Scale::Log), (y, Scale::Log)],
        SERIES.into_iter().enumerate().map(line).collect(),
        None,
    )
}

fn latency(report: &Report) -> anyhow::Result<String> {
    let line = |(style, steady): (usize, &Steady)| Line {
        label: format!("{} orders due per second", whole(steady.offered_per_second)),
        style,
        points: steady.curve.clone(),
        marked: true,
    };
    let x = "one order in so many takes longer (2: p50, 10: p90, 100: p99)";
    let y = "milliseconds since the order was due";
    figure(
        "How long the engine takes below its capacity",
        [(x, Scale::Log), (y, Scale::Log)],
        report.steady.iter().enumerate().map(line).collect(),
        None,
    )
}

fn bursts(report: &Report) -> anyhow::Result<String> {
    let line = |burst: &Burst| {
        let (arm, accepted) = (burst.arm, burst.accepted);
        let last = whole(burst.last_answer_ms);
        Line {
            label: format!("{arm}: {accepted} accepted, last answer after {last} ms"),
            style: SERIES.iter().position(|it| *it == arm).unwrap_or_default(),
            points: steps(burst),
            marked: false,
        }
    };
    let (x, y) = ("milliseconds since the release", "units accepted");
    figure(
        "A burst: everybody at once, 100 units",
        [(x, Scale::Log), (y, Scale::Linear)],
        report.bursts.iter().map(line).collect(),
        Some((100.0, "100 units: what there is")),
    )
}

/// Each unit is a step up; the line goes on to the last answer.
fn steps(burst: &Burst) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let mut units = 0.0;
    for at in &burst.accepted_at_ms {
        points.push((*at, units));
        units += 1.0;
        points.push((*at, units));
    }
    points.push((burst.last_answer_ms, units));
    points
}
