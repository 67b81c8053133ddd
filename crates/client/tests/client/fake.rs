//! A server that reads one request a connection or several, and answers with what the test recorded.

use procpool_client::{Address, Client};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server for one connection.
pub(crate) struct Fake {
    pub(crate) client: Client,
    /// Gives the requests, once the connection has ended.
    requests: JoinHandle<Vec<String>>,
}

impl Fake {
    /// Answers each request with the next of these, and then closes the connection.
    pub(crate) async fn answering(answers: &'static [&'static str]) -> Self {
        Self::serving(async move |mut stream| {
            let mut requests = Vec::new();
            for answer in answers {
                requests.push(request(&mut stream).await);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            requests
        })
        .await
    }

    /// Does this with the only connection.
    pub(crate) async fn serving<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Vec<String>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let requests = tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
        Self { client: Client::new(address, None), requests }
    }

    /// Returns what arrived.
    pub(crate) async fn requests(self) -> Vec<String> {
        drop(self.client);
        self.requests.await.unwrap()
    }
}

/// Reads a request with its body, which has a length or ends with the last chunk.
pub(crate) async fn request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut block = [0; 4096];
    while !is_whole(&text) {
        let length = stream.read(&mut block).await.unwrap();
        assert!(length > 0, "the client hung up after {text:?}");
        text += std::str::from_utf8(&block[..length]).unwrap();
    }
    text
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(length) => body.len() >= length.parse().unwrap(),
        None => !head.contains("transfer-encoding") || body.ends_with("0\r\n\r\n"),
    }
}
