//! [`Executable`]: the file that workers run. Looks for it, checks whether it can be started, and
//! pins its bytes.

mod copy;
mod guard;
mod identity;
mod kept;
mod pinned;
mod place;
mod scripts;

pub use pinned::Pinned;
pub use place::{absolute, own_path};

use crate::cause::{self, Obstacle};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Makes libtest run the test whose name comes before these arguments, without capturing the streams.
const OF_ONE_TEST: [&str; 3] = ["--exact", "--nocapture", "--test-threads=1"];

/// A worker executable: a file and the arguments that it is started with.
///
/// ```no_run
/// # use procpool_process::Executable;
/// let fib = Executable::find("procpool-fib")?;
/// # Ok::<(), procpool_process::ExecutableError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    path: PathBuf,
    args: Vec<OsString>,
}

/// The worker executable could not be found or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutableError {
    /// No place holds an executable file of that name.
    #[error(
        "failed to find the worker executable `{name}`; looked in {}",
        looked_in.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    #[non_exhaustive]
    NotFound {
        /// The name that was looked for.
        name: String,
        /// The places, in that order.
        looked_in: Vec<PathBuf>,
    },
    /// The file is there, but cannot be opened or is not executable.
    #[error("failed to use the worker executable {}: {reason}", path.display())]
    #[non_exhaustive]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
}

impl Executable {
    /// Looks for `name` beside the current executable, in the parent of `deps/` and `examples/` when run from
    /// there, then on `PATH`. A name with a slash is a path and is not searched for.
    ///
    /// ```
    /// # use procpool_process::Executable;
    /// let error = Executable::find("no-such-worker").unwrap_err();
    /// assert!(error.to_string().starts_with("failed to find the worker executable `no-such-worker`; looked in"));
    /// ```
    ///
    /// # Errors
    /// Returns [`ExecutableError::NotFound`] with every place that was searched.
    pub fn find(name: impl AsRef<OsStr>) -> Result<Self, ExecutableError> {
        let name = name.as_ref();
        if Path::new(name).components().count() > 1 {
            return Self::path(Path::new(name));
        }
        let places = places();
        let found = places.iter().map(|place| place.join(name)).find(|path| is_executable(path));
        match found {
            Some(path) => Self::path(path),
            None => Err(ExecutableError::NotFound {
                name: name.to_string_lossy().into_owned(),
                looked_in: places,
            }),
        }
    }

    /// Returns the executable at `path`. A relative path starts at the current working directory, see
    /// [`absolute`].
    ///
    /// # Errors
    /// [`ExecutableError::Unusable`] when there is no executable file at `path`.
    pub fn path(path: impl AsRef<Path>) -> Result<Self, ExecutableError> {
        let unusable = |reason| ExecutableError::Unusable { path: path.as_ref().to_owned(), reason };
        let absolute = absolute(path.as_ref()).map_err(unusable)?;
        std::fs::metadata(&absolute).and_then(|metadata| check_kind(&metadata)).map_err(unusable)?;
        Ok(Self { path: absolute, args: Vec::new() })
    }

    /// Returns the running executable itself, which serves as its own worker by `serve_if_spawned`.
    ///
    /// Names `/proc/self/exe`, so that a binary replaced on disk has no effect.
    pub fn current() -> Self {
        Self { path: "/proc/self/exe".into(), args: Vec::new() }
    }

    /// Returns the running test executable, started again for the one test called `name`. That test calls
    /// `serve_if_spawned`. Works under libtest and nextest.
    pub fn this_test(name: &str) -> Self {
        let args = std::iter::once(name).chain(OF_ONE_TEST).map(OsString::from).collect();
        Self { args, ..Self::current() }
    }

    /// Returns the name of the test that it is started for, if it was created by
    /// [`this_test`](Self::this_test).
    pub(crate) fn test(&self) -> Option<&str> {
        let (name, rest) = self.args.split_first()?;
        name.to_str().filter(|_| rest == OF_ONE_TEST)
    }

    /// Returns the same executable, started with these arguments.
    ///
    /// ```no_run
    /// # use procpool_process::Executable;
    /// let resize = Executable::find("python3")?.with_args(["-u", "/srv/workers/resize.py"]);
    /// # Ok::<(), procpool_process::ExecutableError>(())
    /// ```
    #[must_use]
    pub fn with_args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// Returns the file.
    pub fn as_path(&self) -> &Path {
        &self.path
    }

    /// Returns the arguments.
    pub fn args(&self) -> &[OsString] {
        &self.args
    }

    /// Looks for all obstacles to starting the file in this directory with this environment, without starting
    /// it. If the first line of a script has a bare name, it is searched for on the `PATH` of `env`, or of
    /// this process.
    ///
    /// # Errors
    /// Returns [`ExecutableError::Unusable`] with the thing that is missing and the remedy.
    pub fn inspect(
        &self,
        current_dir: Option<&Path>,
        env: &[(OsString, OsString)],
    ) -> Result<(), ExecutableError> {
        let search_path = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
        cause::inspect(&self.path, current_dir, search_path).map_err(|obstacle| ExecutableError::Unusable {
            path: self.path.clone(),
            reason: cause::obstructed(obstacle),
        })
    }
}

/// Checks whether a file of this kind can be an executable at all.
fn check_kind(metadata: &Metadata) -> io::Result<()> {
    if !metadata.is_file() {
        return Err(cause::obstructed(Obstacle::NoFile));
    }
    let is_executable = metadata.permissions().mode() & 0o111 != 0;
    if is_executable { Ok(()) } else { Err(cause::obstructed(Obstacle::NotExecutable)) }
}

fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    let current = own_path().ok();
    if let Some(beside) = current.as_deref().and_then(Path::parent) {
        places.push(beside.to_owned());
        let name = beside.file_name().unwrap_or_default();
        if (name == "deps" || name == "examples")
            && let Some(parent) = beside.parent()
        {
            places.push(parent.to_owned());
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for place in std::env::split_paths(&path) {
        if place.is_absolute() && !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
