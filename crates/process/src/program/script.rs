//! Reads the first line of a script as the kernel does.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Number of bytes at the beginning of a file by which the kernel decides how to run it.
pub(crate) const HEAD: usize = 256;

/// The first line of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Script<'a> {
    /// Empty if the line names none.
    pub(crate) interpreter: &'a Path,
    /// The rest of the line, which is a single argument on Linux.
    pub(crate) argument: Option<&'a OsStr>,
    /// The line ends with a carriage return, as on Windows. The kernel treats it as a part of the name.
    pub(crate) ends_in_cr: bool,
}

impl<'a> Script<'a> {
    /// Returns `None` if the file does not begin with `#!`. `head` is its beginning, up to [`HEAD`] bytes.
    pub(crate) fn of(head: &'a [u8]) -> Option<Self> {
        let line = head.strip_prefix(b"#!")?;
        let line = line.split(|&c| c == b'\n' || c == 0).next().unwrap_or_default();
        let ends_in_cr = line.ends_with(b"\r");
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii();
        let end = line.iter().position(|&c| c == b' ' || c == b'\t').unwrap_or(line.len());
        let argument = line[end..].trim_ascii();
        Some(Self {
            interpreter: Path::new(OsStr::from_bytes(&line[..end])),
            argument: (!argument.is_empty()).then_some(OsStr::from_bytes(argument)),
            ends_in_cr,
        })
    }

    /// Returns the program that `env` searches for on `PATH`, if the interpreter is `env`.
    pub(crate) fn by_env(&self) -> Option<&'a OsStr> {
        let argument = self.argument.filter(|_| self.interpreter.file_name() == Some(OsStr::new("env")))?;
        // `env -S` and variables are interpreted by `env` alone.
        let is_name = !argument.as_bytes().iter().any(|c| b"= \t/".contains(c))
            && !argument.as_bytes().starts_with(b"-");
        is_name.then_some(argument)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (&str, Option<&str>, bool) {
        let script = Script::of(text.as_bytes()).unwrap();
        let argument = script.argument.map(|argument| argument.to_str().unwrap());
        (script.interpreter.to_str().unwrap(), argument, script.ends_in_cr)
    }

    #[test]
    fn the_line_has_an_interpreter_and_perhaps_one_argument() {
        assert_eq!(of("#!/bin/sh\nexit"), ("/bin/sh", None, false));
        assert_eq!(of("#! /bin/sh -e -u \n"), ("/bin/sh", Some("-e -u"), false));
        assert_eq!(of("#!/bin/sh"), ("/bin/sh", None, false));
        assert_eq!(of("#!\n/bin/sh"), ("", None, false));
        assert_eq!(Script::of(b"echo"), None);
    }

    #[test]
    fn a_carriage_return_is_told() {
        assert_eq!(of("#!/bin/sh\r\n"), ("/bin/sh", None, true));
        assert_eq!(of("#!/usr/bin/env python3\r\n"), ("/usr/bin/env", Some("python3"), true));
    }

    #[test]
    fn env_is_seen_through_where_it_is_given_a_name() {
        let by_env = |text: &'static str| Script::of(text.as_bytes()).unwrap().by_env();
        assert_eq!(by_env("#!/usr/bin/env node\n"), Some(OsStr::new("node")));
        assert_eq!(by_env("#!/usr/bin/env -S node --jitless\n"), None);
        assert_eq!(by_env("#!/bin/sh -e\n"), None);
    }
}
