//! Just enough HTTP/1.1 to be a client: one request to a connection, the answer read to its end.
//!
//! Written out so that tests see and say exactly what is on the wire.

use crate::PATIENCE;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text body")
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// Returns the problem in the body.
    ///
    /// # Panics
    /// When it has not the shape that clients rely on.
    pub fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        assert!(problem["type"].as_str().is_some_and(|kind| kind.starts_with("/problems/")), "{problem}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
        assert!(problem["may_have_run"].is_boolean(), "{problem}");
        problem
    }
}

/// `GET path`.
pub async fn get(server: SocketAddr, path: &str) -> Answer {
    request(server, "GET", path, &[], b"").await
}

/// `curl -d body path`.
pub async fn post(server: SocketAddr, path: &str, body: &str) -> Answer {
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    request(server, "POST", path, &[form], body.as_bytes()).await
}

/// Any request.
///
/// # Panics
/// When there is no answer.
pub async fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let stream = open(server, method, path, headers, body).await;
    finish(stream).await.unwrap_or_else(|error| panic!("no answer to {method} {path}: {error}"))
}

/// Sends a request and leaves the answer to be read.
///
/// # Panics
/// When nobody listens, or the request cannot be sent.
pub async fn open(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> TcpStream {
    try_open(server, method, path, headers, body).await.expect("the server listens and reads the head")
}

/// The same to a server that may be gone.
///
/// # Errors
/// When nobody listens, or the request cannot be sent.
pub async fn try_open(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(server).await?;
    send(stream, &server.to_string(), method, path, headers, body).await
}

/// The same over any connection, to a server of this name.
///
/// # Errors
/// When the request cannot be sent.
pub async fn send<S: AsyncWrite + Unpin>(
    mut stream: S,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<S> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    if method != "GET" {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    // A server may answer before it has read a body that it refuses.
    let _ = stream.write_all(body).await;
    Ok(stream)
}

/// Reads the answer.
///
/// # Errors
/// When the connection ends before the answer does, or the answer never ends.
pub async fn finish(mut stream: impl AsyncRead + Unpin) -> Result<Answer, std::io::Error> {
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await??;
    parse(&bytes)
        .ok_or_else(|| std::io::Error::other(format!("not an answer: {:?}", String::from_utf8_lossy(&bytes))))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let raw = &bytes[end + 4..];
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { unchunk(raw)? } else { raw.to_vec() };
    Some(Answer { status, headers, body })
}

fn unchunk(mut raw: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = raw.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&raw[..end]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        raw = &raw[end + 2..];
        body.extend_from_slice(raw.get(..length)?);
        raw = raw.get(length + 2..)?;
    }
}
