//! Lines in a coordinate system, as SVG. Does not: know benchmarks.

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 230.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 54.0;

/// Told apart by people with any eyes (Okabe and Ito's palette).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    Linear,
    /// Of what is above zero.
    Log,
}

/// One direction: where values go, and which of them are written.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

/// A line's name and points.
pub type Line = (String, Vec<(f64, f64)>);

/// Draws the lines under `title`, with named axes.
pub fn lines(title: &str, x: (&str, Scale), y: (&str, Scale), lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|(_, points)| points);
    let across = Axis::over(x.1, all().map(|point| point.0));
    let up = Axis::over(y.1, all().map(|point| point.1));
    let at_x = |value| LEFT + across.place(value) * (WIDTH - LEFT - RIGHT);
    let at_y = |value| HEIGHT - BOTTOM - up.place(value) * (HEIGHT - TOP - BOTTOM);
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{}</text>\n",
        escaped(title)
    );
    for tick in across.ticks() {
        let (at, label) = (at_x(tick), label(tick));
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{label}</text>",
            bottom + 16.0
        );
    }
    for tick in up.ticks() {
        let (at, label) = (at_y(tick), label(tick));
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"end\">{label}</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
         <text x=\"14\" y=\"{:.1}\" transform=\"rotate(-90 14 {:.1})\" text-anchor=\"middle\">{}</text>",
        (LEFT + right) / 2.0,
        HEIGHT - 12.0,
        escaped(x.0),
        (TOP + bottom) / 2.0,
        (TOP + bottom) / 2.0,
        escaped(y.0)
    );
    for (nth, (name, points)) in lines.iter().enumerate() {
        let colour = COLOURS[nth % COLOURS.len()];
        let path: Vec<_> = points.iter().map(|&(x, y)| format!("{:.1} {:.1}", at_x(x), at_y(y))).collect();
        let legend = TOP + 12.0 + 20.0 * nth as f64;
        let _ = writeln!(
            svg,
            "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <path d=\"M{:.1} {legend}h18\" stroke=\"{colour}\" stroke-width=\"3\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            path.join("L"),
            right + 12.0,
            right + 36.0,
            legend + 4.0,
            escaped(name)
        );
    }
    svg + "</svg>\n"
}

impl Axis {
    fn over(scale: Scale, values: impl Iterator<Item = f64> + Clone) -> Self {
        let values = values.filter(|value| value.is_finite() && (scale == Scale::Linear || *value > 0.0));
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        if !low.is_finite() {
            return Self { scale, low: 1.0, high: 10.0 };
        }
        match scale {
            Scale::Linear => Self { scale, low: low.min(0.0), high: high.max(low + 1.0) },
            Scale::Log => {
                let (low, high) = (10_f64.powf(low.log10().floor()), 10_f64.powf(high.log10().ceil()));
                Self { scale, low, high: high.max(low * 10.0) }
            }
        }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).log10() / (self.high / self.low).log10(),
        };
        share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                (0..=5).map(|at| self.low + (self.high - self.low) * f64::from(at) / 5.0).collect()
            }
            Scale::Log => {
                let mut ticks = vec![self.low];
                while let Some(next) =
                    ticks.last().map(|last| last * 10.0).filter(|it| *it <= self.high * 1.01)
                {
                    ticks.push(next);
                }
                ticks
            }
        }
    }
}

fn label(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", value / 1e6),
        value if value >= 1e3 => format!("{}k", value / 1e3),
        value => format!("{value}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decades_are_the_ticks_of_a_logarithmic_axis() {
        let axis = Axis::over(Scale::Log, [3.0, 2_000.0].into_iter());
        assert_eq!(axis.ticks(), [1.0, 10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!((axis.place(1.0), axis.place(100.0), axis.place(1e9)), (0.0, 0.5, 1.0));
    }

    #[test]
    fn every_line_is_drawn_and_named() {
        let line = |name: &str| (name.to_owned(), vec![(1.0, 2.0), (10.0, 3.0)]);
        let svg = lines("a & b", ("x", Scale::Log), ("y", Scale::Linear), &[line("one"), line("<two>")]);
        assert!(svg.contains("a &amp; b") && svg.contains(">one<") && svg.contains("&lt;two>"));
        assert_eq!(svg.matches("stroke-width=\"2\"").count(), 2);
    }

    #[test]
    fn nothing_to_draw_is_drawn() {
        assert!(lines("", ("", Scale::Log), ("", Scale::Linear), &[]).ends_with("</svg>\n"));
    }
}
