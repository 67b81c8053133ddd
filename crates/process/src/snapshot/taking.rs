//! One snapshot, on a thread of its own: begin to trace, stop, copy, release. Each thread of the worker goes on as
//! soon as it is copied, so none waits for another one that does not stop.

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

/// Number of times that threads are asked at once whether it has stopped. It needs some microseconds if it runs.
const EAGER: u32 = 64;

/// Longest pause between two questions after that.
const LONGEST_PAUSE: Duration = Duration::from_millis(1);

/// Number of refusals in a row, while nobody of this process traces it, that are the system's last word.
const DOUBTS: u32 = 4;

/// Time after which threads are left out that are in a system call that nothing interrupts, such as a read of a disk.
const UNINTERRUPTIBLE: Duration = Duration::from_millis(5);

/// The copies of the threads of a process.
#[derive(Debug)]
pub(super) struct Copied {
    threads: Vec<ThreadSnapshot>,
    /// Number of threads that did not stop in time.
    left_out: usize,
    /// Number of threads beyond the maximum.
    beyond: usize,
    /// The end of the time for the snapshot.
    until: Instant,
}

impl Copied {
    /// Returns whether the thread that made the copy must end at once: it still traces threads, which would stop
    /// later, and only that end releases them.
    pub(super) fn must_end(&self) -> bool {
        self.left_out > 0
    }

    /// Completes the snapshot by what `/proc` tells of a process that goes on. One that is stuck may keep a reader of
    /// its mappings waiting.
    pub(super) fn complete(mut self, process: &WorkerProcess) -> Result<Snapshot, SnapshotError> {
        let pid = Pid::from_raw(process.pid().cast_signed()).ok_or(SnapshotError::Gone)?;
        for thread in &mut self.threads {
            let id = Pid::from_raw(thread.id.cast_signed());
            thread.name = id.map(|id| proc::thread_name(pid, id)).unwrap_or_default();
        }
        // The caller needs the rest of the time.
        let left = self.until.saturating_duration_since(Instant::now());
        let mapped = proc::mapped(pid, self.until - left / 4);
        let mut snapshot = Snapshot::new(self.threads, mapped.mappings).confirmed();
        snapshot.note = note(self.left_out, self.beyond, mapped.is_cut_off);
        // Its number was its own until here, or these may be another process's.
        if process.has_ended() { Err(SnapshotError::Gone) } else { Ok(snapshot) }
    }
}

/// Returns what is missing.
fn note(left_out: usize, beyond: usize, is_cut_off: bool) -> Option<String> {
    let counted = |count, one: &str, many: &str| {
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
    };
    let late = counted(
        left_out,
        "thread did not stop in time, and is left out",
        "threads did not stop in time, and are left out",
    );
    let further = counted(beyond, "further thread is", "further threads are");
    let notes = [
        late,
        further.map(|it| format!("{it} left out, since at most {MOST_THREADS} are shown")),
        is_cut_off
            .then(|| "the list of what the worker has mapped was too long to be read in time".to_owned()),
    ];
    let notes: Vec<_> = notes.into_iter().flatten().collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// Copies threads before `until`. The calling thread must end soon: it may still trace some that did not stop.
pub(super) fn copied(
    process: &WorkerProcess,
    threads: Threads,
    until: Instant,
) -> Result<Copied, SnapshotError> {
    let pid = Pid::from_raw(process.pid().cast_signed()).ok_or(SnapshotError::Gone)?;
    let first = seize(process, pid, until)?;
    let (mut others, mut beyond) = (Vec::new(), 0);
    if threads == Threads::All {
        let (shown, rest) = proc::threads_beside(pid, MOST_THREADS - 1);
        beyond = rest;
        for thread in shown {
            others.extend(other(pid, thread)?.map(|traced| (thread, traced)));
        }
    }
    // One that has ended does not stop, and is left out.
    let _ = first.interrupt();
    let registers = stop(pid, &first, until)?;
    // Only now, while the first one is stopped: what it does is seen together with what they do.
    for (_, other) in &others {
        let _ = other.interrupt();
    }
    let mut copies = vec![copy(pid, pid, registers)];
    // An error: it has ended, or was killed meanwhile.
    let _ = first.release();
    let left = copy_as_they_stop(pid, others, until, &mut copies);
    let left_out = left.iter().filter(|(thread, _)| proc::has_thread(pid, *thread)).count();
    copies[1..].sort_by_key(|copy| copy.id);
    Ok(Copied { threads: copies, left_out, beyond, until })
}

/// Copies and releases each of these threads when it has stopped. Returns those that did not stop.
fn copy_as_they_stop(
    process: Pid,
    mut waiting: Vec<(Pid, Traced)>,
    until: Instant,
    copies: &mut Vec<ThreadSnapshot>,
) -> Vec<(Pid, Traced)> {
    let (since, mut pauses) = (Instant::now(), Pauses::default());
    while !waiting.is_empty() {
        let mut still = Vec::with_capacity(waiting.len());
        for (thread, traced) in waiting {
            match traced.registers() {
                Ok(Some(registers)) => {
                    copies.push(copy(process, thread, registers));
                    let _ = traced.release();
                }
                Ok(None) => still.push((thread, traced)),
                Err(_) => {}
            }
        }
        waiting = still;
        let may_stop = |(thread, _): &(Pid, Traced)| !proc::is_uninterruptible(process, *thread);
        let is_late = since.elapsed() >= UNINTERRUPTIBLE && !waiting.iter().any(may_stop);
        if is_late || Instant::now() >= until {
            break;
        }
        if pauses.next() {
            waiting.retain(|(thread, _)| proc::has_thread(process, *thread));
        }
    }
    waiting
}

/// The pauses between two questions whether a thread has stopped.
#[derive(Debug)]
struct Pauses {
    asked: u32,
    pause: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { asked: 0, pause: Duration::from_micros(20) }
    }
}

impl Pauses {
    /// Pauses. Returns whether that was long enough for the thread to end.
    fn next(&mut self) -> bool {
        self.asked += 1;
        if self.asked <= EAGER {
            std::thread::yield_now();
            return false;
        }
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
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

/// Begins to trace a thread that is not the first one. Returns `None` if it has ended.
///
/// # Errors
/// Its number has changed hands between the list and now. The end of the calling thread, which must come at once,
/// releases the thread of the other process, which was not interrupted.
fn other(process: Pid, thread: Pid) -> Result<Option<Traced>, SnapshotError> {
    let Ok(traced) = Traced::seize(thread) else { return Ok(None) };
    if proc::has_thread(process, thread) {
        return Ok(Some(traced));
    }
    let pid = process.as_raw_nonzero().get().unsigned_abs();
    if proc::process_of(thread).is_some_and(|owner| owner != pid) {
        return Err(SnapshotError::Slow { pid });
    }
    Ok(None)
}

/// Waits until the first thread, which was interrupted, has stopped.
fn stop(process: Pid, traced: &Traced, until: Instant) -> Result<Registers, SnapshotError> {
    let pid = process.as_raw_nonzero().get().unsigned_abs();
    let mut pauses = Pauses::default();
    loop {
        match traced.registers() {
            Ok(Some(registers)) => return Ok(registers),
            Ok(None) => {}
            Err(error) => return Err(SnapshotError::System { pid, error }),
        }
        if pauses.next() {
            if !proc::has_thread(process, process) {
                return Err(SnapshotError::Gone);
            }
            if Instant::now() >= until {
                return Err(SnapshotError::Slow { pid });
            }
        }
    }
}

fn copy(process: Pid, thread: Pid, registers: Registers) -> ThreadSnapshot {
    let stack_start = registers.sp.saturating_sub(RED_ZONE);
    let most = if thread == process { MOST_STACK } else { MOST_OTHER_STACK };
    let id = thread.as_raw_nonzero().get().unsigned_abs();
    ThreadSnapshot::new(id, registers, read_memory(process, stack_start, most), stack_start)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_counts_what_is_left_out() {
        assert_eq!(note(0, 0, false), None);
        let told = note(0, 436, false).unwrap();
        assert_eq!(told, "436 further threads are left out, since at most 64 are shown");
        let told = note(1, 1, true).unwrap();
        assert!(
            told.starts_with("1 thread did not stop in time, and is left out; 1 further thread is left out")
        );
        assert!(told.ends_with("too long to be read in time"), "{told}");
    }
}
