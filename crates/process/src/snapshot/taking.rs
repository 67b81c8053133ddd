//! One snapshot, on a thread of its own: begin to trace, stop, copy, release.

use super::error::SnapshotError;
use super::{MOST_THREADS, Threads, forbidden, proc};
use crate::os::trace::{Traced, read_memory};
use crate::os::worker_process::WorkerProcess;
use procpool_stacks::{MOST_STACK, Registers, Snapshot, ThreadSnapshot};
use rustix::io::Errno;
use rustix::process::Pid;
use std::io;
use std::time::{Duration, Instant};

/// Maximum number of bytes of stack memory of a thread other than the first.
const MOST_OTHER_STACK: usize = 64 * 1024;

/// Bytes below the stack pointer that a function may use without moving it.
const RED_ZONE: u64 = 128;

/// Number of times that a thread is asked at once whether it has stopped. It needs some microseconds if it runs.
const EAGER: u32 = 64;

/// Longest pause between two questions after that.
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// Number of refusals in a row, while nobody of this process traces it, that are the system's last word.
const DOUBTS: u32 = 4;

/// Takes a snapshot before `until`. The calling thread must end after this: it may still trace threads that did not
/// stop.
pub(super) fn take(
    process: &WorkerProcess,
    threads: Threads,
    until: Instant,
) -> Result<Snapshot, SnapshotError> {
    let pid = Pid::from_raw(process.pid().cast_signed()).ok_or(SnapshotError::Gone)?;
    let first = seize(process, pid, until)?;
    let mut traced = vec![(pid, first)];
    if threads == Threads::All {
        let others = proc::other_threads(pid, MOST_THREADS - 1);
        traced.extend(others.into_iter().filter_map(|thread| Some((thread, other(pid, thread)?))));
    }
    for (_, thread) in &traced {
        // One that has ended does not stop, and is left out.
        let _ = thread.interrupt();
    }
    let mut taken = Vec::with_capacity(traced.len());
    let mut failed = None;
    for (thread, traced) in traced {
        match stop(pid, thread, &traced, until) {
            Ok(registers) => {
                taken.push(copy(pid, thread, registers));
                // An error: it has ended, or was killed meanwhile.
                let _ = traced.release();
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if taken.first().is_none_or(|first| first.id != process.pid()) {
        return Err(failed.unwrap_or(SnapshotError::Gone));
    }
    // After the release: a process that is stuck may keep a reader of its mappings waiting.
    for thread in &mut taken {
        let id = Pid::from_raw(thread.id.cast_signed());
        thread.name = id.map(|id| proc::thread_name(pid, id)).unwrap_or_default();
    }
    let mappings = proc::mappings(pid);
    // Its number was its own until here, or these may be another process's.
    if process.has_ended() { Err(SnapshotError::Gone) } else { Ok(Snapshot { threads: taken, mappings }) }
}

/// Begins to trace the first thread. Waits for another look of this process at it, which is about to end.
fn seize(process: &WorkerProcess, pid: Pid, until: Instant) -> Result<Traced, SnapshotError> {
    let mut refusals = 0;
    loop {
        let error = match process.seize() {
            Ok(traced) => return Ok(traced),
            Err(error) => explain(process, pid, error),
        };
        if !matches!(error, SnapshotError::Forbidden { .. }) {
            return Err(error);
        }
        // That other look may have ended before this question.
        refusals = if proc::is_traced_by_this_process(pid) { 0 } else { refusals + 1 };
        if refusals == DOUBTS {
            return Err(error);
        }
        if Instant::now() >= until {
            return Err(SnapshotError::Busy);
        }
        std::thread::sleep(LONGEST_PAUSE);
    }
}

/// Begins to trace a thread that is not the first one.
fn other(process: Pid, thread: Pid) -> Option<Traced> {
    let traced = Traced::seize(thread).ok()?;
    if proc::has_thread(process, thread) {
        return Some(traced);
    }
    // The number has changed hands between the list and now. It was not interrupted, and is released when this thread
    // ends.
    None
}

/// Waits until a thread that was interrupted has stopped.
fn stop(process: Pid, thread: Pid, traced: &Traced, until: Instant) -> Result<Registers, SnapshotError> {
    let pid = process.as_raw_nonzero().get().unsigned_abs();
    let mut pause = Duration::from_micros(20);
    for asked in 0_u32.. {
        match traced.registers() {
            Ok(Some(registers)) => return Ok(registers),
            Ok(None) => {}
            Err(error) => return Err(SnapshotError::System { pid, error }),
        }
        if asked < EAGER {
            std::thread::yield_now();
            continue;
        }
        if !proc::has_thread(process, thread) {
            return Err(SnapshotError::Gone);
        }
        if Instant::now() >= until {
            break;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Err(SnapshotError::Slow { pid })
}

fn copy(process: Pid, thread: Pid, registers: Registers) -> ThreadSnapshot {
    let stack_start = registers.sp.saturating_sub(RED_ZONE);
    let most = if thread == process { MOST_STACK } else { MOST_OTHER_STACK };
    ThreadSnapshot {
        id: thread.as_raw_nonzero().get().unsigned_abs(),
        name: String::new(),
        registers,
        stack: read_memory(process, stack_start, most),
        stack_start,
    }
}

/// Finds out why a process may not be traced.
fn explain(process: &WorkerProcess, pid: Pid, error: io::Error) -> SnapshotError {
    let number = process.pid();
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        _ if process.has_ended() || !proc::has_thread(pid, pid) => SnapshotError::Gone,
        Some(Errno::SRCH) => SnapshotError::Gone,
        Some(Errno::PERM | Errno::ACCESS | Errno::NOSYS) => {
            let facts = proc::facts(pid, process.attached().is_none());
            SnapshotError::Forbidden { pid: number, reason: forbidden::reason(&facts) }
        }
        _ => SnapshotError::System { pid: number, error },
    }
}
