//! Large payloads at a front: an input is stored before its job is, and an output is read when somebody asks for it.

use crate::cluster::Cluster;
use crate::end::End;
use crate::front::{EnqueueError, Front};
use crate::large::Of;
use crate::look::{JobState, Unreachable};
use crate::order::Order;
use crate::payloads::{self, PATIENCE, Place, Trouble, Writing};
use crate::settings::PoolSettings;
use crate::subjects::PoolNames;
use bytes::Bytes;
use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::{Finished, Timing};
use tokio::runtime::Handle;

/// Maximum number of large payloads that a front reads at a time. Further ones wait.
pub(crate) const READS: usize = 4;

/// A stored input whose job is not sent yet. Dropping it removes the input.
pub(crate) struct Unsent {
    cluster: Cluster,
    place: Place,
    nonce: u64,
    is_sent: bool,
}

impl Unsent {
    /// The job is sent, and needs the input.
    pub(crate) fn sent(&mut self) {
        self.is_sent = true;
    }

    /// The job was refused.
    pub(crate) fn refused(&mut self) {
        self.is_sent = false;
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        if self.is_sent {
            return;
        }
        let (cluster, place, nonce) = (self.cluster.clone(), self.place.clone(), self.nonce);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                // Else it expires.
                if let Err(error) = payloads::purge(&cluster.0, &place, Some(nonce)).await {
                    tracing::debug!(%error, "the input of a job that was not accepted is kept");
                }
            });
        }
    }
}

impl Front {
    /// Stores the input of a job. Returns the order that refers to it.
    ///
    /// # Errors
    /// When there is no room, or the server was away all the time.
    pub(crate) async fn store_input(
        &self,
        (pool, names): (&PoolSettings, &PoolNames),
        id: JobId,
        order: Order,
    ) -> Result<(Order, Unsent), EnqueueError> {
        let (nonce, cluster) = (rand::random(), self.cluster());
        let place = Place { stream: names.inputs(), subject: names.input(id) };
        let unsent = Unsent { cluster: cluster.clone(), place: place.clone(), nonce, is_sent: false };
        let writing = Writing {
            nonce,
            payload: order.input.bytes.clone(),
            // A node removes it at the end of the job. This is for the input of a front that died before it sent the job.
            ttl: order.terms.longest().saturating_add(order.delay).saturating_add(pool.retain),
            patience: PATIENCE,
            waits_for_room: false,
        };
        match payloads::write(&cluster.0, &place, writing).await {
            Ok(reference) => Ok((order.without_input(reference), unsent)),
            Err(Trouble::Full(error)) => Err(EnqueueError::LargeInputsFull {
                pool: pool.name.clone(),
                limit: pool.payload_bytes,
                reason: error.to_string(),
            }),
            Err(_) => Err(EnqueueError::Away(PATIENCE)),
        }
    }

    /// Removes the input of a job that no node will get.
    pub(crate) async fn discard_input(&self, names: &PoolNames, id: JobId) {
        let place = Place { stream: names.inputs(), subject: names.input(id) };
        // Else it expires.
        if let Err(error) = payloads::purge(&self.cluster().0, &place, None).await {
            tracing::debug!(job = %id, %error, "the input of a cancelled job is kept");
        }
    }

    /// Returns a state with the output, which [`JobState::Large`] does not have. An output that is not as it was written is
    /// an error of the job.
    ///
    /// # Errors
    /// When no server answered for 10 s.
    pub async fn load(&self, pool: &str, id: JobId, state: JobState) -> Result<JobState, Unreachable> {
        let (JobState::Large { encoding, output, .. }, Ok((_, names))) = (&state, self.pool(pool)) else {
            return Ok(state);
        };
        let place = Place { stream: names.outputs(), subject: names.output(id) };
        let _permit = self.reads().acquire().await;
        let of = Of { job: id, what: "output" };
        let (end, output) = match payloads::read(&self.cluster().0, &place, of, output, PATIENCE).await {
            Ok(bytes) => (End::Ok { encoding: *encoding as u8, large: None }, bytes),
            Err(Trouble::Damaged(damage)) => {
                tracing::error!(job = %id, %damage, "an output is damaged");
                (End::lost("output_lost", damage.to_string()), Bytes::new())
            }
            Err(Trouble::Full(error)) => return Err(Unreachable { reason: error.to_string() }),
            Err(Trouble::Away(reason)) => return Err(Unreachable { reason }),
        };
        let finished = Finished::new(id, Timing::default(), end.into_outcome(id, output));
        Ok(JobState::Finished(Box::new(finished)))
    }

    /// Returns the job of a dead letter, to run again. `None` if its input has made room for later ones.
    ///
    /// # Errors
    /// When no server answered for 10 s.
    pub(crate) async fn submission_of(
        &self,
        pool: &str,
        id: JobId,
        letter: crate::dead::DeadLetter,
    ) -> Result<Option<Submission>, Unreachable> {
        let crate::dead::DeadLetter { mut order, priority, .. } = letter;
        if let (Some(reference), Ok((_, names))) = (order.large.clone(), self.pool(pool)) {
            let place = Place { stream: self.cluster().0.namespace.dead(), subject: names.dead(id) };
            let _permit = self.reads().acquire().await;
            let of = Of { job: id, what: "input" };
            match payloads::read(&self.cluster().0, &place, of, &reference, PATIENCE).await {
                Ok(input) => order = order.with_input(input),
                Err(Trouble::Damaged(damage)) => {
                    tracing::warn!(job = %id, %damage, "a dead letter cannot run again");
                    return Ok(None);
                }
                Err(Trouble::Full(error)) => return Err(Unreachable { reason: error.to_string() }),
                Err(Trouble::Away(reason)) => return Err(Unreachable { reason }),
            }
        }
        Ok(Some(order.submission(pool, priority, order.terms.timeout)))
    }
}
