//! Removes messages of jobs that have their outcome, and that the server has kept in the queue.
//!
//! A server that is killed may remember that a message was acknowledged, and forget that it was removed. It delivers such a
//! message to nobody, and the message would take a place in the queue for ever.

use crate::link::{Link, LinkError, Stored};
use crate::node::Shared;
use crate::record::Record;
use crate::streams;
use crate::subjects::{self, PoolNames};
use procpool_protocol::JobId;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Maximum number of messages of one look, the oldest first. The next look goes on behind them: jobs that wait for their time
/// stay the oldest for long.
const MOST: usize = 64;

/// Number of leases between an outcome and the removal. The acknowledgement, and a second one after a redelivery, come
/// sooner. It is looked once a lease, so that several looks come before the outcome expires.
const LEASES: u32 = 2;

#[derive(Deserialize)]
struct Info {
    state: State,
    #[serde(default)]
    ts: Option<String>,
}

#[derive(Deserialize)]
struct State {
    first_seq: u64,
}

/// Looks at the queue of a pool again and again, until the task is aborted.
pub(crate) async fn run(shared: Arc<Shared>, pool: String, names: PoolNames) {
    let (link, pause) = (&shared.cluster.0.link, shared.cluster.0.settings.timings.lease);
    let mut from = 0;
    loop {
        sleep(pause).await;
        match look(link, &names, pause * LEASES, &mut from).await {
            Ok(removed) => {
                for job in removed {
                    tracing::info!(%pool, %job, "removed a job from the queue that has its outcome");
                }
            }
            // The next look finds the same.
            Err(error) => tracing::debug!(%pool, %error, "cannot look at the queue"),
        }
    }
}

/// Removes the messages of jobs that have had their outcome for this time, from this sequence on, and moves it. Returns the
/// jobs.
async fn look(
    link: &Link,
    names: &PoolNames,
    since: Duration,
    from: &mut u64,
) -> Result<Vec<JobId>, LinkError> {
    let info: Info = link.api(&format!("STREAM.INFO.{}", names.queue()), &Value::Null).await?;
    let now = info.ts.as_deref().and_then(streams::parse_time).unwrap_or_default();
    let is_old = |stored: &Stored| Duration::from_nanos(now.saturating_sub(stored.time)) >= since;
    let (mut removed, mut seq) = (Vec::new(), info.state.first_seq.max(std::mem::take(from)));
    for _ in 0..MOST {
        let Some((subject, message)) = link.next(&names.queue(), seq, &names.all_jobs()).await? else {
            return Ok(removed);
        };
        if !is_old(&message) {
            return Ok(removed);
        }
        seq = message.seq + 1;
        let Some(job) = subjects::job_of(&subject) else { continue };
        // A copy may be behind. An outcome that it has stays one.
        let record = link.last(&names.records(), &names.record(job)).await?;
        let is_decided = record
            .filter(is_old)
            .is_some_and(|record| matches!(Record::open(&record.body), Ok(Record::Decided(_))));
        if is_decided {
            link.remove(&names.queue(), message.seq).await?;
            removed.push(job);
        }
    }
    *from = seq;
    Ok(removed)
}
