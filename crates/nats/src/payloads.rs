//! Writes, reads and copies large payloads: carries out a [`Transfer`], each message with a deadline of its own.

use crate::cluster::Inner;
use crate::large::{self, Damage, Of, Reference};
use crate::link::LinkError;
use crate::transfer::{Step, Transfer};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use procpool_protocol::engine::BoxFuture;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;

/// Time without progress after which a payload is given up that nobody but its reader or writer waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A stream, and the beginning of the subjects of a job's payload there.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) stream: String,
    pub(crate) subject: String,
}

/// A payload to be written.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    /// Distinguishes it from other writings for the job.
    pub(crate) nonce: u64,
    pub(crate) payload: Bytes,
    /// Time for which its chunks are kept.
    pub(crate) ttl: Duration,
    /// Time without progress after which it is given up.
    pub(crate) patience: Duration,
    /// Whether to wait where the stream is full.
    pub(crate) waits_for_room: bool,
}

/// A payload did not come through.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// The stream has no room.
    Full(LinkError),
    /// The server did not answer, or had no room, for too long. With the last error.
    Away(String),
    /// The payload is not what was written.
    Damaged(Damage),
}

/// A chunk on its way.
type Moving<'a, T> = BoxFuture<'a, Result<T, Failed>>;

/// A chunk did not come through.
enum Failed {
    Again(String),
    ForGood(Trouble),
}

impl From<LinkError> for Failed {
    fn from(error: LinkError) -> Self {
        Self::Again(error.to_string())
    }
}

impl Place {
    fn chunk(&self, reference: &Reference, nth: u32) -> String {
        format!("{}.{}", self.subject, reference.name(nth))
    }
}

/// Writes a payload. All of it is stored when this is ready.
///
/// # Errors
/// When the stream is full, or nothing was stored for too long.
pub(crate) async fn write(cluster: &Inner, place: &Place, writing: Writing) -> Result<Reference, Trouble> {
    let Writing { nonce, payload, ttl, patience, waits_for_room } = writing;
    // Digests of many megabytes take a while.
    let cut = spawn_blocking(move || Reference::cut(nonce, &payload)).await;
    let (reference, chunks) = cut.map_err(|error| Trouble::Away(error.to_string()))?;
    let send = |nth: u32| -> Moving<'_, ()> {
        let (chunk, subject) =
            (chunks.get(nth as usize).cloned().unwrap_or_default(), place.chunk(&reference, nth));
        Box::pin(async move {
            let body = large::seal(nth, &chunk).map_err(|error| Failed::Again(error.to_string()))?;
            match cluster.link.publish(subject, None, Some(ttl), body).await {
                Ok(_) => Ok(()),
                Err(error) if error.is_full() && !waits_for_room => {
                    Err(Failed::ForGood(Trouble::Full(error)))
                }
                Err(error) => Err(error.into()),
            }
        })
    };
    carry(cluster, reference.count(), patience, send, |_, ()| {}).await?;
    Ok(reference)
}

/// Reads a payload. Needs twice its size in memory.
///
/// # Errors
/// When it is not what was written, or no server answered for too long.
pub(crate) async fn read(
    cluster: &Inner,
    place: &Place,
    of: Of,
    reference: &Reference,
    patience: Duration,
) -> Result<Bytes, Trouble> {
    let mut chunks = BTreeMap::new();
    let fetch = |nth: u32| -> Moving<'_, Bytes> {
        Box::pin(async move {
            let message = find(cluster, place, of, reference, nth).await?;
            reference.open(of, nth, &message).map_err(|damage| Failed::ForGood(Trouble::Damaged(damage)))
        })
    };
    carry(cluster, reference.count(), patience, fetch, |nth, chunk| drop(chunks.insert(nth, chunk))).await?;
    let reference = reference.clone();
    let joined = spawn_blocking(move || reference.join(of, &chunks.into_values().collect::<Vec<_>>())).await;
    joined.map_err(|error| Trouble::Away(error.to_string()))?.map_err(Trouble::Damaged)
}

/// Copies the chunks of a payload as they are, without a time after which they expire.
///
/// # Errors
/// When one of them is missing, or no server answered for too long.
pub(crate) async fn copy(
    cluster: &Inner,
    (from, to): (&Place, &Place),
    of: Of,
    reference: &Reference,
) -> Result<(), Trouble> {
    let pass_on = |nth: u32| -> Moving<'_, ()> {
        Box::pin(async move {
            let message = find(cluster, from, of, reference, nth).await?;
            cluster.link.publish(to.chunk(reference, nth), None, None, message).await?;
            Ok(())
        })
    };
    carry(cluster, reference.count(), PATIENCE, pass_on, |_, ()| {}).await
}

/// Removes the chunks of one writing, or of all of the job.
pub(crate) async fn purge(cluster: &Inner, place: &Place, nonce: Option<u64>) -> Result<(), LinkError> {
    let subjects = match nonce {
        Some(nonce) => format!("{}.{nonce:016x}.*", place.subject),
        None => format!("{}.>", place.subject),
    };
    cluster.link.purge(&place.stream, &subjects).await
}

/// Returns the message of a chunk.
async fn find(
    cluster: &Inner,
    place: &Place,
    of: Of,
    reference: &Reference,
    nth: u32,
) -> Result<Bytes, Failed> {
    let (link, subject) = (&cluster.link, place.chunk(reference, nth));
    if let Some(stored) = link.last(&place.stream, &subject).await? {
        return Ok(stored.body);
    }
    if cluster.settings.replicas > 1 && link.leader_has(&place.stream, &subject).await? {
        return Err(Failed::Again("a copy is behind".into()));
    }
    let (count, Of { job, what }) = (reference.count(), of);
    Err(Failed::ForGood(Trouble::Damaged(Damage::Missing { nth: nth + 1, count, what, job })))
}

/// Moves chunks until all have come through. `take` gets what each has brought.
async fn carry<'a, T: Send + 'a>(
    cluster: &'a Inner,
    count: u32,
    patience: Duration,
    go: impl Fn(u32) -> Moving<'a, T>,
    mut take: impl FnMut(u32, T),
) -> Result<(), Trouble> {
    let mut transfer = Transfer::new(cluster.now(), count, cluster.settings.timings, patience);
    let (mut moving, mut last) = (FuturesUnordered::new(), String::from("no answer"));
    loop {
        match transfer.step(cluster.now()) {
            // A message that waits in the client for the connection would be sent again and again.
            Step::Move(nth) if !cluster.link.is_up() => transfer.failed(cluster.now(), nth),
            Step::Move(nth) => {
                let chunk = go(nth);
                moving.push(async move { (nth, chunk.await) });
            }
            Step::Wait(until) => tokio::select! {
                Some((nth, moved)) = moving.next() => match moved {
                    Ok(it) => {
                        transfer.moved(cluster.now());
                        take(nth, it);
                    }
                    Err(Failed::Again(reason)) => {
                        transfer.failed(cluster.now(), nth);
                        last = reason;
                    }
                    Err(Failed::ForGood(trouble)) => return Err(trouble),
                },
                () = sleep_until(cluster.instant(until)) => {}
            },
            Step::Done => return Ok(()),
            Step::GiveUp => return Err(Trouble::Away(last)),
        }
    }
}
