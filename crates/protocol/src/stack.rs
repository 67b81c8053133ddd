//! Stacks: what the threads of a worker did at one moment, as a caller and an operator read it.

use crate::printable::is_unprintable;
use serde::Serialize;
use std::fmt;

/// Maximum number of frames of a [`ThreadStack`].
pub const MOST_FRAMES: usize = 128;

/// The stacks of a worker's threads at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stack {
    /// The threads. The first one is that of the job, or the one that received the fatal signal.
    pub threads: Vec<ThreadStack>,
    /// Why something is missing: a stack, names, or lines. `None` if nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Stack {
    /// Returns the stacks of these threads.
    pub fn new(threads: Vec<ThreadStack>) -> Self {
        Self { threads, note: None }
    }

    /// Returns no stack, and why there is none.
    pub fn absent(note: impl Into<String>) -> Self {
        Self { threads: Vec::new(), note: Some(note.into()) }
    }

    /// Returns roughly how many bytes of memory it takes.
    pub fn size(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let frame = |frame: &StackFrame| {
            size_of_val(frame) + text(&frame.function) + text(&frame.file) + text(&frame.module)
        };
        let thread = |thread: &ThreadStack| {
            size_of_val(thread) + thread.name.len() + thread.frames.iter().map(frame).sum::<usize>()
        };
        size_of_val(self) + text(&self.note) + self.threads.iter().map(thread).sum::<usize>()
    }

    /// Returns the frames of the first thread, the innermost one first.
    pub fn frames(&self) -> &[StackFrame] {
        self.threads.first().map_or(&[], |thread| &thread.frames)
    }
}

/// The stack of one thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ThreadStack {
    /// The number of the thread, as the worker's kernel counts.
    pub id: u32,
    /// The name of the thread, at most 15 bytes.
    pub name: String,
    /// The calls, the innermost one first. At most [`MOST_FRAMES`].
    pub frames: Vec<StackFrame>,
    /// Whether there were more calls than are shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl ThreadStack {
    /// Returns a stack of these calls. The name, which a worker chose, loses characters that do not show as themselves.
    pub fn new(id: u32, name: impl Into<String>, frames: Vec<StackFrame>) -> Self {
        Self { id, name: shown(name.into()), frames, truncated: false }
    }
}

/// One call of a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StackFrame {
    /// The function, as its language writes it, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The source file, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file, counted from 1, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The executable or library, without its folder. `None` for memory without a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The position in the file of the module, or the address where there is no module.
    pub offset: u64,
    /// Whether the compiler had inlined this call into the next one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub inlined: bool,
}

impl StackFrame {
    /// Returns a call at this position of a module, without names. The module's name, which a worker chose, loses characters
    /// that do not show as themselves.
    pub fn new(module: Option<String>, offset: u64) -> Self {
        Self { module: module.map(shown), offset, ..Self::default() }
    }
}

fn shown(mut name: String) -> String {
    if name.chars().any(is_unprintable) {
        name.retain(|c| !is_unprintable(c));
    }
    name
}

impl fmt::Display for StackFrame {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.function, &self.module) {
            (Some(function), _) => write!(out, "{function}")?,
            (None, Some(module)) => write!(out, "{module}+{:#x}", self.offset)?,
            (None, None) => write!(out, "{:#x}", self.offset)?,
        }
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(out, " at {file}:{line}"),
            (Some(file), None) => write!(out, " in {file}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_show_as_they_are() {
        let frame = StackFrame::new(Some("li\u{1b}[2Jb\u{202e}c\u{200b}.so".into()), 1);
        assert_eq!(frame.module.as_deref(), Some("li[2Jbc.so"));
        assert_eq!(ThreadStack::new(1, "fi\u{202e}b", Vec::new()).name, "fib");
    }

    #[test]
    fn a_call_is_told_by_the_best_name_that_there_is() {
        let mut frame = StackFrame::new(None, 0x1234);
        assert_eq!(frame.to_string(), "0x1234");
        frame.module = Some("fib".into());
        assert_eq!(frame.to_string(), "fib+0x1234");
        (frame.function, frame.file) = (Some("spin".into()), Some("src/main.rs".into()));
        assert_eq!(frame.to_string(), "spin in src/main.rs");
        frame.line = Some(7);
        assert_eq!(frame.to_string(), "spin at src/main.rs:7");
    }
}
