//! Accepts one connection after another from a listener, without spinning when the kernel refuses. Does not:
//! know HTTP.

use crate::backoff::Backoff;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// Where connections come from.
pub(crate) trait Listen {
    /// A connection, and what the kernel says of its other end.
    type Accepted;

    async fn accept(&self) -> io::Result<Self::Accepted>;
}

impl Listen for TcpListener {
    type Accepted = (TcpStream, SocketAddr);

    async fn accept(&self) -> io::Result<Self::Accepted> {
        Self::accept(self).await
    }
}

impl Listen for UnixListener {
    type Accepted = UnixStream;

    async fn accept(&self) -> io::Result<Self::Accepted> {
        Ok(Self::accept(self).await?.0)
    }
}

/// A listener that rests when it fails.
pub(crate) struct Acceptor<L> {
    listener: L,
    backoff: Backoff,
}

impl<L: Listen> Acceptor<L> {
    pub(crate) fn new(listener: L) -> Self {
        Self { listener, backoff: Backoff::default() }
    }

    /// Returns the next connection.
    ///
    /// Dropping this future loses nothing and hurries nothing: a pause that it was in goes on with the next call.
    /// Connections that close may drop it a thousand times a second.
    pub(crate) async fn next(&mut self) -> L::Accepted {
        loop {
            if let Some(until) = self.backoff.until() {
                tokio::time::sleep_until(until.into()).await;
            }
            match self.listener.accept().await {
                Ok(accepted) => {
                    if let Some(failures) = self.backoff.succeeded(now()) {
                        tracing::info!(failures, "connections are accepted again");
                    }
                    return accepted;
                }
                Err(error) => {
                    if self.backoff.failed(&error, now()) {
                        tracing::warn!(%error, "failed to accept a connection; trying again until it works");
                    }
                }
            }
        }
    }
}

/// Returns the runtime's time, which its sleeps go by.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::time::Duration;

    /// A listener for which there are no descriptors.
    #[derive(Default)]
    struct Exhausted {
        tries: Cell<u32>,
    }

    impl Listen for &Exhausted {
        type Accepted = ();

        async fn accept(&self) -> io::Result<()> {
            const EMFILE: i32 = 24;
            self.tries.update(|tries| tries + 1);
            Err(io::Error::from_raw_os_error(EMFILE))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_cut_short_by_what_happens_meanwhile() {
        let listener = Exhausted::default();
        let mut acceptor = Acceptor::new(&listener);
        for _ in 0..10_000 {
            tokio::select! {
                biased;
                () = acceptor.next() => unreachable!("there are no descriptors"),
                // A connection has closed.
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(listener.tries.get(), 1);
        let longer = tokio::time::timeout(Duration::from_secs(10), acceptor.next()).await;
        assert!(longer.is_err());
        assert_eq!(listener.tries.get(), 17, "after 5, 10, …, 640 ms, and then each second");
    }
}
