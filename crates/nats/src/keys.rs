//! Idempotency keys: the first job of a key writes its id there, and every further one finds it.
//!
//! The key is written before the job. So a front that dies in between leaves a key without a job, and the next one with
//! the same request sends the job under the id that is written there. That is safe as long as the record of the job would
//! still be held if it had run: the key says when it was written. It also takes the key over, so that the first front, if it
//! lives and its job was refused, does not free it.

use crate::front::Front;
use crate::link::LinkError;
use crate::look::{JobState, Look, Unreachable};
use crate::settings::PoolSettings;
use crate::streams;
use procpool_protocol::JobId;
use procpool_registry::Fingerprint;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Time for which a key is held after the end of its job, at least.
const HELD: Duration = Duration::from_secs(24 * 60 * 60);

/// Time for which a write is tried again.
const TRIES: Duration = Duration::from_secs(10);

/// A key as the stream holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    /// `None` once the job was certainly not accepted: the key is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<JobId>,
    /// 64 hexadecimal digits.
    fingerprint: String,
    /// When the key was written first, in nanoseconds since 1970, if another front has taken it over since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
}

/// The answer about a key.
#[derive(Clone, Debug)]
pub(crate) enum Claimed {
    /// The key is of the offered job, with the sequence that frees it again.
    Mine(u64),
    /// The key is of this job of the same request, which was not sent. Send it under this id. The key stays, whatever
    /// comes of it: the first front may have sent the job, too.
    Half(JobId),
    /// The key is of an earlier job.
    Taken(JobId, Taken),
}

/// The job that has a key, as far as the cluster knows it.
#[derive(Clone, Debug)]
pub(crate) enum Taken {
    /// It is of the same request.
    Known(Look),
    /// It is of the same request, and its record is no longer held.
    Expired,
    /// It is of another request.
    Other(Look),
}

/// A key was not written.
#[derive(Clone, Debug)]
pub(crate) enum KeyError {
    /// The stream of keys is full.
    Full,
    /// The server did not answer. Nothing was sent but the key.
    Unreachable(String),
}

impl From<Unreachable> for KeyError {
    fn from(error: Unreachable) -> Self {
        Self::Unreachable(error.reason)
    }
}

impl From<LinkError> for KeyError {
    fn from(error: LinkError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

impl Front {
    /// Claims a key of a pool for a job with this id, which waits for `delay`. `digest` stands for the key and its client.
    ///
    /// # Errors
    /// When there is no room, or the server does not answer for 10 s.
    pub(crate) async fn claim_key(
        &self,
        pool: &str,
        digest: &[u8; 32],
        fingerprint: &Fingerprint,
        id: JobId,
        delay: Duration,
    ) -> Result<Claimed, KeyError> {
        let unknown = |error: crate::front::EnqueueError| KeyError::Unreachable(error.to_string());
        let (settings, names) = self.pool(pool).map_err(unknown)?;
        let subject = names.key(&hex(digest));
        let mine = Held { id: Some(id), fingerprint: hex(&fingerprint.0), first: None };
        let (start, mut pause) = (Instant::now(), self.cluster().settings().timings.pause);
        let (mut expect, mut held) = (0, mine.clone());
        loop {
            let body = serde_json::to_vec(&held).unwrap_or_default();
            let ttl = Some(HELD.saturating_add(settings.terms.longest()).saturating_add(delay));
            let error = match self.link().publish(subject.clone(), Some(expect), ttl, body.into()).await {
                Ok(seq) => {
                    let of_another = held.id.filter(|_| held.first.is_some());
                    return Ok(of_another.map_or(Claimed::Mine(seq), Claimed::Half));
                }
                Err(error) if error.is_full() => return Err(KeyError::Full),
                Err(error) if error.is_conflict() => {
                    match self.judge(pool, settings, &subject, &mine).await? {
                        Judged::Answer(claimed) => return Ok(claimed),
                        Judged::Write(seq, next) => (expect, held) = (seq, next),
                    }
                    error
                }
                Err(error) => error,
            };
            if start.elapsed() >= TRIES {
                return Err(error.into());
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Says whose a key is.
    async fn judge(
        &self,
        pool: &str,
        settings: &PoolSettings,
        subject: &str,
        mine: &Held,
    ) -> Result<Judged, KeyError> {
        let stream = self.cluster().0.namespace.keys();
        let Some(stored) = self.link().last(&stream, subject).await? else {
            return Ok(Judged::Write(0, mine.clone()));
        };
        let unreadable = |error: serde_json::Error| KeyError::Unreachable(format!("a key: {error}"));
        let held: Held = serde_json::from_slice(&stored.body).map_err(unreadable)?;
        let free = Judged::Write(stored.seq, mine.clone());
        let Some(id) = held.id else { return Ok(free) };
        // The answer to an earlier try was lost.
        if held == *mine {
            return Ok(Judged::Answer(Claimed::Mine(stored.seq)));
        }
        let look = self.look(pool, id).await?;
        let is_unknown = match &look.state {
            JobState::Finished(finished) => {
                let is_harmless = finished.result.as_ref().is_err_and(|error| !error.may_have_run());
                if is_harmless {
                    return Ok(free);
                }
                false
            }
            state => matches!(state, JobState::Unknown),
        };
        if held.fingerprint != mine.fingerprint {
            return Ok(Judged::Answer(Claimed::Taken(id, Taken::Other(look))));
        }
        if !is_unknown {
            return Ok(Judged::Answer(Claimed::Taken(id, Taken::Known(look))));
        }
        let now = streams::leader_time(self.link(), &stream).await?;
        let first = held.first.unwrap_or(stored.time);
        let age = Duration::from_nanos(now.saturating_sub(first));
        Ok(match may_be_sent(age, settings.retain) {
            true => Judged::Write(stored.seq, Held { first: Some(first), ..held }),
            false => Judged::Answer(Claimed::Taken(id, Taken::Expired)),
        })
    }

    /// Frees the key of a job that was certainly not accepted.
    pub(crate) async fn free_key(&self, pool: &str, digest: &[u8; 32], fingerprint: &Fingerprint, seq: u64) {
        let Ok((_, names)) = self.pool(pool) else { return };
        let free = Held { id: None, fingerprint: hex(&fingerprint.0), first: None };
        let body = serde_json::to_vec(&free).unwrap_or_default();
        let ttl = Some(Duration::from_secs(1));
        if let Err(error) = self.link().publish(names.key(&hex(digest)), Some(seq), ttl, body.into()).await {
            // The same request sends the job again under its id, another one is refused.
            tracing::debug!(%error, "an idempotency key was not freed");
        }
    }
}

enum Judged {
    Answer(Claimed),
    /// Write this over the message with this sequence: nobody has the key, or its job was not sent.
    Write(u64, Held),
}

/// Returns whether a job that is neither waiting nor recorded was certainly never sent, by the age of its key. The clocks of
/// two servers may differ by some seconds.
fn may_be_sent(age: Duration, retain: Duration) -> bool {
    age + Duration::from_secs(10) < retain
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_sent_for_another_only_while_its_record_would_be_held() {
        let retain = Duration::from_secs(60);
        assert!(may_be_sent(Duration::ZERO, retain) && may_be_sent(Duration::from_secs(49), retain));
        assert!(!may_be_sent(Duration::from_secs(50), retain));
    }

    #[test]
    fn a_digest_is_64_digits_of_a_subject() {
        let mut bytes = [0; 32];
        (bytes[0], bytes[31]) = (0xa0, 0x0b);
        let text = hex(&bytes);
        assert!(text.len() == 64 && text.starts_with("a00") && text.ends_with("0b"), "{text}");
    }
}
