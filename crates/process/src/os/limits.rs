//! Sets a process's limits from outside, by `prlimit` and `setpriority`. Uses cgroups for memory, and for the
//! number of processes if `RLIMIT_NPROC` has no effect.
//!
//! No `pre_exec`: this happens between the spawn and the `Welcome`, the worker's first message.

use super::worker_cgroup::WorkerCgroup;
use crate::cause;
use crate::worker_limits::WorkerLimits;
use procpool_memory::rlimit;
use procpool_protocol::MemoryCount;
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, geteuid, getpriority_process, prlimit, setpriority_process};
use rustix::thread::{CapabilitySet, capabilities};
use std::io;
use std::sync::Once;

/// The limit of a cgroup that is made as a trial, in bytes.
const PROBE: u64 = 1 << 30;

/// A limit that this process is not permitted to set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(
        "{key} = {value} is more than this process has itself, which is {own}; lower it, or start this \
         process with a higher hard limit (`ulimit -H`; LimitNOFILE= and the like of systemd)"
    )]
    AboveOwn { key: &'static str, value: u64, own: u64 },
    #[error(
        "nice = {nice} needs a privilege that this process has not (CAP_SYS_NICE); set it to 0 or more: {reason}"
    )]
    Nicer { nice: i32, reason: Errno },
    #[error(
        "process_limit cannot hold a worker that runs as root: the system does not count root's processes, and \
         no cgroup can be made that does ({reason}); run this process as another user or where it may make \
         cgroups (Delegate=yes of systemd), or leave process_limit out"
    )]
    Uncounted { reason: io::Error },
    #[error("{}", cause::prlimit(key, *is_optional, *reason))]
    Other { key: &'static str, is_optional: bool, reason: Errno },
}

/// One rlimit: its key in the configuration, and its value.
struct Setting {
    key: &'static str,
    resource: Resource,
    soft: u64,
    hard: u64,
}

/// The means that hold a process to the limits that are no rlimits. Hold it as long as the process lives.
#[derive(Debug, Default)]
pub(crate) struct Confinement {
    /// Counts its memory, and kills at the limit.
    pub(crate) memory: Option<WorkerCgroup>,
    /// Counts its processes, unless the other one does.
    pub(crate) processes: Option<WorkerCgroup>,
    /// The limit of its memory where no cgroup holds it, in bytes.
    pub(crate) watched: Option<u64>,
}

impl Confinement {
    /// Returns its cgroups.
    pub(crate) fn cgroups(&self) -> impl Iterator<Item = &WorkerCgroup> {
        self.memory.iter().chain(&self.processes)
    }
}

/// Sets every limit of a process that has not been reaped.
pub(crate) fn confine(pid: Pid, limits: &WorkerLimits) -> Result<Confinement, Refused> {
    let memory = limits.memory_limit.and_then(|limit| memory_group(pid, limit));
    let watched = limits.memory_limit.filter(|_| memory.is_none());
    let uncounted = limits.process_limit.filter(|_| is_uncounted(pid));
    let processes = uncounted.map(|limit| process_group(pid, limit, memory.as_ref()));
    let processes = processes.transpose().map_err(|reason| Refused::Uncounted { reason })?.flatten();
    for setting in settings(limits, uncounted.is_none()) {
        let limit = Rlimit { current: Some(setting.soft), maximum: Some(setting.hard) };
        prlimit(Some(pid), setting.resource, limit).map_err(|reason| refused(&setting, reason))?;
    }
    if limits.nice != 0 {
        renice(pid, limits.nice)?;
    }
    Ok(Confinement { memory, processes, watched })
}

/// Puts a process into a cgroup that limits its memory. Returns `None` where none can be made: then the memory
/// is watched.
fn memory_group(pid: Pid, limit: u64) -> Option<WorkerCgroup> {
    static TOLD: Once = Once::new();
    let group = WorkerCgroup::of_memory(limit).and_then(|group| group.admit(pid).map(|()| group));
    group
        .inspect_err(|reason| {
            TOLD.call_once(|| {
                tracing::info!(%reason, "no cgroup counts the memory of a worker; watching its resident memory instead");
            });
        })
        .ok()
}

/// Limits the number of a process's children by its cgroup for memory, or else by one of their own.
fn process_group(pid: Pid, limit: u64, memory: Option<&WorkerCgroup>) -> io::Result<Option<WorkerCgroup>> {
    match memory.map(|group| group.limit_processes(limit)).transpose()? {
        Some(true) => Ok(None),
        _ => WorkerCgroup::around(pid, limit).map(Some),
    }
}

/// Returns how a worker's memory would be counted here.
pub(crate) fn memory_count() -> MemoryCount {
    match WorkerCgroup::of_memory(PROBE) {
        Ok(_) => MemoryCount::Cgroup,
        Err(_) => MemoryCount::Resident,
    }
}

/// Finds the errors that [`confine`] would return, without a process.
pub(crate) fn foresee(limits: &WorkerLimits) -> Result<(), Refused> {
    for setting in settings(limits, true) {
        let own = rlimit::own(setting.resource).map_err(|reason| forbidden(&setting, reason))?;
        if let Some(own) = own.maximum.filter(|&own| own.max(ceiling(setting.resource)) < setting.hard) {
            return Err(Refused::AboveOwn { key: setting.key, value: setting.soft, own });
        }
        // Changes nothing, and is forbidden where the real call is.
        prlimit(None, setting.resource, own).map_err(|reason| refused(&setting, reason))?;
    }
    Ok(())
}

/// Returns the limit up to which this process may set a worker's, even above its own.
fn ceiling(resource: Resource) -> u64 {
    let may_raise = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_RESOURCE));
    let nr_open = || std::fs::read_to_string("/proc/sys/fs/nr_open").ok()?.trim().parse().ok();
    match resource {
        _ if !may_raise => 0,
        Resource::Nofile => nr_open().unwrap_or(0),
        _ => u64::MAX,
    }
}

fn settings(limits: &WorkerLimits, counts_processes: bool) -> impl Iterator<Item = Setting> {
    let exact = |key, resource, value: u64| Setting { key, resource, soft: value, hard: value };
    let cpu = limits.cpu_budget().map(|budget| Setting {
        // SIGXCPU at the soft limit, SIGKILL at the hard limit.
        hard: budget.as_secs().saturating_add(1),
        ..exact("cpu_limit", Resource::Cpu, budget.as_secs())
    });
    let processes = limits.process_limit.filter(|_| counts_processes);
    let optional = [
        limits.address_space_limit.map(|bytes| exact("address_space_limit", Resource::As, bytes)),
        cpu,
        limits.open_files_limit.map(|files| exact("open_files_limit", Resource::Nofile, files)),
        processes.map(|tasks| exact("process_limit", Resource::Nproc, tasks)),
        limits.file_size_limit.map(|bytes| exact("file_size_limit", Resource::Fsize, bytes)),
    ];
    // A core dump would contain the jobs' data. A handler to which the kernel pipes core dumps sees the limit
    // of zero.
    let no_cores = exact("the size of core dumps", Resource::Core, 0);
    std::iter::once(no_cores).chain(optional.into_iter().flatten())
}

fn refused(setting: &Setting, reason: Errno) -> Refused {
    let &Setting { key, resource, soft, hard } = setting;
    match rlimit::own(resource).ok().and_then(|own| own.maximum) {
        Some(own) if own < hard => Refused::AboveOwn { key, value: soft, own },
        _ => forbidden(setting, reason),
    }
}

fn forbidden(setting: &Setting, reason: Errno) -> Refused {
    Refused::Other { key: setting.key, is_optional: setting.resource != Resource::Core, reason }
}

/// Returns whether `RLIMIT_NPROC` has no effect on a process of this user.
fn is_uncounted(pid: Pid) -> bool {
    let exempt = CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_RESOURCE;
    geteuid().is_root() || capabilities(Some(pid)).is_ok_and(|sets| sets.effective.intersects(exempt))
}

/// Sets the nice level. The process inherits this process's level.
fn renice(pid: Pid, nice: i32) -> Result<(), Refused> {
    let level = getpriority_process(Some(pid)).unwrap_or(0) + nice;
    setpriority_process(Some(pid), level.clamp(-20, 19)).map_err(|reason| match reason {
        Errno::ACCESS | Errno::PERM if nice < 0 => Refused::Nicer { nice, reason },
        reason => Refused::Other { key: "nice", is_optional: true, reason },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getrlimit;
    use std::process::{Child, Command};

    /// A process with limits, killed at the end.
    struct Sleep(Child);

    impl Sleep {
        fn new() -> Self {
            Self(Command::new("/bin/sleep").arg("1000").spawn().expect("sleep is spawned"))
        }

        fn confine(&self, limits: WorkerLimits) -> Result<Confinement, String> {
            confine(Pid::from_child(&self.0), &limits).map_err(|refused| refused.to_string())
        }
    }

    impl Drop for Sleep {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn more_than_this_process_has_is_refused_with_the_way_out() {
        let limits = WorkerLimits { open_files_limit: Some(1 << 40), ..WorkerLimits::default() };
        let refused = Sleep::new().confine(limits).expect_err("nobody may open so many");
        let own = getrlimit(Resource::Nofile).maximum.expect("a hard limit");
        assert!(refused.starts_with("open_files_limit = 1099511627776 is more than this process has itself"));
        assert!(refused.contains(&own.to_string()) && refused.contains("lower it"), "{refused}");
    }

    #[test]
    fn a_limit_of_processes_is_counted_by_somebody_or_refused() {
        let sleep = Sleep::new();
        match sleep.confine(WorkerLimits { process_limit: Some(64), ..WorkerLimits::default() }) {
            Ok(confinement) => assert_eq!(confinement.processes.is_some(), geteuid().is_root()),
            Err(refused) => assert!(refused.contains("run this process as another user"), "{refused}"),
        }
    }

    #[test]
    fn memory_is_counted_by_a_cgroup_or_watched() {
        let sleep = Sleep::new();
        let limits = WorkerLimits { memory_limit: Some(64 << 20), ..WorkerLimits::default() };
        let confinement = sleep.confine(limits).expect("a limit that can always be had");
        let is_counted = memory_count() == MemoryCount::Cgroup;
        assert_eq!(confinement.memory.is_some(), is_counted);
        assert_eq!(confinement.watched, (!is_counted).then_some(64 << 20));
        if let Some(group) = confinement.memory {
            let own = std::fs::read_to_string(group.dir().join("cgroup.procs")).expect("its processes");
            assert_eq!(own.trim(), sleep.0.id().to_string());
        }
    }

    #[test]
    fn what_is_below_the_own_level_needs_a_privilege() {
        let refused = Refused::Nicer { nice: -5, reason: Errno::ACCESS }.to_string();
        assert!(refused.contains("nice = -5") && refused.contains("CAP_SYS_NICE"), "{refused}");
        let level = |nice| {
            let sleep = Sleep::new();
            sleep.confine(WorkerLimits { nice, ..WorkerLimits::default() }).expect("a level to be had");
            getpriority_process(Some(Pid::from_child(&sleep.0))).expect("a living process")
        };
        let own = level(0);
        assert_eq!(level(3), (own + 3).min(19));
    }
}
