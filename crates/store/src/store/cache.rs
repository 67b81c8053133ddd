//! [`Cache`]: records and inputs that save look-ups. It holds what the connection sees, or less.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_registry::Record;
use rustc_hash::FxHashMap;

/// Maximum number of records, and of inputs.
const MOST: usize = 4096;

/// Maximum size of all inputs, as they are stored, in bytes.
const INPUT_BYTES: usize = 8 << 20;

#[derive(Debug, Default)]
pub(super) struct Cache {
    records: FxHashMap<JobId, Arc<Record>>,
    ids: FxHashMap<u64, JobId>,
    /// The job that was last looked for in vain: a new one is looked for more than once.
    absent: Option<JobId>,
    inputs: FxHashMap<JobId, Arc<Submission>>,
    input_bytes: usize,
}

impl Cache {
    pub(super) fn record(&self, job: JobId) -> Option<&Arc<Record>> {
        self.records.get(&job)
    }

    pub(super) fn numbered(&self, seq: u64) -> Option<&Arc<Record>> {
        self.records.get(self.ids.get(&seq)?)
    }

    pub(super) fn hold(&mut self, record: Arc<Record>) {
        if self.records.len() >= MOST && !self.records.contains_key(&record.id) {
            self.records.clear();
            self.ids.clear();
        }
        self.absent = self.absent.filter(|&job| job != record.id);
        self.ids.insert(record.seq, record.id);
        self.records.insert(record.id, record);
    }

    pub(super) fn drop_record(&mut self, record: &Record) {
        self.records.remove(&record.id);
        self.ids.remove(&record.seq);
    }

    pub(super) fn is_absent(&self, job: JobId) -> bool {
        self.absent == Some(job)
    }

    pub(super) fn set_absent(&mut self, job: JobId) {
        self.absent = Some(job);
    }

    pub(super) fn input(&self, job: JobId) -> Option<&Arc<Submission>> {
        self.inputs.get(&job)
    }

    /// Holds an input of this stored size, in bytes.
    pub(super) fn hold_input(&mut self, job: JobId, input: Arc<Submission>, bytes: usize) {
        if self.inputs.len() >= MOST || self.input_bytes + bytes > INPUT_BYTES {
            self.inputs.clear();
            self.input_bytes = 0;
        }
        if bytes <= INPUT_BYTES {
            self.inputs.insert(job, input);
            self.input_bytes += bytes;
        }
    }

    pub(super) fn drop_input(&mut self, job: JobId) {
        // Its size stays counted until all go.
        self.inputs.remove(&job);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::Encoding;
    use procpool_protocol::Payload;
    use procpool_registry::Time;

    #[test]
    fn it_stays_within_its_bounds() {
        let mut cache = Cache::default();
        let input = Arc::new(Submission::new("a", Payload::json("1"), Encoding::Json));
        for nth in 1..=3 * MOST as u64 {
            let job = JobId::from_bits(u128::from(nth));
            cache.hold(Arc::new(Record::new(nth, job, "a".into(), Time::ZERO)));
            cache.hold_input(job, input.clone(), 10_000);
            assert!(
                cache.record(job).is_some() && cache.numbered(nth).is_some() && cache.input(job).is_some()
            );
            assert!(
                cache.records.len() <= MOST && cache.ids.len() <= MOST && cache.input_bytes <= INPUT_BYTES
            );
        }
        cache.hold_input(JobId::from_bits(1), input, INPUT_BYTES + 1);
        assert!(cache.inputs.is_empty() && cache.input_bytes == 0);
    }

    #[test]
    fn an_absent_job_is_absent_until_it_is_held() {
        let mut cache = Cache::default();
        let job = JobId::from_bits(1);
        cache.set_absent(job);
        assert!(cache.is_absent(job));
        cache.hold(Arc::new(Record::new(1, job, "a".into(), Time::ZERO)));
        assert!(!cache.is_absent(job));
    }
}
