//! As much HTTP/2 as it takes to leave no window: frames by hand, because no client library would.

use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection whose streams have no window.
pub(super) struct Frames(TcpStream);

impl Frames {
    pub(super) async fn to(address: SocketAddr) -> io::Result<Self> {
        let mut frames = Self(TcpStream::connect(address).await?);
        frames.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        frames.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await?;
        Ok(frames)
    }

    /// Returns a job, with JSON as its input.
    pub(super) async fn post(&mut self, stream: u32, path: &str, body: &str) -> io::Result<()> {
        self.send(HEADERS, END_HEADERS, stream, &head(path)).await?;
        self.send(DATA, END_STREAM, stream, body.as_bytes()).await
    }

    pub(super) async fn ping(&mut self) -> io::Result<()> {
        self.send(PING, 0, 0, &[0; 8]).await
    }

    /// Returns the kind of the next frame.
    pub(super) async fn next(&mut self) -> io::Result<u8> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = (&mut self.0).take(u64::from(length));
        tokio::io::copy(&mut payload, &mut tokio::io::sink()).await?;
        Ok(head[3])
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?.to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        self.0.write_all(&frame).await
    }
}

/// Returns the head of a job's request, nothing of it indexed or compressed. No value has more than 126
/// bytes.
fn head(path: &str) -> Vec<u8> {
    let text = |name: &[u8], value: &str| {
        let length = u8::try_from(value.len()).ok().filter(|&length| length < 127).expect("a short value");
        [name, &[length], value.as_bytes()].concat()
    };
    [
        vec![0x83, 0x86], // POST, http
        text(&[0x04], path),
        text(&[0x01], "localhost"),
        text(&[0x0f, 0x10], "application/json"),
    ]
    .concat()
}
