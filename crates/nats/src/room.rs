//! [`Room`]: the number of jobs that a node may claim before the records of a pool are too full for their outcomes, or
//! its large outputs for another one.
//!
//! A full stream with more than one copy refuses each message, also an outcome that takes the place of its claim
//! (nats-server 2.15.1). So nodes leave the last tenth to outcomes, and jobs wait in the queue until older outcomes
//! have expired.

use crate::link::LinkError;
use crate::node::Shared;
use crate::subjects::PoolNames;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::time::sleep;

/// The share of a stream of records that claims leave free is one of this number.
const SPARE: u64 = 10;

#[derive(Debug, Default)]
pub(crate) struct Room(AtomicU64);

#[derive(Deserialize)]
struct Info {
    state: State,
}

#[derive(Clone, Copy, Deserialize)]
struct State {
    messages: u64,
    bytes: u64,
}

impl Room {
    /// Returns how many jobs may be claimed before the next look.
    pub(crate) fn left(&self) -> usize {
        usize::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Counts a job that will be claimed.
    pub(crate) fn take(&self) {
        // The one task that takes is the one that asks for jobs.
        self.0.store(self.0.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
    }

    /// Looks at the records of a pool.
    ///
    /// # Errors
    /// When the server does not answer, or the stream is missing.
    pub(crate) async fn look(&self, shared: &Shared, pool: &str, names: &PoolNames) -> Result<(), LinkError> {
        let cluster = &shared.cluster.0;
        let Some((settings, _)) = cluster.pools.get(pool) else { return Ok(()) };
        let state = async |stream: String| {
            let info: Result<Info, _> =
                cluster.link.api(&format!("STREAM.INFO.{stream}"), &Value::Null).await;
            info.map(|info| info.state)
        };
        let (records, outputs) = (state(names.records()).await?, state(names.outputs()).await?);
        let of_records = left(records, u64::from(settings.records), settings.record_bytes);
        let of_outputs = left(outputs, u64::MAX, settings.payload_bytes);
        let left = of_records.min(of_outputs);
        if self.0.swap(left, Ordering::Relaxed) > 0 && left == 0 {
            let of = if of_records == 0 { "records" } else { "large outputs" };
            let bytes = if of_records == 0 { records.bytes } else { outputs.bytes };
            tracing::warn!(
                pool,
                bytes,
                "the {of} of this pool are nearly full: its jobs wait until older outcomes expire"
            );
        }
        Ok(())
    }
}

/// Looks again and again, until the task is aborted.
pub(crate) async fn keep(shared: Arc<Shared>, room: Arc<Room>, pool: String, names: PoolNames) {
    loop {
        sleep(shared.cluster.0.settings.timings.renew).await;
        if let Err(error) = room.look(&shared, &pool, &names).await {
            tracing::debug!(%pool, %error, "cannot look at the records");
        }
    }
}

/// Returns the number of claims for which there is room in a stream with these limits.
fn left(state: State, max_messages: u64, max_bytes: u64) -> u64 {
    let State { messages, bytes } = state;
    match bytes < max_bytes - max_bytes / SPARE {
        true => (max_messages - max_messages / SPARE).saturating_sub(messages),
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_left_to_outcomes() {
        let left = |messages, bytes, max_messages, max_bytes| {
            super::left(State { messages, bytes }, max_messages, max_bytes)
        };
        assert_eq!(left(0, 0, 1000, 1000), 900);
        assert_eq!(left(899, 899, 1000, 1000), 1);
        assert_eq!(left(900, 0, 1000, 1000), 0);
        assert_eq!(left(1000, 0, 1000, 1000), 0);
        assert_eq!(left(0, 900, 1000, 1000), 0);
        // A stream of a few records has none to spare.
        assert_eq!(left(0, 0, 5, 1000), 5);
    }

    #[test]
    fn each_job_takes_one() {
        let room = Room(AtomicU64::new(1));
        room.take();
        room.take();
        assert_eq!(room.left(), 0);
    }
}
