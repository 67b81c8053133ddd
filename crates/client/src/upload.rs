//! The body of a request: bytes that are there, or blocks that a thread reads from a file or a pipe.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::fmt;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Size of the blocks that are read, in bytes.
const BLOCK: usize = 64 * 1024;

/// Number of blocks that are read ahead of the connection.
const AHEAD: usize = 4;

/// The source of a body cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub(crate) io::Error);

/// The body of a request.
pub struct Upload(Kind);

enum Kind {
    Full(Option<Bytes>),
    Blocks { blocks: mpsc::Receiver<io::Result<Bytes>>, length: Option<u64> },
}

/// Counts the bytes and lines that were read of a source, for those who show progress.
#[derive(Clone, Debug, Default)]
pub struct ReadSoFar(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    lines: AtomicU64,
    ended: AtomicBool,
}

impl ReadSoFar {
    /// Returns the number of bytes.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Returns the number of lines. A last line without a line break counts once the source has ended.
    pub fn lines(&self) -> u64 {
        self.0.lines.load(Ordering::Relaxed)
    }

    /// Returns whether the source has ended.
    pub fn has_ended(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed)
    }

    fn add(&self, block: &[u8]) {
        let lines = block.iter().filter(|byte| **byte == b'\n').count();
        self.0.lines.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0.bytes.fetch_add(u64::try_from(block.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn end(&self, in_a_line: bool) {
        self.0.lines.fetch_add(in_a_line.into(), Ordering::Relaxed);
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

impl Upload {
    /// Returns no body.
    #[must_use]
    pub fn empty() -> Self {
        Self(Kind::Full(None))
    }

    /// Returns bytes that are there.
    #[must_use]
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(Kind::Full((!bytes.is_empty()).then_some(bytes)))
    }

    /// Reads `source` to its end in a thread of its own, at most a few blocks ahead of the connection. `length` is the
    /// number of bytes, if it is known.
    ///
    /// A thread that waits for a pipe does not keep the process from exiting.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn reading(source: impl Read + Send + 'static, length: Option<u64>) -> io::Result<(Self, ReadSoFar)> {
        let (sender, blocks) = mpsc::channel(AHEAD);
        let so_far = ReadSoFar::default();
        let counted = so_far.clone();
        std::thread::Builder::new().name("input".into()).spawn(move || read(source, &sender, &counted))?;
        Ok((Self(Kind::Blocks { blocks, length }), so_far))
    }
}

fn read(mut source: impl Read, blocks: &mpsc::Sender<io::Result<Bytes>>, so_far: &ReadSoFar) {
    let mut in_a_line = false;
    loop {
        let mut block = vec![0; BLOCK];
        let sent = match source.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let _ = blocks.blocking_send(Err(error));
                return;
            }
            Ok(0) => return so_far.end(in_a_line),
            Ok(length) => {
                block.truncate(length);
                so_far.add(&block);
                in_a_line = !block.ends_with(b"\n");
                blocks.blocking_send(Ok(block.into()))
            }
        };
        if sent.is_err() {
            // The connection has ended.
            return;
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = SourceError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceError>>> {
        match &mut self.0 {
            Kind::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Blocks { blocks, .. } => blocks
                .poll_recv(cx)
                .map(|block| block.map(|block| block.map(Frame::data).map_err(SourceError))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Full(None))
    }

    fn size_hint(&self) -> SizeHint {
        let length = match &self.0 {
            Kind::Full(bytes) => Some(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Blocks { length, .. } => *length,
        };
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Full(bytes) => out.debug_tuple("Full").field(bytes).finish(),
            Kind::Blocks { length, .. } => out.debug_struct("Blocks").field("length", length).finish(),
        }
    }
}
