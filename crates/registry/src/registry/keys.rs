//! The table of idempotency keys.

use std::sync::Arc;

use super::Registry;
use crate::key::{Key, KeyText};
use crate::offer::{Decision, Offer, Wait};
use crate::record::Record;
use crate::storage::Storage;

impl<S: Storage> Registry<S> {
    /// Returns the decision about an offer whose key is not free.
    pub(super) fn by_key(&mut self, offer: &Offer) -> Option<Decision> {
        let (text, fingerprint) = offer.key.as_ref()?;
        let key = scoped(offer, text);
        let record = self.living_holder(&key)?;
        let is_same = record.claim.as_ref().is_some_and(|claim| claim.fingerprint == *fingerprint);
        if !is_same {
            return Some(Decision::Mismatch(record));
        }
        if !record.state.is_finished() {
            return Some(match offer.wait {
                Wait::None => Decision::Known(record),
                Wait::Limited => Decision::Attach(record),
                Wait::Outcome => Decision::Conflict(record),
            });
        }
        let result = if self.has_body(&record) { self.storage.result(record.id) } else { None };
        Some(match result {
            Some(result) => Decision::Replay(record, result),
            None => Decision::Expired(record),
        })
    }

    /// Returns the record that holds a key. A key whose time is up is free, even if no tick has
    /// come since.
    fn living_holder(&mut self, key: &Key) -> Option<Arc<Record>> {
        let record = self.storage.holder(key)?;
        if record.key_expires.is_some_and(|time| time <= self.now) {
            self.expire_parts(&record);
            return None;
        }
        Some(record)
    }
}

/// Returns a key in the scope of its offer.
pub(super) fn scoped(offer: &Offer, text: &KeyText) -> Key {
    Key { principal: offer.principal.clone(), pool: offer.pool.clone(), text: text.clone() }
}
