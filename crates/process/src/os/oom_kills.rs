//! [`Watch`]: reads the number of OOM kills in a worker's control group, at the worker's beginning and end.
//! [`OomGroups`] reads it for many workers at once. Does not: decide by these numbers; see [`crate::oom`].

use super::cgroup;
use super::fork::PerProcess;
use crate::oom::{self, Claims};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The files with the number. The one that excludes child groups is first.
const FILES: [&str; 3] = ["memory.events.local", "memory.events", "memory.oom_control"];

/// Returns whether the group at `dir` has reached its own limit, in bytes, and not only one above it.
pub(super) fn is_limit_reached(dir: &Path, limit: u64) -> bool {
    let read = |file: &str| fs::read_to_string(dir.join(file)).ok();
    let events = read(FILES[0]).or_else(|| read(FILES[1]));
    oom::is_limit_reached(limit, events.as_deref(), read("memory.max_usage_in_bytes").as_deref())
}

/// One control group.
#[derive(Debug)]
pub(crate) struct Group {
    file: PathBuf,
    claims: Mutex<Claims>,
}

/// Watches one worker.
#[derive(Debug)]
pub(super) struct Watch {
    group: Arc<Group>,
    /// Number of kills at a moment at which the worker lived.
    before: u64,
}

impl Watch {
    /// Watches a living worker, in a group of its own at `dir` or else in this process's. Returns `None` if
    /// no group counts kills.
    pub(super) fn begin(dir: Option<&Path>) -> Option<Self> {
        let group = dir.and_then(Group::at).map(Arc::new).or_else(Group::of_this_process)?;
        let before = group.kills()?;
        Some(Self { group, before })
    }

    /// Returns the group that it reads.
    pub(super) fn group(&self) -> Arc<Group> {
        self.group.clone()
    }

    /// Records that the worker was idle after these kills were counted, so none of them was its own.
    pub(super) fn renew(&mut self, kills: &OomKills) {
        self.before = self.before.max(kills.of(&self.group));
    }

    /// Returns whether the OOM killer killed the worker, which is dead by SIGKILL.
    pub(super) fn has_killed(self) -> bool {
        let Some(now) = self.group.kills() else { return false };
        self.group.claims.lock().unwrap_or_else(PoisonError::into_inner).claim(self.before, now)
    }
}

/// The control groups of several workers, each once.
#[derive(Debug, Default)]
pub struct OomGroups(BTreeMap<usize, Arc<Group>>);

/// Number of processes that the kernel's OOM killer had killed in several groups at one moment.
#[derive(Debug)]
pub struct OomKills(BTreeMap<usize, (Arc<Group>, u64)>);

impl OomGroups {
    /// Returns whether no worker is in a group that counts kills.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads a file of each group. A worker that is known to be idle afterwards was not one of the killed
    /// processes.
    pub fn read(self) -> OomKills {
        let count = |(key, group): (usize, Arc<Group>)| group.kills().map(|kills| (key, (group, kills)));
        OomKills(self.0.into_iter().filter_map(count).collect())
    }
}

impl FromIterator<Arc<Group>> for OomGroups {
    fn from_iter<T: IntoIterator<Item = Arc<Group>>>(groups: T) -> Self {
        Self(groups.into_iter().map(|group| (Arc::as_ptr(&group).addr(), group)).collect())
    }
}

impl OomKills {
    /// Returns the number for a group; 0 if it was not read.
    fn of(&self, group: &Arc<Group>) -> u64 {
        self.0.get(&Arc::as_ptr(group).addr()).map_or(0, |(_, kills)| *kills)
    }
}

impl Group {
    /// Returns the group of this process, in which workers start. Searched for once.
    fn of_this_process() -> Option<Arc<Self>> {
        static GROUP: PerProcess<Option<Arc<Group>>> = PerProcess::new();
        GROUP.get(|| cgroup::memory_groups().iter().find_map(|dir| Self::at(dir)).map(Arc::new)).clone()
    }

    fn at(dir: &Path) -> Option<Self> {
        let file = FILES.iter().map(|name| dir.join(name)).find(|file| file.exists())?;
        Some(Self { file, claims: Mutex::default() })
    }

    fn kills(&self) -> Option<u64> {
        oom::kills(&fs::read_to_string(&self.file).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::scratch::Scratch;

    #[test]
    fn what_was_counted_while_the_worker_rested_is_not_its_own_death() {
        let scratch = Scratch::new();
        assert!(Group::at(scratch.path()).is_none(), "nobody counts");
        let count = |kills: u64| scratch.file("memory.events", format!("oom 9\noom_kill {kills}\n"));
        let begin = || Watch::begin(Some(scratch.path())).expect("a group that counts");
        count(1);
        assert!(!begin().has_killed());
        let (mut rested, busy) = (begin(), begin());
        count(2);
        rested.renew(&OomGroups::from_iter([rested.group()]).read());
        assert!(!rested.has_killed() && busy.has_killed());
        let local = "memory.events.local";
        scratch.file(local, "oom_kill 0\n");
        assert!(begin().group.file.ends_with(local), "groups below do not count");
    }

    #[test]
    fn a_kill_after_the_count_may_be_the_workers_own() {
        let scratch = Scratch::new();
        let count = |kills: u64| scratch.file("memory.events", format!("oom_kill {kills}\n"));
        count(1);
        let mut watch = Watch::begin(Some(scratch.path())).expect("a group that counts");
        let kills = OomGroups::from_iter([watch.group()]).read();
        // The worker was idle at that reading, then received a job and was killed during it.
        count(2);
        watch.renew(&kills);
        assert!(watch.has_killed());
    }

    #[test]
    fn a_group_is_read_once_for_all_its_workers() {
        let (shared, own) = (Scratch::new(), Scratch::new());
        let [shared, own] = [&shared, &own].map(|scratch| {
            scratch.file("memory.events", "oom_kill 1\n");
            Arc::new(Group::at(scratch.path()).expect("a group that counts"))
        });
        let groups = OomGroups::from_iter([shared.clone(), own, shared.clone(), shared]);
        assert!(!groups.is_empty());
        assert_eq!(groups.read().0.len(), 2);
        assert!(OomGroups::default().is_empty());
    }

    #[test]
    fn a_group_that_is_gone_tells_nothing() {
        let scratch = Scratch::new();
        scratch.file("memory.oom_control", "oom_kill_disable 0\noom_kill 1\n");
        let watch = Watch::begin(Some(scratch.path())).expect("a group that counts");
        drop(scratch);
        assert!(!watch.has_killed());
    }
}
