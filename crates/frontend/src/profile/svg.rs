//! An icicle: a box for each call, as wide as its share of the samples, with the calls that it made below it.

use super::LARGEST;
use super::tree::{self, Node};
use procpool_protocol::inspection::Profile;
use std::fmt::Write as _;

const WIDTH: f64 = 1200.0;
const ROW: f64 = 18.0;

/// Width of a letter, roughly.
const LETTER: f64 = 6.6;

/// Maximum number of bytes of a box: its name twice and the path of its file, escaped.
const LARGEST_BOX: usize = 64 << 10;

/// A box that is narrower is left out: nobody could see it.
const NARROWEST: f64 = 0.3;

pub(super) fn write(profile: &Profile) -> String {
    let root = tree::of(profile);
    let height = ROW * (depth(&root) as f64 + 1.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"monospace\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let mut drawing = Drawing { svg: &mut svg, profile, total: root.samples.max(1) };
    drawing.call(&root, &profile.worker, &profile.worker, 0.0, 0);
    if drawing.is_full() {
        let text = "calls are missing: the picture is too large";
        svg.push_str(&format!("<text x=\"3\" y=\"{:.0}\" fill=\"#b00020\">{text}</text>\n", height - 5.0));
    }
    svg.push_str("</svg>\n");
    svg
}

fn depth(node: &Node) -> usize {
    1 + node.calls.values().map(depth).max().unwrap_or(0)
}

struct Drawing<'a> {
    svg: &'a mut String,
    profile: &'a Profile,
    total: usize,
}

impl Drawing<'_> {
    /// Returns whether there is no room for another box of the largest size.
    fn is_full(&self) -> bool {
        self.svg.len() + LARGEST_BOX > LARGEST
    }

    fn call(&mut self, node: &Node, name: &str, place: &str, x: f64, row: usize) {
        let share = node.samples as f64 / self.total as f64;
        let (width, y) = (share * WIDTH, row as f64 * ROW);
        if width < NARROWEST || self.is_full() {
            return;
        }
        let letters = (1..).zip(name.chars());
        let fitting = letters.take_while(|(number, _)| f64::from(*number + 1_u32) * LETTER <= width);
        let shown: String = fitting.map(|(_, letter)| letter).collect();
        let shown = if shown.len() < 2 { String::new() } else { shown };
        let (place, shown) = (escaped(place), escaped(&shown));
        // Writing to a `String` does not fail.
        let _ = writeln!(
            self.svg,
            "<g><title>{place}: {} of {} samples ({:.1} %)</title><rect x=\"{x:.1}\" y=\"{y:.0}\" width=\"{width:.1}\" \
             height=\"{:.0}\" fill=\"{}\" stroke=\"#ffffff\"/><text x=\"{:.1}\" y=\"{:.0}\">{shown}</text></g>",
            node.samples,
            self.total,
            share * 100.0,
            ROW - 1.0,
            colour(name),
            x + 3.0,
            y + 13.0,
        );
        let mut x = x;
        for (call, node) in &node.calls {
            let Some(frame) = self.profile.frames.get(*call as usize) else { continue };
            let name = super::label(frame);
            let place = match (&frame.file, frame.line) {
                (Some(file), Some(line)) => format!("{name} at {}:{line}", super::cut(file)),
                _ => name.clone(),
            };
            self.call(node, &name, &place, x, row + 1);
            x += node.samples as f64 / self.total as f64 * WIDTH;
        }
    }
}

/// The same name has the same colour in every picture.
fn colour(name: &str) -> String {
    let hash =
        name.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    format!("hsl({},70%,{}%)", 20 + hash % 40, 62 + (hash >> 8) % 16)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
