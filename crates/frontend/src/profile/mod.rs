//! A profile in the forms in which tools and browsers read it.
//!
//! The names in a profile come from a worker's debug information, so each form escapes them.

mod firefox;
mod folded;
mod svg;
mod tree;

use crate::params::bad;
use crate::problem::Problem;
use procpool_protocol::inspection::Profile;
use procpool_protocol::stack::StackFrame;

/// Maximum number of bytes of folded stacks and of a picture. The rest is left out, and the form says so. Firefox's
/// tables have each call once, and a profile has a bounded number of calls.
const LARGEST: usize = 16 << 20;

/// Maximum number of characters of a name.
const LONGEST_NAME: usize = 256;

/// The form of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A line for each stack, with the number of its samples.
    Folded,
    /// The form that profiler.firefox.com reads.
    Firefox,
    /// A picture, with the outermost calls at its top.
    Svg,
}

impl Format {
    /// Reads the parameter. Folded is the default.
    pub(crate) fn named(name: Option<&str>) -> Result<Self, Problem> {
        match name {
            None | Some("folded") => Ok(Self::Folded),
            Some("firefox") => Ok(Self::Firefox),
            Some("svg") => Ok(Self::Svg),
            Some(_) => Err(bad("format", "`folded`, `firefox` or `svg` is needed")),
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Folded => "text/plain; charset=utf-8",
            Self::Firefox => "application/json",
            Self::Svg => "image/svg+xml",
        }
    }

    pub(crate) fn write(self, profile: &Profile) -> String {
        match self {
            Self::Folded => folded::write(profile),
            Self::Firefox => firefox::write(profile),
            Self::Svg => svg::write(profile),
        }
    }
}

/// Returns the name of a call as one word of a line: without line breaks, and without what a terminal obeys.
fn label(frame: &StackFrame) -> String {
    let text = match (&frame.function, &frame.module) {
        (Some(function), _) => function.clone(),
        (None, Some(module)) => format!("{module}+{:#x}", frame.offset),
        (None, None) => format!("{:#x}", frame.offset),
    };
    cut(&text)
}

/// Returns a text of bounded length.
fn cut(text: &str) -> String {
    text.chars().take(LONGEST_NAME).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::inspection::Sample;
    use std::time::{Duration, SystemTime};

    fn frame(function: &str, line: u32) -> StackFrame {
        let mut frame = StackFrame::new(Some("fib".into()), 0x10);
        (frame.function, frame.file, frame.line) =
            (Some(function.into()), Some("src/main.rs".into()), Some(line));
        frame
    }

    /// Three samples: two in `spin`, one in `main` itself.
    pub(super) fn profile() -> Profile {
        let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let mut profile = Profile::new("fib-1", 77, began);
        profile.frames = vec![frame("spin<&str>", 7), frame("main;\n", 3)];
        let sample = |at, calls: &[u32]| Sample::new(Duration::from_millis(at), calls.to_vec());
        profile.samples = vec![sample(0, &[0, 1]), sample(10, &[0, 1]), sample(30, &[1])];
        profile
    }

    #[test]
    fn a_folded_line_is_a_stack_with_its_number_of_samples() {
        assert_eq!(
            Format::Folded.write(&profile()),
            "fib-1;main:\u{fffd} 1\nfib-1;main:\u{fffd};spin<&str> 2\n"
        );
    }

    #[test]
    fn firefox_gets_every_sample_with_its_stack() {
        let json: serde_json::Value = serde_json::from_str(&Format::Firefox.write(&profile())).unwrap();
        let thread = &json["threads"][0];
        assert_eq!(thread["samples"]["stack"], serde_json::json!([1, 1, 0]));
        assert_eq!(thread["samples"]["timeDeltas"], serde_json::json!([0.0, 10.0, 20.0]));
        assert_eq!(thread["stackTable"]["prefix"], serde_json::json!([null, 0]));
        assert_eq!((&json["meta"]["startTime"], &thread["pid"]), (&1_700_000_000_000.0.into(), &"77".into()));
        let number = |it: &serde_json::Value| usize::try_from(it.as_u64().unwrap()).unwrap();
        let frame = number(&thread["stackTable"]["frame"][1]);
        assert_eq!(thread["frameTable"]["line"][frame], 7);
        let function = number(&thread["frameTable"]["func"][frame]);
        let name = number(&thread["funcTable"]["name"][function]);
        assert_eq!(thread["stringArray"][name], "spin<&str>");
    }

    #[test]
    fn the_picture_has_a_box_for_each_call_and_no_name_is_markup() {
        let svg = Format::Svg.write(&profile());
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
        assert!(svg.contains("spin&lt;&amp;str&gt; at src/main.rs:7: 2 of 3 samples (66.7 %)"), "{svg}");
        assert!(svg.contains("main;\u{fffd}"), "{svg}");
        assert!(!svg.contains("<&") && !svg.contains("&str>"), "{svg}");
        assert_eq!(svg.matches("<rect ").count(), 4, "the background, the worker, main and spin: {svg}");
    }

    #[test]
    fn a_profile_of_one_deep_recursion_is_written_in_bounds() {
        let mut deep = profile();
        deep.samples[0].calls = vec![0; 128];
        for format in [Format::Folded, Format::Firefox, Format::Svg] {
            assert!(format.write(&deep).len() < 200_000);
        }
    }

    /// As a worker's debug information could have it: every name is long, and every sample is another stack.
    #[test]
    fn a_profile_of_hostile_names_is_written_in_bounds_and_says_what_is_missing() {
        let mut wide = profile();
        wide.frames = (0..2_000).map(|nth| frame(&format!("{nth}{}", "ü".repeat(5_000)), nth)).collect();
        let sample = |nth: u32| (0..256).map(|call| (nth * 7 + call) % 2_000).collect();
        let samples = (0..2_000).map(|nth| Sample::new(Duration::from_millis(nth.into()), sample(nth)));
        wide.samples = samples.collect();
        for format in [Format::Folded, Format::Firefox, Format::Svg] {
            let text = format.write(&wide);
            assert!(text.len() <= LARGEST + 2 * LONGEST_NAME * 4, "{format:?}: {}", text.len());
        }
        let folded = Format::Folded.write(&wide);
        let counts = folded.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap());
        assert_eq!(counts.sum::<usize>(), 2_000, "no sample is lost");
        assert!(folded.lines().last().unwrap().starts_with("fib-1;(left out: the profile is too large) "));
        assert!(Format::Svg.write(&wide).contains("the picture is too large"));
    }
}
