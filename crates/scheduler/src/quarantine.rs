//! The payloads that have recently killed workers, and the quarantine of these payloads. Does not:
//! identify payloads, or judge a death. The scheduler reports only deaths that the payload caused.

use std::time::Duration;

use crate::id_map::IdMap;
use crate::{Fingerprint, Poison, Time};

/// Maximum number of remembered payloads. Beyond it, the pool forgets the payload with the oldest
/// last death.
const CAPACITY: usize = 1024;

/// The payloads that have killed workers.
#[derive(Debug)]
pub(crate) struct Quarantine {
    poison: Poison,
    records: IdMap<Fingerprint, Record>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    deaths: u32,
    /// Whether at least one of these workers had run no job before.
    was_first: bool,
    last: Time,
}

/// The sentence on a payload in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sentence {
    pub(crate) deaths: u32,
    pub(crate) remaining: Duration,
}

/// A payload that has recently killed workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The payload.
    pub payload: Fingerprint,
    /// Number of workers that it has killed.
    pub deaths: u32,
    /// Whether the pool still runs it.
    pub is_run: bool,
    /// Time since its last kill.
    pub since_last: Duration,
    /// Time until the pool forgets it if it kills no further worker.
    pub remaining: Duration,
}

impl Quarantine {
    pub(crate) fn new(poison: Poison) -> Self {
        Self { poison, records: IdMap::default() }
    }

    /// Returns whether no payload has recently killed a worker. Fingerprints are then not worth
    /// their cost.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Records that the payload has killed one more worker. `is_first` says that this worker had
    /// run no job before.
    pub(crate) fn strike(&mut self, payload: Fingerprint, is_first: bool, now: Time) {
        self.forget_old(now);
        if self.poison.deaths == 0 {
            return;
        }
        if self.records.len() >= CAPACITY && !self.records.contains_key(&payload) {
            self.forget_one();
        }
        let record = self.records.entry(payload).or_insert(Record { deaths: 0, was_first: false, last: now });
        record.deaths = record.deaths.saturating_add(1);
        record.was_first |= is_first;
        record.last = now;
    }

    /// Forgets the payload, which has just run without harm. Its earlier deaths were bad luck.
    pub(crate) fn absolve(&mut self, payload: Fingerprint) {
        self.records.remove(&payload);
    }

    /// Forgets this payload, or all payloads, for an operator or a new executable.
    pub(crate) fn pardon(&mut self, payload: Option<Fingerprint>) {
        match payload {
            Some(payload) => self.absolve(payload),
            None => self.records = IdMap::default(),
        }
    }

    /// Returns the payloads that have recently killed workers, in no particular order.
    pub(crate) fn suspects(&self, now: Time) -> impl Iterator<Item = Suspect> + '_ {
        let memory = self.poison.memory;
        let recent = self.records.iter().filter(move |(_, record)| now < record.last + memory);
        recent.map(move |(&payload, record)| Suspect {
            payload,
            deaths: record.deaths,
            is_run: !self.is_condemned(*record),
            since_last: now.since(record.last),
            remaining: (record.last + memory).since(now),
        })
    }

    /// Returns the number of workers that the payload has recently killed.
    pub(crate) fn deaths(&self, payload: Fingerprint, now: Time) -> u32 {
        self.recent(payload, now).map_or(0, |record| record.deaths)
    }

    /// Returns the sentence on the payload if it is in quarantine.
    pub(crate) fn sentence(&self, payload: Fingerprint, now: Time) -> Option<Sentence> {
        let record = self.recent(payload, now).filter(|&record| self.is_condemned(record))?;
        let remaining = (record.last + self.poison.memory).since(now);
        Some(Sentence { deaths: record.deaths, remaining })
    }

    /// Returns whether the payload belongs in quarantine. Earlier jobs may have damaged the workers
    /// that died. This doubt does not apply to a worker that had run no job before. The pool drops
    /// it at twice the number of deaths, because no such worker may be available.
    const fn is_condemned(&self, record: Record) -> bool {
        let Poison { deaths, .. } = self.poison;
        record.deaths >= deaths && (record.was_first || record.deaths >= deaths.saturating_mul(2))
    }

    fn recent(&self, payload: Fingerprint, now: Time) -> Option<Record> {
        self.records.get(&payload).copied().filter(|record| now < record.last + self.poison.memory)
    }

    /// Returns the time at which the pool forgets the first payload.
    pub(crate) fn end_of_memory(&self) -> Option<Time> {
        self.records.values().map(|record| record.last + self.poison.memory).min()
    }

    pub(crate) fn forget_old(&mut self, now: Time) {
        let memory = self.poison.memory;
        self.records.retain(|_, record| now < record.last + memory);
    }

    fn forget_one(&mut self) {
        let oldest = self.records.iter().min_by_key(|(payload, record)| (record.last, payload.0));
        if let Some(payload) = oldest.map(|(&payload, _)| payload) {
            self.records.remove(&payload);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: Fingerprint = Fingerprint(7);

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn quarantine() -> Quarantine {
        Quarantine::new(Poison { deaths: 2, memory: Duration::from_secs(60) })
    }

    #[test]
    fn the_last_of_so_many_deaths_brings_the_sentence() {
        let mut quarantine = quarantine();
        quarantine.strike(PAYLOAD, true, at(0));
        assert_eq!((quarantine.deaths(PAYLOAD, at(0)), quarantine.sentence(PAYLOAD, at(0))), (1, None));
        quarantine.strike(PAYLOAD, true, at(10));
        let sentence = Sentence { deaths: 2, remaining: Duration::from_secs(50) };
        assert_eq!(quarantine.sentence(PAYLOAD, at(20)), Some(sentence));
        assert_eq!(quarantine.sentence(Fingerprint(8), at(20)), None);
    }

    #[test]
    fn one_that_was_never_first_is_run_on_and_not_for_ever() {
        let mut quarantine = quarantine();
        for deaths in 1..=3 {
            quarantine.strike(PAYLOAD, false, at(0));
            assert_eq!(
                (quarantine.deaths(PAYLOAD, at(0)), quarantine.sentence(PAYLOAD, at(0))),
                (deaths, None)
            );
            assert!(quarantine.suspects(at(0)).all(|suspect| suspect.is_run));
        }
        let mut other = Quarantine::new(quarantine.poison);
        quarantine.strike(PAYLOAD, false, at(0));
        assert!(quarantine.sentence(PAYLOAD, at(0)).is_some(), "twice as many");
        other.strike(PAYLOAD, true, at(0));
        other.strike(PAYLOAD, false, at(0));
        assert!(other.sentence(PAYLOAD, at(0)).is_some(), "once is enough");
    }

    #[test]
    fn a_sentence_ends_with_the_memory_of_the_last_death() {
        let mut quarantine = quarantine();
        quarantine.strike(PAYLOAD, true, at(0));
        quarantine.strike(PAYLOAD, true, at(0));
        assert!(quarantine.sentence(PAYLOAD, at(59)).is_some());
        assert_eq!((quarantine.sentence(PAYLOAD, at(60)), quarantine.deaths(PAYLOAD, at(60))), (None, 0));
        quarantine.strike(PAYLOAD, true, at(61));
        assert_eq!(quarantine.deaths(PAYLOAD, at(61)), 1, "the count begins anew");
    }

    #[test]
    fn a_payload_that_does_no_harm_is_forgiven() {
        let mut quarantine = quarantine();
        quarantine.strike(PAYLOAD, true, at(0));
        quarantine.absolve(PAYLOAD);
        assert!(quarantine.is_empty());
    }

    #[test]
    fn one_or_all_are_pardoned() {
        let mut quarantine = quarantine();
        for payload in [PAYLOAD, Fingerprint(8), Fingerprint(9)] {
            quarantine.strike(payload, true, at(0));
        }
        quarantine.strike(PAYLOAD, true, at(10));
        let suspect = |payload| quarantine.suspects(at(20)).find(|suspect| suspect.payload == payload);
        let (since_last, remaining) = (Duration::from_secs(10), Duration::from_secs(50));
        let condemned = Suspect { payload: PAYLOAD, deaths: 2, is_run: false, since_last, remaining };
        assert_eq!(suspect(PAYLOAD), Some(condemned));
        assert!(suspect(Fingerprint(8)).is_some_and(|suspect| suspect.is_run));
        assert_eq!(quarantine.suspects(at(60)).count(), 1, "the others are forgotten");
        quarantine.pardon(Some(PAYLOAD));
        assert!(quarantine.sentence(PAYLOAD, at(20)).is_none() && !quarantine.is_empty());
        quarantine.pardon(None);
        assert!(quarantine.is_empty());
    }

    #[test]
    fn without_a_bound_nobody_is_remembered() {
        let mut quarantine = Quarantine::new(Poison { deaths: 0, memory: Duration::from_secs(60) });
        for _ in 0..100 {
            quarantine.strike(PAYLOAD, true, at(0));
        }
        assert!(quarantine.is_empty() && quarantine.sentence(PAYLOAD, at(0)).is_none());
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes an interpreter hours")]
    fn a_flood_of_payloads_pushes_the_oldest_out() {
        let mut quarantine = quarantine();
        for payload in 0..5_000 {
            quarantine.strike(Fingerprint(payload), true, Time::from_nanos(payload));
        }
        assert_eq!(quarantine.records.len(), CAPACITY);
        assert_eq!(quarantine.deaths(Fingerprint(0), at(0)), 0);
        assert_eq!(quarantine.deaths(Fingerprint(4_999), at(0)), 1);
    }
}
