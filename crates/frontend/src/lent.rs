//! Memory that a client on a Unix socket lends for one request, beside the socket: a large input lies there, and a large
//! output is written there. Each would cost twice the copies in the socket. Does not: look into either.

use crate::app::Shared;
use crate::body;
use crate::kind::Kind;
use crate::problem::Problem;
use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderName, StatusCode, Version};
use hyper::body::Body as _;
use procpool_memory::lent::Lent;
use procpool_protocol::arena::MIN_SHARED;
use procpool_protocol::{Encoding, Payload};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// In a request: the length of the input in the lent memory, or 0 if the body is the input. In an answer: the length of
/// the output there.
pub(crate) const JOB_MEMORY: HeaderName = HeaderName::from_static("job-memory");

/// The descriptors that came with the head of a request.
#[derive(Clone, Debug)]
pub(crate) struct Brought(Arc<Vec<OwnedFd>>);

impl Brought {
    /// Notes what came by a connection until a request's head was whole. HTTP/2 has several requests at a time, so nobody
    /// knows whose it is.
    pub(crate) fn with(descriptors: Vec<OwnedFd>, version: Version) -> Option<Self> {
        (!descriptors.is_empty() && version < Version::HTTP_2).then(|| Self(Arc::new(descriptors)))
    }
}

/// The memory that a request lends.
#[derive(Debug)]
pub(crate) struct Memory {
    lent: Arc<Lent>,
    /// Bytes of the input.
    input: u64,
}

impl Memory {
    /// Returns the memory that the request's head names, if it names any.
    ///
    /// # Errors
    /// 400 if it cannot be used.
    pub(crate) fn of(request: &mut Request) -> Result<Option<Self>, Problem> {
        let brought = request.extensions_mut().remove::<Brought>();
        let mut lengths = request.headers().get_all(JOB_MEMORY).iter();
        let (Some(length), following) = (lengths.next(), lengths.next()) else {
            return Ok(None);
        };
        let number = length.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let input = number.filter(|_| following.is_none()).and_then(|text| text.parse().ok());
        let input: u64 = input.ok_or_else(|| unusable("`Job-Memory` is not one number of bytes"))?;
        let descriptors = brought.and_then(|brought| Arc::into_inner(brought.0)).unwrap_or_default();
        let [descriptor] = <[OwnedFd; 1]>::try_from(descriptors).map_err(|those| {
            let count = those.len();
            unusable(&format!(
                "`Job-Memory` needs one descriptor, sent with the head over a Unix socket, and {count} came"
            ))
        })?;
        let lent = Lent::try_from(descriptor).map_err(|error| unusable(&error.to_string()))?;
        if lent.length() < input {
            return Err(unusable(&format!("it has {} bytes, and `Job-Memory` says {input}", lent.length())));
        }
        if input > 0 && !request.body().is_end_stream() {
            return Err(unusable(
                "the request has a body, too: `Job-Memory: 0` says that the body is the input",
            ));
        }
        Ok(Some(Self { lent: Arc::new(lent), input }))
    }

    /// Returns whether the input lies in it.
    pub(crate) fn has_input(&self) -> bool {
        self.input > 0
    }

    /// Copies the input. The client may change the memory meanwhile, and afterwards without effect.
    ///
    /// # Errors
    /// Those of a body: 413 and 503.
    pub(crate) async fn input(&self, shared: &Shared) -> Result<Bytes, Problem> {
        let (length, share) = body::admit(self.input, shared)?;
        let (lent, buffers) = (self.lent.clone(), shared.buffers.clone());
        let copied =
            tokio::task::spawn_blocking(move || buffers.filled(length, |bytes| lent.read(bytes))).await;
        match copied {
            Ok(Ok(bytes)) => Ok(body::counted(bytes, share)),
            Ok(Err(error)) => Err(unusable(&error.to_string())),
            Err(error) => Err(unusable(&error.to_string())),
        }
    }

    /// Moves an output to the memory if it is large and fits. Returns its length then.
    pub(crate) async fn take(self, output: &mut Payload) -> Option<u64> {
        let length = output.bytes.len();
        let is_shown = matches!(output.encoding, Encoding::Json | Encoding::Bytes);
        if !is_shown || length < MIN_SHARED || length as u64 > self.lent.length() {
            return None;
        }
        let bytes = output.bytes.clone();
        let written = tokio::task::spawn_blocking(move || self.lent.write(&bytes)).await.ok()?;
        if let Err(error) = written {
            // It goes through the socket then.
            tracing::debug!(%error, "failed to write an output to a client's memory");
            return None;
        }
        output.bytes = Bytes::new();
        Some(length as u64)
    }
}

fn unusable(reason: &str) -> Problem {
    let detail = format!("failed to use the request's memory: {reason}");
    Problem::new(Kind::IncompleteBody, StatusCode::BAD_REQUEST, detail)
}
