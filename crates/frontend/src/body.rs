//! Reads a request's whole body, within its limits of size and time. Does not: look into it.

use crate::app::Shared;
use crate::budget::Share;
use crate::config::HttpConfig;
use crate::kind::Kind;
use crate::problem::{Problem, overloaded};
use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use procpool_memory::buffers::Buffers;

/// Maximum length of a body that is copied out of the connection's buffer, in bytes.
const COPIED: usize = 1024;

/// Reads `body` to its end.
///
/// # Errors
/// 413 as soon as it is known to be larger than [`HttpConfig::max_body`] (an announced length is
/// refused before a byte is read), 408 after [`HttpConfig::body_timeout`], 400 when it breaks off, 503 when
/// all bodies together are too large.
pub(crate) async fn read(body: Body, shared: &Shared) -> Result<Bytes, Problem> {
    let config = &shared.app.config;
    let announced = body.size_hint().lower();
    if announced > config.max_body as u64 {
        return Err(too_large(config));
    }
    tokio::time::timeout(config.body_timeout, collect(body, config, shared.bodies.share(), &shared.buffers))
        .await
        .unwrap_or_else(|_| Err(too_slow(config)))
}

/// Returns the first bytes of a body that is read as it arrives, or none if it is empty.
///
/// # Errors
/// 408 when they take longer than [`HttpConfig::body_timeout`], 400 when the body breaks off.
pub(crate) async fn begin(body: &mut Body, shared: &Shared) -> Result<Bytes, Problem> {
    let config = &shared.app.config;
    let first = next_chunk(body, usize::MAX, config);
    let first = tokio::time::timeout(config.body_timeout, first).await;
    Ok(first.unwrap_or_else(|_| Err(too_slow(config)))?.unwrap_or_default())
}

/// Returns the length of a body that is whole elsewhere, and its share of all bodies.
///
/// # Errors
/// As for [`read`]: 413 and 503.
pub(crate) fn admit(length: u64, shared: &Shared) -> Result<(usize, Share), Problem> {
    let config = &shared.app.config;
    let length = usize::try_from(length).ok().filter(|&length| length <= config.max_body);
    let length = length.ok_or_else(|| too_large(config))?;
    let mut share = shared.bodies.share();
    if share.grow(length as u64) { Ok((length, share)) } else { Err(no_room()) }
}

async fn collect(
    mut body: Body,
    config: &HttpConfig,
    mut share: Share,
    buffers: &Buffers,
) -> Result<Bytes, Problem> {
    let Some(first) = next_chunk(&mut body, config.max_body, config).await? else {
        return Ok(Bytes::new());
    };
    count(&mut share, &first)?;
    if body.is_end_stream() {
        // A small one is a piece of the buffer that the connection reads into, which could not be used again as long as
        // the job is there.
        return Ok(if first.len() <= COPIED {
            Bytes::copy_from_slice(&first)
        } else {
            counted(first, share)
        });
    }
    // One buffer rather than a list of chunks: a list of one-byte chunks would weigh many times what
    // it carries.
    let rest = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut all = buffers.gather(first.len().saturating_add(rest));
    all.extend(&first);
    drop(first);
    while let Some(chunk) = next_chunk(&mut body, config.max_body - all.len(), config).await? {
        count(&mut share, &chunk)?;
        all.extend(&chunk);
    }
    Ok(counted(all.freeze(), share))
}

/// Counts what has arrived: what is only announced costs nothing yet.
fn count(share: &mut Share, chunk: &Bytes) -> Result<(), Problem> {
    if share.grow(chunk.len() as u64) { Ok(()) } else { Err(no_room()) }
}

/// Returns a body that counts until nobody needs it: its job may wait for long.
pub(crate) fn counted(bytes: Bytes, share: Share) -> Bytes {
    Bytes::from_owner(Counted { bytes, _share: share })
}

struct Counted {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Returns the next chunk of data, if there is room for it; trailers are passed over.
async fn next_chunk(body: &mut Body, room: usize, config: &HttpConfig) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        match frame.map_err(|error| broken_off(&error))?.into_data() {
            Ok(data) if data.len() > room => return Err(too_large(config)),
            Ok(data) => return Ok(Some(data)),
            Err(_trailers) => {}
        }
    }
    Ok(None)
}

fn too_large(config: &HttpConfig) -> Problem {
    let limit = config.max_body;
    let detail = format!("failed to read the body: it has more than {limit} bytes, the server's limit");
    Problem::new(Kind::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE, detail).with("limit", &limit)
}

/// Returns the problem of a line of a batch that is as long as no body may be.
pub(crate) fn line_too_long(config: &HttpConfig) -> Problem {
    let limit = config.max_body;
    let detail = format!("bad input: the line has more than {limit} bytes, the server's limit for an input");
    Problem::new(Kind::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE, detail)
        .outcome("bad_input")
        .with("limit", &limit)
}

fn no_room() -> Problem {
    overloaded(
        "failed to read the body: the server holds as many bytes of other bodies as it may (`max_bodies`)",
    )
    .with("reason", "bodies_full")
}

pub(crate) fn too_slow(config: &HttpConfig) -> Problem {
    let limit = config.body_timeout;
    let detail = format!("failed to read the body: it was not complete within {limit:?}");
    Problem::new(Kind::BodyTimeout, StatusCode::REQUEST_TIMEOUT, detail)
}

pub(crate) fn broken_off(error: &axum::Error) -> Problem {
    let detail = format!("failed to read the body: {error}");
    Problem::new(Kind::IncompleteBody, StatusCode::BAD_REQUEST, detail)
}
