//! Calls that end a process and do not tell why: those of the C library and of a language's runtime, between the code
//! that gave up and the signal.

use crate::stack::{Stack, StackFrame};

/// How a process ends, and not why: calls below the one that matters.
const MACHINERY: &[&str] = &[
    "rust_begin_unwind",
    "rust_panic",
    "abort",
    "raise",
    "gsignal",
    "kill",
    "pthread_kill",
    "malloc_printerr",
];

/// The beginnings of the names of such calls.
const MACHINERY_STARTS: &[&str] = &[
    "__rust_",
    "__pthread_kill",
    "__GI_",
    "__libc_message",
    "__assert_fail",
    "__restore_rt",
    "__cxxabiv1::",
    "__cxa_",
    "_Unwind_",
    "core::panicking::",
    "core::option::expect_failed",
    "core::result::unwrap_failed",
    "std::panicking::",
    "std::process::abort",
    "std::sys::",
    "std::terminate",
];

impl Stack {
    /// Returns the calls of the first thread without those that only ended the process, the innermost one first.
    /// Returns all of them if there are no others.
    pub fn telling_frames(&self) -> &[StackFrame] {
        let frames = self.frames();
        let first = frames.iter().position(|frame| !is_machinery(frame)).unwrap_or(0);
        &frames[first..]
    }
}

fn is_machinery(frame: &StackFrame) -> bool {
    match &frame.function {
        Some(name) => {
            MACHINERY.contains(&name.as_str()) || MACHINERY_STARTS.iter().any(|start| name.starts_with(start))
        }
        // It exports few of its own names.
        None => frame.module.as_deref().is_some_and(|module| module.starts_with("libc.so")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::ThreadStack;

    fn telling(frames: &[(Option<&str>, &str)]) -> Vec<String> {
        let frame = |&(function, module): &(Option<&str>, &str)| {
            let mut frame = StackFrame::new(Some(module.into()), 1);
            frame.function = function.map(str::to_owned);
            frame
        };
        let stack = Stack::new(vec![ThreadStack::new(1, "w", frames.iter().map(frame).collect())]);
        stack.telling_frames().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_code_that_gave_up_comes_first() {
        let libc = (None, "libc.so.6");
        assert_eq!(telling(&[libc, (Some("raise"), "libc.so.6"), (Some("resize"), "w")]), ["resize"]);
        assert_eq!(telling(&[(Some("core::panicking::panic"), "w"), (None, "w")]), ["w+0x1"]);
        assert_eq!(telling(&[(Some("resize"), "w"), libc]), ["resize", "libc.so.6+0x1"]);
    }

    #[test]
    fn where_nothing_else_is_known_all_calls_are_shown() {
        assert_eq!(telling(&[(Some("abort"), "libc.so.6")]), ["abort"]);
        assert_eq!(Stack::default().telling_frames(), []);
    }
}
