//! Clients that offer jobs: what the registry must decide, by the table of keys.

use std::sync::Arc;

use procpool_protocol::engine::Submission;
use procpool_protocol::{Encoding, JobId, Payload};
use procpool_registry::{Body, Decision, Fingerprint, Key, KeyText, Offer, Record, Refused, Wait};

use crate::broken::{Broken, broken};
use crate::model::Job;
use crate::plan::RECORD;
use crate::run::{Run, Step};

/// Number of bytes that a key counts besides its text.
const CLAIM: u64 = 112;

impl Run {
    pub(crate) fn offer(&mut self) -> Result<Step, Broken> {
        let (offer, body) = self.draw_offer();
        let key = offer.key.as_ref().map(|(text, _)| Key {
            principal: offer.principal.clone(),
            pool: offer.pool.clone(),
            text: text.clone(),
        });
        let bytes = bytes(&offer);
        let holder = key.as_ref().and_then(|key| self.model.holder(key, self.now));
        let is_taken = self.model.jobs.contains_key(&offer.id);
        let decision = self.registry.offer(self.now, offer.clone());
        self.note(|| format!("{offer:?}\n{:14} -> {decision:?}", ""));
        let mut is_full = false;
        match (holder, decision) {
            (Some(holder), Ok(Decision::Run(record))) => {
                let detail = format!("{} runs although {holder} holds its key", record.id);
                return Err(broken("no_key_runs_twice", detail));
            }
            (Some(holder), Ok(decision)) => self.known(holder, &offer, body, &decision)?,
            (Some(holder), Err(refused)) => {
                return Err(broken(
                    "decisions_follow_the_table",
                    format!("{refused}, but {holder} holds the key"),
                ));
            }
            (None, Ok(Decision::Run(record))) => {
                if record.bytes() != bytes {
                    return Err(broken("bytes_are_counted", format!("{} for {offer:?}", record.bytes())));
                }
                self.accept(offer, key, body, record);
            }
            (None, Ok(decision)) => {
                return Err(broken("decisions_follow_the_table", format!("{decision:?} under a free key")));
            }
            (None, Err(refused)) => {
                is_full = matches!(refused, Refused::Full { .. });
                self.refused(refused, bytes, key.is_some(), is_taken)?;
            }
        }
        Ok(Step::Offered { bytes, is_full })
    }

    fn draw_offer(&mut self) -> (Offer, u8) {
        self.ids += 1;
        let taken = if self.random.percent(2) { self.random.pick(&self.model.ids()) } else { None };
        let pool = self.random.pick(&self.plan.pools).expect("a pool");
        let mut offer = Offer::new(taken.unwrap_or(JobId::from_bits(self.ids)), pool);
        offer.principal = self.random.pick(&self.plan.principals).flatten();
        offer.wait = self.random.pick(&[Wait::None, Wait::Limited, Wait::Outcome]).expect("a way to wait");
        let body = u8::try_from(self.random.between(1, self.plan.bodies)).unwrap_or(1);
        if self.random.percent(self.plan.keyed) {
            let nth = self.random.between(1, self.plan.keys);
            // Keys of different lengths, so that bytes end at different numbers of them.
            let text = "k".repeat(usize::try_from(nth * nth * 7).unwrap_or(1));
            offer.key = Some((KeyText::parse(text.as_bytes()).expect("a key"), Fingerprint([body; 32])));
        }
        if self.random.percent(40) {
            let length = self.random.count(0, self.plan.output);
            let input = Payload::raw(vec![body; length]);
            offer.input = Some(Arc::new(Submission::new("fib", input, Encoding::Json)));
        }
        (offer, body)
    }

    /// Checks the decision about a key that a job holds.
    fn known(&mut self, holder: JobId, offer: &Offer, body: u8, decision: &Decision) -> Result<(), Broken> {
        let job = &self.model.jobs[&holder];
        let is_same = job.key.as_ref().is_some_and(|(_, known)| *known == body);
        let is_over = job.is_result_over(&self.plan.settings.retention, self.now);
        let has_result = job.is_finished() && !is_over && !job.is_result_gone;
        let (fits, what) = match decision {
            Decision::Mismatch(_) => (!is_same, "mismatch"),
            Decision::Known(_) => (is_same && !job.is_finished() && offer.wait == Wait::None, "known"),
            Decision::Attach(_) => (is_same && !job.is_finished() && offer.wait == Wait::Limited, "attached"),
            Decision::Conflict(_) => {
                (is_same && !job.is_finished() && offer.wait == Wait::Outcome, "conflict")
            }
            Decision::Replay(..) => (is_same && has_result, "replayed"),
            Decision::Expired(_) => (is_same && job.is_finished() && !has_result, "expired"),
            Decision::Run(_) => (false, "known"),
        };
        if !fits || decision.record().id != holder {
            let detail = format!("{decision:?} for {offer:?}, whose key {job:?} holds");
            return Err(broken("decisions_follow_the_table", detail));
        }
        if let Decision::Replay(_, result) = decision
            && (result.id != holder || result.result.as_ref().ok() != job.output.as_ref())
        {
            return Err(broken("results_are_their_own", format!("{result:?} of {holder}")));
        }
        self.coverage.met(what);
        Ok(())
    }

    fn accept(&mut self, offer: Offer, key: Option<Key>, body: u8, record: Arc<Record>) {
        let is_again = key.as_ref().map(|key| self.model.keys.contains_key(key));
        self.coverage.met(match is_again {
            None => "ran without a key",
            Some(false) => "ran under a new key",
            Some(true) => "ran under a key again",
        });
        if record.input == Body::Gone {
            self.coverage.met("input not kept");
        }
        self.model.accept(Job::new(offer, key.map(|key| (key, body)), record));
    }

    /// Checks that there was no room for the job. [`check`](Run::check) does so for records.
    fn refused(
        &mut self,
        refused: Refused,
        bytes: u64,
        is_keyed: bool,
        is_taken: bool,
    ) -> Result<(), Broken> {
        let settings = self.plan.settings;
        let keys = self.model.jobs.values().filter(|job| job.is_protected(&settings.retention, self.now));
        let (keys, held) = keys.fold((0, 0), |(count, sum), job| (count + 1, sum + job.record.bytes()));
        let has_room = keys < settings.max_keys && held + bytes <= settings.max_keyed_bytes();
        let (is_true, what) = match refused {
            Refused::KeyStoreFull { .. } => (is_keyed && !has_room, "key store full"),
            Refused::IdTaken(_) => (is_taken, "id taken"),
            _ => (!is_keyed || has_room, "registry full"),
        };
        self.coverage.met(what);
        if is_true { Ok(()) } else { Err(broken("refusals_tell_the_truth", refused.to_string())) }
    }
}

/// Returns the number of bytes of the record of an offer.
fn bytes(offer: &Offer) -> u64 {
    let key = offer.key.as_ref().map_or(0, |(text, _)| CLAIM + text.as_str().len() as u64);
    RECORD + key + offer.principal.as_deref().map_or(0, str::len) as u64
}
