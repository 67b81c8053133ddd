//! Ages and room: what expires, and which records make room for new ones.

use std::sync::Arc;

use super::Registry;
use crate::effect::{Effect, Gone};
use crate::offer::Refused;
use crate::record::Record;
use crate::storage::{Part, Storage};

/// Maximum number of records of which something expires in one tick.
pub(super) const PER_TICK: usize = 512;

impl<S: Storage> Registry<S> {
    /// Makes room for a new record. For that, it drops records of finished jobs without a key, the
    /// longest finished first.
    pub(super) fn make_room(&mut self, new: &Record) -> Result<(), Refused> {
        if self.room_for_key(new).and_then(|()| self.room_for(new)).is_ok() {
            return Ok(());
        }
        // Nobody is refused for the sake of something that is overdue.
        self.expire(PER_TICK);
        self.room_for_key(new)?;
        while let Err(refused) = self.room_for(new) {
            let Some(spare) = self.storage.spare(Part::Record) else { return Err(refused) };
            self.forget(&spare, Gone::Evicted);
        }
        Ok(())
    }

    fn room_for_key(&self, new: &Record) -> Result<(), Refused> {
        let (usage, settings) = (self.storage.usage(), &self.settings);
        let has_room =
            usage.keys < settings.max_keys && usage.keyed_bytes + new.bytes() <= settings.max_keyed_bytes();
        if has_room || !new.is_protected() {
            return Ok(());
        }
        Err(Refused::KeyStoreFull { keys: usage.keys })
    }

    fn room_for(&self, new: &Record) -> Result<(), Refused> {
        let (usage, settings) = (self.storage.usage(), &self.settings);
        let has_room = usage.records < settings.max_records
            && usage.record_bytes + new.bytes() <= settings.max_record_bytes;
        if has_room { Ok(()) } else { Err(Refused::Full { records: usage.records }) }
    }

    /// Lets expire what is overdue, of at most this number of records.
    pub(super) fn expire(&mut self, max: usize) {
        for _ in 0..max {
            let Some(record) = self.storage.overdue(self.now) else { return };
            self.expire_parts(&record);
        }
    }

    /// Drops dead letters beyond their number, the longest finished first, at most as many as expire in one tick. A setting
    /// that was lowered holds after some of them.
    pub(super) fn bound_dead(&mut self) {
        for _ in 0..PER_TICK {
            if self.storage.usage().dead <= self.settings.max_dead {
                return;
            }
            let Some(spare) = self.storage.spare(Part::Dead) else { return };
            self.forget(&spare, Gone::Evicted);
        }
    }

    /// Lets expire the parts of a record whose time is up.
    pub(super) fn expire_parts(&mut self, record: &Arc<Record>) {
        let is_over = |time| time <= self.now;
        if record.expires.is_some_and(is_over) {
            if !record.state.is_finished() {
                return self.end_as_late(record);
            }
            return self.forget(record, Gone::Expired);
        }
        let (bodies, key) =
            (record.bodies_expire.is_some_and(is_over), record.key_expires.is_some_and(is_over));
        let mut next = Record { version: record.version + 1, ..(**record).clone() };
        if bodies {
            self.drop_input(&mut next);
            self.drop_result(&mut next);
        }
        if key {
            next.claim = None;
        }
        self.replace(record, next);
    }

    /// Removes a record with everything that belongs to it.
    pub(super) fn forget(&mut self, record: &Record, why: Gone) {
        let mut last = record.clone();
        self.drop_input(&mut last);
        self.drop_result(&mut last);
        self.storage.remove(record);
        let events = self.histories.forget(record.id).map(Effect::Drop);
        self.effects.extend(events);
        self.effects.push_back(Effect::Gone(record.id, why));
    }
}
