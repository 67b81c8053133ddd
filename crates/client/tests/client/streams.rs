//! Answers that come while the request is still being sent, and sources that fail.

use crate::fake::Fake;
use procpool_client::batch::{Batch, InvalidAnswer, Tally};
use procpool_client::{ClientError, Ending, Upload};
use std::io::{self, Read};
use std::sync::mpsc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// Gives a line whenever the test says so.
struct OnDemand(mpsc::Receiver<&'static [u8]>);

impl Read for OnDemand {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Ok(line) = self.0.recv() else { return Ok(0) };
        into[..line.len()].copy_from_slice(line);
        Ok(line.len())
    }
}

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n";
const ANSWER: &[u8] = b"1a\r\n{\"line\":1,\"outcome\":\"ok\"}\n\r\n";

#[tokio::test]
async fn answers_come_before_the_last_line_was_sent() {
    let (lines, source) = mpsc::channel();
    let mut fake = Fake::serving(async |stream| {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            stream.read_line(&mut head).await.unwrap();
        }
        stream.write_all(HEAD).await.unwrap();
        for _ in 0..3 {
            // A length, and a line.
            let mut chunk = [String::new(), String::new(), String::new()];
            for line in &mut chunk {
                stream.read_line(line).await.unwrap();
            }
            assert_eq!(chunk, ["3\r\n", "20\n", "\r\n"]);
            stream.write_all(ANSWER).await.unwrap();
        }
        vec![head]
    })
    .await;
    let (upload, so_far) = Upload::reading(OnDemand(source), None).unwrap();
    let mut answer = fake.client.open(Batch::to("fib").request(upload)).await.unwrap();
    let mut tally = Tally::default();
    for answered in 1..=3 {
        lines.send(b"20\n").unwrap();
        while tally.answered() < answered {
            let piece = answer.next().await.unwrap().unwrap();
            tally.take(&piece, |_| Ok::<_, InvalidAnswer>(())).unwrap();
        }
    }
    assert_eq!((so_far.lines(), so_far.bytes(), so_far.has_ended()), (3, 9, false));
    // The server has hung up without the last chunk: the answer is not whole.
    let cut = answer.next().await;
    assert!(matches!(cut, Err(ClientError::Broken { .. })), "{cut:?}");
}

/// Fails after its first line.
struct Failing(bool);

impl Read for Failing {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.0, true) {
            return Err(io::Error::other("the disk is gone"));
        }
        into[..2].copy_from_slice(b"1\n");
        Ok(2)
    }
}

#[tokio::test]
async fn an_input_that_cannot_be_read_is_told_as_such() {
    let mut fake = Fake::serving(async |mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap_or_default();
        Vec::new()
    })
    .await;
    let (upload, _) = Upload::reading(Failing(false), None).unwrap();
    let error = fake.client.open(Batch::to("fib").request(upload)).await.unwrap_err();
    assert_eq!(error.to_string(), "failed to read the input: the disk is gone");
    assert_eq!(error.ending(), Ending::Usage);
}
