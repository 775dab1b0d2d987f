//! The result as one page that needs no network: tables and plots.

use flash_lab_crowd::output::escaped;

use crate::arm::{Arm, SERIES};
use crate::plot::{Axis, Line, Plot};
use crate::result::{Burst, Report, Steady, buyers};
use crate::statistics::{number, whole};
use crate::table::{Rows, environment, notes, ratios, throughput};

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(crate) fn html(report: &Report) -> String {
    let figures: String = [
        throughput_plot(report),
        latency_plot(report),
        burst_plot(report),
    ]
    .iter()
    .map(Plot::figure)
    .collect();
    let notes: String = notes(report)
        .iter()
        .map(|note| format!("<li>{}</li>\n", escaped(note)))
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Flash Sale, measured</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<h1>Flash Sale, measured</h1>\n<p>{date}, {command}</p>\n\
         {figures}<h2>Ratios</h2>\n{ratios}<h2>Throughput</h2>\n{throughput}\
         <ul>\n{notes}</ul>\n<h2>Where</h2>\n{environment}</body>\n</html>\n",
        date = escaped(&report.environment.here.date),
        command = command(report),
        ratios = table(&ratios(report)),
        throughput = table(&throughput(report)),
        environment = table(&environment(report)),
    )
}

fn command(report: &Report) -> &'static str {
    if report.quick {
        "./just bench --quick"
    } else {
        "./just bench"
    }
}

fn table(rows: &Rows) -> String {
    let cells = |tag: &str, row: &[String]| -> String {
        row.iter()
            .map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell)))
            .collect()
    };
    let body: String = rows
        .rows
        .iter()
        .map(|row| format!("<tr>{}</tr>\n", cells("td", row)))
        .collect();
    format!(
        "<table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n",
        cells("th", &rows.header)
    )
}

const BUYERS: Axis = Axis::log("buyers at once (connections)");

fn throughput_plot(report: &Report) -> Plot {
    let line = |(style, arm): (usize, Arm)| {
        let points = report.series.iter().filter(|point| point.arm == arm);
        Line {
            label: match arm {
                Arm::Static => "static route (answers)".to_owned(),
                arm => arm.to_string(),
            },
            style,
            points: points
                .map(|point| (buyers(point), point.per_second.median))
                .collect(),
            marked: true,
        }
    };
    Plot {
        title: "Durable orders per second",
        x: BUYERS,
        y: Axis::log("orders per second"),
        lines: SERIES.into_iter().enumerate().map(line).collect(),
        guide: None,
    }
}

fn latency_plot(report: &Report) -> Plot {
    let line = |(style, steady): (usize, &Steady)| Line {
        label: format!("{} orders due per second", whole(steady.offered_per_second)),
        style,
        points: steady.curve.clone(),
        marked: true,
    };
    Plot {
        title: "How long the engine takes below its capacity",
        x: Axis::log("one order in so many takes longer (2: p50, 10: p90, 100: p99)"),
        y: Axis::log("milliseconds since the order was due"),
        lines: report.steady.iter().enumerate().map(line).collect(),
        guide: None,
    }
}

fn burst_plot(report: &Report) -> Plot {
    let line = |burst: &Burst| {
        let style = SERIES.iter().position(|arm| *arm == burst.arm);
        Line {
            label: format!(
                "{}: {} accepted, last answer after {} ms",
                burst.arm,
                burst.accepted,
                whole(burst.last_answer_ms)
            ),
            style: style.unwrap_or_default(),
            points: steps(burst),
            marked: false,
        }
    };
    Plot {
        title: "A burst: everybody at once, 100 units",
        x: Axis::log("milliseconds since the release"),
        y: Axis::linear("units accepted"),
        lines: report.bursts.iter().map(line).collect(),
        guide: Some((100.0, "100 units: what there is")),
    }
}

/// Each unit is a step up; the line goes on to the last answer.
fn steps(burst: &Burst) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let mut units = 0;
    for at in &burst.accepted_at_ms {
        points.push((*at, number(units)));
        units += 1;
        points.push((*at, number(units)));
    }
    points.push((burst.last_answer_ms, number(units)));
    points
}
