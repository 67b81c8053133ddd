//! A broken promise, with the evidence.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) promise: &'static str,
    pub(crate) detail: String,
}

pub(crate) fn broken(promise: &'static str, detail: String) -> Broken {
    Broken { promise, detail }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.detail)
    }
}
