//! A plot as SVG: axes, lines, bands, bars and points, each with a class of the style sheet for its colour.

use std::fmt::Write;

use super::html::text;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;

/// One direction of a plot.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What is told, with its unit.
    pub label: &'static str,
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Whether equal steps are equal factors.
    pub is_log: bool,
    /// Where it is marked, and how.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From 0, or below, to where all these values have room.
    pub fn linear(label: &'static str, values: impl IntoIterator<Item = f64>) -> Self {
        let most = values.into_iter().filter(|value| value.is_finite()).fold(0.0, f64::max);
        let most = if most > 0.0 { most } else { 1.0 };
        let rough = most / 5.0;
        let decade = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * decade)
            .find(|step| *step >= rough);
        let step = step.unwrap_or(rough);
        let steps = (most * 1.02 / step).ceil() as u32;
        let places = usize::from(step < 1.0) + usize::from(step < 0.1);
        let tick = |n: u32| (f64::from(n) * step, format!("{:.places$}", f64::from(n) * step));
        Self {
            label,
            from: 0.0,
            to: f64::from(steps) * step,
            is_log: false,
            ticks: (0..=steps).map(tick).collect(),
        }
    }

    /// In equal factors, with room for all these values that are above 0.
    pub fn log(label: &'static str, values: impl IntoIterator<Item = f64>) -> Self {
        let values = values.into_iter().filter(|value| *value > 0.0 && value.is_finite());
        let (low, high) = values.fold((f64::INFINITY, 0.0f64), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let (low, high) = if high > 0.0 {
            (low / 1.25, high * 1.25)
        } else {
            (0.1, 10.0)
        };
        let (low, high) = (low.max(high / 1e4), high);
        let mut ticks = Vec::new();
        for decade in low.log10().floor() as i32..=high.log10().ceil() as i32 {
            for factor in [1.0, 2.0, 5.0] {
                let value = factor * 10f64.powi(decade);
                let places = usize::try_from(-decade).unwrap_or(0);
                ticks.push((value, format!("{value:.places$}")));
            }
        }
        ticks.retain(|(value, _)| (low..=high).contains(value));
        Self {
            label,
            from: low,
            to: high,
            is_log: true,
            ticks,
        }
    }

    fn share(&self, value: f64) -> f64 {
        let share = match self.is_log {
            true => (value.max(1e-12) / self.from).ln() / (self.to / self.from).ln(),
            false => (value - self.from) / (self.to - self.from),
        };
        share.clamp(-0.02, 1.02)
    }
}

/// A plot being drawn.
pub struct Plot {
    svg: String,
    x: Axis,
    y: Axis,
    height: f64,
}

impl Plot {
    /// With axes and grid. `id` is unique in the page; `description` says in words what is shown.
    pub fn new(id: &str, title: &str, description: &str, height: f64, x: Axis, y: Axis) -> Self {
        let id = text(id);
        let mut plot = Self {
            svg: format!(
                "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
                text(title),
                text(description)
            ),
            x,
            y,
            height,
        };
        plot.axes();
        plot
    }

    fn px(&self, x: f64) -> f64 {
        LEFT + self.x.share(x) * (WIDTH - LEFT - RIGHT)
    }

    fn py(&self, y: f64) -> f64 {
        self.height - BOTTOM - self.y.share(y) * (self.height - TOP - BOTTOM)
    }

    fn axes(&mut self) {
        let (bottom, right) = (self.height - BOTTOM, WIDTH - RIGHT);
        let mut svg = String::new();
        for (value, name) in &self.y.ticks {
            let y = self.py(*value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/><text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 6.0,
                y + 4.0,
                text(name)
            );
        }
        for (value, name) in &self.x.ticks {
            let x = self.px(*value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{x:.1} {bottom:.1}v5\"/><text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                text(name)
            );
        }
        let (middle, end) = ((LEFT + right) / 2.0, self.height - 8.0);
        let _ = write!(
            svg,
            "<text x=\"{middle:.1}\" y=\"{end:.1}\" text-anchor=\"middle\">{}</text><text transform=\"translate(13 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            text(self.x.label),
            (TOP + bottom) / 2.0,
            text(self.y.label)
        );
        self.svg += &svg;
    }

    fn path(&self, points: &[(f64, f64)]) -> String {
        let mut path = String::new();
        for (place, (x, y)) in points.iter().enumerate() {
            let _ = write!(
                path,
                "{}{:.1} {:.1}",
                if place == 0 { 'M' } else { 'L' },
                self.px(*x),
                self.py(*y)
            );
        }
        path
    }

    /// A line through points; `class` says its colour, such as `s0`.
    pub fn line(&mut self, points: &[(f64, f64)], class: &str) {
        if points.len() > 1 {
            let path = self.path(points);
            let _ = write!(self.svg, "<path class=\"line {class}\" d=\"{path}\"/>");
        }
    }

    /// The area between two lines: x, lower, upper.
    pub fn band(&mut self, points: &[(f64, f64, f64)], class: &str) {
        if points.len() > 1 {
            let there = points.iter().map(|(x, low, _)| (*x, *low));
            let back = points.iter().rev().map(|(x, _, high)| (*x, *high));
            let path = self.path(&there.chain(back).collect::<Vec<_>>());
            let _ = write!(self.svg, "<path class=\"{class}\" d=\"{path}Z\"/>");
        }
    }

    /// A point, with words for whoever points at it.
    pub fn dot(&mut self, x: f64, y: f64, radius: f64, class: &str, words: &str) {
        let (x, y, words) = (self.px(x), self.py(y), text(words));
        let _ = write!(
            self.svg,
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"><title>{words}</title></circle>"
        );
    }

    /// A cross of two intervals.
    pub fn cross(&mut self, at: (f64, f64), x: Option<(f64, f64)>, y: Option<(f64, f64)>, class: &str) {
        if let Some((low, high)) = x {
            let path = self.path(&[(low.max(self.x.from), at.1), (high, at.1)]);
            let _ = write!(self.svg, "<path class=\"whisker {class}\" d=\"{path}\"/>");
        }
        if let Some((low, high)) = y {
            let path = self.path(&[(at.0, low), (at.0, high)]);
            let _ = write!(self.svg, "<path class=\"whisker {class}\" d=\"{path}\"/>");
        }
    }

    /// Bars from the ground, each from x to x, as one path.
    pub fn bars(&mut self, bars: impl IntoIterator<Item = (f64, f64, f64, f64)>, class: &str) {
        let mut path = String::new();
        for (from, to, low, high) in bars {
            let (left, right, top, bottom) = (self.px(from), self.px(to), self.py(high), self.py(low));
            if bottom > top {
                let _ = write!(path, "M{left:.1} {bottom:.1}V{top:.1}H{right:.1}V{bottom:.1}Z");
            }
        }
        if !path.is_empty() {
            let _ = write!(self.svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }

    /// A line from top to bottom, with words beside its upper end, in row `row` of such words.
    pub fn mark(&mut self, x: f64, class: &str, words: &str, row: usize) {
        let (at, bottom) = (self.px(x), self.height - BOTTOM);
        let (anchor, beside) = if at > WIDTH * 0.7 {
            ("end", at - 4.0)
        } else {
            ("start", at + 4.0)
        };
        let _ = write!(
            self.svg,
            "<path class=\"line {class}\" d=\"M{at:.1} {TOP}V{bottom:.1}\"/><text class=\"halo\" x=\"{beside:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            TOP + 12.0 + 16.0 * row as f64,
            text(words)
        );
    }

    /// A line from left to right, with words above its right end.
    pub fn level(&mut self, y: f64, class: &str, words: &str) {
        let (at, right) = (self.py(y), WIDTH - RIGHT);
        let _ = write!(
            self.svg,
            "<path class=\"line {class}\" d=\"M{LEFT} {at:.1}H{right}\"/><text class=\"halo\" x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            (at - 5.0).max(TOP + 10.0),
            text(words)
        );
    }

    /// Words at a point of the plot, `dx` and `dy` pixels off.
    pub fn words(&mut self, x: f64, y: f64, (dx, dy): (f64, f64), words: &str) {
        let (x, y) = (self.px(x) + dx, self.py(y) + dy);
        let _ = write!(
            self.svg,
            "<text class=\"halo\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            text(words)
        );
    }

    /// The whole.
    pub fn finish(mut self) -> String {
        self.svg += "</svg>";
        self.svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_room_for_all_and_few_marks() {
        let ticks = |axis: &Axis| {
            axis.ticks
                .iter()
                .map(|(_, name)| name.clone())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let axis = Axis::linear("", [3.0, 13.0, f64::NAN]);
        assert_eq!((ticks(&axis), axis.to), ("0 5 10 15".into(), 15.0));
        assert_eq!(ticks(&Axis::linear("", [0.4])), "0.0 0.1 0.2 0.3 0.4 0.5");
        assert_eq!(ticks(&Axis::linear("", [])), "0.0 0.2 0.4 0.6 0.8 1.0 1.2");
        let axis = Axis::log("", [0.07, 9.0, 0.0]);
        assert_eq!(ticks(&axis), "0.1 0.2 0.5 1 2 5 10");
        assert!(axis.from < 0.07 && axis.to > 9.0);
        assert_eq!(Axis::log("", []).to, 10.0);
    }

    #[test]
    fn larger_values_are_further_right_and_higher() {
        let plot = Plot::new(
            "p",
            "t",
            "d",
            300.0,
            Axis::log("x", [0.1, 10.0]),
            Axis::linear("y", [5.0]),
        );
        assert!(plot.px(1.0) > plot.px(0.2) && plot.py(4.0) < plot.py(1.0));
        assert_eq!(plot.py(0.0), 300.0 - BOTTOM);
        assert!(
            plot.px(0.0) >= 0.0 && plot.px(1e9) <= WIDTH,
            "what is out of range stays in the picture"
        );
    }
}
