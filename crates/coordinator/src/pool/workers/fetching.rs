//! A long output that a thread of its own reads out of shared memory. Does not: know answers or the pool.

use super::arenas::Output;
use procpool_process::clock;
use procpool_protocol::frame::Frame;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A thread that reads has begun by then, unless all of the runtime's are taken, perhaps by those who wait for this very output.
const SOON: Duration = Duration::from_millis(20);

/// A frame without its output.
pub(super) struct Fetching {
    frame: Frame,
    /// Taken by its reader.
    output: Arc<Mutex<Option<Output>>>,
    read: JoinHandle<Option<Result<bytes::Bytes, String>>>,
}

impl Fetching {
    pub(super) fn begin(frame: Frame, output: Output, runtime: &Handle) -> Self {
        let output = Arc::new(Mutex::new(Some(output)));
        let theirs = output.clone();
        let read = runtime.spawn_blocking(move || take(&theirs).map(Output::read));
        Self { frame, output, read }
    }

    /// Returns the frame with its output.
    pub(super) async fn end(mut self) -> Result<Frame, String> {
        let read = match clock::timeout(SOON, &mut self.read).await {
            Ok(read) => read,
            Err(_) => match take(&self.output) {
                Some(output) => Ok(Some(output.read())),
                None => self.read.await,
            },
        };
        let read = read.map_err(|error| format!("its output was not read: {error}"))?;
        self.frame.payload.bytes = read.ok_or("its output was read by nobody")??;
        Ok(self.frame)
    }
}

fn take(output: &Mutex<Option<Output>>) -> Option<Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner).take()
}
