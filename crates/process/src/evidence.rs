//! Finds the limit that caused a worker's death, by the evidence of that death. A pure rule: without evidence
//! it names no limit.

use crate::worker_limits::WorkerLimits;
use procpool_protocol::{ExitReport, LimitHit, MemoryCount};

const SIGTRAP: i32 = 5;
const SIGABRT: i32 = 6;
const SIGBUS: i32 = 7;
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGXCPU: i32 = 24;
const SIGXFSZ: i32 = 25;

/// The circumstances of a death that its report does not have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Circumstances {
    /// This process had sent SIGKILL before the death, which is a reason of its own.
    pub(crate) was_killed: bool,
    /// The peak of memory may be that of a child of the worker.
    pub(crate) had_children: bool,
    /// It was killed above `memory_limit`: the kernel's count, or this process's.
    pub(crate) above_limit: Option<MemoryCount>,
}

/// Returns the limit that caused the death of a worker with these limits.
pub(crate) fn limit_hit(
    limits: &WorkerLimits,
    death: &ExitReport,
    circumstances: Circumstances,
) -> Option<LimitHit> {
    let signal = death.exit.signal()?;
    if circumstances.was_killed && signal == SIGKILL {
        return None;
    }
    if let Some((limit, count)) = limits.memory_limit.zip(circumstances.above_limit) {
        return Some(LimitHit::memory(limit, count));
    }
    let own_peak = death.peak_memory.filter(|_| !circumstances.had_children).unwrap_or(0);
    let space = limits.address_space_limit.filter(|&limit| was_space(limit, signal, own_peak, death));
    let is_spent = limits.cpu_budget().is_some_and(|budget| death.cpu_time >= budget);
    let cpu = limits.cpu_limit.filter(|_| signal == SIGXCPU || (signal == SIGKILL && is_spent));
    let file_size = limits.file_size_limit.filter(|_| signal == SIGXFSZ);
    space.map(LimitHit::address_space).or(cpu.map(LimitHit::cpu)).or(file_size.map(LimitHit::file_size))
}

/// Returns whether the worker ran out of address space, which has no signal of its own. A worker reports a
/// failed allocation before it aborts. A stack that cannot grow is a segmentation fault while nearly all of
/// the limit is in use. A SIGKILL never comes from this limit: the kernel refuses memory, and kills no
/// process for it.
fn was_space(limit: u64, signal: i32, own_peak: u64, death: &ExitReport) -> bool {
    // Some programs recover from a failed allocation. The line counts only if this job wrote it and no line
    // follows it.
    let told = !death.stderr_may_be_older
        && death.last_words().is_some_and(|last| is_failed_allocation(last) || tells_of_memory(last));
    let near = own_peak >= limit - limit / 8;
    // V8 ends by a trap where others abort.
    (told && [SIGABRT, SIGTRAP].contains(&signal)) || (near && [SIGABRT, SIGBUS, SIGSEGV].contains(&signal))
}

/// The message of Rust, which always aborts after it. A backtrace comes in between if one is requested.
pub(crate) fn is_failed_allocation(line: &str) -> bool {
    line.starts_with("memory allocation of ") && line.contains(" bytes failed")
}

/// The messages of C++, V8 and most other languages.
fn tells_of_memory(line: &str) -> bool {
    line.contains("std::bad_alloc")
        || line.contains("Fatal process OOM")
        || line.to_ascii_lowercase().contains("out of memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::Exit;
    use std::time::Duration;

    const LIMIT: u64 = 256 << 20;
    const OURS: Circumstances = Circumstances { was_killed: true, had_children: false, above_limit: None };
    const RUST: &str = "memory allocation of 1048576 bytes failed";

    fn limits() -> WorkerLimits {
        WorkerLimits {
            address_space_limit: Some(LIMIT),
            cpu_limit: Some(Duration::from_secs(2)),
            file_size_limit: Some(1024),
            ..WorkerLimits::default()
        }
    }

    fn death(signal: i32, peak_memory: u64, stderr: &[&str]) -> ExitReport {
        let mut death = ExitReport::new("a-0", 1, Exit::by_signal(signal, false));
        death.peak_memory = Some(peak_memory);
        death.stderr = stderr.iter().map(|&line| line.to_owned()).collect();
        death
    }

    fn hit(death: &ExitReport) -> Option<&'static str> {
        limit_hit(&limits(), death, Circumstances::default()).map(LimitHit::name)
    }

    #[test]
    fn an_abort_that_speaks_of_memory_is_the_address_space_limit() {
        let bad_alloc =
            ["terminate called after throwing an instance of 'std::bad_alloc'", "  what():  std::bad_alloc"];
        assert_eq!(hit(&death(SIGABRT, 0, &[RUST])), Some("address_space"));
        assert_eq!(
            hit(&death(SIGABRT, 0, &[RUST, "stack backtrace:", "   0: a", "   1: b"])),
            Some("address_space")
        );
        assert_eq!(hit(&death(SIGABRT, 0, &bad_alloc)), Some("address_space"));
        assert_eq!(hit(&death(SIGABRT, 0, &["fatal: Out of memory"])), Some("address_space"));
    }

    #[test]
    fn v8_that_gets_no_address_space_has_hit_the_address_space_limit() {
        let v8 = ["#", "# Fatal process OOM in Failed to reserve virtual memory for CodeRange", "#"];
        assert_eq!(hit(&death(SIGTRAP, 0, &v8)), Some("address_space"));
        assert_eq!(hit(&death(SIGTRAP, 0, &["# Check failed: x"])), None);
    }

    #[test]
    fn an_abort_that_speaks_of_something_else_is_none() {
        assert_eq!(hit(&death(SIGABRT, 0, &["assertion failed"])), None);
        assert_eq!(hit(&death(SIGABRT, 0, &[])), None);
        // The worker recovered and continued.
        let over = ["Out of memory", "retrying", "1", "2", "assertion failed"];
        assert_eq!(hit(&death(SIGABRT, 0, &over)), None);
        assert_eq!(hit(&death(SIGABRT, 0, &over[..2])), None);
        // The previous job may have recovered from it.
        for words in ["Out of memory", RUST] {
            let mut unclear = death(SIGABRT, 0, &[words]);
            unclear.stderr_may_be_older = true;
            assert_eq!(hit(&unclear), None);
            assert_eq!(hit(&death(SIGABRT, 0, &[words, "retrying with less"])), None);
        }
        // A message of another language, without an abort.
        assert_eq!(hit(&death(SIGSEGV, 0, &[RUST])), None);
    }

    #[test]
    fn a_violent_death_close_to_the_limit_is_the_address_space_limit() {
        for signal in [SIGABRT, SIGBUS, SIGSEGV] {
            assert_eq!(hit(&death(signal, LIMIT / 8 * 7, &[])), Some("address_space"), "{signal}");
            assert_eq!(hit(&death(signal, LIMIT / 8 * 7 - 1, &[])), None, "{signal}");
        }
        assert_eq!(hit(&death(15, LIMIT, &[])), None);
        assert_eq!(hit(&death(SIGKILL, LIMIT, &[])), None, "that limit sends no SIGKILL");
    }

    #[test]
    fn anothers_memory_is_no_evidence_against_the_worker() {
        let circumstances = Circumstances { had_children: true, ..Circumstances::default() };
        assert_eq!(limit_hit(&limits(), &death(SIGSEGV, LIMIT, &[]), circumstances), None);
        assert!(limit_hit(&limits(), &death(SIGABRT, LIMIT, &[RUST]), circumstances).is_some());
        let mut untold = death(SIGSEGV, LIMIT, &[]);
        untold.peak_memory = None;
        assert_eq!(hit(&untold), None);
    }

    #[test]
    fn a_kill_above_the_limit_of_memory_is_that_limit() {
        let limits = WorkerLimits { memory_limit: Some(LIMIT), ..limits() };
        for count in [MemoryCount::Cgroup, MemoryCount::Resident] {
            let circumstances = Circumstances { above_limit: Some(count), ..Circumstances::default() };
            let hit = limit_hit(&limits, &death(SIGKILL, 0, &[]), circumstances);
            assert_eq!(hit, Some(LimitHit::memory(LIMIT, count)));
        }
        let unlimited = WorkerLimits { memory_limit: None, ..limits };
        let circumstances =
            Circumstances { above_limit: Some(MemoryCount::Cgroup), ..Circumstances::default() };
        assert_eq!(limit_hit(&unlimited, &death(SIGKILL, 0, &[]), circumstances), None);
        assert_eq!(limit_hit(&limits, &death(SIGKILL, LIMIT, &[]), Circumstances::default()), None);
    }

    #[test]
    fn a_kill_of_ours_is_no_limit() {
        let mut death = death(SIGKILL, LIMIT, &[]);
        death.cpu_time = Duration::from_secs(9);
        assert_eq!(limit_hit(&limits(), &death, OURS), None);
        assert!(hit(&death).is_some());
    }

    #[test]
    fn the_last_signal_tells_even_where_we_killed_too_late() {
        assert!(limit_hit(&limits(), &death(SIGABRT, 0, &[RUST]), OURS).is_some());
        assert!(limit_hit(&limits(), &death(SIGXCPU, 0, &[]), OURS).is_some());
    }

    #[test]
    fn processor_time_and_file_size_have_signals_of_their_own() {
        assert_eq!(hit(&death(SIGXCPU, 0, &[])), Some("cpu"));
        assert_eq!(hit(&death(SIGXFSZ, 0, &[])), Some("file_size"));
        let mut killed = death(SIGKILL, 0, &[]);
        killed.cpu_time = Duration::from_millis(1999);
        assert_eq!(hit(&killed), None);
        killed.cpu_time = Duration::from_secs(2);
        assert_eq!(hit(&killed), Some("cpu"));
    }

    #[test]
    fn what_was_not_limited_was_not_hit() {
        for death in [death(SIGABRT, u64::MAX, &[RUST]), death(SIGXCPU, 0, &[]), death(SIGXFSZ, 0, &[])] {
            assert_eq!(limit_hit(&WorkerLimits::default(), &death, Circumstances::default()), None);
        }
    }

    #[test]
    fn who_exits_by_itself_hit_nothing() {
        let mut death = ExitReport::new("a-0", 1, Exit::Code(1));
        death.peak_memory = Some(u64::MAX);
        assert_eq!(hit(&death), None);
    }
}
