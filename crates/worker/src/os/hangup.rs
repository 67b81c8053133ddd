//! Waits for the other side of a connection to go away, without reading from it.

use super::socket::Socket;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::PipeReader;

/// Waits until the other side of the connection is gone, or the writer of `stop` was dropped. Returns whether the
/// connection was the first.
pub(crate) fn hangs_up(connection: &Socket, stop: &PipeReader) -> bool {
    loop {
        // The kernel reports an end whether it was asked for or not, and what arrives only if it was.
        let nothing_else = PollFlags::empty();
        let mut both = [PollFd::new(connection, nothing_else), PollFd::new(stop, nothing_else)];
        match poll(&mut both, None) {
            Err(Errno::INTR) => {}
            // A process that cannot watch its coordinator must not run.
            Err(_) => return true,
            Ok(_) => return !both[0].revents().is_empty(),
        }
    }
}
