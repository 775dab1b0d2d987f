//! The result as one page that needs no network: tables and plots.

use serde::Serialize;

use crate::arm::{Arm, BURST_UNITS, SERIES};
use crate::plot::{Line, Plot, Scale};
use crate::result::{Burst, Report, Steady};
use crate::statistics::whole;
use crate::tables::{Tables, rendered};

/// What `page.html` shows.
#[derive(Serialize)]
struct Page<'a> {
    style: &'static str,
    plots: [Plot; 3],
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
        plots: [throughput(report), latency(report), burst(report)],
        tables,
    };
    rendered("page.html", include_str!("page.html"), &page)
}

fn throughput(report: &Report) -> Plot {
    let line = |(style, arm): (usize, Arm)| {
        let points = report.series.iter().filter(|point| point.arm == arm);
        let points = points.map(|it| (it.buyers.into(), it.per_second.median));
        let label = match arm {
            Arm::Static => "static route (answers)".to_owned(),
            arm => arm.to_string(),
        };
        Line {
            label,
            style,
            points: points.collect(),
        }
    };
    let lines = SERIES.into_iter().enumerate().map(line).collect();
    Plot::new((Scale::Log, Scale::Log), lines, None)
}

fn latency(report: &Report) -> Plot {
    let line = |(style, steady): (usize, &Steady)| Line {
        label: format!("{} orders due per second", whole(steady.offered_per_second)),
        style,
        points: steady.curve.clone(),
    };
    let lines = report.steady.iter().enumerate().map(line).collect();
    Plot::new((Scale::Log, Scale::Log), lines, None)
}

fn burst(report: &Report) -> Plot {
    let line = |burst: &Burst| {
        let (arm, accepted) = (burst.arm, burst.accepted);
        let last = whole(burst.last_answer_ms);
        Line {
            label: format!("{arm}: {accepted} accepted, last answer after {last} ms"),
            style: SERIES.iter().position(|it| *it == arm).unwrap_or_default(),
            points: steps(burst),
        }
    };
    let lines = report.bursts.iter().map(line).collect();
    let guide = Some(BURST_UNITS.into());
    Plot::new((Scale::Log, Scale::Linear), lines, guide)
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
