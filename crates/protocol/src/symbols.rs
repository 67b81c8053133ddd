//! The job of a process that names the calls of stacks: from addresses in executables to functions, files and
//! lines. Debug information is a large language, and that of a worker is hostile input, so a process of its own
//! reads it.

use crate::job::Job;
use serde::{Deserialize, Serialize};

/// Maximum number of calls in a [`Request`].
pub const MOST_CALLS: usize = 4096;

/// Maximum number of names of a call: of functions that were inlined into one another.
pub const MOST_INLINED: usize = 32;

/// Maximum length of the name of a function or a file, in bytes.
pub const MOST_NAME: usize = 1024;

/// Names calls.
#[derive(Debug)]
pub struct Symbolize;

impl Job for Symbolize {
    const NAME: &'static str = "symbolize";
    type Input = Request;
    type Output = Names;
}

/// Calls without names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// The paths of executables and libraries.
    pub files: Vec<String>,
    /// For each call, the number of its file and the address of the call, as the file counts.
    pub calls: Vec<(u32, u64)>,
}

impl Request {
    /// Returns a request for the names of these calls.
    pub fn new(files: Vec<String>, calls: Vec<(u32, u64)>) -> Self {
        Self { files, calls }
    }
}

/// The names of the calls of a [`Request`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Names {
    /// The names of each call, the innermost one first. The others are of functions into which it was
    /// inlined. Empty where nothing is known.
    pub calls: Vec<Vec<Name>>,
    /// Why names are missing.
    pub notes: Vec<String>,
}

impl Names {
    /// Returns the names of each call, and why others are missing.
    pub fn new(calls: Vec<Vec<Name>>, notes: Vec<String>) -> Self {
        Self { calls, notes }
    }
}

/// The name of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Name {
    /// The function, as its language writes it.
    pub function: Option<String>,
    /// The source file.
    pub file: Option<String>,
    /// The line, counted from 1.
    pub line: Option<u32>,
}

impl Name {
    /// Returns the name of a function, and where in a source file the call is.
    pub fn new(function: Option<String>, file: Option<String>, line: Option<u32>) -> Self {
        Self { function, file, line }
    }
}
