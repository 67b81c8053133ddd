//! The same bytes to a process and back over a Unix socket: this side in tokio, that side blocking.

use crate::contestant::Result;
use crate::places;
use crate::sample::Sample;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// A process that sends back what it is sent.
#[derive(Clone, Debug)]
pub struct Echo {
    ends: Arc<Mutex<(UnixStream, Vec<u8>)>>,
    child: Arc<Child>,
}

impl Echo {
    /// Starts one that is sent this number of bytes at a time.
    ///
    /// # Errors
    /// When the process or the socket cannot be had.
    pub async fn start(length: usize) -> Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(places::file("bench-floor")?);
        command.args(["echo", &length.to_string()]);
        let child = command.stdin(std::os::fd::OwnedFd::from(theirs)).kill_on_drop(true).spawn()?;
        let ends = Arc::new(Mutex::new((UnixStream::from_std(ours)?, vec![7; length])));
        Ok(Self { ends, child: Arc::new(child) })
    }

    /// Returns the process.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends and awaits this number of times, in a task of its own as anybody's job would be.
    ///
    /// # Errors
    /// When the process is gone.
    pub async fn round_trips(&self, count: usize) -> Result<Sample> {
        let ends = self.ends.clone();
        let work = async move {
            let mut ends = ends.lock().await;
            let (stream, bytes) = &mut *ends;
            let mut times = Vec::with_capacity(count);
            for _ in 0..count {
                let sent = Instant::now();
                stream.write_all(bytes).await?;
                stream.read_exact(bytes).await?;
                times.push(sent.elapsed());
            }
            Ok(times.into_iter().collect())
        };
        tokio::spawn(work).await?
    }
}
