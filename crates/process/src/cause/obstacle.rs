//! [`Obstacle`]: the known obstacles to starting an executable, each with its sentence.

use crate::program::elf::Machine;
use rustix::io::Errno;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why an executable cannot be started. Each sentence continues "failed to spawn PATH: ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Obstacle {
    #[error("the working directory {} does not exist; create it, or correct current_dir", .0.display())]
    DirectoryMissing(PathBuf),
    #[error("the working directory {} is no directory; correct current_dir", .0.display())]
    DirectoryIsNone(PathBuf),
    #[error(
        "the working directory {} may not be entered by this user; give it the right (`chmod +x`) there and in the \
         directories above", .0.display()
    )]
    DirectoryForbidden(PathBuf),
    #[error("the executable does not exist; build or install it, or correct the path")]
    Missing,
    #[error("it is a symbolic link to {}, which does not exist; correct the link", .0.display())]
    DanglingLink(PathBuf),
    #[error("a part of its path is no directory; correct the path")]
    PathThroughFile,
    #[error("its path leads in a circle of symbolic links; correct them")]
    Loop,
    #[error(
        "permission denied: a directory of its path may not be entered by this user; give it the right (`chmod +x`)"
    )]
    PathForbidden,
    #[error("permission denied: it is no file; name an executable file")]
    NoFile,
    #[error("permission denied: it is not executable; make it so with `chmod +x`")]
    NotExecutable,
    #[error("permission denied: this user may not execute it; correct its owner or mode (`ls -l`)")]
    Forbidden,
    #[error(
        "permission denied: it lies on a file system that is mounted noexec; put it elsewhere, or mount that with exec"
    )]
    NoExecMount,
    #[error("its first line begins with #! and names no interpreter; write one, such as #!/bin/sh")]
    NoInterpreter,
    #[error(
        "the first line of {} ends in CRLF, so that the system looks for {looked_for:?}; save the file with LF line ends \
         (`sed -i 's/\\r$//' FILE`)", script.display()
    )]
    CarriageReturn { script: PathBuf, looked_for: String },
    #[error("its interpreter {} does not exist; install it, or correct the first line of the script", .0.display())]
    InterpreterMissing(PathBuf),
    #[error("its interpreter {} cannot be started: {reason}", interpreter.display())]
    Interpreter { interpreter: PathBuf, reason: Box<Obstacle> },
    #[error(
        "its interpreter, {} by its first line, is not on PATH; install it, or set PATH in the pool's environment", .0.display()
    )]
    NotOnPath(OsString),
    #[error("scripts are the interpreters of scripts too many times over; let the first line name a program")]
    TooManyScripts,
    #[error(
        "its ELF loader {} does not exist: the executable was built for another distribution or C library; install that \
         loader, or link the executable statically", .0.display()
    )]
    LoaderMissing(PathBuf),
    #[error("its ELF loader {} cannot be started: {reason}", loader.display())]
    Loader { loader: PathBuf, reason: Box<Obstacle> },
    #[error(
        "it is for {found}, and this machine is {own}; build it for {own}, or register an emulator (binfmt_misc)"
    )]
    OtherMachine { found: Machine, own: Machine },
    #[error(
        "it is cut short: {size} bytes are there of {needs}; if somebody is writing it, wait for the end, and replace \
         executables by renaming (`mv`)"
    )]
    Incomplete { size: u64, needs: u64 },
    #[error(
        "the system cannot execute it: it is neither a program (ELF) nor a script that begins with #! and an interpreter"
    )]
    NoProgram,
    #[error(
        "it changed while it was read; wait until it is written, and replace executables by renaming (`mv`)"
    )]
    Changing,
    #[error(
        "somebody has written into the file since the pool opened it, and its old contents are gone; reload the pool to \
         start the new ones, and replace executables by renaming (`mv`)"
    )]
    Overwritten,
    #[error("somebody has it open for writing; wait for the end, and replace executables by renaming (`mv`)")]
    Busy,
    #[error("its arguments and environment are too long for the system; shorten args, env or inherit_env")]
    TooLong,
    #[error(
        "the system allows no further process ({0}); raise the limit of this user or service (`ulimit -u`, TasksMax= \
         of systemd, pids of a container), or lower max_workers"
    )]
    NoProcesses(Errno),
    #[error(
        "the system has no memory for a further process ({0}); lower max_workers, or give it more memory"
    )]
    NoMemory(Errno),
    #[error(
        "this process can open no further file ({0}); raise its limit (`ulimit -n`, LimitNOFILE= of systemd), or lower \
         max_workers"
    )]
    NoDescriptors(Errno),
    #[error(
        "/proc is not mounted here, and procpool starts executables by their open descriptor there; mount it"
    )]
    NoProc,
    #[error(
        "the system does not permit it ({0}); a security module or a seccomp filter may forbid execve, or the file has \
         capabilities that this process may not pass on (`getcap`)"
    )]
    NotPermitted(Errno),
}

impl Obstacle {
    /// Returns the error kind of the standard library.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::DirectoryMissing(_)
            | Self::Missing
            | Self::DanglingLink(_)
            | Self::InterpreterMissing(_)
            | Self::NotOnPath(_)
            | Self::LoaderMissing(_)
            | Self::NoProc => ErrorKind::NotFound,
            Self::DirectoryIsNone(_) | Self::PathThroughFile => ErrorKind::NotADirectory,
            Self::DirectoryForbidden(_)
            | Self::PathForbidden
            | Self::NoFile
            | Self::NotExecutable
            | Self::Forbidden
            | Self::NoExecMount
            | Self::NotPermitted(_) => ErrorKind::PermissionDenied,
            Self::Busy => ErrorKind::ExecutableFileBusy,
            Self::TooLong => ErrorKind::ArgumentListTooLong,
            Self::NoMemory(_) => ErrorKind::OutOfMemory,
            Self::Interpreter { reason, .. } | Self::Loader { reason, .. } => reason.kind(),
            _ => ErrorKind::Other,
        }
    }

    /// Returns the same obstacle for the interpreter of a script.
    pub(super) fn of_interpreter(self, interpreter: &Path) -> Self {
        match self {
            Self::Missing => Self::InterpreterMissing(interpreter.into()),
            // This obstacle names its script already.
            Self::TooManyScripts => Self::TooManyScripts,
            reason => Self::Interpreter { interpreter: interpreter.into(), reason: Box::new(reason) },
        }
    }

    /// Returns the same obstacle for the loader of a program.
    pub(super) fn of_loader(self, loader: &Path) -> Self {
        match self {
            Self::Missing => Self::LoaderMissing(loader.into()),
            reason => Self::Loader { loader: loader.into(), reason: Box::new(reason) },
        }
    }
}
