//! Looking at processes through `/proc`, and signalling them.

use rustix::process::{Pid, Signal};
use std::path::Path;
use std::time::Duration;

/// Sends a signal.
///
/// # Panics
/// When there is no such process.
pub fn signal(pid: u32, signal: Signal) {
    try_signal(pid, signal).unwrap_or_else(|error| panic!("failed to signal {pid}: {error}"));
}

/// Sends a signal to a process that may be gone already.
///
/// # Errors
/// The kernel's error, usually that there is no such process.
pub fn try_signal(pid: u32, signal: Signal) -> rustix::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(rustix::io::Errno::SRCH)?;
    rustix::process::kill_process(pid, signal)
}

/// `kill -9`.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Returns the state letter of a process (`R`, `S`, `Z`, …), or `None` if there is no such process.
pub fn state(pid: u32) -> Option<char> {
    state_in(format!("/proc/{pid}/stat").as_ref())
}

fn state_in(stat: &Path) -> Option<char> {
    fields(stat)?.chars().next()
}

/// Returns the process group of a process, or `None` if there is no such process.
pub fn group(pid: u32) -> Option<u32> {
    fields(format!("/proc/{pid}/stat").as_ref())?.split(' ').nth(2)?.parse().ok()
}

/// Returns the session of a process, or `None` if there is no such process.
pub fn session(pid: u32) -> Option<u32> {
    fields(format!("/proc/{pid}/stat").as_ref())?.split(' ').nth(3)?.parse().ok()
}

/// Returns the fields of `stat` behind the name: state, parent, group, session, …
fn fields(stat: &Path) -> Option<String> {
    let stat = std::fs::read_to_string(stat).ok()?;
    // The name, in parentheses, may hold anything.
    Some(stat.rsplit_once(") ")?.1.to_owned())
}

/// Returns whether any thread of a process still runs.
///
/// The first one may be a zombie while another is on its way out and holds the descriptors open.
pub fn is_alive(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .map(|task| task.path().join("stat"))
        .any(|stat| state_in(&stat).is_some_and(|it| !"ZX".contains(it)))
}

/// Returns the children of a process, zombies among them. Those that watch over its workers are none of these.
pub fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children =
        lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>());
    children.filter(|&child| !watches_over_orphans(child)).collect()
}

/// Waits until the shell that outlives this coordinator has read of as many workers.
pub async fn watched_over(coordinator: u32, workers: u64) {
    /// Minimum length of the line of one worker, in bytes.
    const LINE: u64 = 8;
    let pipes = |pid: u32| -> Vec<_> {
        let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        entries.filter_map(|fd| std::fs::read_link(fd.path()).ok()).collect()
    };
    let has_read = |pid: u32| -> Option<u64> {
        let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
        io.lines().next()?.strip_prefix("rchar: ")?.parse().ok()
    };
    crate::eventually("the shell to know the workers", async || {
        let ours = pipes(coordinator);
        let all = std::fs::read_dir("/proc").ok()?.flatten();
        let mut shells = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let shell = shells.find(|&pid| {
            let its_input = std::fs::read_link(format!("/proc/{pid}/fd/0"));
            watches_over_orphans(pid) && its_input.is_ok_and(|input| ours.contains(&input))
        });
        (has_read(shell?)? >= workers * LINE).then_some(())
    })
    .await;
}

/// Returns whether this is the shell that outlives a coordinator, or the one that starts it.
fn watches_over_orphans(pid: u32) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command.ends_with(b"\0procpool-orphans\0")
}

/// Returns the living processes of a group.
pub fn of_group(group: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| is_alive(pid) && self::group(pid) == Some(group)).collect()
}

/// Returns the zombies among the children of a process.
pub fn zombies(pid: u32) -> Vec<u32> {
    children(pid).into_iter().filter(|&child| state(child) == Some('Z')).collect()
}

/// How many descriptors a process has open.
///
/// # Panics
/// When there is no such process.
pub fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the process runs").count()
}

/// Returns the targets of a process's open descriptors, in the order of their numbers: `socket:[123]`,
/// `pipe:[456]`, `/dev/null`, …
pub fn open_files(pid: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let number = |entry: &std::fs::DirEntry| entry.file_name().to_str().and_then(|it| it.parse::<u32>().ok());
    let mut entries: Vec<_> = entries.map(|entry| (number(&entry), entry.path())).collect();
    entries.sort();
    let targets = entries.iter().filter_map(|(_, path)| std::fs::read_link(path).ok());
    targets.map(|target| target.display().to_string()).collect()
}

/// Returns whether a process has memory of this name mapped.
pub fn maps(pid: u32, name: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default().contains(name)
}

/// Time that a process and the children that it has reaped have spent on processors.
///
/// # Panics
/// When there is no such process.
pub fn cpu_time(pid: u32) -> Duration {
    // Clock ticks, of which Linux tells user space a hundred a second on every platform.
    const TICK: Duration = Duration::from_millis(10);
    let fields = fields(format!("/proc/{pid}/stat").as_ref()).expect("the process runs");
    let ticks = fields.split(' ').skip(11).take(4).filter_map(|ticks| ticks.parse::<u32>().ok());
    TICK * ticks.sum::<u32>()
}

/// Memory that a process has resident, in bytes.
///
/// # Panics
/// When there is no such process.
pub fn resident_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("memory");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kibibytes * 1024
}
