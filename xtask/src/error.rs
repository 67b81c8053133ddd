//! The error of a task that gives up. Written by hand, so that xtask has no dependencies.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

/// Why a task ended early; reads after `xtask: `.
#[derive(Debug)]
pub(crate) enum Error {
    /// The command line makes no sense.
    Usage(String),
    /// A program could not be started.
    Start { program: String, hint: &'static str, source: io::Error },
    /// A program ran and said no.
    Ended { command: String, status: ExitStatus },
    /// A step of a task failed.
    Step { step: &'static str, source: Box<Error> },
    /// Several steps failed; each has already said why.
    Steps(Vec<&'static str>),
    /// cargo built without a word about an executable.
    NotBuilt(&'static str),
    /// A file or folder could not be read, written or removed.
    File { doing: &'static str, path: PathBuf, source: io::Error },
    /// A program answered something else than it promises.
    Answer { program: String, expected: &'static str, got: String },
}

impl Error {
    /// 2 for a wrong command line, as is the custom; 1 otherwise.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(if matches!(self, Self::Usage(_)) { 2 } else { 1 })
    }

    /// For `map_err` after starting `command`.
    pub(crate) fn start(command: &Command, hint: &'static str) -> impl FnOnce(io::Error) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        move |source| Self::Start { program, hint, source }
    }

    /// For `map_err` after doing something to `path`.
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(problem) => f.write_str(problem),
            Self::Start { program, hint, source } => {
                write!(f, "failed to start `{program}`: {source}; {hint}")
            }
            Self::Ended { command, status } => write!(f, "`{command}` ended with {status}"),
            Self::Step { step, source } => write!(f, "failed in the step \"{step}\": {source}"),
            Self::Steps(steps) => write!(f, "failed in: {}", steps.join(", ")),
            Self::NotBuilt(name) => write!(
                f,
                "failed to find the executable `{name}`: cargo built, but none of that name; \
                 does a package of this workspace still have a [[bin]] called so?"
            ),
            Self::File { doing, path, source } => write!(f, "failed to {doing} {}: {source}", path.display()),
            Self::Answer { program, expected, got } => {
                write!(f, "failed to verify `{program}`: expected {expected}, got {got}")
            }
        }
    }
}

/// Returns a command as one would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
