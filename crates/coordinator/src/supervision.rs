//! [`Supervision`]: settings for workers that fail, wear out or idle, and for payloads that kill. The
//! scheduler decides by them.
//!
//! Field names are the keys of the configuration file and the methods of the builders.

use crate::invalid::InvalidLimits;
use procpool_scheduler::{Breaker, ClientDeaths, Config, Poison, Recycling};
use std::num::NonZeroU64;
use std::time::Duration;

/// Settings by which a pool treats its workers over time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Supervision {
    /// Number of failed starts within [`breaker_window`](Self::breaker_window) that open the breaker. While
    /// it is open and no worker is there, the pool refuses jobs and tries one worker at a time. Workers that
    /// fail together count as one. `0` disables it. Default: 5.
    pub breaker_failures: usize,
    /// Time in which failed starts are counted. Default: 10 s.
    pub breaker_window: Duration,
    /// Number of workers that a payload may kill before it is rejected for
    /// [`poison_window`](Self::poison_window). `0` disables it. Default: `max_attempts` where that is above
    /// 1, else 3.
    pub poison_deaths: Option<u32>,
    /// Time for which the death of a worker counts against its payload. Default: 10 min.
    pub poison_window: Duration,
    /// Number of workers that jobs of one client may kill within [`poison_window`](Self::poison_window), with
    /// any payloads. Beyond it, the pool refuses the client's jobs until that time ends. `0`: deaths are only
    /// counted and listed. All clients behind one proxy count as one. Default: 0.
    pub client_deaths: u32,
    /// Whether a job whose worker ran into its memory limit, or was taken by the kernel's OOM killer, is tried again like any
    /// other. Default: false.
    pub retry_out_of_memory: bool,
    /// Number of jobs after which a worker is replaced. The pool replaces one worker at a time, between two
    /// jobs, once the replacement is ready, and up to a tenth earlier. The same holds for the next two
    /// settings. Default: `None`.
    pub recycle_jobs: Option<u64>,
    /// Time after which a worker is replaced. Default: `None`.
    pub recycle_lifetime: Option<Duration>,
    /// Resident memory, in bytes, above which a worker is replaced. It is checked after a job, at most ten
    /// times a second. Default: `None`.
    pub recycle_memory: Option<u64>,
    /// Whether each job gets a new process. Default: false.
    pub process_per_job: bool,
    /// Whether workers are forked from a process that has loaded their state, instead of spawned. Linux only. Default:
    /// false.
    pub fork: bool,
    /// Whether workers may record how they crash, so that the report of a crash has its stack. Costs memory only
    /// when a worker crashes: up to 200 KiB. Default: true.
    pub crash_stacks: bool,
    /// Number of workers that are kept idle and ready beside those that are busy, as far as `max_workers`
    /// allows. Default: 0.
    pub spares: usize,
    /// Time after which a worker that no job has needed exits, down to `min_workers`. `None` disables it.
    /// Default: 60 s.
    pub idle_timeout: Option<Duration>,
}

impl Default for Supervision {
    fn default() -> Self {
        let (breaker, poison) = (Breaker::default(), Poison::default());
        Self {
            breaker_failures: breaker.failures,
            breaker_window: breaker.window,
            poison_deaths: None,
            poison_window: poison.memory,
            client_deaths: 0,
            retry_out_of_memory: false,
            recycle_jobs: None,
            recycle_lifetime: None,
            recycle_memory: None,
            process_per_job: false,
            fork: false,
            crash_stacks: true,
            spares: 0,
            idle_timeout: Some(Duration::from_secs(60)),
        }
    }
}

impl Supervision {
    /// Checks what the types cannot express.
    pub(crate) fn check(&self) -> Result<(), InvalidLimits> {
        let durations = [
            ("breaker_window", Some(self.breaker_window)),
            ("poison_window", Some(self.poison_window)),
            ("recycle_lifetime", self.recycle_lifetime),
        ];
        if let Some((key, _)) = durations.iter().find(|(_, value)| *value == Some(Duration::ZERO)) {
            return Err(InvalidLimits::Zero { key });
        }
        let amounts = [("recycle_jobs", self.recycle_jobs), ("recycle_memory", self.recycle_memory)];
        match amounts.iter().find(|(_, amount)| *amount == Some(0)) {
            Some((key, _)) => Err(InvalidLimits::NoRoom { key }),
            None => Ok(()),
        }
    }

    /// Returns the number of deaths that bring a payload into quarantine, in a pool with this `max_attempts`.
    pub(crate) fn deaths_of_poison(&self, max_attempts: u32) -> u32 {
        let default = if max_attempts > 1 { max_attempts } else { Poison::default().deaths };
        self.poison_deaths.unwrap_or(default)
    }

    /// Adds these settings to the rest of the scheduler's.
    pub(crate) fn of_scheduler(&self, max_attempts: u32, rest: Config) -> Config {
        Config {
            breaker: Breaker { failures: self.breaker_failures, window: self.breaker_window },
            poison: Poison { deaths: self.deaths_of_poison(max_attempts), memory: self.poison_window },
            client_deaths: ClientDeaths { deaths: self.client_deaths, window: self.poison_window },
            retry_out_of_memory: self.retry_out_of_memory,
            recycling: Recycling {
                jobs: self.recycle_jobs.and_then(NonZeroU64::new),
                lifetime: self.recycle_lifetime,
            },
            process_per_job: self.process_per_job,
            spares: self.spares,
            idle_timeout: self.idle_timeout,
            ..rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_repeats_jobs_gives_a_payload_as_many_deaths_as_a_job_has_attempts() {
        let supervision = Supervision::default();
        assert_eq!([1, 2, 5].map(|attempts| supervision.deaths_of_poison(attempts)), [3, 2, 5]);
        let never = Supervision { poison_deaths: Some(0), ..Supervision::default() };
        assert_eq!(never.deaths_of_poison(5), 0);
    }

    #[test]
    fn what_would_recycle_without_end_is_refused_by_name() {
        let zero = Some(Duration::ZERO);
        for (supervision, key) in [
            (Supervision { recycle_jobs: Some(0), ..Supervision::default() }, "recycle_jobs"),
            (Supervision { recycle_memory: Some(0), ..Supervision::default() }, "recycle_memory"),
            (Supervision { recycle_lifetime: zero, ..Supervision::default() }, "recycle_lifetime"),
        ] {
            let error = supervision.check().unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
