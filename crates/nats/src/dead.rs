//! Dead letters: a job that failed for good, with its input and its outcome, for a week.
//!
//! The node that removes such a job from the queue writes the letter before, and after the outcome. So a letter never tells
//! of an outcome that the job does not have, and one that is lost with its node is written at the next delivery.

use crate::end::End;
use crate::envelope::{self, HeadTooLarge, Unreadable};
use crate::front::Front;
use crate::look::{Unreachable, queued};
use crate::node_id::NodeId;
use crate::order::{self, Order};
use crate::record::Decided;
use bytes::Bytes;
use procpool_protocol::JobId;
use procpool_protocol::engine::{Priority, Submission};
use procpool_registry::is_dead;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::sleep;

/// A job that failed for good.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeadLetter {
    pub(crate) order: Order,
    pub(crate) priority: Priority,
    /// Its outcome, which has no output.
    pub(crate) decided: Decided,
}

#[derive(Serialize, Deserialize)]
struct Head {
    priority: String,
    by: NodeId,
    attempt: u32,
    end: End,
    order: order::Head,
}

impl DeadLetter {
    /// Writes the letter.
    ///
    /// # Errors
    /// When the names of the job and the text of its error are larger than a head may be.
    pub(crate) fn seal(&self) -> Result<Bytes, HeadTooLarge> {
        let Decided { by, attempt, end, .. } = self.decided.clone();
        let head =
            Head { priority: self.priority.as_str().to_owned(), by, attempt, end, order: self.order.head() };
        envelope::seal_new(self.order.large.is_some(), &head, &self.order.input.bytes)
    }

    /// Reads a letter.
    ///
    /// # Errors
    /// When a newer build wrote it, or something else did.
    pub(crate) fn open(bytes: &Bytes) -> Result<Self, Unreadable> {
        let (head, input) = envelope::open::<Head>(bytes)?;
        let Head { priority, by, attempt, end, order } = head;
        let priority = priority.parse().unwrap_or_default();
        let decided = Decided { by, attempt, end, output: Bytes::new() };
        Ok(Self { order: Order::of_head(order, input)?, priority, decided })
    }
}

/// Returns whether a job with this end is a dead letter.
pub(crate) fn is_letter(end: &End) -> bool {
    let outcome = end.clone().into_outcome(JobId::from_bits(0), Bytes::new());
    outcome.is_err_and(|error| is_dead(error.kind()))
}

impl Front {
    /// Returns the dead letter of a job, with the time at which it was written, in nanoseconds since 1970, and its sequence.
    pub(crate) async fn letter(
        &self,
        pool: &str,
        id: JobId,
    ) -> Result<Option<(DeadLetter, u64, u64)>, Unreachable> {
        let Ok((_, names)) = self.pool(pool) else { return Ok(None) };
        let unreachable = |reason: String| Unreachable { reason };
        let stored = self.link().last(&self.cluster().0.namespace.dead(), &names.dead(id)).await;
        let Some(stored) = stored.map_err(|error| unreachable(error.to_string()))? else { return Ok(None) };
        let letter = DeadLetter::open(&stored.body).map_err(|error| unreachable(error.to_string()))?;
        Ok(Some((letter, stored.time, stored.seq)))
    }

    /// Returns the job of a dead letter, to run again. Waits for a letter that is about to be written.
    ///
    /// # Errors
    /// When the cluster did not answer.
    pub(crate) async fn dead_input(&self, pool: &str, id: JobId) -> Result<Option<Submission>, Unreachable> {
        let Ok((_, names)) = self.pool(pool) else { return Ok(None) };
        let mut tries = 0;
        loop {
            // Before the letter: it is written while the queue has the job.
            let may_come = tries < 20 && queued(self.link(), names, id).await?.is_some();
            if let Some((letter, ..)) = self.letter(pool, id).await? {
                return self.submission_of(pool, id, letter).await;
            }
            if !may_come {
                return Ok(None);
            }
            tries += 1;
            sleep(Duration::from_millis(50)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;
    use crate::order::Terms;
    use procpool_protocol::{Encoding, Payload};

    #[test]
    fn a_letter_has_the_job_and_its_outcome() {
        let job = Submission::new("fib", Payload::json("94"), Encoding::Json);
        let terms = Terms { idempotent: false, attempts: 1, timeout: Duration::from_secs(9), retry: None };
        let mut order = Order::of(job, terms, None);
        order.contract = Some(Contract::new("fib", 1, None));
        let end = End::HostLost { node: NodeId::new("a", 1) };
        assert!(is_letter(&end) && !is_letter(&End::Cancelled { ran: false }) && !is_letter(&End::ok_raw()));
        let decided = Decided { by: NodeId::new("b", 2), attempt: 1, end, output: Bytes::new() };
        let letter = DeadLetter { order, priority: Priority::High, decided };
        assert_eq!(DeadLetter::open(&letter.seal().unwrap()), Ok(letter));
    }
}
