//! The first words between a coordinator and its worker, before any job.

use crate::os::socket::Socket;
use bytes::Bytes;
use procpool_protocol::Failure;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{Hello, Refused};
use procpool_protocol::message::{failure_of, json_frame, json_of};
use procpool_protocol::preamble::Preamble;
use std::io;

/// A connection, and what was received and not taken.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) socket: Socket,
    pub(super) decoder: Decoder,
}

/// What a worker says first.
#[derive(Debug)]
pub(super) enum First {
    Hello(Hello),
    /// It will not serve.
    Declined(Failure),
}

impl Line {
    /// Needs a tokio runtime with I/O.
    pub(super) fn new(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        // Before it has introduced itself, a worker sends no payload.
        Ok(Self { socket: Socket::new(stream)?, decoder: Decoder::with_max_payload(0) })
    }

    /// Tells the worker the `rest` of the first frame, and hears what it says first. The error says how it
    /// broke the protocol.
    pub(super) async fn open(&mut self, rest: &Bytes) -> Result<First, String> {
        let Self { socket, decoder } = self;
        let (first, ()) = tokio::try_join!(hear_first(socket, decoder), tell(socket, rest))?;
        Ok(first)
    }

    /// The next frame.
    pub(super) async fn frame(&mut self) -> Result<Frame, String> {
        frame(&self.socket, &mut self.decoder).await
    }

    /// Completes when the worker says something where it has nothing to say yet, with what is wrong.
    pub(super) async fn breach(&mut self) -> String {
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

    /// Tells the worker why it is turned away, as far as its socket takes it at once.
    pub(super) fn refuse(&self, reason: &str, detail: &str) {
        let refused = Refused { reason: reason.into(), detail: detail.into() };
        if let Ok(frame) = json_frame(Kind::Refused, &refused) {
            // A worker that reads nothing is killed without having been told why.
            let _ = self.socket.try_write(std::iter::once(&frame.to_bytes()), 0);
        }
    }
}

async fn hear_first(socket: &Socket, decoder: &mut Decoder) -> Result<First, String> {
    let theirs = loop {
        match decoder.poll_preamble().map_err(|error| error.to_string())? {
            Some(preamble) => break preamble,
            None => fill(socket, decoder).await?,
        }
    };
    Preamble::agree(theirs).map_err(|error| error.to_string())?;
    let first = frame(socket, decoder).await?;
    match first.kind {
        Kind::Hello => json_of(&first).map(First::Hello).map_err(|error| error.to_string()),
        Kind::StartFailed => failure_of(&first).map(First::Declined).map_err(|error| error.to_string()),
        other => Err(format!("it said {other:?} instead of Hello")),
    }
}

async fn frame(socket: &Socket, decoder: &mut Decoder) -> Result<Frame, String> {
    loop {
        match decoder.poll_frame().map_err(|error| error.to_string())? {
            Some(frame) => return Ok(frame),
            None => fill(socket, decoder).await?,
        }
    }
}

/// Waits for more bytes.
async fn fill(socket: &Socket, decoder: &mut Decoder) -> Result<(), String> {
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

/// Writes all of `bytes`.
async fn tell(socket: &Socket, bytes: &Bytes) -> Result<(), String> {
    let mut written = 0;
    while written < bytes.len() {
        socket.writable().await.map_err(|error| error.to_string())?;
        match socket.try_write(std::iter::once(bytes), written) {
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}
