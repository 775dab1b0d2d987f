//! Plots: where numbers are in the picture that `page.html` draws.

use serde::Serialize;

use crate::statistics::{significant, whole};

/// What is inside of the axes.
const SIZE: (f64, f64) = (760.0, 364.0);

/// Where numbers are along a side of the plot.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scale {
    Linear,
    Log,
}

/// Points that belong together.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) label: String,
    /// Picks color and marker.
    pub(crate) style: usize,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A plot as it is drawn: all places are distances from the left and from below.
#[derive(Debug, Serialize)]
pub(crate) struct Plot {
    x: Axis,
    y: Axis,
    lines: Vec<Line>,
    /// A height that means something.
    guide: Option<f64>,
}

impl Plot {
    pub(crate) fn new(
        (x, y): (Scale, Scale),
        mut lines: Vec<Line>,
        guide: Option<f64>,
    ) -> Self {
        let points = || lines.iter().flat_map(|line| &line.points);
        let x = Axis::new(x, points().map(|it| it.0), SIZE.0);
        let y = Axis::new(y, points().map(|it| it.1).chain(guide), SIZE.1);
        for point in lines.iter_mut().flat_map(|line| &mut line.points) {
            *point = (x.at(point.0), y.at(point.1));
        }
        let guide = guide.map(|height| y.at(height));
        Self { x, y, lines, guide }
    }
}

/// A side of the plot, and which part of its numbers is visible: for a scale of decades,
/// their logarithms.
#[derive(Debug, Serialize)]
struct Axis {
    size: f64,
    ticks: Vec<(f64, String)>,
    #[serde(skip)]
    scale: Scale,
    low: f64,
    high: f64,
}

impl Axis {
    fn new(scale: Scale, values: impl Iterator<Item = f64>, size: f64) -> Self {
        let scaled = values.map(|value| scale.of(value));
        let ends = scaled.filter(|it| it.is_finite()).map(|it| (it, it));
        let ends = ends.reduce(|(low, high), (it, _)| (low.min(it), high.max(it)));
        let (low, high) = ends.unwrap_or((0.0, 1.0));
        let (low, high) = match scale {
            Scale::Log => (low - 0.1, high + 0.1),
            Scale::Linear => (0.0, high * 1.05),
        };
        let mut axis = Self {
            size,
            ticks: Vec::new(),
            scale,
            low,
            high,
        };
        let name = |tick: f64| match tick {
            part if part > 0.0 && part < 1.0 => significant(part),
            tick => whole(tick),
        };
        let ticks = axis.shown_numbers().into_iter();
        axis.ticks = ticks.map(|it| (axis.at(it), name(it))).collect();
        axis
    }

    /// The place of a number.
    fn at(&self, value: f64) -> f64 {
        let part = (self.scale.of(value) - self.low) / (self.high - self.low);
        part.clamp(0.0, 1.0) * self.size
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
                let ticks = (0..=5).map(|count| f64::from(count) * step);
                ticks.filter(shown).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_inside_of_the_picture_and_ticks_are_decades_or_round_steps() {
        let log = Axis::new(Scale::Log, [1.0, 1_000.0].into_iter(), 760.0);
        for value in [0.0, 1.0, 30.0, 1_000.0, 1e9] {
            let at = log.at(value);
            assert!((0.0..=760.0).contains(&at), "{value}: {at}");
        }
        assert!(log.at(10.0) < log.at(100.0));
        assert_eq!(log.shown_numbers(), [1.0, 10.0, 100.0, 1_000.0]);
        let linear = Axis::new(Scale::Linear, [1_000.0].into_iter(), 364.0);
        assert_eq!(linear.shown_numbers(), [0.0, 500.0, 1_000.0]);
        let empty = Axis::new(Scale::Log, std::iter::empty(), 760.0);
        assert!(empty.ticks.iter().all(|(at, _)| at.is_finite()));
    }
}
