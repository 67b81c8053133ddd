//! [`Watch`]: reads, at the beginning and at the end of a worker, how many processes of its control group the kernel's OOM
//! killer has taken. Refuses to judge by that: see [`crate::oom`].

use super::cgroup;
use super::fork::PerProcess;
use crate::oom::{self, Claims};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The files that tell, the one that counts no groups below first.
const FILES: [&str; 3] = ["memory.events.local", "memory.events", "memory.oom_control"];

/// One control group.
#[derive(Debug)]
struct Group {
    file: PathBuf,
    claims: Mutex<Claims>,
}

/// The eye on one worker.
#[derive(Debug)]
pub(super) struct Watch {
    group: Arc<Group>,
    /// Kills at a moment at which it lived.
    before: u64,
}

impl Watch {
    /// Of a worker that lives, in a group of its own at `dir` or else in this process's. None where nobody counts.
    pub(super) fn begin(dir: Option<&Path>) -> Option<Self> {
        let group = dir.and_then(Group::at).map(Arc::new).or_else(Group::of_this_process)?;
        let before = group.kills()?;
        Some(Self { group, before })
    }

    /// It still lives, and was none of those that were taken so far.
    pub(super) fn renew(&mut self) {
        self.before = self.group.kills().unwrap_or(self.before);
    }

    /// Whether the OOM killer took it. It is dead by SIGKILL.
    pub(super) fn has_killed(self) -> bool {
        let Some(now) = self.group.kills() else { return false };
        self.group.claims.lock().unwrap_or_else(PoisonError::into_inner).claim(self.before, now)
    }
}

impl Group {
    /// Workers are born into it. Looked for once.
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
        rested.renew();
        assert!(!rested.has_killed() && busy.has_killed());
        let local = "memory.events.local";
        scratch.file(local, "oom_kill 0\n");
        assert!(begin().group.file.ends_with(local), "groups below do not count");
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
