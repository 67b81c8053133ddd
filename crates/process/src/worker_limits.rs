//! [`WorkerLimits`]: the limits of one worker process, and their checks. `os` sets them on a process, and
//! `evidence` decides whether a worker reached one.
//!
//! Field names are the keys of the configuration file and the methods of the builders.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Minimum and maximum difference of a nice level.
const NICE: RangeInclusive<i32> = -20..=19;

/// Minimum memory and address space in which a worker starts, in bytes: a small program with its stacks and its share of
/// the C library.
const MEMORY_FLOOR: u64 = 16 << 20;

/// Limits of one worker process. The kernel enforces them, except `memory_limit` where no cgroup can be made.
///
/// They are set from outside, before the worker receives its first message, and its children inherit them. In
/// addition, no worker writes core dumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerLimits {
    /// Maximum memory in use, in bytes; at least 16 MiB. Above it the worker is killed.
    ///
    /// Where this process may make cgroups that count memory, the kernel counts the worker and its children
    /// together. Elsewhere the memory of the worker's own process is read several times a second, without the
    /// files that it maps and without shared memory. Default: `None`.
    pub memory_limit: Option<u64>,
    /// Maximum address space, in bytes: all mappings, touched or not, including the executable and
    /// the stacks of its threads. An allocation beyond it fails. At least 16 MiB; a typical program needs
    /// more to start, and Node about 2 GiB. Default: `None`.
    pub address_space_limit: Option<u64>,
    /// Maximum processor time of a job, in whole seconds. At the limit the worker is sent SIGXCPU,
    /// and SIGKILL a second later. Default: `None`.
    ///
    /// The kernel counts a process's whole life. Therefore a pool's worker, unless it runs one job only, is
    /// allowed twice as much. It is replaced between two jobs once it has used half of that. A job has at
    /// least this time, regardless of earlier jobs, and never more than twice this.
    pub cpu_limit: Option<Duration>,
    /// Maximum number of open file descriptors, of which the worker needs about ten for itself.
    /// Default: `None`, which leaves the coordinator's own limit.
    pub open_files_limit: Option<u64>,
    /// Maximum number of processes and threads, of which the worker needs two for itself. Default:
    /// `None`.
    pub process_limit: Option<u64>,
    /// Maximum size of a file that the worker writes, in bytes. Beyond it the worker is sent
    /// SIGXFSZ. Default: `None`.
    pub file_size_limit: Option<u64>,
    /// Number added to the coordinator's own nice level, -20 to 19. Above zero, workers have a lower priority
    /// than the coordinator. Default: 0.
    pub nice: i32,
    /// Whether the process runs one job after another, and is replaced in time.
    pub is_replaced: bool,
}

/// Limits with which no worker process could run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidWorkerLimits {
    /// The limit is too small for any worker.
    #[error("{key} is zero, which no worker can live with; leave it out for no limit")]
    #[non_exhaustive]
    NoRoom {
        /// The limit's key.
        key: &'static str,
    },
    /// Less memory than any worker needs to start.
    #[error(
        "{key} is {limit} bytes; no worker starts in less than {} (16 MiB). It counts bytes: 512 MiB are {}",
        MEMORY_FLOOR, 512 << 20
    )]
    #[non_exhaustive]
    LittleMemory {
        /// The limit's key.
        key: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A limit on processor time that the system does not count.
    #[error("cpu_limit is {limit:?}; the system counts whole seconds, from 1s on")]
    #[non_exhaustive]
    CpuSeconds {
        /// `cpu_limit`.
        limit: Duration,
    },
    /// The nice level does not exist.
    #[error("nice is {nice}; it must be from -20 to 19")]
    #[non_exhaustive]
    Nice {
        /// `nice`.
        nice: i32,
    },
}

impl InvalidWorkerLimits {
    /// Returns the key of the limit in question.
    pub fn key(&self) -> &'static str {
        match self {
            Self::NoRoom { key } | Self::LittleMemory { key, .. } => key,
            Self::CpuSeconds { .. } => "cpu_limit",
            Self::Nice { .. } => "nice",
        }
    }
}

impl WorkerLimits {
    /// Returns the same limits for a process that runs one job after another and is replaced in time.
    #[must_use]
    pub fn replaced_in_time(self) -> Self {
        Self { is_replaced: true, ..self }
    }

    /// Returns the processor time that the process may use in its life.
    pub fn cpu_budget(&self) -> Option<Duration> {
        self.cpu_limit.map(|limit| limit.saturating_mul(if self.is_replaced { 2 } else { 1 }))
    }

    /// Returns the lower one of the limits of memory and address space.
    pub fn least_memory(&self) -> Option<u64> {
        self.memory_limit.into_iter().chain(self.address_space_limit).min()
    }

    /// Checks the rules that the types cannot express.
    pub fn check(&self) -> Result<(), InvalidWorkerLimits> {
        let amounts = [
            ("memory_limit", self.memory_limit),
            ("address_space_limit", self.address_space_limit),
            ("open_files_limit", self.open_files_limit),
            ("process_limit", self.process_limit),
            ("file_size_limit", self.file_size_limit),
        ];
        if let Some((key, _)) = amounts.iter().find(|(_, amount)| *amount == Some(0)) {
            return Err(InvalidWorkerLimits::NoRoom { key });
        }
        for (key, limit) in &amounts[..2] {
            if let Some(limit) = limit.filter(|&limit| limit < MEMORY_FLOOR) {
                return Err(InvalidWorkerLimits::LittleMemory { key, limit });
            }
        }
        if let Some(limit) = self.cpu_limit
            && (limit.is_zero() || limit.subsec_nanos() > 0)
        {
            return Err(InvalidWorkerLimits::CpuSeconds { limit });
        }
        if !NICE.contains(&self.nice) {
            return Err(InvalidWorkerLimits::Nice { nice: self.nice });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_worker_could_live_with_is_refused_by_name() {
        let check = |change: fn(&mut WorkerLimits)| {
            let mut limits = WorkerLimits::default();
            change(&mut limits);
            limits.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(|_| {}), Ok(()));
        assert_eq!(check(|limits| limits.cpu_limit = Some(Duration::from_secs(1))), Ok(()));
        assert_eq!(check(|limits| limits.nice = -20), Ok(()));
        let refused = |change| check(change).expect_err("a mistake");
        assert!(refused(|limits| limits.memory_limit = Some(0)).starts_with("memory_limit is zero"));
        let little = refused(|limits| limits.memory_limit = Some(512));
        assert!(
            little.starts_with("memory_limit is 512 bytes; no worker starts in less than 16777216 (16 MiB)")
        );
        let little = refused(|limits| limits.address_space_limit = Some(512));
        assert!(little.starts_with("address_space_limit is 512 bytes"), "{little}");
        assert!(
            refused(|limits| limits.memory_limit = Some((16 << 20) - 1)).contains("512 MiB are 536870912")
        );
        assert_eq!(check(|limits| limits.memory_limit = Some(16 << 20)), Ok(()));
        assert!(refused(|limits| limits.process_limit = Some(0)).starts_with("process_limit is zero"));
        let half = refused(|limits| limits.cpu_limit = Some(Duration::from_millis(1500)));
        assert_eq!(half, "cpu_limit is 1.5s; the system counts whole seconds, from 1s on");
        assert!(refused(|limits| limits.cpu_limit = Some(Duration::ZERO)).starts_with("cpu_limit is 0ns"));
        assert!(refused(|limits| limits.nice = 20).contains("from -20 to 19"));
    }
}
