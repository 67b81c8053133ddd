//! Reads the facts of a process in `/proc`: its threads, its mapped files, and what forbids to trace it.
//!
//! The files of a hostile process may be long. All of them are read up to a bound.

use super::forbidden::Facts;
use procpool_stacks::{MOST_MAPPINGS, Mapping};
use rustix::process::Pid;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::time::Instant;

/// Maximum number of bytes that are read of a list of mappings. Twice what the system's default limit of 65,530 mappings
/// usually takes.
const MOST_MAPS: usize = 16 << 20;

/// Number of bytes that are read of it at a time. The memory of a list does not grow with its length.
const PART: usize = 64 << 10;

/// Maximum number of threads that are counted.
const MOST_COUNTED: usize = 32 << 10;

/// The capability to trace any process, as a bit of the kernel's sets.
const CAP_SYS_PTRACE: u64 = 1 << 19;

fn bytes(path: &str, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn read(path: &str, most: u64) -> Option<String> {
    Some(String::from_utf8_lossy(&bytes(path, most)?).into_owned())
}

/// The files that a process has mapped executable, in the order of their addresses.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    pub(super) mappings: Vec<Mapping>,
    /// The list was too long to be read to its end.
    pub(super) is_cut_off: bool,
}

/// Reads what a process has mapped executable, up to this moment.
pub(super) fn mapped(process: Pid, until: Instant) -> Mapped {
    match File::open(format!("/proc/{process}/maps")) {
        Ok(file) => mapped_in(file, until),
        Err(_) => Mapped::default(),
    }
}

fn mapped_in(mut list: impl Read, until: Instant) -> Mapped {
    let (mut mapped, mut part, mut length) = (Mapped::default(), Vec::with_capacity(PART), 0);
    loop {
        // A line is far shorter than a part.
        let space = PART.saturating_sub(part.len());
        let count = list.by_ref().take(space as u64).read_to_end(&mut part).unwrap_or_default();
        length += count;
        let lines = part.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let room = MOST_MAPPINGS - mapped.mappings.len();
        mapped.mappings.extend(procpool_stacks::mappings(&part[..lines]).into_iter().take(room));
        part.drain(..lines);
        if count < space || count == 0 {
            return mapped;
        }
        if length >= MOST_MAPS || Instant::now() >= until {
            mapped.is_cut_off = true;
            return mapped;
        }
    }
}

/// Returns the other threads of a process, at most `most`, and how many there are beyond them.
pub(super) fn threads_beside(process: Pid, most: usize) -> (Vec<Pid>, usize) {
    let mut threads = other_threads(process, MOST_COUNTED);
    let beyond = threads.len().saturating_sub(most);
    threads.truncate(most);
    (threads, beyond)
}

/// Returns the other threads of a process, at most `most`.
pub(super) fn other_threads(process: Pid, most: usize) -> Vec<Pid> {
    let entries = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let threads =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    threads.filter(|thread| *thread != process).take(most).collect()
}

/// Returns whether this is a thread of the process, and has not ended.
pub(super) fn has_thread(process: Pid, thread: Pid) -> bool {
    state(&format!("/proc/{process}/task/{thread}/stat")).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Returns whether a thread is in the middle of a system call that nothing interrupts.
pub(super) fn is_uninterruptible(process: Pid, thread: Pid) -> bool {
    state(&format!("/proc/{process}/task/{thread}/stat")) == Some('D')
}

/// Returns the name of a thread.
pub(super) fn thread_name(process: Pid, thread: Pid) -> String {
    let name = read(&format!("/proc/{process}/task/{thread}/comm"), 64).unwrap_or_default();
    name.trim_end_matches('\n').to_owned()
}

fn state(path: &str) -> Option<char> {
    // The name, in parentheses, may contain anything.
    read(path, 4096)?.rsplit_once(") ")?.1.chars().next()
}

/// Gathers what forbids to trace a process.
pub(super) fn facts(process: Pid, is_child: bool) -> Facts {
    let of_it = read(&format!("/proc/{process}/status"), 16 << 10).unwrap_or_default();
    let of_this = read("/proc/thread-self/status", 16 << 10).unwrap_or_default();
    let user = || field(&of_it, "Uid:")?.split_whitespace().nth(1)?.parse().ok();
    let own_user = rustix::process::geteuid().as_raw();
    let capabilities = field(&of_this, "CapEff:").and_then(|set| u64::from_str_radix(set, 16).ok());
    let owner = std::fs::metadata(format!("/proc/{process}/stat")).map(|it| it.uid()).ok();
    let user = user().unwrap_or(own_user);
    Facts {
        tracer: field(&of_it, "TracerPid:").and_then(tracer),
        yama: read("/proc/sys/kernel/yama/ptrace_scope", 16).and_then(|it| it.trim().parse().ok()),
        is_capable: capabilities.is_some_and(|set| set & CAP_SYS_PTRACE != 0),
        own_user,
        user,
        owner: owner.unwrap_or(user),
        is_filtered: field(&of_this, "Seccomp:").is_some_and(|mode| mode != "0"),
        is_child,
    }
}

/// Returns whether a thread of this process traces it.
pub(super) fn is_traced_by_this_process(process: Pid) -> bool {
    let status = read(&format!("/proc/{process}/status"), 16 << 10).unwrap_or_default();
    field(&status, "TracerPid:").and_then(tracer) == Some(std::process::id())
}

/// Returns the process of a thread that traces. 0 is none.
fn tracer(number: &str) -> Option<u32> {
    let tracer = Pid::from_raw(number.parse().ok()?)?;
    process_of(tracer).or(Some(tracer.as_raw_nonzero().get().unsigned_abs()))
}

/// Returns the process that a thread belongs to.
pub(super) fn process_of(thread: Pid) -> Option<u32> {
    field(&read(&format!("/proc/{thread}/status"), 16 << 10)?, "Tgid:")?.parse().ok()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_long_list_of_mappings_is_read_to_its_end_or_says_that_it_was_not() {
        let hole = "7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n".repeat(100_000);
        let code = "7ffd-7ffe r-xp 00000000 00:00 0    [vdso]\n";
        let list = format!("{hole}{code}");
        let whole = mapped_in(list.as_bytes(), later());
        assert_eq!((whole.mappings.len(), whole.is_cut_off), (1, false));
        let late = mapped_in(list.as_bytes(), Instant::now());
        assert_eq!((late.mappings.len(), late.is_cut_off), (0, true));
        let endless = mapped_in(hole.repeat(4).as_bytes(), later());
        assert!(endless.is_cut_off);
    }

    #[test]
    fn this_process_is_mapped_and_has_threads() {
        let process = rustix::process::getpid();
        let here = this_process_is_mapped_and_has_threads as *const () as u64;
        let mappings = mapped(process, later()).mappings;
        assert!(
            mappings.iter().any(|it| it.executable && (it.start..it.end).contains(&here)),
            "{mappings:?}"
        );
        assert!(other_threads(process, 1).len() <= 1);
        assert!(has_thread(process, process) && !thread_name(process, process).is_empty());
    }
}
