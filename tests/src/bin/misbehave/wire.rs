//! Frames over blocking sockets: one connection of the worker, and the bytes of an answer.

use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::{Frame, HEADER_LEN, Kind, RawHeader};
use procpool_protocol::message::{Done, Status, json_frame};
use procpool_protocol::preamble::Preamble;
use procpool_protocol::{Encoding, Payload};
use serde_json::json;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: UnixStream,
    decoder: Decoder,
}

/// Bytes per read; a large job takes many.
const READ: usize = 4096;

impl Wire {
    /// Over one of the two connections that this process was born with.
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, decoder: Decoder::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads the coordinator's preamble, which its welcome follows.
    pub(crate) fn preamble(&mut self) -> io::Result<()> {
        while self.decoder.poll_preamble().map_err(io::Error::other)?.is_none() {
            self.fill()?;
        }
        Ok(())
    }

    /// Reads the next frame. The error is `UnexpectedEof` after the last one.
    pub(crate) fn frame(&mut self) -> io::Result<Frame> {
        loop {
            if let Some(frame) = self.decoder.poll_frame().map_err(io::Error::other)? {
                return Ok(frame);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; READ];
        match self.stream.read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.decoder.feed(&bytes[..length]);
                Ok(())
            }
        }
    }
}

/// Returns the first messages of a worker.
pub(crate) fn greeting(preamble: Preamble) -> io::Result<Vec<u8>> {
    Ok([&preamble.to_bytes()[..], &hello()?].concat())
}

/// Returns the least that a worker has to say of itself.
pub(crate) fn hello() -> io::Result<Vec<u8>> {
    let mut hello = json!({"job": "verbs", "contract": 1, "modes": ["jobs"], "sdk": "misbehave"});
    let deed = std::env::args().nth(1).unwrap_or_default();
    if let Some(words) = deed.strip_prefix("encodings=") {
        hello["encodings"] = words.split(',').collect();
    }
    // Of such a worker the coordinator reads longer frames.
    hello["batches"] = (deed == "long_output" || deed.starts_with("batch=")).into();
    Ok(json_frame(Kind::Hello, &hello).map_err(io::Error::other)?.to_bytes().to_vec())
}

/// The answer to a job: this text.
pub(crate) fn done(sequence: u64, text: &str) -> io::Result<Vec<u8>> {
    answer(sequence, Payload::encode(&text.to_owned(), Encoding::Bincode).map_err(io::Error::other)?)
}

/// The answer to a job: these bytes.
pub(crate) fn answer(sequence: u64, output: Payload) -> io::Result<Vec<u8>> {
    let done = Done { status: Status::Ok, run_nanos: 1, extras: Vec::new() };
    Ok(done.into_frame(sequence, output).map_err(io::Error::other)?.to_bytes().to_vec())
}

/// Returns the fixed part of a frame that announces this number of bytes of payload.
pub(crate) fn header(payload_len: u32, kind: u16) -> [u8; HEADER_LEN] {
    RawHeader {
        header_len: 0,
        payload_len,
        kind,
        flags: 0,
        encoding: 0,
        attachments: 0,
        reserved: [0; 2],
        sequence: 1,
    }
    .to_bytes()
}

/// Returns bytes written as hexadecimal digits.
pub(crate) fn from_hex(digits: &str) -> io::Result<Vec<u8>> {
    let byte = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.ok_or_else(|| io::Error::other(format!("`{digits}` is not hexadecimal")))
}
