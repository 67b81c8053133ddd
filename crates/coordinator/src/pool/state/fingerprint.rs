//! Telling payloads apart by a number, without a look at what they mean. Refuses to hash as long as nobody asks.

use super::value_hash;
use procpool_protocol::{Encoding, Payload};
use procpool_scheduler::Fingerprint;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Maximum length of a payload that is hashed on the calling thread, in bytes. That takes less than a
/// millisecond.
pub(crate) const QUICK: usize = 128 * 1024;

/// Makes fingerprints, which mean something in this pool alone: the keys are random, so that nobody can make two
/// payloads of one fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints {
    keys: RandomState,
    /// Whether any payload has killed lately. Hashing costs about a millisecond per MiB, which most pools never pay.
    is_wanted: AtomicBool,
}

impl Fingerprints {
    /// Returns whether any payload has killed lately, so that payloads are told apart.
    pub(crate) fn are_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Acquire)
    }

    /// Returns the payload's fingerprint, if it is wanted and can be computed quickly.
    pub(crate) fn of_suspect(&self, payload: &Payload) -> Option<Fingerprint> {
        let is_quick = payload.bytes.len() <= QUICK;
        (is_quick && self.are_wanted()).then(|| self.of(payload))
    }

    /// Returns the fingerprint of a payload of any length: a long one is hashed where nobody waits for the
    /// thread.
    pub(crate) async fn of_any(self: &Arc<Self>, payload: Payload) -> Fingerprint {
        if payload.bytes.len() <= QUICK {
            return self.of(&payload);
        }
        let prints = self.clone();
        let hashed = tokio::task::spawn_blocking(move || prints.of(&payload));
        // It does not panic; without a runtime nobody asks what it was.
        hashed.await.unwrap_or(Fingerprint(0))
    }

    /// Returns the payload's fingerprint: of JSON by its value, of all else by its bytes.
    pub(crate) fn of(&self, payload: &Payload) -> Fingerprint {
        let by_value = match payload.encoding {
            Encoding::Json => value_hash::of_json(&self.keys, &payload.bytes),
            _ => None,
        };
        let by_bytes = || self.keys.hash_one((&payload.bytes[..], payload.rest()));
        Fingerprint(self.keys.hash_one((payload.encoding as u8, by_value.unwrap_or_else(by_bytes))))
    }

    /// Says whether fingerprints are wanted from now on. To be called under the pool's lock, which orders it.
    pub(crate) fn want(&self, is_wanted: bool) {
        if self.is_wanted.load(Ordering::Relaxed) != is_wanted {
            self.is_wanted.store(is_wanted, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_in_another_encoding_are_another_payload() {
        let prints = Fingerprints::default();
        let (json, raw) = (Payload::json("7"), Payload::raw("7".as_bytes()));
        assert_eq!(prints.of(&json), prints.of(&json.clone()));
        assert_ne!(prints.of(&json), prints.of(&raw));
        assert_eq!(prints.of(&json), prints.of(&Payload::json(" 7\n")));
        assert_ne!(prints.of(&raw), prints.of(&Payload::raw(" 7\n".as_bytes())));
    }

    #[test]
    fn the_same_bytes_beside_other_parameters_are_another_payload() {
        let prints = Fingerprints::default();
        let image = procpool_protocol::Bytes::from(vec![7; 1 << 20]);
        let payload = |width: u32| Payload::encode_apart(&(width, image.clone()), Encoding::Bincode).unwrap();
        assert_eq!(prints.of(&payload(1)), prints.of(&payload(1)));
        assert_ne!(prints.of(&payload(1)), prints.of(&payload(2)));
    }

    #[test]
    fn nothing_is_hashed_until_it_is_wanted() {
        let prints = Fingerprints::default();
        let payload = Payload::json("7");
        assert_eq!(prints.of_suspect(&payload), None);
        prints.want(true);
        assert_eq!(prints.of_suspect(&payload), Some(prints.of(&payload)));
    }
}
