//! HTTP/1.1 by hand, so that tests can also send what no client library would.

use crate::described::assert_problem_is_described;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// Waits for an event that must come; a test that hangs says so instead.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), event).await.expect("the event did not come")
}

pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::over(soon(TcpStream::connect(address)).await.unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.0.get_mut().write_all(bytes.as_ref())).await.unwrap();
    }

    /// Closes the sending side, as `nc -N` does once its input has ended.
    pub(crate) async fn finish_sending(&mut self) {
        soon(self.0.get_mut().shutdown()).await.unwrap();
    }

    /// Returns the socket, for a client that reads nothing.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.0.into_inner()
    }

    /// Ends the connection by a reset.
    pub(crate) fn reset(self) {
        self.0.into_inner().set_zero_linger().unwrap();
    }

    /// Returns the next byte.
    pub(crate) async fn byte(&mut self) -> u8 {
        soon(self.0.read_u8()).await.unwrap()
    }

    pub(crate) async fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        self.reply().await
    }

    /// Returns the next answer, to a request that was no HEAD.
    pub(crate) async fn reply(&mut self) -> Reply {
        let mut reply = self.head().await;
        let length = reply.headers.get("content-length").map_or(0, |l| l.parse().unwrap());
        reply.body = vec![0; length];
        soon(self.0.read_exact(&mut reply.body)).await.unwrap();
        reply
    }

    /// Returns the head of the next answer.
    pub(crate) async fn head(&mut self) -> Reply {
        let status_line = self.line().await;
        let status = status_line.split(' ').nth(1).expect(&status_line).parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        Reply { status, headers, body: Vec::new() }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        soon(self.0.read_line(&mut line)).await.unwrap();
        assert!(line.ends_with("\r\n"), "the connection ended inside a head: {line:?}");
        line.trim_end().to_owned()
    }

    /// Returns the next line, or `None` at the end.
    pub(crate) async fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        soon(self.0.read_line(&mut line)).await.unwrap();
        line.strip_suffix('\n').map(str::to_owned)
    }

    /// Returns the next chunk of an answer, or `None` at its last one. Zeros may stand before its length.
    pub(crate) async fn chunk(&mut self) -> Option<String> {
        let line = self.line().await;
        let length = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("{line:?} is no length"));
        let mut chunk = vec![0; length + 2];
        soon(self.0.read_exact(&mut chunk)).await.unwrap();
        assert!(chunk.ends_with(b"\r\n"));
        chunk.truncate(length);
        (length > 0).then(|| String::from_utf8(chunk).unwrap())
    }

    /// Returns the rest of an answer that comes in chunks, up to the last one.
    pub(crate) async fn chunks(&mut self) -> String {
        let mut all = String::new();
        while let Some(chunk) = self.chunk().await {
            all += &chunk;
        }
        all
    }

    /// Sends a chunk of a request.
    pub(crate) async fn send_chunk(&mut self, data: &str) {
        self.send(format!("{:x}\r\n{data}\r\n", data.len())).await;
    }

    /// Waits until the server closes, whatever it sends before.
    pub(crate) async fn end(&mut self) {
        let mut chunk = [0; 4096];
        while let Ok(1..) = soon(self.0.read(&mut chunk)).await {}
    }

    /// Returns this number of bytes, or those until the end.
    pub(crate) async fn up_to(&mut self, bytes: usize) -> String {
        let mut text = Vec::new();
        let limit = u64::try_from(bytes).unwrap_or(u64::MAX);
        soon((&mut self.0).take(limit).read_to_end(&mut text)).await.unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Everything until the server closes, however it does that.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = soon(self.0.read(&mut chunk)).await {
            rest.extend_from_slice(&chunk[..length]);
        }
        String::from_utf8(rest).unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Returns the problem in the body, whose shape is checked.
    pub(crate) fn problem(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{problem}");
        for text in ["type", "title", "detail"] {
            assert!(problem[text].is_string(), "{text} in {problem}");
        }
        assert!(problem["may_have_run"].is_boolean(), "{problem}");
        assert_problem_is_described(&problem);
        problem
    }

    /// Returns the problem's type, without `/problems/`.
    pub(crate) fn kind(&self) -> String {
        let problem = self.problem();
        let kind = problem["type"].as_str().unwrap().strip_prefix("/problems/");
        kind.expect("a type is a path below /problems").to_owned()
    }
}
