//! The lines of a batch with keys: each runs once, however often its batch is sent. The store of jobs decides.

use super::end::End;
use super::under_way::Stage;
use crate::access::Permit;
use crate::app::Shared;
use crate::handover;
use procpool_jobs::{Order, fingerprint};
use procpool_protocol::engine::{JobLimits, Submission};
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobError, JobId};
use procpool_registry::{Decision, InvalidKey, KeyText, Wait};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Time after which a line is offered again to a pool whose queue is full: the store of jobs has no line for those that wait.
const PAUSE: Duration = Duration::from_millis(20);

/// The key of each line, but for the line's number.
#[derive(Clone, Debug)]
pub(crate) struct KeyPrefix(Arc<str>);

impl KeyPrefix {
    /// Takes a text that makes a key with every number.
    ///
    /// # Errors
    /// When it makes none.
    pub(crate) fn new(text: &str) -> Result<Self, InvalidKey> {
        let prefix = Self(text.into());
        prefix.key(u64::MAX).map(|_| prefix)
    }

    fn key(&self, line: u64) -> Result<KeyText, InvalidKey> {
        KeyText::parse(format!("{}:{line}", self.0).as_bytes())
    }
}

/// Offers the job of a line, which waits while the queue is full.
pub(super) async fn offer(
    shared: Arc<Shared>,
    job: Submission,
    (prefix, permit): (KeyPrefix, Permit),
    line: u64,
    asked: JobLimits,
) -> Stage {
    let Ok(key) = prefix.key(line) else { return Stage::Ended(End::gone(JobId::from_bits(0))) };
    let digest = fingerprint(&job).await;
    loop {
        let mut order = Order::new(job.clone());
        order.held = Some(Arc::new(permit.clone()));
        order.principal = job.principal.as_deref().map(Into::into);
        order.key = Some((key.clone(), digest));
        // A job of the same key that runs already is waited for.
        order.wait = Wait::Limited;
        let enqueued = match shared.app.jobs.enqueue(order).await {
            Ok(enqueued) => enqueued,
            Err(JobError::Refused(refused)) if refused.reason.is_full_queue() => {
                sleep(PAUSE).await;
                continue;
            }
            Err(error) => return Stage::Ended(End::of(error, asked)),
        };
        let outcome = enqueued.outcome;
        return match enqueued.decision {
            Decision::Replay(_, finished) => Stage::Ended(End::Finished(copied(&finished))),
            Decision::Expired(record) => {
                let outcome = record.state.outcome().map_or("refused", |outcome| outcome.name());
                Stage::Ended(End::Refused(outcome, handover::expired(&record)))
            }
            Decision::Mismatch(record) => Stage::Ended(End::refused(handover::mismatch(&record))),
            Decision::Run(record)
            | Decision::Known(record)
            | Decision::Attach(record)
            | Decision::Conflict(record) => Stage::Attached(Box::pin(async move {
                match outcome.await {
                    Some(finished) => End::Finished(copied(&finished)),
                    None => End::gone(record.id),
                }
            })),
        };
    }
}

/// Returns an outcome that the store of jobs holds, too.
fn copied(finished: &Arc<Finished>) -> Finished {
    (**finished).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_makes_a_key_with_every_number() {
        let prefix = KeyPrefix::new("/data/orders.jsonl").unwrap();
        assert_eq!(prefix.key(7).unwrap().as_str(), "/data/orders.jsonl:7");
        assert!(KeyPrefix::new(&"x".repeat(234)).is_ok());
        for bad in ["a b", "\u{e4}", "\"a", &"x".repeat(235)] {
            assert!(KeyPrefix::new(bad).is_err(), "{bad}");
        }
    }
}
