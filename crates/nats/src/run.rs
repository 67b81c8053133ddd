//! One run of a job on a node: fetches its input if that is large, runs it, and stores its output if that is.
//!
//! To its course, the run lasts until the output is stored. So the lease is renewed meanwhile, and no outcome refers to
//! an output that is not there.

use crate::end::End;
use crate::large::{MAX_INLINE, Of};
use crate::node::Shared;
use crate::order::Order;
use crate::payloads::{self, Place, Trouble, Writing};
use crate::subjects::PoolNames;
use bytes::Bytes;
use procpool_protocol::engine::{JobEvent, Priority, Watched};
use procpool_protocol::outcome::Outcome;
use procpool_protocol::{JobId, OutcomeKind};
use procpool_registry::Time;
use std::time::Duration;
use tokio::sync::watch;

const STREAMS: &str = "not_supported: the job streams its output, which jobs on many hosts cannot do yet";

/// How much of a run is no longer wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    #[default]
    Nothing,
    /// The job may not run. An output that it had before counts if the record says so.
    Run,
    /// The job has its outcome.
    All,
}

/// A run of a job.
pub(crate) struct Run<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) id: JobId,
    pub(crate) pool: String,
    pub(crate) names: PoolNames,
    pub(crate) order: Order,
    pub(crate) priority: Priority,
    pub(crate) attempt: u32,
    pub(crate) deadline: Time,
    pub(crate) stop: watch::Receiver<Stop>,
}

/// The end of a run.
pub(crate) struct Played {
    pub(crate) end: End,
    pub(crate) output: Bytes,
    /// The time before the next attempt, if the job is worth one and has one left.
    pub(crate) again: Option<Duration>,
}

impl Run<'_> {
    /// Returns the end of the job with its output. `None` if it did not start, and another node may have it.
    pub(crate) async fn play(mut self) -> Option<Played> {
        if let Some(end) = self.fetch().await? {
            return Some(Played { end, output: Bytes::new(), again: None });
        }
        let (id, engine) = (self.id, &self.shared.engine);
        let left = self.deadline.since(self.shared.cluster.0.now());
        let job = self.order.submission(&self.pool, self.priority, left);
        let mut again = None;
        let (end, output) = match engine.submit_watched(id, job) {
            Ok(watched) => match to_end(watched, || _ = engine.cancel(id)).await {
                (_, true) => (End::Other { message: STREAMS.into() }, Bytes::new()),
                (result, false) => {
                    again = self.again(&result);
                    End::of(result)?
                }
            },
            // Another node may take it, now or later.
            Err(error) if error.is_retryable() => return None,
            Err(error) => (End::Other { message: error.to_string() }, Bytes::new()),
        };
        let (end, output) = self.store(end, output).await;
        Some(Played { end, output, again })
    }

    fn again(&self, result: &Outcome) -> Option<Duration> {
        let terms = &self.order.terms;
        terms.retry.and_then(|retry| retry.after(result, terms.idempotent, self.attempt, rand::random()))
    }

    /// Fetches the input. Returns the end of a job whose input is lost, and `None` where the job may not start here.
    async fn fetch(&mut self) -> Option<Option<End>> {
        let Some(reference) = self.order.large.clone() else {
            return (*self.stop.borrow() == Stop::Nothing).then_some(None);
        };
        let cluster = &self.shared.cluster.0;
        let place = Place { stream: self.names.inputs(), subject: self.names.input(self.id) };
        let of = Of { job: self.id, what: "input" };
        let fetched = tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop >= Stop::Run) => return None,
            fetched = payloads::read(cluster, &place, of, &reference, cluster.settings.timings.fence) => fetched,
        };
        match fetched {
            Ok(input) => self.order = self.order.clone().with_input(input),
            Err(Trouble::Damaged(damage)) => {
                tracing::error!(job = %self.id, %damage, "a job does not run without its input");
                return Some(Some(End::lost("input_lost", damage.to_string())));
            }
            Err(Trouble::Away(_) | Trouble::Full(_)) => return None,
        }
        Some(None)
    }

    /// Stores a large output. Returns the end that refers to it.
    async fn store(&mut self, end: End, output: Bytes) -> (End, Bytes) {
        let (End::Ok { encoding, .. }, true) = (&end, output.len() > MAX_INLINE) else {
            return (end, output);
        };
        let (encoding, id, size, cluster) = (*encoding, self.id, output.len() as u64, &self.shared.cluster.0);
        let Some((pool, _)) = cluster.pools.get(&self.pool) else { return (end, output) };
        if size > pool.largest() {
            return (End::OutputTooLarge { size, limit: pool.largest() }, Bytes::new());
        }
        let (nonce, patience) = (rand::random(), cluster.settings.timings.offer);
        let place = Place { stream: self.names.outputs(), subject: self.names.output(id) };
        // Longer than the outcome, which follows.
        let ttl = pool.retain + patience + cluster.settings.timings.lease;
        let writing = Writing { nonce, payload: output, ttl, patience, waits_for_room: true };
        let stored = tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop == Stop::All) => None,
            stored = payloads::write(cluster, &place, writing) => Some(stored),
        };
        let end = match stored {
            Some(Ok(reference)) => return (End::Ok { encoding, large: Some(reference) }, Bytes::new()),
            None => End::Cancelled { ran: true },
            Some(Err(Trouble::Full(error))) => not_stored(id, size, patience, &error.to_string()),
            Some(Err(Trouble::Away(reason))) => not_stored(id, size, patience, &reason),
            Some(Err(Trouble::Damaged(damage))) => not_stored(id, size, patience, &damage.to_string()),
        };
        // Else they expire.
        let _ = payloads::purge(cluster, &place, Some(nonce)).await;
        (end, Bytes::new())
    }
}

fn not_stored(id: JobId, size: u64, patience: Duration, reason: &str) -> End {
    let sentence = format!(
        "the output of job {id} has {size} bytes, and the cluster did not store it within {patience:?}: {reason}; outputs \
         have `max_payload_bytes` until they expire (`retain`)"
    );
    tracing::error!("{sentence}");
    End::lost("output_not_stored", sentence)
}

/// Waits for the outcome of a job. A stream of output ends it.
async fn to_end(watched: Watched, cancel: impl Fn()) -> (Outcome, bool) {
    let Watched { accepted, mut events, .. } = watched;
    let (mut outcome, mut is_stream) = (accepted.outcome, false);
    loop {
        tokio::select! {
            biased;
            Some(event) = events.next() => {
                if matches!(event, JobEvent::Chunk(_)) && !is_stream {
                    is_stream = true;
                    cancel();
                }
            }
            finished = &mut outcome => {
                let is_ok = finished.result.as_ref().map_or_else(|error| error.kind(), |_| OutcomeKind::Ok);
                return (finished.result, is_stream && matches!(is_ok, OutcomeKind::Ok | OutcomeKind::Cancelled));
            }
        }
    }
}
