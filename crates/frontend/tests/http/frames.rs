//! HTTP/2 by hand, frame by frame, so that tests can also send what no client library would.

use crate::client::soon;
use crate::lifetimes::JOBS;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame that the server sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A connection whose streams begin with a window of this number of bytes.
pub(crate) struct Frames(TcpStream);

impl Frames {
    pub(crate) async fn to(address: SocketAddr, window: u32) -> Self {
        let mut frames = Self(TcpStream::connect(address).await.unwrap());
        frames.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let window = [&[0, 4], &window.to_be_bytes()[..]].concat();
        frames.send(SETTINGS, 0, 0, &window).await;
        frames
    }

    /// Sends a frame; says whether the connection takes it.
    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        soon(self.0.write_all(&frame)).await.is_ok()
    }

    /// Sends a job whose input is empty.
    pub(crate) async fn post(&mut self, stream: u32) -> bool {
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &head()).await
    }

    /// A job whose input does not end with these bytes.
    pub(crate) async fn post_part(&mut self, stream: u32, part: &[u8]) {
        self.send(HEADERS, END_HEADERS, stream, &head()).await;
        self.send(DATA, 0, stream, part).await;
    }

    /// Returns the next frame, if the server sends another one.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        soon(self.0.read_exact(&mut head)).await.ok()?;
        let mut payload =
            vec![0; usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2])];
        soon(self.0.read_exact(&mut payload)).await.ok()?;
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        Some(Frame { kind: head[3], stream, payload })
    }

    /// Returns the next frame of this kind, if there is one before the connection ends.
    pub(crate) async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }
}

/// Returns the head of a job's request, with raw bytes as input.
fn head() -> Vec<u8> {
    let text =
        |name: &[u8], value: &str| [name, &[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    [
        vec![0x83, 0x86], // POST, http
        text(&[0x04], JOBS),
        text(&[0x01], "localhost"),
        text(&[0x0f, 0x10], "application/octet-stream"),
    ]
    .concat()
}
