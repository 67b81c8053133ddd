//! Resources that this process and its threads have used.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Returns the processor time of the calling thread so far.
pub(crate) fn thread_cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// Returns the peak resident memory of this process, in bytes, if the system reports it. (`getrusage` also
/// counts that of the process that spawned this one, because the peak outlives an `exec`.)
#[cfg(target_os = "linux")]
pub(crate) fn peak_memory() -> Option<u64> {
    peak_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Returns `None`: unknown on this platform.
#[cfg(not(target_os = "linux"))]
pub(crate) fn peak_memory() -> Option<u64> {
    None
}

#[cfg(target_os = "linux")]
fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_a_line_of_the_status_in_kibibytes() {
        assert_eq!(
            peak_of("Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t    5372 kB\nVmRSS:\t1 kB\n"),
            Some(5372 * 1024)
        );
        assert_eq!(peak_of("VmHWM:\t lots\n"), None);
        assert_eq!(peak_of(""), None);
        assert!(peak_memory().is_some_and(|bytes| bytes > 100_000));
    }

    #[test]
    fn the_clock_of_a_thread_counts_what_that_thread_computes() {
        let before = thread_cpu_time();
        while thread_cpu_time() <= before {}
    }
}
