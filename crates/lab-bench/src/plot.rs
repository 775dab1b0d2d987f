//! Plots as SVG, by hand: lines, markers, axes. Colors are variables of the page, so that
//! it can be light, dark or on paper; markers tell lines apart without them.

use flash_lab_crowd::output::escaped;

use crate::statistics::{significant, whole};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 60.0;

/// Where numbers are along a side of the plot.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scale {
    Linear,
    Log,
}

/// A side of the plot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    pub(crate) scale: Scale,
}

impl Axis {
    pub(crate) const fn log(label: &'static str) -> Self {
        let scale = Scale::Log;
        Self { label, scale }
    }

    pub(crate) const fn linear(label: &'static str) -> Self {
        let scale = Scale::Linear;
        Self { label, scale }
    }
}

/// Points that belong together.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) label: String,
    /// Picks color and marker.
    pub(crate) style: usize,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) marked: bool,
}

/// A plot with its legend.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    /// A height that means something, with its name.
    pub(crate) guide: Option<(f64, &'static str)>,
}

/// The visible part of an axis, in its own numbers and in the picture's.
struct Frame {
    axis: Axis,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Frame {
    fn new(
        axis: Axis,
        values: impl Iterator<Item = f64>,
        (from, to): (f64, f64),
    ) -> Self {
        let log = matches!(axis.scale, Scale::Log);
        let values = values.filter(|it| it.is_finite() && (!log || *it > 0.0));
        let ends = values.map(|it| (it, it));
        let ends = ends.reduce(|(low, high), (it, _)| (low.min(it), high.max(it)));
        let (low, high) = ends.unwrap_or((1.0, 10.0));
        let (low, high) = match axis.scale {
            Scale::Log => (low / 1.25, high * 1.25),
            Scale::Linear => (0.0, high * 1.05),
        };
        Self {
            axis,
            low,
            high,
            from,
            to,
        }
    }

    fn at(&self, value: f64) -> f64 {
        let part = match self.axis.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => {
                let value = value.max(self.low);
                (value / self.low).ln() / (self.high / self.low).ln()
            }
        };
        self.from + part.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Numbers to show: decades, or five steps; where decades are too few, also 2 and 5.
    fn ticks(&self) -> Vec<f64> {
        let shown = |value: &f64| (self.low..=self.high).contains(value);
        let decades = || (-6..=9).map(|power| 10_f64.powi(power));
        let mut steps = decades().flat_map(|it| [1.0, 2.0, 5.0].map(|step| step * it));
        match self.axis.scale {
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

impl Plot {
    /// A figure for a page of HTML.
    pub(crate) fn figure(&self) -> String {
        let legend: String = self.lines.iter().map(legend).collect();
        format!(
            "<figure>\n<h2>{title}</h2>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             role=\"img\" aria-label=\"{title}\">\n{body}</svg>\n\
             <figcaption>{legend}</figcaption>\n</figure>\n",
            title = escaped(self.title),
            body = self.body(),
        )
    }

    fn body(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let guide = self.guide.map(|(height, _)| height);
        let x = Frame::new(self.x, points().map(|it| it.0), (LEFT, WIDTH - RIGHT));
        let heights = points().map(|it| it.1).chain(guide);
        let y = Frame::new(self.y, heights, (HEIGHT - BOTTOM, TOP));
        let mut svg = self.axes(&x, &y);
        if let Some((height, name)) = self.guide {
            let (at, end) = (y.at(height), WIDTH - RIGHT);
            svg += &format!(
                "<path class=\"guide\" d=\"M{LEFT} {at:.1}H{end}\"/>\
                 <text class=\"strong\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
                LEFT + 8.0,
                at - 6.0,
                escaped(name)
            );
        }
        for line in &self.lines {
            svg += &line.svg(&x, &y);
        }
        svg
    }

    fn axes(&self, x: &Frame, y: &Frame) -> String {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        let mut svg = String::new();
        for tick in y.ticks() {
            let at = y.at(tick);
            let text = tick_whole(tick);
            svg += &format!(
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/>\
                 <text class=\"end\" x=\"{}\" y=\"{:.1}\">{text}</text>\n",
                LEFT - 8.0,
                at + 5.0
            );
        }
        for tick in x.ticks() {
            let at = x.at(tick);
            let text = tick_whole(tick);
            svg += &format!(
                "<path class=\"grid\" d=\"M{at:.1} {TOP}V{bottom}\"/>\
                 <text class=\"middle\" x=\"{at:.1}\" y=\"{}\">{text}</text>\n",
                bottom + 20.0
            );
        }
        svg + &format!(
            "<text class=\"middle\" x=\"{:.1}\" y=\"{}\">{}</text>\n\
             <text class=\"middle\" transform=\"translate(16 {:.1}) rotate(-90)\">{}\
             </text>\n",
            f64::midpoint(LEFT, right),
            HEIGHT - 14.0,
            escaped(self.x.label),
            f64::midpoint(TOP, bottom),
            escaped(self.y.label)
        )
    }
}

impl Line {
    fn svg(&self, x: &Frame, y: &Frame) -> String {
        let places: Vec<_> = self
            .points
            .iter()
            .map(|(a, b)| (x.at(*a), y.at(*b)))
            .collect();
        let mut svg = String::new();
        if !places.is_empty() {
            let way: Vec<_> = places
                .iter()
                .map(|(a, b)| format!("{a:.1} {b:.1}"))
                .collect();
            svg += &format!(
                "<path class=\"line s{}\" d=\"M{}\"/>\n",
                self.style,
                way.join("L")
            );
        }
        if self.marked {
            for (a, b) in places {
                svg += &marker(self.style, a, b);
                svg.push('\n');
            }
        }
        svg
    }
}

fn legend(line: &Line) -> String {
    let style = line.style;
    let sample = marker(style, 17.0, 8.0);
    format!(
        "<span class=\"key\"><svg class=\"sample\" viewBox=\"0 0 34 16\">\
         <path class=\"line s{style}\" d=\"M0 8H34\"/>{}</svg> {}</span>\n",
        if line.marked { &sample } else { "" },
        escaped(&line.label)
    )
}

/// A shape of its own for each style.
fn marker(style: usize, x: f64, y: f64) -> String {
    let shape = match style % 5 {
        0 => "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
        1 => "m-5 -5h10v10h-10z",
        2 => "m0 -6l6 11h-12z",
        3 => "m0 -7l7 7l-7 7l-7 -7z",
        _ => "m0 6l6 -11h-12z",
    };
    format!("<path class=\"mark s{style}\" d=\"M{x:.1} {y:.1}{shape}\"/>")
}

/// Numbers from one on.
fn tick_whole(value: f64) -> String {
    if value < 1.0 && value > 0.0 {
        significant(value)
    } else {
        whole(value)
    }
}

#[cfg(test)]
mod tests;
