//! Descriptors by their numbers. No safe interface offers this, since any code may own a number.
#![allow(unsafe_code)]

use std::mem::size_of;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Takes a descriptor that this process was born with.
///
/// Returns `None` if it is not open. The caller takes each number once, before anything else in
/// this process can have opened or taken it.
pub(crate) fn take(number: RawFd) -> Option<OwnedFd> {
    if !set_close_on_exec(number) {
        return None;
    }
    // SAFETY: it is open. The coordinator placed it there at this process's birth, so nothing in this
    // process has opened it, and the crate's state lets each number be taken once.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Marks a descriptor close-on-exec. Returns `false` if it is not open.
fn set_close_on_exec(number: RawFd) -> bool {
    // SAFETY: fcntl with F_SETFD takes no pointers, and the flag invalidates nothing.
    unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) == 0 }
}

/// Returns whether the descriptor is a file in memory, which alone can be sealed.
pub(crate) fn is_memory(number: RawFd) -> bool {
    // SAFETY: fcntl with F_GET_SEALS takes no further arguments.
    unsafe { libc::fcntl(number, libc::F_GET_SEALS) >= 0 }
}

/// Returns whether the descriptor is a Unix stream socket.
pub(crate) fn is_unix_stream(number: RawFd) -> bool {
    option(number, libc::SO_DOMAIN) == Some(libc::AF_UNIX)
        && option(number, libc::SO_TYPE) == Some(libc::SOCK_STREAM)
}

fn option(number: RawFd, name: libc::c_int) -> Option<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(size_of::<libc::c_int>()).ok()?;
    // SAFETY: both pointers are to live locals, and `length` is the size of the first.
    let found =
        unsafe { libc::getsockopt(number, libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut length) };
    (found == 0).then_some(value)
}

/// Copies the first bytes that a socket has received, and leaves them there. Does not wait.
pub(crate) fn peek(number: RawFd, into: &mut [u8]) -> usize {
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: the pointer and the length are those of `into`.
    let length = unsafe { libc::recv(number, into.as_mut_ptr().cast(), into.len(), flags) };
    usize::try_from(length).unwrap_or(0)
}

/// Writes bytes to a socket, as far as it takes them at once.
pub(crate) fn send(number: RawFd, bytes: &[u8]) {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the pointer and the length are those of `bytes`.
    let _ = unsafe { libc::send(number, bytes.as_ptr().cast(), bytes.len(), flags) };
}
