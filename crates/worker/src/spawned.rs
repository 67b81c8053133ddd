//! From a fresh process to a session: the steps of a worker that a coordinator spawned.
//!
//! First of all the process's life is tied to its parent's; only then does it read its token and
//! connect. Knows the environment and standard input, no frames.

use crate::ending::WorkerError;
use crate::guard::Lost;
use crate::handshake::{PATIENCE, Sockets};
use crate::identity::Identity;
use crate::os::{self, Socket};
use crate::session::Session;
use procpool_protocol::handshake::{ENV_COORDINATOR, ENV_SOCKET};
use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Digits of a token.
const TOKEN_LEN: usize = 32;

/// Joins the coordinator that the environment names. From here on the worker does not outlive it.
pub(crate) fn join(identity: &Identity) -> Result<Session, WorkerError> {
    stay_with_parent(env::var_os(ENV_COORDINATOR))?;
    os::name_thread(&identity.job);
    let token = read_token(|into| os::read_stdin(into, PATIENCE))?;
    let sockets = connect(env::var_os(ENV_SOCKET).unwrap_or_default().into())?;
    let session = Session::open(identity, &sockets, &token, end)?;
    // The guard ends the whole group, which a kernel that kills its leader first would prevent.
    os::wake_with_parent().map_err(WorkerError::DeathSignal)?;
    Ok(session)
}

/// The parent may have died before the kernel was asked to tell of it: then it is another one by now.
fn stay_with_parent(coordinator: Option<OsString>) -> Result<(), WorkerError> {
    let expected = coordinator.as_deref().and_then(|pid| pid.to_str()?.parse::<u32>().ok());
    let Some(expected) = expected else {
        return Err(WorkerError::NoCoordinator(coordinator));
    };
    os::die_with_parent().map_err(WorkerError::DeathSignal)?;
    match os::parent() {
        Some(parent) if parent == expected => Ok(()),
        _ => Err(WorkerError::Adopted { coordinator: expected }),
    }
}

/// The one-time token: 32 hexadecimal digits and a newline, and not a byte more is read.
fn read_token(mut read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> Result<String, WorkerError> {
    let mut line = [0; TOKEN_LEN + 1];
    let mut length = 0;
    while length < line.len() {
        match read(&mut line[length..]).map_err(WorkerError::Token)? {
            0 => return Err(WorkerError::BadToken),
            more => length += more,
        }
    }
    let token = line.strip_suffix(b"\n").filter(|token| token.iter().all(u8::is_ascii_hexdigit));
    token.and_then(|token| String::from_utf8(token.into()).ok()).ok_or(WorkerError::BadToken)
}

fn connect(path: PathBuf) -> Result<Sockets, WorkerError> {
    let connect = || Socket::connect(&path);
    match connect().and_then(|jobs| Ok(Sockets { jobs, control: connect()? })) {
        Ok(sockets) => Ok(sockets),
        Err(source) => Err(WorkerError::Connect { path, source }),
    }
}

/// The guard's last act.
fn end(owned: bool, lost: Lost) {
    match lost {
        Lost::Coordinator => os::die(owned),
        Lost::Protocol(error) => error.exit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn token_in(mut text: &[u8]) -> Result<String, WorkerError> {
        read_token(|into| text.read(into))
    }

    #[test]
    fn a_token_is_one_line_of_32_digits() {
        let line = b"0123456789abcdef0123456789ABCDEF\n";
        assert_eq!(token_in(line).unwrap().as_bytes(), &line[..32]);
        assert_eq!(token_in(&[&line[..], b"more"].concat()).unwrap().as_bytes(), &line[..32]);
    }

    #[test]
    fn a_token_may_arrive_digit_by_digit() {
        let mut line = &b"0123456789abcdef0123456789abcdef\n"[..];
        let token = read_token(|into| line.read(&mut into[..1])).unwrap();
        assert_eq!(token, "0123456789abcdef0123456789abcdef");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "abc\n", "0123456789abcdef0123456789abcdef", "0123456789abcdef 123456789abcdef\n"] {
            assert!(matches!(token_in(text.as_bytes()), Err(WorkerError::BadToken)), "{text:?}");
        }
        let endless = read_token(|into| {
            into.fill(b'a');
            Ok(into.len())
        });
        assert!(matches!(endless, Err(WorkerError::BadToken)));
    }

    #[test]
    fn a_worker_without_a_coordinators_pid_does_not_start() {
        for pid in [None, Some("".into()), Some("one".into()), Some("-1".into())] {
            assert!(matches!(stay_with_parent(pid), Err(WorkerError::NoCoordinator(_))));
        }
    }
}
