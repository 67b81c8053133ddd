//! Viewers of `GET /v1/events`: connections that read what a server sends, and drop it.

use crate::contestant::Result;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Number of ticks that every viewer has seen before it counts as one: the snapshots are behind it.
const SETTLED: usize = 2;

/// A viewer without a tick for this time is an error. There are four a second.
const LONGEST: Duration = Duration::from_secs(30);

/// Viewers that read on a thread of their own. They leave when this is dropped.
#[derive(Debug)]
pub struct Viewers(Option<Runtime>);

impl Viewers {
    /// Connects this number of viewers, and waits until each has its snapshot and some ticks.
    ///
    /// # Errors
    /// When the server sends one of them something else, or nothing.
    pub async fn join(address: SocketAddr, count: usize) -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let viewers = Self(Some(runtime));
        let mut joining = Vec::new();
        for _ in 0..count {
            let runtime = viewers.0.as_ref().ok_or("no runtime")?;
            joining.push(runtime.spawn(async move {
                let mut stream = tokio::time::timeout(LONGEST, settled(address)).await??;
                tokio::spawn(async move {
                    let mut buffer = vec![0; 256 * 1024];
                    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
                });
                Result::Ok(())
            }));
        }
        for viewer in joining {
            viewer.await??;
        }
        Ok(viewers)
    }
}

impl Drop for Viewers {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // A runtime must not be waited for by a task of another one.
            runtime.shutdown_background();
        }
    }
}

/// Returns the stream of a viewer that is up to date.
async fn settled(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET /v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
    let mut seen = Vec::new();
    while ticks(&seen) < SETTLED {
        if stream.read_buf(&mut seen).await? == 0 {
            return Err(format!("no stream: {}", String::from_utf8_lossy(&seen)).into());
        }
    }
    Ok(stream)
}

fn ticks(seen: &[u8]) -> usize {
    const TICK: &[u8] = b"event: tick\n";
    seen.windows(TICK.len()).filter(|it| *it == TICK).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_counted() {
        assert_eq!(ticks(b"event: snapshot\nid: 1\ndata: {}\n\nevent: tick\nid: 2\n\nevent: tick\n"), 2);
        assert_eq!(ticks(b"event: ti"), 0);
    }
}
