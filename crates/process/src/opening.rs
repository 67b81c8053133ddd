//! The first messages between a coordinator and its worker, before any job.

use crate::os::socket::Socket;
use crate::outbox::Pipe as _;
use bytes::Bytes;
use procpool_protocol::Failure;
use procpool_protocol::attachments::Attachments;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{Hello, Refused};
use procpool_protocol::message::{failure_of, json_frame, json_of};
use procpool_protocol::preamble::Preamble;
use std::io;

/// A connection, and the bytes that were received and not yet decoded.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) socket: Socket,
    pub(crate) decoder: Decoder,
    reads: Reads,
}

/// Counts reads, so that a peer that never stops sending does not occupy this thread. A socket that stays
/// readable does not use tokio's cooperative budget.
#[derive(Debug, Default)]
struct Reads(u8);

impl Reads {
    /// Number of reads before other tasks get a turn.
    const A_TURN: u8 = 16;

    async fn one_more(&mut self) {
        self.0 = (self.0 + 1) % Self::A_TURN;
        if self.0 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// The first message of a worker.
#[derive(Debug)]
pub(crate) enum First {
    Hello(Hello),
    /// The worker will not serve.
    Declined(Failure),
}

impl Line {
    /// Needs a tokio runtime with I/O.
    pub(crate) fn new(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        // Before its hello, a worker sends no payload.
        Socket::new(stream).map(Self::of)
    }

    /// Wraps a connection that nothing was read from.
    pub(crate) fn of(socket: Socket) -> Self {
        Self { socket, decoder: Decoder::with_max_payload(0), reads: Reads::default() }
    }

    /// Wraps a connection with the bytes that were received and not yet decoded.
    pub(crate) fn with_decoder(socket: Socket, decoder: Decoder) -> Self {
        Self { socket, decoder, reads: Reads::default() }
    }

    /// Sends the worker the `rest` of the first frame, together with the attachments, and reads its first
    /// message. The error says how it broke the protocol. An attached worker has sent its preamble already,
    /// and receives one first.
    pub(crate) async fn open(
        &mut self,
        rest: &Bytes,
        attachments: &Attachments,
        has_preamble: bool,
    ) -> Result<First, String> {
        let Self { socket, decoder, reads } = self;
        let hears = async {
            if !has_preamble {
                hear_preamble(socket, decoder, reads).await?;
            }
            hear_first(socket, decoder, reads).await
        };
        let tell = async {
            if has_preamble {
                socket.send(&Bytes::copy_from_slice(&Preamble::ours().to_bytes()), &[]).await?;
            }
            socket.send(rest, attachments.as_slice()).await
        };
        let tell = async { tell.await.map_err(|error| error.to_string()) };
        let (first, ()) = tokio::try_join!(hears, tell)?;
        Ok(first)
    }

    /// Reads the worker's preamble. The error says that there is none, or no common version.
    pub(crate) async fn preamble(&mut self) -> Result<(), String> {
        hear_preamble(&self.socket, &mut self.decoder, &mut self.reads).await
    }

    /// Sends as many of a few bytes as the socket accepts at once.
    pub(crate) fn say(&self, bytes: &[u8]) {
        // A worker that does not read loses them.
        let _ = self.socket.try_write(std::iter::once(&Bytes::copy_from_slice(bytes)), 0);
    }

    /// Returns the next frame.
    pub(crate) async fn frame(&mut self) -> Result<Frame, String> {
        frame(&self.socket, &mut self.decoder, &mut self.reads).await
    }

    /// Completes with the violation when the worker sends something too early.
    pub(crate) async fn breach(&mut self) -> String {
        match self.frame().await {
            Ok(frame) => {
                format!(
                    "it said {:?} on its control connection (descriptor 4) before it was ready",
                    frame.kind
                )
            }
            Err(reason) => format!("on its control connection (descriptor 4): {reason}"),
        }
    }

    /// Sends the worker the reason why it is rejected, as far as its socket accepts it at once.
    pub(crate) fn refuse(&self, reason: &str, detail: &str) {
        let refused = Refused { reason: reason.into(), detail: detail.into() };
        if let Ok(frame) = json_frame(Kind::Refused, &refused) {
            self.say(&frame.to_bytes());
        }
    }
}

async fn hear_preamble(socket: &Socket, decoder: &mut Decoder, reads: &mut Reads) -> Result<(), String> {
    let theirs = loop {
        match decoder.poll_preamble().map_err(|error| error.to_string())? {
            Some(preamble) => break preamble,
            None => fill(socket, decoder, reads).await?,
        }
    };
    Preamble::agree(theirs).map(drop).map_err(|error| error.to_string())
}

async fn hear_first(socket: &Socket, decoder: &mut Decoder, reads: &mut Reads) -> Result<First, String> {
    let first = frame(socket, decoder, reads).await?;
    match first.kind {
        Kind::Hello => json_of(&first).map(First::Hello).map_err(|error| error.to_string()),
        Kind::StartFailed => failure_of(&first).map(First::Declined).map_err(|error| error.to_string()),
        other => Err(format!("it said {other:?} instead of Hello")),
    }
}

async fn frame(socket: &Socket, decoder: &mut Decoder, reads: &mut Reads) -> Result<Frame, String> {
    reads.one_more().await;
    loop {
        match decoder.poll_frame().map_err(|error| error.to_string())? {
            Some(frame) => return Ok(frame),
            None => fill(socket, decoder, reads).await?,
        }
    }
}

/// Waits for more bytes.
async fn fill(socket: &Socket, decoder: &mut Decoder, reads: &mut Reads) -> Result<(), String> {
    reads.one_more().await;
    loop {
        socket.readable().await.map_err(|error| error.to_string())?;
        match socket.try_read(decoder.read_buffer()) {
            Ok(0) => return Err("it closed the connection before it was ready".into()),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}
