//! A process that outlives this one, and then kills the process groups of its workers.
//!
//! A worker ends itself when its connections end. It cannot while it is stopped, before its SDK reads them, or when
//! native code holds an interpreter's lock. The kernel's own signal (`PR_SET_PDEATHSIG`) is no help: SIGKILL would
//! leave the worker's children, and any other signal can be one that the worker does not heed.
//!
//! The process is a shell with one pipe, since every system has one. It is no child of this process: hosts that wait
//! for all of their children do not see it, and nobody has to reap it.

use super::birthplace::Birthplace;
use super::fork::PerProcess;
use super::posix_spawn::{Image, Plan};
use super::wait::{self, Patience};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Reads lines from descriptor 3, to which this process alone writes: `+` or `-`, then a worker's process id, a colon,
/// and the time of its start. At the end of file it kills those that are left, with their groups. A number that
/// another process has by then is left alone. The process tells its own number.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
set -f
{
  all=' '
  while read -r sign who; do
    case $sign in
      +) all="$all$who " ;;
      -) all="${all%%" $who "*} ${all#*" $who "}" ;;
    esac
  done
  for who in $all; do
    pid=${who%:*} stat=
    while IFS= read -r line; do stat="$stat$line "; done <"/proc/$pid/stat"
    set -- ${stat##*) }
    [ "${20}" = "${who#*:}" ] && kill -9 "-$pid" "$pid"
  done
} <&3 3<&- >/dev/null 2>&1 &
echo "$!"
"#;

/// Place of the start among the fields of `/proc/<pid>/stat` that follow the name.
const START: usize = 19;

/// Size of the stack of the thread that starts the process, in bytes.
const STACK: usize = 256 * 1024;

/// Time after which the process is told of a worker. So one that runs a single short job costs nothing here.
const DELAY: Duration = Duration::from_millis(20);

/// Maximum number of processes that are started in a row and hear of no worker.
const MAX_FAILURES: u32 = 8;

/// The workers of this process, by their process ids, and the process that kills them.
#[derive(Debug, Default)]
struct Workers {
    /// Those of which the process does not know yet.
    untold: BTreeSet<i32>,
    /// The others, with the times of their starts.
    told: BTreeMap<i32, u64>,
    watcher: Option<Watcher>,
    /// The thread that tells the process of new workers.
    teller: Teller,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Teller {
    /// There was no worker yet.
    #[default]
    None,
    Works,
    /// Waits for the next worker.
    Waits,
    /// This system starts no such thread or process.
    Impossible,
}

#[derive(Debug, Default)]
struct Shared {
    workers: Mutex<Workers>,
    comes: Condvar,
}

static SHARED: PerProcess<Shared> = PerProcess::new();

impl Shared {
    fn here() -> &'static Self {
        SHARED.get(Self::default)
    }

    fn workers(&self) -> MutexGuard<'_, Workers> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has this worker killed with its process group if this process ends before [`forget`].
pub(super) fn watch(worker: Pid) {
    let shared = Shared::here();
    let mut workers = shared.workers();
    match workers.teller {
        Teller::None => workers.start_teller(shared),
        Teller::Waits => shared.comes.notify_one(),
        Teller::Works | Teller::Impossible => {}
    }
    if workers.teller != Teller::Impossible {
        workers.untold.insert(worker.as_raw_pid());
    }
}

/// Ends that. Call it before the worker is reaped, with which its number may become another process's.
pub(super) fn forget(worker: Pid) {
    let shared = Shared::here();
    let (mut workers, worker) = (shared.workers(), worker.as_raw_pid());
    if !workers.untold.remove(&worker)
        && let Some(start) = workers.told.remove(&worker)
        && !workers.tell('-', worker, start)
        && workers.teller == Teller::Waits
    {
        shared.comes.notify_one();
    }
}

impl Workers {
    fn start_teller(&mut self, shared: &'static Shared) {
        let thread = std::thread::Builder::new().name("procpool-orphans".into()).stack_size(STACK);
        self.teller = Teller::Works;
        if let Err(error) = thread.spawn(move || tell_of_all(shared)) {
            self.give_up(&error);
        }
    }

    /// Returns `false` if the process did not take it. Another one then hears of all workers.
    fn tell(&mut self, sign: char, worker: i32, start: u64) -> bool {
        let Some(watcher) = &self.watcher else { return false };
        let is_told = watcher.tell(sign, worker, start).is_ok();
        // Somebody has killed it, or it is stopped and its pipe full.
        if !is_told && let Some(watcher) = self.watcher.take() {
            watcher.kill();
            self.untold.extend(std::mem::take(&mut self.told).keys());
        }
        is_told
    }

    /// Tells the process of one worker, if there is a new one. Returns `false` if the process did not take it.
    fn tell_of_one(&mut self) -> bool {
        let Some(worker) = self.untold.pop_first() else { return true };
        // Without `/proc`, nobody could tell later whether the number is still the worker's.
        let Some(start) = start_of(worker) else { return true };
        self.told.insert(worker, start);
        self.tell('+', worker, start)
    }

    fn give_up(&mut self, reason: &io::Error) {
        tracing::warn!(%reason, "workers that are stopped or do not serve yet will outlive this process if it is killed");
        *self = Self { teller: Teller::Impossible, ..Self::default() };
    }
}

/// Tells the process of each worker that is not as short-lived as [`DELAY`], and starts the process if there is none.
fn tell_of_all(shared: &Shared) {
    let mut failures = 0;
    while failures < MAX_FAILURES {
        let mut workers = shared.workers();
        while workers.untold.is_empty() {
            workers.teller = Teller::Waits;
            workers = shared.comes.wait(workers).unwrap_or_else(PoisonError::into_inner);
        }
        workers.teller = Teller::Works;
        let has_watcher = workers.watcher.is_some();
        drop(workers);
        std::thread::sleep(DELAY);
        if !has_watcher {
            match Watcher::start() {
                Ok(watcher) => shared.workers().watcher = Some(watcher),
                Err(error) => return shared.workers().give_up(&error),
            }
        }
        // One at a time, so that nobody who ends a worker waits for long.
        let is_told = std::iter::repeat_with(|| shared.workers().tell_of_one())
            .find(|&is_told| !is_told || shared.workers().untold.is_empty())
            .unwrap_or(true);
        failures = if is_told { 0 } else { failures + 1 };
    }
    shared.workers().give_up(&io::Error::other("/bin/sh ends without a worker's end"));
}

/// The process. It kills its workers when this is dropped.
#[derive(Debug)]
struct Watcher {
    pidfd: OwnedFd,
    lines: OwnedFd,
    /// Held so that a write to a dead process is no SIGPIPE.
    _its_lines: OwnedFd,
}

impl Watcher {
    fn start() -> io::Result<Self> {
        let null = rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        let (its_lines, lines) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfl(&lines, OFlags::NONBLOCK)?;
        let (number, its_number) = pipe_with(PipeFlags::CLOEXEC)?;
        let args =
            [c"sh", c"-c"].map(Into::into).into_iter().chain([cstring(SCRIPT)?, c"procpool-orphans".into()]);
        let (image, dir) = (Image::Path(c"/bin/sh".into()), Some(c"/".into()));
        let plan = Plan { image, args: args.collect(), env: Vec::new(), dir };
        let descriptors = [&null, &its_number, &null, &its_lines].map(AsFd::as_fd);
        let shell = Birthplace::default().make(plan, &descriptors)?;
        drop(its_number);
        let mut told = String::new();
        let read = File::from(number).read_to_string(&mut told);
        // An error: somebody else waits for every child.
        let _ = wait::reap(shell, Patience::Wait);
        read?;
        let pid = told.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("/bin/sh started no process"))?;
        Ok(Self { pidfd: pidfd_open(pid, PidfdFlags::empty())?, lines, _its_lines: its_lines })
    }

    fn tell(&self, sign: char, worker: i32, start: u64) -> io::Result<()> {
        if self.has_ended()? {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // Short enough to be written whole or not at all.
        rustix::io::write(&self.lines, format!("{sign} {worker}:{start}\n").as_bytes())?;
        Ok(())
    }

    fn has_ended(&self) -> io::Result<bool> {
        let mut end = [PollFd::new(&self.pidfd, PollFlags::IN)];
        Ok(poll(&mut end, Some(&Timespec::default()))? > 0)
    }

    /// Ends it without a harm to its workers.
    fn kill(self) {
        // An error: it is dead.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

/// Returns when a process was started, as the kernel counts it.
fn start_of(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(START)?.parse().ok()
}

fn cstring(text: &str) -> io::Result<std::ffi::CString> {
    std::ffi::CString::new(text).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Child, Command};

    /// A process that leads a group.
    struct Leader(Child);

    impl Leader {
        fn start() -> Self {
            Self(Command::new("/bin/sleep").arg("1000").process_group(0).spawn().unwrap())
        }

        fn pid(&self) -> i32 {
            self.0.id().cast_signed()
        }

        fn birth(&self) -> u64 {
            start_of(self.pid()).unwrap()
        }

        fn member(&self) -> Self {
            Self(Command::new("/bin/sleep").arg("1000").process_group(self.pid()).spawn().unwrap())
        }

        /// Returns the signal that has ended it.
        fn end(&mut self) -> Option<i32> {
            self.0.wait().unwrap().signal()
        }
    }

    impl Drop for Leader {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// Waits for the end of the process, and of its work with that.
    fn finish(watcher: Watcher) {
        let pidfd = watcher.pidfd.try_clone().unwrap();
        drop(watcher);
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None).unwrap();
    }

    #[test]
    fn workers_that_are_left_end_with_their_groups_and_others_live_on() {
        let watcher = Watcher::start().unwrap();
        let [mut left, mut forgotten, mut another] = [(); 3].map(|()| Leader::start());
        let mut member = left.member();
        let dead = Leader::start();
        watcher.tell('+', dead.pid(), dead.birth()).unwrap();
        drop(dead);
        watcher.tell('+', forgotten.pid(), forgotten.birth()).unwrap();
        watcher.tell('+', left.pid(), left.birth()).unwrap();
        // A number that has changed hands since.
        watcher.tell('+', another.pid(), another.birth() - 1).unwrap();
        watcher.tell('-', forgotten.pid(), forgotten.birth()).unwrap();
        rustix::process::kill_process(Pid::from_child(&left.0), Signal::STOP).unwrap();
        finish(watcher);
        assert_eq!([left.end(), member.end()], [Some(libc::SIGKILL); 2]);
        for lives in [&mut forgotten, &mut another] {
            assert!(lives.0.try_wait().unwrap().is_none());
        }
    }

    #[test]
    fn one_that_is_killed_or_stuck_is_noticed_and_its_workers_live_on() {
        let mut worker = Leader::start();
        let watcher = Watcher::start().unwrap();
        watcher.tell('+', worker.pid(), worker.birth()).unwrap();
        pidfd_send_signal(&watcher.pidfd, Signal::STOP).unwrap();
        let full = (0..).find_map(|start| watcher.tell('+', 1 << 22, start).err()).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        let pidfd = watcher.pidfd.try_clone().unwrap();
        watcher.kill();
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], None).unwrap();
        assert!(worker.0.try_wait().unwrap().is_none());

        let watcher = Watcher::start().unwrap();
        pidfd_send_signal(&watcher.pidfd, Signal::TERM).unwrap();
        pidfd_send_signal(&watcher.pidfd, Signal::KILL).unwrap();
        poll(&mut [PollFd::new(&watcher.pidfd, PollFlags::IN)], None).unwrap();
        assert_eq!(
            watcher.tell('+', worker.pid(), worker.birth()).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[test]
    fn a_signal_to_all_processes_of_a_service_does_not_end_it_before_the_service() {
        let mut worker = Leader::start();
        let watcher = Watcher::start().unwrap();
        for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
            pidfd_send_signal(&watcher.pidfd, signal).unwrap();
        }
        watcher.tell('+', worker.pid(), worker.birth()).unwrap();
        finish(watcher);
        assert_eq!(worker.end(), Some(libc::SIGKILL));
    }
}
