//! [`Link`]: requests to the server, each with a deadline of its own, and the answers of JetStream.

use crate::streams::parse_time;
use async_nats::header::HeaderMap;
use async_nats::{Client, Message, Request, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Errors of JetStream that decide something.
mod code {
    /// The expected sequence is not the last one. With its number, and without.
    pub(super) const WRONG_LAST_SEQUENCE: [u64; 2] = [10_071, 10_164];
    /// The stream is full.
    pub(super) const STORE_FAILED: u64 = 10_077;
    pub(super) const NO_MESSAGE: u64 = 10_037;
    pub(super) const STREAM_NOT_FOUND: u64 = 10_059;
    pub(super) const STREAM_NAME_IN_USE: u64 = 10_058;
    /// A stream would reserve more than is left on the server.
    pub(super) const NO_STORAGE: u64 = 10_047;
    /// No server of a cluster can hold a copy. The text says why.
    pub(super) const NO_PEERS: u64 = 10_005;
}

/// No useful answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The server did not answer in time, or is away.
    #[error("the server did not answer within {0:?}")]
    NoAnswer(Duration),
    /// Nobody listens there: JetStream is off, or not for this account.
    #[error("nobody answers at `{0}`")]
    NoResponders(String),
    /// The server refused.
    #[error("the server says: {description} ({code})")]
    #[non_exhaustive]
    Refused {
        /// The code of JetStream.
        code: u64,
        /// Its text.
        description: String,
    },
    /// A stream would reserve more than the server has left for streams.
    #[error(
        "`{stream}` reserves {bytes} bytes, and the server has less left for streams: {reason}. Raise \
         `max_file_store` in the server's file, give it a larger disk, or lower `queue_bytes` of the pool, or \
         `max_record_bytes` or `max_payload_bytes` of the cluster"
    )]
    #[non_exhaustive]
    NoRoom {
        /// The stream.
        stream: String,
        /// Its maximum size, in bytes.
        bytes: u64,
        /// The text of the server.
        reason: String,
    },
    /// The answer is none of JetStream.
    #[error("the server's answer cannot be read: {0}")]
    Unreadable(String),
}

impl LinkError {
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code::WRONG_LAST_SEQUENCE.contains(code))
    }

    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Refused { code: code::STORE_FAILED, .. })
    }

    pub(crate) fn is_no_room(&self) -> bool {
        match self {
            Self::Refused { code: code::NO_STORAGE, .. } => true,
            Self::Refused { code: code::NO_PEERS, description } => {
                description.contains("insufficient storage")
            }
            _ => false,
        }
    }

    pub(crate) fn is_no_stream(&self) -> bool {
        matches!(self, Self::Refused { code: code::STREAM_NOT_FOUND, .. })
    }

    pub(crate) fn is_other_stream(&self) -> bool {
        matches!(self, Self::Refused { code: code::STREAM_NAME_IN_USE, .. })
    }
}

/// A connection to the server. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) patience: Duration,
    since: Arc<Since>,
}

/// When the connection was last made, in milliseconds after the start.
#[derive(Debug)]
pub(crate) struct Since {
    start: Instant,
    connected: AtomicU64,
    /// Number of connections and losses of connections.
    changes: AtomicU64,
}

impl Since {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), connected: AtomicU64::new(0), changes: AtomicU64::new(0) })
    }

    /// Records that the connection was made, or lost.
    pub(crate) fn touch(&self) {
        let millis = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.connected.store(millis, Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stored message.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) seq: u64,
    /// When the server stored it, in nanoseconds since 1970. `0` if it does not say so.
    pub(crate) time: u64,
    pub(crate) body: Bytes,
}

#[derive(Deserialize)]
struct Published {
    seq: u64,
}

#[derive(Deserialize)]
struct ApiError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

impl Link {
    pub(crate) fn new(client: Client, patience: Duration, since: Arc<Since>) -> Self {
        Self { client, patience, since }
    }

    /// Returns whether the connection has been up for this time.
    pub(crate) fn is_up_for(&self, time: Duration) -> bool {
        let connected = Duration::from_millis(self.since.connected.load(Ordering::Relaxed));
        self.is_up() && self.since.start.elapsed().saturating_sub(connected) >= time
    }

    /// Returns a number that changes with every connection.
    pub(crate) fn connections(&self) -> u64 {
        self.since.changes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Sends a request, and waits for one answer.
    pub(crate) async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        body: Bytes,
        patience: Duration,
    ) -> Result<Message, LinkError> {
        let mut request = Request::new().payload(body).timeout(None);
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        match tokio::time::timeout(patience, self.client.send_request(subject.clone(), request)).await {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(error)) if error.kind() == async_nats::RequestErrorKind::NoResponders => {
                Err(LinkError::NoResponders(subject))
            }
            _ => Err(LinkError::NoAnswer(patience)),
        }
    }

    /// Calls the API of JetStream.
    pub(crate) async fn api<T: DeserializeOwned>(&self, subject: &str, body: &Value) -> Result<T, LinkError> {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let answer = self.request(format!("$JS.API.{subject}"), None, body, self.patience).await?;
        read(&answer.payload)
    }

    /// Publishes to a stream, if the last message of the subject has the expected sequence. `0` is for none, and `None`
    /// expects nothing. Returns the new sequence.
    pub(crate) async fn publish(
        &self,
        subject: String,
        expect: Option<u64>,
        ttl: Option<Duration>,
        body: Bytes,
    ) -> Result<u64, LinkError> {
        let mut headers = HeaderMap::new();
        if let Some(expect) = expect {
            headers.insert("Nats-Expected-Last-Subject-Sequence", expect.to_string());
        }
        if let Some(ttl) = ttl {
            headers.insert("Nats-TTL", format!("{}s", ttl.as_secs().max(1)));
        }
        let answer = self.request(subject, Some(headers), body, self.patience).await?;
        read::<Published>(&answer.payload).map(|published| published.seq)
    }

    /// Returns the last message of a subject, as some copy of the stream has it: it may be old.
    pub(crate) async fn last(&self, stream: &str, subject: &str) -> Result<Option<Stored>, LinkError> {
        let to = format!("$JS.API.DIRECT.GET.{stream}.{subject}");
        stored(self.request(to, None, Bytes::new(), self.patience).await?)
    }

    /// Returns the last message of some subjects, as some copy of the stream has it.
    pub(crate) async fn last_of(&self, stream: &str, subjects: &str) -> Result<Option<Stored>, LinkError> {
        let asked = json!({ "last_by_subj": subjects }).to_string();
        stored(self.request(format!("$JS.API.DIRECT.GET.{stream}"), None, asked.into(), self.patience).await?)
    }

    /// Returns the first message of some subjects from this sequence on, with its subject, as some copy has it.
    pub(crate) async fn next(
        &self,
        stream: &str,
        seq: u64,
        subjects: &str,
    ) -> Result<Option<(String, Stored)>, LinkError> {
        let asked = json!({ "seq": seq, "next_by_subj": subjects }).to_string();
        let to = format!("$JS.API.DIRECT.GET.{stream}");
        let message = self.request(to, None, asked.into(), self.patience).await?;
        let subject = header(&message, "Nats-Subject").unwrap_or_default().to_owned();
        Ok(stored(message)?.map(|stored| (subject, stored)))
    }

    /// Removes a message from a stream.
    pub(crate) async fn remove(&self, stream: &str, seq: u64) -> Result<(), LinkError> {
        let asked = json!({ "seq": seq, "no_erase": true });
        self.api::<IgnoredAny>(&format!("STREAM.MSG.DELETE.{stream}"), &asked).await.map(drop)
    }

    /// Returns whether the leader of a stream has a message of a subject. Unlike a copy, it is never behind.
    pub(crate) async fn leader_has(&self, stream: &str, subject: &str) -> Result<bool, LinkError> {
        let asked = json!({ "last_by_subj": subject });
        match self.api::<IgnoredAny>(&format!("STREAM.MSG.GET.{stream}"), &asked).await {
            Ok(_) => Ok(true),
            Err(LinkError::Refused { code: code::NO_MESSAGE, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes all messages of some subjects from a stream.
    pub(crate) async fn purge(&self, stream: &str, subjects: &str) -> Result<(), LinkError> {
        let asked = json!({ "filter": subjects });
        self.api::<IgnoredAny>(&format!("STREAM.PURGE.{stream}"), &asked).await.map(drop)
    }

    /// Publishes without an answer. Gives up where the connection takes nothing.
    pub(crate) async fn tell(&self, subject: String, body: Bytes) {
        const PATIENCE: Duration = Duration::from_millis(500);
        // A lost one costs a redelivery, or a look a second later.
        let _ = tokio::time::timeout(PATIENCE, self.client.publish(subject, body)).await;
    }
}

fn header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    Some(message.headers.as_ref()?.get(name)?.as_str())
}

/// Reads the answer to a direct get. Returns `None` if there is no such message.
fn stored(message: Message) -> Result<Option<Stored>, LinkError> {
    if message.status == Some(StatusCode::NOT_FOUND) {
        return Ok(None);
    }
    let seq = header(&message, "Nats-Sequence").and_then(|text| text.parse().ok());
    let seq =
        seq.ok_or_else(|| LinkError::Unreadable(format!("no sequence, status {:?}", message.status)))?;
    let time = header(&message, "Nats-Time-Stamp").and_then(parse_time).unwrap_or_default();
    Ok(Some(Stored { seq, time, body: message.payload }))
}

/// Reads an answer of JetStream.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, LinkError> {
    let unreadable = |error: serde_json::Error| LinkError::Unreadable(error.to_string());
    let mut value: Value = serde_json::from_slice(body).map_err(unreadable)?;
    if let Some(error) = value.get_mut("error").map(Value::take) {
        let ApiError { err_code, description } = serde_json::from_value(error).map_err(unreadable)?;
        return Err(LinkError::Refused { code: err_code, description });
    }
    serde_json::from_value(value).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_jetstream_are_told_apart() {
        let answer = |text: &str| read::<Published>(text.as_bytes()).map(|it| it.seq);
        assert_eq!(answer(r#"{"stream":"S","seq":7}"#), Ok(7));
        let wrong =
            answer(r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"}}"#);
        assert!(wrong.unwrap_err().is_conflict());
        let full =
            answer(r#"{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}"#);
        assert!(full.unwrap_err().is_full());
        assert!(matches!(answer("nothing"), Err(LinkError::Unreadable(_))));
    }
}
