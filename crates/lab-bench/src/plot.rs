//! Plots as SVG: where numbers are in the picture. `figure.html` draws it; colors are
//! variables of the page, so that it can be light, dark or on paper, and markers tell lines
//! apart without them.

use serde::Serialize;

use crate::statistics::{significant, whole};
use crate::template::rendered;

/// What is inside of the axes.
const SIZE: (f64, f64) = (760.0, 364.0);

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
/// below.
#[derive(Debug, Serialize)]
struct Plot {
    title: &'static str,
    x: Axis,
    y: Axis,
    lines: Vec<Line>,
    /// A height that means something, with its name.
    guide: Option<(f64, &'static str)>,
}

/// Draws lines as a figure for a page of HTML. Sides are a name and a scale; a guide is a
/// height that means something, with its name.
///
/// # Errors
///
/// As [`rendered`].
pub(crate) fn figure(
    title: &'static str,
    [x, y]: [(&'static str, Scale); 2],
    mut lines: Vec<Line>,
    guide: Option<(f64, &'static str)>,
) -> anyhow::Result<String> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let heights = points().map(|it| it.1).chain(guide.map(|it| it.0));
    let y = Axis::new(y, heights, SIZE.1);
    let x = Axis::new(x, points().map(|it| it.0), SIZE.0);
    for point in lines.iter_mut().flat_map(|line| &mut line.points) {
        *point = (x.at(point.0), y.at(point.1));
    }
    let plot = Plot {
        title,
        guide: guide.map(|(height, name)| (y.at(height), name)),
        x,
        y,
        lines,
    };
    rendered("figure.html", include_str!("figure.html"), &plot)
}

/// A side of the plot, and which part of its numbers is visible: for a scale of decades,
/// their logarithms.
#[derive(Debug, Serialize)]
struct Axis {
    label: &'static str,
    size: f64,
    ticks: Vec<(f64, String)>,
    #[serde(skip)]
    scale: Scale,
    low: f64,
    high: f64,
}

impl Axis {
    fn new(
        (label, scale): (&'static str, Scale),
        values: impl Iterator<Item = f64>,
        size: f64,
    ) -> Self {
        let scaled = values.map(|value| scale.of(value));
        let ends = scaled.filter(|it| it.is_finite()).map(|it| (it, it));
        let ends = ends.reduce(|(low, high), (it, _)| (low.min(it), high.max(it)));
        let (low, high) = ends.unwrap_or((0.0, 1.0));
        let (low, high) = match scale {
            Scale::Log => (low - 0.1, high + 0.1),
            Scale::Linear => (0.0, high * 1.05),
        };
        let mut axis = Self {
            label,
            size,
            ticks: Vec::new(),
            scale,
            low,
            high,
        };
        let ticks = axis.shown_numbers().into_iter();
        axis.ticks = ticks.map(|it| (axis.at(it), name(it))).collect();
        axis
    }

    /// The place of a number, to a tenth.
    fn at(&self, value: f64) -> f64 {
        let part = (self.scale.of(value) - self.low) / (self.high - self.low);
        (part.clamp(0.0, 1.0) * self.size * 10.0).round() / 10.0
    }

    /// Decades, or five steps; where decades are too few, also 2 and 5.
    fn shown_numbers(&self) -> Vec<f64> {
        let shown = |it: &f64| (self.low..=self.high).contains(&self.scale.of(*it));
        let decades = || (-6..=9).map(|power| 10_f64.powi(power));
        let mut steps = decades().flat_map(|it| [1.0, 2.0, 5.0].map(|step| step * it));
        match self.scale {
            Scale::Log if decades().filter(shown).count() > 2 => {
                decades().filter(shown).collect()
            }
            Scale::Log => steps.filter(shown).collect(),
            Scale::Linear => {
                let step = steps.find(|step| *step >= self.high / 5.0);
                let step = step.unwrap_or(self.high);
                let ticks = std::iter::successors(Some(0.0), |last| Some(last + step));
                ticks.take_while(shown).collect()
            }
        }
    }
}

impl Scale {
    fn of(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.log10(),
        }
    }
}

fn name(tick: f64) -> String {
    match tick {
        part if part > 0.0 && part < 1.0 => significant(part),
        tick => whole(tick),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_needs_nothing_from_elsewhere_and_escapes_its_text() {
        for points in [vec![(1.0, 10.0), (1_000.0, 900.0)], Vec::new()] {
            let line = Line {
                label: "naive".to_owned(),
                style: 1,
                points,
                marked: true,
            };
            let sides = [("buyers", Scale::Log), ("units", Scale::Linear)];
            let guide = Some((100.0, "100 units"));
            let figure = figure("orders & <buyers>", sides, vec![line], guide);
            let figure = figure.expect("a figure");
            for needless in ["http", "src=", "NaN", "inf"] {
                assert!(!figure.contains(needless), "{needless}: {figure}");
            }
            for shown in ["orders &amp; &lt;buyers&gt;", "100 units", "naive"] {
                assert!(figure.contains(shown), "{shown}: {figure}");
            }
            // In the plot and in its legend.
            for twice in ["\"line marked s1\"", "<svg", "</svg>"] {
                assert_eq!(figure.matches(twice).count(), 2, "{twice}: {figure}");
            }
        }
    }

    #[test]
    fn every_point_is_inside_of_the_picture_and_ticks_are_decades_or_round_steps() {
        let log = ("buyers", Scale::Log);
        let log = Axis::new(log, [1.0, 1_000.0].into_iter(), 760.0);
        for value in [0.0, 1.0, 30.0, 1_000.0, 1e9] {
            let at = log.at(value);
            assert!((0.0..=760.0).contains(&at), "{value}: {at}");
        }
        assert!(log.at(10.0) < log.at(100.0));
        assert_eq!(log.shown_numbers(), [1.0, 10.0, 100.0, 1_000.0]);
        let linear = ("units", Scale::Linear);
        let linear = Axis::new(linear, [1_000.0].into_iter(), 364.0);
        assert_eq!(linear.shown_numbers(), [0.0, 500.0, 1_000.0]);
    }
}
