//! [`Settings`]: how much the registry holds, and for how long.

use std::time::Duration;

use crate::record::LARGEST;

/// The bounds of a registry. The defaults fit a machine with 2 GiB of memory: together they let the
/// registry hold about 550 MiB.
///
/// ```
/// use procpool_registry::Settings;
///
/// let mut settings = Settings::default();
/// settings.max_keys = settings.max_records + 1;
/// let error = settings.check().unwrap_err();
/// assert!(error.to_string().contains("max_keys"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Maximum number of records, finished or not. At least 1.
    pub max_records: usize,
    /// Maximum number of bytes of all records, without payloads and events.
    pub max_record_bytes: u64,
    /// Maximum number of records that an idempotency key protects. At most
    /// [`max_records`](Self::max_records). `0` refuses every job with a key.
    ///
    /// Such records also get at most their share of [`max_record_bytes`](Self::max_record_bytes).
    /// The rest remains for jobs without keys.
    pub max_keys: usize,
    /// Maximum number of [dead letters](crate::is_dead) that no idempotency key protects. The longest finished makes
    /// room for the next one. At least 1.
    pub max_dead: usize,
    /// Maximum number of bytes of all results. A result that does not fit in an empty registry is
    /// not held at all. `0` holds none.
    pub max_result_bytes: u64,
    /// Maximum number of bytes of the inputs that a repetition of their jobs needs. An input that
    /// does not fit is not held. `0` holds none.
    pub max_input_bytes: u64,
    /// Maximum number of bytes of the events of all jobs together.
    pub max_event_bytes: u64,
    /// Maximum number of events that one job holds. At least 1.
    pub max_events_per_job: usize,
    /// Maximum number of bytes of the events of one job. At most
    /// [`max_event_bytes`](Self::max_event_bytes).
    pub max_event_bytes_per_job: u64,
    /// Ages.
    pub retention: Retention,
}

/// How long the registry holds things, from the end of their job. Nothing of an unfinished job
/// expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Time after which the result and the input are dropped.
    pub results: Duration,
    /// Time after which the record is dropped. A record with a key lasts at least as long as its
    /// key.
    pub records: Duration,
    /// Time after which an idempotency key is free again.
    pub keys: Duration,
    /// Time after which result, input and record of a [dead letter](crate::is_dead) are dropped, if that is later.
    /// `None` treats them like other jobs.
    pub dead: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        const MIB: u64 = 1 << 20;
        Self {
            max_records: 150_000,
            max_record_bytes: 192 * MIB,
            max_keys: 100_000,
            max_dead: usize::MAX,
            max_result_bytes: 256 * MIB,
            max_input_bytes: 64 * MIB,
            max_event_bytes: 32 * MIB,
            max_events_per_job: 256,
            max_event_bytes_per_job: MIB / 4,
            retention: Retention::default(),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Self { results: HOUR, records: 24 * HOUR, keys: 24 * HOUR, dead: None }
    }
}

impl Settings {
    /// Returns the defaults for a storage on disk: ten million records, 16 GiB of inputs, and 100,000 dead letters for a
    /// week. Only events are in memory.
    #[must_use]
    pub fn on_disk() -> Self {
        const GIB: u64 = 1 << 30;
        const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
        Self {
            max_records: 10_000_000,
            max_record_bytes: 12 * GIB,
            max_keys: 5_000_000,
            max_dead: 100_000,
            max_result_bytes: GIB,
            max_input_bytes: 16 * GIB,
            retention: Retention { dead: Some(WEEK), ..Retention::default() },
            ..Self::default()
        }
    }

    /// Checks that the settings fit together.
    ///
    /// # Errors
    /// Names the first setting that is out of its bounds.
    pub fn check(&self) -> Result<(), SettingsError> {
        use SettingsError as Error;
        if self.max_records == 0 {
            return Err(Error::NoRecords);
        }
        if self.max_keys > self.max_records {
            return Err(Error::TooManyKeys { keys: self.max_keys, records: self.max_records });
        }
        if self.max_dead == 0 {
            return Err(Error::NoDead);
        }
        let least = LARGEST;
        if self.max_record_bytes < least {
            return Err(Error::NoRoom { bytes: self.max_record_bytes, least });
        }
        if self.max_keys > 0 && self.max_keyed_bytes() < least {
            let bytes = self.max_keyed_bytes();
            return Err(Error::NoRoomForKeys { bytes, least });
        }
        if self.max_events_per_job == 0 {
            return Err(Error::NoEvents);
        }
        let (job, all) = (self.max_event_bytes_per_job, self.max_event_bytes);
        if job > all { Err(Error::EventsOfOneJob { job, all }) } else { Ok(()) }
    }

    /// Returns the maximum number of bytes of the records that a key protects: their share.
    #[must_use]
    pub fn max_keyed_bytes(&self) -> u64 {
        let share =
            u128::from(self.max_record_bytes) * self.max_keys as u128 / self.max_records.max(1) as u128;
        u64::try_from(share).unwrap_or(u64::MAX)
    }
}

/// Two settings do not fit together, or one is out of its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The registry could hold no job.
    #[error("max_records is 0; leave at least 1, or do not accept asynchronous jobs")]
    NoRecords,
    /// More keys than records.
    #[error("max_keys is {keys}, above max_records, which is {records}: every key needs a record")]
    #[non_exhaustive]
    TooManyKeys {
        /// The maximum number of keys.
        keys: usize,
        /// The maximum number of records.
        records: usize,
    },
    /// A job that has failed would be forgotten before its client has asked.
    #[error("max_dead is 0; leave at least 1: the outcome of a job that has failed is there, too")]
    NoDead,
    /// The largest record does not fit.
    #[error("max_record_bytes is {bytes}; one record can need {least}")]
    #[non_exhaustive]
    NoRoom {
        /// The setting, in bytes.
        bytes: u64,
        /// The minimum, in bytes.
        least: u64,
    },
    /// The largest record does not fit into the share of the keys.
    #[error(
        "the keys' share of max_record_bytes (by max_keys of max_records) is {bytes} bytes, and one record can \
         need {least}; raise max_keys or max_record_bytes, or set max_keys to 0"
    )]
    #[non_exhaustive]
    NoRoomForKeys {
        /// The share, in bytes.
        bytes: u64,
        /// The minimum, in bytes.
        least: u64,
    },
    /// No event could be held.
    #[error("max_events_per_job is 0; leave at least 1")]
    NoEvents,
    /// One job could hold more events than all together.
    #[error("max_event_bytes_per_job is {job}, above max_event_bytes, which is {all}")]
    #[non_exhaustive]
    EventsOfOneJob {
        /// The bytes of one job.
        job: u64,
        /// The bytes of all jobs.
        all: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(change: impl FnOnce(&mut Settings)) -> SettingsError {
        let mut settings = Settings::default();
        change(&mut settings);
        settings.check().expect_err("settings that do not fit")
    }

    #[test]
    fn the_defaults_fit_together_and_into_two_gibibytes() {
        let settings = Settings::default();
        assert_eq!(settings.check(), Ok(()));
        let bodies = settings.max_result_bytes + settings.max_input_bytes + settings.max_event_bytes;
        assert!(settings.max_record_bytes + bodies <= 600 << 20);
        assert_eq!(Settings::on_disk().check(), Ok(()));
    }

    #[test]
    fn each_bound_is_checked() {
        assert_eq!(error(|it| it.max_records = 0), SettingsError::NoRecords);
        assert_eq!(error(|it| it.max_dead = 0), SettingsError::NoDead);
        assert!(matches!(error(|it| it.max_keys = 150_001), SettingsError::TooManyKeys { .. }));
        assert!(matches!(error(|it| it.max_record_bytes = 100), SettingsError::NoRoom { .. }));
        assert!(matches!(error(|it| it.max_keys = 1), SettingsError::NoRoomForKeys { .. }));
        assert_eq!(error(|it| it.max_events_per_job = 0), SettingsError::NoEvents);
        let events = error(|it| it.max_event_bytes_per_job = it.max_event_bytes + 1);
        assert!(matches!(events, SettingsError::EventsOfOneJob { .. }));
    }
}
