//! A load generator for HTTP/1.1 that costs little: connections that are kept, one request at a time on each, the same bytes
//! every time. One measuring device for everybody.

use crate::contestant::Result;
use crate::sample::Sample;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Maximum length of an answer. A longer one is an error: the server seems to hang up.
const LONGEST: usize = 512 * 1024;

/// The request.
#[derive(Clone, Debug)]
pub struct Question {
    pub address: SocketAddr,
    bytes: Arc<[u8]>,
}

impl Question {
    pub fn get(address: SocketAddr, path: &str) -> Self {
        Self::get_with(address, path, "")
    }

    /// With these lines in the head, each with its end.
    pub fn get_with(address: SocketAddr, path: &str, head: &str) -> Self {
        Self::of(address, format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{head}\r\n"))
    }

    pub fn post(address: SocketAddr, path: &str, json: &str) -> Self {
        let length = json.len();
        Self::of(
            address,
            format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{json}"
            ),
        )
    }

    fn of(address: SocketAddr, text: String) -> Self {
        Self { address, bytes: text.into_bytes().into() }
    }

    /// Asks on this number of connections for this time. Returns each answer's time. The rate is their number
    /// divided by the time.
    ///
    /// # Errors
    /// When an answer is not a 200 with a length.
    pub async fn ask(&self, connections: usize, time: Duration) -> Result<(Sample, f64)> {
        let question = self.clone();
        // On every processor, as a load generator is, whatever our own side of the other rows runs on.
        let asked = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_io().build()?;
            runtime.block_on(question.ask_here(connections, time))
        });
        asked.await?
    }

    async fn ask_here(&self, connections: usize, time: Duration) -> Result<(Sample, f64)> {
        let begun = Instant::now();
        let lanes: Vec<_> = (0..connections)
            .map(|_| {
                let question = self.clone();
                tokio::spawn(async move { question.lane(begun + time).await })
            })
            .collect();
        let mut nanos = Vec::new();
        for lane in lanes {
            nanos.extend(lane.await??);
        }
        let rate = nanos.len() as f64 / begun.elapsed().as_secs_f64();
        Ok((nanos.into_iter().collect(), rate))
    }

    /// Asks once, on a connection of its own. Returns the answer with its head.
    ///
    /// # Errors
    /// When it is not a 200 with a length.
    pub async fn once(&self) -> Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address).await?;
        let mut buffer = vec![0; LONGEST];
        let length = self.exchange(&mut stream, &mut buffer).await?;
        buffer.truncate(length);
        Ok(buffer)
    }

    async fn lane(&self, end: Instant) -> Result<Vec<Duration>> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut buffer = vec![0; LONGEST];
        let mut times = Vec::new();
        loop {
            let sent = Instant::now();
            if sent >= end {
                return Ok(times);
            }
            self.exchange(&mut stream, &mut buffer).await?;
            times.push(sent.elapsed());
        }
    }

    /// Asks, and reads the answer. Returns its length.
    async fn exchange(&self, stream: &mut TcpStream, buffer: &mut [u8]) -> Result<usize> {
        stream.write_all(&self.bytes).await?;
        let mut filled = 0;
        while !is_whole(&buffer[..filled])? {
            let read = stream.read(&mut buffer[filled..]).await?;
            if read == 0 {
                return Err("the server hung up".into());
            }
            filled += read;
        }
        Ok(filled)
    }
}

/// Returns whether these bytes are one whole answer.
fn is_whole(bytes: &[u8]) -> Result<bool> {
    let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else { return Ok(false) };
    let head = std::str::from_utf8(&bytes[..end])?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(String::from_utf8_lossy(bytes).into_owned().into());
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.ok_or("an answer without Content-Length")?;
    Ok(bytes.len() >= end + 4 + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-length: 2\r\n\r\nOK";
        assert!((0..answer.len()).all(|length| !is_whole(&answer[..length]).unwrap()));
        assert!(is_whole(answer).unwrap());
        assert!(is_whole(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n").is_err());
    }
}
