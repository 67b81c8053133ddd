//! Sentences for the system's errors: the thing that is missing, and the remedy. Errors, logs and `procpool
//! check` describe the same cause in the same words.

mod inspect;
mod obstacle;

pub(crate) use inspect::{inspect, of_spawn};
pub(crate) use obstacle::Obstacle;

use rustix::io::Errno;
use std::fmt;
use std::io;

/// A system call that failed, with its meaning.
#[derive(Debug)]
struct Explained {
    sentence: String,
    reason: Errno,
}

impl fmt::Display for Explained {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sentence, reason } = self;
        write!(out, "{sentence} ({reason})")
    }
}

impl std::error::Error for Explained {}

fn explained(reason: Errno, sentence: impl Into<String>) -> io::Error {
    io::Error::new(reason.kind(), Explained { sentence: sentence.into(), reason })
}

/// Returns an obstacle as the error of the call that it prevents.
pub(crate) fn obstructed(obstacle: Obstacle) -> io::Error {
    io::Error::new(obstacle.kind(), obstacle)
}

/// Returns the error for a `pidfd_open` that failed.
pub(crate) fn pidfd_open(reason: Errno) -> io::Error {
    match reason {
        Errno::PERM | Errno::ACCESS | Errno::NOSYS => explained(
            reason,
            "a seccomp filter or an old kernel forbids pidfd_open, which procpool needs to follow a worker (Linux 5.10 or \
             later): allow it with pidfd_send_signal in the filter (SystemCallFilter= of systemd, a newer \
             container runtime), or use a newer kernel",
        ),
        Errno::MFILE | Errno::NFILE => descriptors(reason),
        reason => explained(reason, "the system gives no descriptor of the worker's process (pidfd_open)"),
    }
}

/// Returns the error for a socket that the system does not create.
pub(crate) fn socket(reason: io::Error) -> io::Error {
    let errno = Errno::from_io_error(&reason);
    match errno {
        Some(errno @ Errno::AFNOSUPPORT) => explained(
            errno,
            "the sandbox forbids Unix sockets, by which procpool talks to its workers: add AF_UNIX to \
             RestrictAddressFamilies= of the systemd unit, or allow it in the seccomp filter",
        ),
        Some(errno @ (Errno::PERM | Errno::ACCESS | Errno::NOSYS)) => explained(
            errno,
            "a seccomp filter or a security module forbids Unix sockets, by which procpool talks to its workers: allow \
             socket, socketpair and connect for AF_UNIX",
        ),
        Some(errno @ (Errno::MFILE | Errno::NFILE)) => descriptors(errno),
        _ => reason,
    }
}

/// Returns the error for a failed `prlimit`, although this process itself has the limit that the worker would
/// get. `key` is the limit's key. `is_optional` says that a configuration may omit it.
pub(crate) fn prlimit(key: &'static str, is_optional: bool, reason: Errno) -> String {
    match reason {
        Errno::PERM | Errno::ACCESS | Errno::NOSYS => format!(
            "the system does not let this process set {key} of a worker ({reason}): a seccomp filter or a security module \
             forbids prlimit, which procpool needs for every worker (it forbids core dumps, a limit that no key \
             takes away), or the executable is setuid; allow prlimit64 in the filter"
        ),
        _ if is_optional => format!("the system refuses to set {key}: {reason}; leave it out to run without"),
        _ => format!("the system refuses to set {key}, which procpool sets for every worker: {reason}"),
    }
}

/// Returns the error for a failed `memfd_create`, or for a failed call after it.
pub(crate) fn memfd(reason: Errno) -> String {
    match reason {
        Errno::PERM | Errno::ACCESS | Errno::NOSYS => format!(
            "the system allows no executable file in memory ({reason}): the setting vm.memfd_noexec, a seccomp filter \
             without memfd_create or a security module forbids it"
        ),
        Errno::NOMEM | Errno::NOSPC => format!("the system has no memory for a copy of it ({reason})"),
        reason => format!("the system makes no copy of it in memory: {reason}"),
    }
}

/// Returns the error for a resource that a spawn needs beside the executable. Returns other errors unchanged.
pub(crate) fn resources(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        Some(errno @ (Errno::MFILE | Errno::NFILE)) => descriptors(errno),
        Some(errno @ Errno::NOMEM) => obstructed(Obstacle::NoMemory(errno)),
        _ => error,
    }
}

fn descriptors(reason: Errno) -> io::Error {
    obstructed(Obstacle::NoDescriptors(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_call_is_named_with_where_to_allow_it() {
        for reason in [Errno::PERM, Errno::NOSYS] {
            let said = pidfd_open(reason);
            assert_eq!(said.kind(), reason.kind());
            let said = said.to_string();
            assert!(
                said.contains("pidfd_open")
                    && said.contains("Linux 5.10")
                    && said.contains("SystemCallFilter"),
                "{said}"
            );
        }
        let said = socket(Errno::AFNOSUPPORT.into()).to_string();
        assert!(said.contains("RestrictAddressFamilies") && said.contains("AF_UNIX"), "{said}");
        assert!(memfd(Errno::ACCESS).contains("vm.memfd_noexec"));
    }

    #[test]
    fn other_errors_of_sockets_stay_as_they_are() {
        assert_eq!(socket(Errno::ADDRINUSE.into()).raw_os_error(), Some(Errno::ADDRINUSE.raw_os_error()));
    }

    #[test]
    fn only_a_limit_with_a_key_may_be_left_out() {
        let core = "the size of core dumps";
        assert!(!prlimit(core, false, Errno::PERM).contains("leave it out"));
        assert!(!prlimit(core, false, Errno::INVAL).contains("leave it out"));
        assert!(prlimit("memory_limit", true, Errno::INVAL).contains("leave it out"));
        assert!(prlimit("memory_limit", true, Errno::PERM).contains("prlimit64"));
    }
}
