//! Which file a worker is made from, and holding on to it while the file's name may change hands.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// A worker executable cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutableError {
    /// No place holds an executable file of that name.
    #[error(
        "failed to find the worker executable `{name}`; looked in {}",
        looked_in.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    NotFound {
        /// What was looked for.
        name: String,
        /// Where, in that order.
        looked_in: Vec<PathBuf>,
    },
    /// The file is there, but cannot be opened or is not executable.
    #[error("failed to use the worker executable {}: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Executable {
    /// Looks for `name` beside the current executable, in the parent of `deps/` and `examples/` when
    /// run from there, then on `PATH`. A name with a slash is a path and is not searched for.
    ///
    /// # Errors
    /// [`ExecutableError::NotFound`] with every place that was looked in.
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

    /// The executable at `path`; a relative one counts from the current directory of now.
    ///
    /// # Errors
    /// [`ExecutableError::Unusable`] when there is no executable file at `path`.
    pub fn path(path: impl AsRef<Path>) -> Result<Self, ExecutableError> {
        let unusable = |source| ExecutableError::Unusable { path: path.as_ref().to_owned(), source };
        let absolute = std::path::absolute(path.as_ref()).map_err(unusable)?;
        let metadata = std::fs::metadata(&absolute).map_err(unusable)?;
        if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
            return Err(unusable(io::Error::from(io::ErrorKind::PermissionDenied)));
        }
        Ok(Self { path: absolute, args: Vec::new() })
    }

    /// The running executable itself, which serves as its own worker by `serve_if_spawned`.
    ///
    /// Names `/proc/self/exe`, so that a binary replaced on disk does not surprise.
    pub fn current() -> Self {
        Self { path: "/proc/self/exe".into(), args: Vec::new() }
    }

    /// The running test executable, started again for the one test called `name`, which calls
    /// `serve_if_spawned`. Works under libtest and nextest.
    pub fn this_test(name: &str) -> Self {
        let args = [name, "--exact", "--nocapture", "--test-threads=1"].map(OsString::from).to_vec();
        Self { args, ..Self::current() }
    }

    /// The same executable, started with these arguments.
    #[must_use]
    pub fn with_args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// The file.
    pub fn as_path(&self) -> &Path {
        &self.path
    }

    /// The arguments.
    pub fn args(&self) -> &[OsString] {
        &self.args
    }

    /// Opens the file, so that what is spawned later is this very file whatever its name comes to mean.
    ///
    /// # Errors
    /// [`ExecutableError::Unusable`] when the file cannot be opened.
    pub fn pin(&self) -> Result<Pinned, ExecutableError> {
        let unusable = |source| ExecutableError::Unusable { path: self.path.clone(), source };
        let mut magic = [0; 2];
        let opened = File::open(&self.path).and_then(|mut file| match file.read_exact(&mut magic) {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
            _ => Ok(file),
        });
        // A script's interpreter is given the script's name, and a descriptor's name is gone by then; a
        // file that may be executed but not read cannot be told from a script. Both go by their path.
        let file = match opened {
            Ok(file) if magic != *b"#!" => Some(Arc::new(file)),
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => return Err(unusable(error)),
            _ => None,
        };
        Ok(Pinned { executable: self.clone(), file })
    }
}

/// An executable that is held open.
#[derive(Clone, Debug)]
pub struct Pinned {
    pub(crate) executable: Executable,
    pub(crate) file: Option<Arc<File>>,
}

impl Pinned {
    /// Returns the file and its arguments, as they were named.
    pub fn executable(&self) -> &Executable {
        &self.executable
    }

    /// The path to spawn.
    pub(crate) fn program(&self) -> PathBuf {
        match &self.file {
            Some(file) => PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd())),
            None => self.executable.path.clone(),
        }
    }
}

fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    let current = std::env::current_exe().ok();
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
