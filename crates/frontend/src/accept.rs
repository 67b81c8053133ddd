//! One connection after another from a listener while there is room, and no spinning when the kernel
//! refuses. Knows nothing of HTTP.

use crate::room::Room;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Longest pause after a failed accept: long enough to cost nothing, short enough that recovery from
/// descriptor exhaustion is not noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A listener that accepts while there is room.
pub(crate) struct Acceptor {
    listener: TcpListener,
    room: Arc<Room>,
    failures: u32,
}

impl Acceptor {
    pub(crate) fn new(listener: TcpListener, room: Arc<Room>) -> Self {
        Self { listener, room, failures: 0 }
    }

    /// The next connection, and its client's address.
    ///
    /// Dropping this future loses nothing: the failures are counted in `self`, and a pause that is cut
    /// short by a closing connection is the right moment to try again.
    pub(crate) async fn next(&mut self) -> (TcpStream, IpAddr) {
        loop {
            self.room.has_place().await;
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.failures = 0;
                    return (stream, peer.ip());
                }
                Err(error) => self.pause(&error).await,
            }
        }
    }

    async fn pause(&mut self, error: &io::Error) {
        let pause = pause_after(error, self.failures);
        if pause > Duration::ZERO {
            self.failures = self.failures.saturating_add(1);
            tracing::warn!(%error, ?pause, "failed to accept a connection; trying again after a pause");
        }
        tokio::time::sleep(pause).await;
    }
}

/// How long to wait after a failed accept that `failures` others preceded in a row.
///
/// A client that went away before it was accepted is no reason to wait. Everything else (no
/// descriptors, no memory) would be reported again at once, for ever, as the connection stays in the
/// backlog.
fn pause_after(error: &io::Error, failures: u32) -> Duration {
    match error.kind() {
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused => {
            Duration::ZERO
        }
        _ => Duration::from_millis(5).saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptor_exhaustion_backs_off_to_a_second_and_no_further() {
        const EMFILE: i32 = 24;
        let pauses = |failures| pause_after(&io::Error::from_raw_os_error(EMFILE), failures);
        assert_eq!(pauses(0), Duration::from_millis(5));
        assert_eq!(pauses(1), Duration::from_millis(10));
        assert_eq!(pauses(7), Duration::from_millis(640));
        assert_eq!(pauses(8), LONGEST_PAUSE);
        assert_eq!(pauses(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_client_that_left_before_it_was_accepted_costs_no_pause() {
        let gone = io::Error::from(ErrorKind::ConnectionAborted);
        assert_eq!(pause_after(&gone, 3), Duration::ZERO);
    }
}
