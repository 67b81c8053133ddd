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
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// The workers of this process, and the process that kills them.
#[derive(Debug, Default)]
struct Workers {
    starts: BTreeMap<i32, u64>,
    killer: Killer,
}

#[derive(Debug, Default)]
enum Killer {
    /// There was no worker yet.
    #[default]
    None,
    /// A thread starts it, and tells it of all workers then.
    Starting,
    Running(Watcher),
    /// This system starts none.
    Impossible,
}

static WORKERS: PerProcess<Mutex<Workers>> = PerProcess::new();

fn workers() -> MutexGuard<'static, Workers> {
    WORKERS.get(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has this worker killed with its process group if this process ends before [`forget`].
pub(super) fn watch(worker: Pid) {
    let worker = worker.as_raw_pid();
    // Without `/proc`, nobody could tell later whether the number is still the worker's.
    let Some(start) = start_of(worker) else { return };
    let mut workers = workers();
    workers.starts.insert(worker, start);
    workers.tell('+', worker, start);
}

/// Ends that. Call it before the worker is reaped, with which its number may become another process's.
pub(super) fn forget(worker: Pid) {
    let worker = worker.as_raw_pid();
    let mut workers = workers();
    if let Some(start) = workers.starts.remove(&worker) {
        workers.tell('-', worker, start);
    }
}

impl Workers {
    fn tell(&mut self, sign: char, worker: i32, start: u64) {
        match &self.killer {
            Killer::Running(watcher) if watcher.tell(sign, worker, start).is_ok() => {}
            Killer::Starting | Killer::Impossible => {}
            // Somebody has killed it, or it is stopped and its pipe full.
            Killer::None | Killer::Running(_) => self.start(),
        }
    }

    fn start(&mut self) {
        if let Killer::Running(old) = std::mem::replace(&mut self.killer, Killer::Starting) {
            old.kill();
        }
        let thread = std::thread::Builder::new().name("procpool-orphans".into()).stack_size(STACK);
        // The shell takes a millisecond, for which no worker has to wait.
        if let Err(error) = thread.spawn(start) {
            self.give_up(&error);
        }
    }

    fn give_up(&mut self, reason: &io::Error) {
        tracing::warn!(%reason, "workers that are stopped or do not serve yet will outlive this process if it is killed");
        self.killer = Killer::Impossible;
    }
}

fn start() {
    let watcher = Watcher::start();
    let mut workers = workers();
    let told = watcher.and_then(|watcher| {
        workers.starts.iter().try_for_each(|(worker, start)| watcher.tell('+', *worker, *start))?;
        Ok(watcher)
    });
    match told {
        Ok(watcher) => workers.killer = Killer::Running(watcher),
        Err(reason) => workers.give_up(&reason),
    }
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
