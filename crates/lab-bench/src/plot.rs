//! Plots as SVG: where numbers are in the picture. `figure.html` draws it; colors are
//! variables of the page, so that it can be light, dark or on paper, and markers tell lines
//! apart without them.

use serde::Serialize;

use crate::statistics::{significant, whole};
use crate::template::rendered;

/// What is inside of the axes.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 364.0;

/// Where numbers are along a side of the plot.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scale {
    Linear,
    Log,
}

/// Points that belong together.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Line {
    pub(crate) label: String,
    /// Picks color and marker.
    pub(crate) style: usize,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) marked: bool,
}

/// A plot with its legend, as it is drawn: all places are distances from the left and from
/// above.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Plot {
    width: f64,
    height: f64,
    title: &'static str,
    x: Axis,
    y: Axis,
    lines: Vec<Line>,
    /// A height that means something, with its name.
    guide: Option<(f64, &'static str)>,
}

/// A side of the plot.
#[derive(Debug, Clone, Serialize)]
struct Axis {
    label: &'static str,
    ticks: Vec<(f64, String)>,
}

impl Plot {
    /// Sides are a name and a scale, lines and guide have the numbers that are plotted.
    pub(crate) fn new(
        title: &'static str,
        [x, y]: [(&'static str, Scale); 2],
        lines: Vec<Line>,
        guide: Option<(f64, &'static str)>,
    ) -> Self {
        let points = || lines.iter().flat_map(|line| &line.points);
        let heights = points().map(|it| it.1).chain(guide.map(|it| it.0));
        let x_frame = Frame::new(x.1, points().map(|it| it.0), (0.0, WIDTH));
        let y_frame = Frame::new(y.1, heights, (HEIGHT, 0.0));
        let placed = |line: Line| Line {
            points: line
                .points
                .iter()
                .map(|(x, y)| (x_frame.at(*x), y_frame.at(*y)))
                .collect(),
            ..line
        };
        Self {
            width: WIDTH,
            height: HEIGHT,
            title,
            x: x_frame.axis(x.0),
            y: y_frame.axis(y.0),
            guide: guide.map(|(height, name)| (y_frame.at(height), name)),
            lines: lines.into_iter().map(placed).collect(),
        }
    }

    /// A figure for a page of HTML.
    ///
    /// # Errors
    ///
    /// As [`rendered`].
    pub(crate) fn figure(&self) -> anyhow::Result<String> {
        rendered("figure.html", include_str!("figure.html"), self)
    }
}

/// The visible part of an axis, in its own numbers and in the picture's.
struct Frame {
    scale: Scale,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Frame {
    fn new(
        scale: Scale,
        values: impl Iterator<Item = f64>,
        (from, to): (f64, f64),
    ) -> Self {
        let is_log = matches!(scale, Scale::Log);
        let values = values.filter(|it| it.is_finite() && (!is_log || *it > 0.0));
        let ends = values.map(|it| (it, it));
        let ends = ends.reduce(|(low, high), (it, _)| (low.min(it), high.max(it)));
        let (low, high) = ends.unwrap_or((1.0, 10.0));
        let (low, high) = match scale {
            Scale::Log => (low / 1.25, high * 1.25),
            Scale::Linear => (0.0, high * 1.05),
        };
        Self {
            scale,
            low,
            high,
            from,
            to,
        }
    }

    /// The place of a number, to a tenth.
    fn at(&self, value: f64) -> f64 {
        let part = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => {
                let value = value.max(self.low);
                (value / self.low).ln() / (self.high / self.low).ln()
            }
        };
        let place = self.from + part.clamp(0.0, 1.0) * (self.to - self.from);
        (place * 10.0).round() / 10.0
    }

    fn axis(&self, label: &'static str) -> Axis {
        let name = |tick: f64| match tick {
            part if part > 0.0 && part < 1.0 => significant(part),
            tick => whole(tick),
        };
        let ticks = self.ticks().into_iter();
        Axis {
            label,
            ticks: ticks.map(|tick| (self.at(tick), name(tick))).collect(),
        }
    }

    /// Numbers to show: decades, or five steps; where decades are too few, also 2 and 5.
    fn ticks(&self) -> Vec<f64> {
        let shown = |value: &f64| (self.low..=self.high).contains(value);
        let decades = || (-6..=9).map(|power| 10_f64.powi(power));
        let mut steps = decades().flat_map(|it| [1.0, 2.0, 5.0].map(|step| step * it));
        match self.scale {
            Scale::Log => {
                let few: Vec<_> = decades().filter(shown).collect();
                if few.len() > 2 {
                    return few;
                }
                steps.filter(shown).collect()
            }
            Scale::Linear => {
                let step = steps.find(|step| *step >= self.high / 5.0);
                let step = step.unwrap_or(self.high);
                let ticks = std::iter::successors(Some(0.0), |last| Some(last + step));
                ticks.take_while(|tick| *tick <= self.high).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(points: Vec<(f64, f64)>) -> String {
        let line = Line {
            label: "naive".to_owned(),
            style: 1,
            points,
            marked: true,
        };
        let sides = [("buyers", Scale::Log), ("units", Scale::Linear)];
        let guide = Some((100.0, "100 units"));
        let plot = Plot::new("orders & <buyers>", sides, vec![line], guide);
        plot.figure().expect("a figure")
    }

    #[test]
    fn a_figure_needs_nothing_from_elsewhere_and_escapes_its_text() {
        let figure = figure(vec![(1.0, 10.0), (1_000.0, 900.0)]);
        for needed in ["http", "src="] {
            assert!(!figure.contains(needed), "{figure}");
        }
        for shown in ["orders &amp; &lt;buyers&gt;", "100 units", "naive"] {
            assert!(figure.contains(shown), "{shown}: {figure}");
        }
        // In the plot and in its legend.
        assert_eq!(figure.matches("\"line marked s1\"").count(), 2, "{figure}");
        let count = |tag| figure.matches(tag).count();
        assert_eq!((count("<svg"), count("</svg>")), (2, 2));
    }

    #[test]
    fn a_plot_without_points_is_empty_and_no_error() {
        let figure = figure(Vec::new());
        assert!(
            !figure.contains("NaN") && !figure.contains("inf"),
            "{figure}"
        );
    }

    #[test]
    fn every_point_is_inside_of_the_picture_and_ticks_are_decades_or_round_steps() {
        let log = Frame::new(Scale::Log, [1.0, 1_000.0].into_iter(), (0.0, WIDTH));
        for value in [0.0, 1.0, 30.0, 1_000.0, 1e9] {
            let at = log.at(value);
            assert!((0.0..=WIDTH).contains(&at), "{value}: {at}");
        }
        assert!(log.at(10.0) < log.at(100.0));
        assert_eq!(log.ticks(), [1.0, 10.0, 100.0, 1_000.0]);
        let linear = Frame::new(Scale::Linear, [1_000.0].into_iter(), (0.0, 1.0));
        assert_eq!(linear.ticks(), [0.0, 500.0, 1_000.0]);
    }
}
