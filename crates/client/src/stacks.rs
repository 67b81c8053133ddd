//! The requests that look into a worker, and a stack as text.

use crate::request::Request;
use crate::target::Target;
use serde::Deserialize;
use std::fmt::{self, Write as _};

/// Returns the request for the stack of a worker's first thread, or of all.
#[must_use]
pub fn stack(worker: &str, all_threads: bool) -> Request {
    let target = Target::new("/v1/workers").segment(worker).segment("stack");
    Request::get(target.maybe("threads", all_threads.then_some("all")))
}

/// Returns the request for a profile of some seconds, in the form `folded`, `firefox` or `svg`.
#[must_use]
pub fn profile(worker: &str, seconds: u32, format: &str) -> Request {
    let target = Target::new("/v1/workers").segment(worker).segment("profile");
    Request::post(target.query("seconds", &seconds.to_string()).query("format", format))
}

/// The stacks of a worker's threads.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Stack {
    /// The threads. The first one runs the jobs.
    pub threads: Vec<Thread>,
    /// Why something is missing.
    pub note: Option<String>,
}

/// The stack of one thread.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Thread {
    /// The number of the thread.
    pub id: u32,
    /// The name of the thread.
    pub name: String,
    /// The calls, the innermost one first.
    pub frames: Vec<Frame>,
    /// Whether there were more calls.
    pub truncated: bool,
}

/// One call.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Frame {
    /// The function, if it is known.
    pub function: Option<String>,
    /// The source file, if it is known.
    pub file: Option<String>,
    /// The line in that file, if it is known.
    pub line: Option<u32>,
    /// The executable or library.
    pub module: Option<String>,
    /// The position in the module, or the address.
    pub offset: u64,
    /// Whether the call was inlined into the next one.
    pub inlined: bool,
}

impl fmt::Display for Frame {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.function, &self.module) {
            (Some(function), _) => out.write_str(function)?,
            (None, Some(module)) => write!(out, "{module}+{:#x}", self.offset)?,
            (None, None) => write!(out, "{:#x}", self.offset)?,
        }
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(out, " at {file}:{line}")?,
            (Some(file), None) => write!(out, " in {file}")?,
            _ => {}
        }
        if self.inlined { out.write_str(" (inlined)") } else { Ok(()) }
    }
}

impl Stack {
    /// Returns a paragraph for each thread, with a line for each call.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for thread in &self.threads {
            // Writing to a `String` does not fail.
            let _ = writeln!(text, "thread {} {}", thread.id, thread.name);
            for (number, frame) in thread.frames.iter().enumerate() {
                let _ = writeln!(text, "{number:>4}  {frame}");
            }
            if thread.truncated {
                text.push_str("      …\n");
            }
        }
        if let Some(note) = &self.note {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_the_worker_and_what_is_wanted() {
        assert_eq!(stack("fib-1", false).line(), "GET /v1/workers/fib-1/stack");
        assert_eq!(stack("a b", true).line(), "GET /v1/workers/a%20b/stack?threads=all");
        assert_eq!(profile("fib-1", 5, "svg").line(), "POST /v1/workers/fib-1/profile?seconds=5&format=svg");
    }

    #[test]
    fn a_call_is_a_line_and_what_is_missing_is_said() {
        let stack: Stack = serde_json::from_str(
            r#"{"worker":"fib-1","threads":[{"id":7,"name":"fib","truncated":true,"frames":[
                {"function":"spin","file":"src/main.rs","line":3,"module":"fib","offset":1,"inlined":true},
                {"module":"libc.so.6","offset":255},{"offset":16}]}],"note":"no names for libc.so.6"}"#,
        )
        .unwrap();
        assert_eq!(
            stack.text(),
            "thread 7 fib\n   0  spin at src/main.rs:3 (inlined)\n   1  libc.so.6+0xff\n   2  0x10\n      …\n\
             note: no names for libc.so.6\n"
        );
    }
}
