//! [`Check`]: one thing that the kit checks, and [`Verdict`], the answer.

use crate::lab::Lab;
use std::fmt;

/// Maximum length of a reason, in characters.
const MAX_REASON: usize = 500;

/// Whether a worker has to pass a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Level {
    /// `WIRE.md` says MUST, or a pool kills the worker otherwise.
    Must,
    /// `WIRE.md` says SHOULD. A worker that does not pass gets advice.
    Should,
}

/// The job that a check needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// Any worker will do.
    Nothing,
    /// An input that the worker answers with `Ok`.
    Input,
    /// The fixture job `conformance`, whose input is a command.
    Fixture,
    /// The fixture job `conformance-keep`, which returns the input of the job before.
    Keeper,
    /// The fixture job `conformance-parts`, whose value has a byte string.
    Parts,
    /// A worker of free messages, and an input that it answers with a message.
    Message,
    /// A fixture of free messages, which answers each command.
    Messages,
}

impl fmt::Display for Needs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Nothing => "any worker",
            Self::Input => "an input",
            Self::Fixture => "the fixture",
            Self::Keeper => "the fixture that keeps its input",
            Self::Parts => "the fixture of parts",
            Self::Message => "free messages, and an input",
            Self::Messages => "the fixture of free messages",
        })
    }
}

/// One thing that the kit checks, with at least one worker process of its own.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Check {
    /// A short name, which no other check has.
    pub name: &'static str,
    /// A sentence that says how a worker passes.
    pub says: &'static str,
    /// Anchors of the headings in `WIRE.md` that say so.
    pub sections: &'static [&'static str],
    /// Whether a worker has to pass.
    pub level: Level,
    /// The job that it needs.
    pub needs: Needs,
    pub(crate) run: fn(&Lab<'_>) -> Checked,
}

impl Check {
    /// Returns a check that a worker has to pass and that needs no particular job.
    pub(crate) const fn new(
        name: &'static str,
        says: &'static str,
        sections: &'static [&'static str],
        run: fn(&Lab<'_>) -> Checked,
    ) -> Self {
        Self { name, says, sections, level: Level::Must, needs: Needs::Nothing, run }
    }

    /// Returns the same check for a SHOULD.
    pub(crate) const fn should(mut self) -> Self {
        self.level = Level::Should;
        self
    }

    /// Returns the same check for workers with a known input.
    pub(crate) const fn with_input(mut self) -> Self {
        self.needs = Needs::Input;
        self
    }

    /// Returns the same check for the fixture.
    pub(crate) const fn with_fixture(mut self) -> Self {
        self.needs = Needs::Fixture;
        self
    }

    /// Returns the same check for workers with another need.
    pub(crate) const fn with(mut self, needs: Needs) -> Self {
        self.needs = needs;
        self
    }
}

/// Checks about one subject.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Group {
    /// The subject.
    pub name: &'static str,
    /// The checks, in the order in which they are run.
    pub checks: &'static [Check],
}

/// The answer of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The worker passed.
    Ok,
    /// It did not. The text says what was expected and what came.
    NotOk(String),
    /// It did not, and need not. The text says what was expected and what came.
    Advice(String),
    /// The check does not apply, and the text says why.
    Skip(String),
}

/// Why a check ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The worker did something else than expected.
    Wrong(String),
    /// The check does not apply.
    Skip(String),
}

/// The result of a check, or of one step.
pub(crate) type Checked<T = ()> = Result<T, Stop>;

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Wrong(format!("the kit failed to do its part: {error}"))
    }
}

impl From<rustix::io::Errno> for Stop {
    fn from(error: rustix::io::Errno) -> Self {
        std::io::Error::from(error).into()
    }
}

impl From<procpool_protocol::codec::CodecError> for Stop {
    fn from(error: procpool_protocol::codec::CodecError) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// Stops with this text.
pub(crate) fn wrong<T>(text: impl Into<String>) -> Checked<T> {
    Err(Stop::Wrong(text.into()))
}

/// Stops with this text unless the condition holds.
pub(crate) fn ensure(holds: bool, text: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Stop::Wrong(text())) }
}

/// Stops, since the check does not apply.
pub(crate) fn skip<T>(why: impl Into<String>) -> Checked<T> {
    Err(Stop::Skip(why.into()))
}

/// Judges a check's result.
pub(crate) fn judge(level: Level, result: Checked) -> Verdict {
    match (result, level) {
        (Ok(()), _) => Verdict::Ok,
        (Err(Stop::Skip(why)), _) => Verdict::Skip(why),
        (Err(Stop::Wrong(text)), Level::Must) => Verdict::NotOk(shortened(text)),
        (Err(Stop::Wrong(text)), Level::Should) => Verdict::Advice(shortened(text)),
    }
}

/// Returns a text that fits a report: it may quote what the worker sent.
fn shortened(text: String) -> String {
    match text.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
