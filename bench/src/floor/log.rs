//! A log that many write to together: each group of records is one write and one sync. The floor of durable jobs.

use crate::contestant::Result;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use tokio::sync::{mpsc, oneshot};

/// The file, owned by a thread of its own. Clones write to the same.
#[derive(Clone, Debug)]
pub struct Log(mpsc::UnboundedSender<(Vec<u8>, oneshot::Sender<()>)>);

impl Log {
    /// Makes an empty log.
    ///
    /// # Errors
    /// When the file cannot be made, or no thread started.
    pub fn create(path: &Path) -> Result<Self> {
        let mut file = File::create(path)?;
        let (sender, mut receiver) = mpsc::unbounded_channel::<(Vec<u8>, oneshot::Sender<()>)>();
        std::thread::Builder::new().name("bench-log".into()).spawn(move || {
            let (mut bytes, mut waiting) = (Vec::new(), Vec::new());
            while let Some((record, tell)) = receiver.blocking_recv() {
                bytes.extend(record);
                waiting.push(tell);
                while let Ok((record, tell)) = receiver.try_recv() {
                    bytes.extend(record);
                    waiting.push(tell);
                }
                if file.write_all(&bytes).and_then(|()| file.sync_data()).is_err() {
                    return;
                }
                bytes.clear();
                waiting.drain(..).for_each(|tell: oneshot::Sender<()>| tell.send(()).unwrap_or_default());
            }
        })?;
        Ok(Self(sender))
    }

    /// Returns once this record is on disk.
    ///
    /// # Errors
    /// When a write has failed.
    pub async fn append(&self, record: Vec<u8>) -> Result<()> {
        let (tell, told) = oneshot::channel();
        self.0.send((record, tell))?;
        Ok(told.await?)
    }
}
