//! Which processors the two ends of a round trip run on. Left to itself, the kernel puts them on one or on two, as it happens,
//! and that makes a factor of four: more than anything that is compared.

use crate::contestant::Result;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where the one that answers runs, seen from the one that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// On a processor of its own, which sleeps between two questions and has to be woken.
    Apart,
    /// On the same processor.
    Together,
}

impl Placement {
    /// Places this thread and that process until the guard is dropped. Where there is one processor only, they are together.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn of(self, process: Option<u32>) -> Result<Placed> {
        let before = sched_getaffinity(None)?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|&cpu| before.is_set(cpu));
        let first = allowed.next().ok_or("no processor")?;
        let other = match self {
            Self::Apart => allowed.next().unwrap_or(first),
            Self::Together => first,
        };
        let process = process.and_then(|pid| Pid::from_raw(pid.try_into().ok()?)).ok_or("no process")?;
        sched_setaffinity(Some(process), &only(other))?;
        sched_setaffinity(None, &only(first))?;
        Ok(Placed { before })
    }
}

fn only(cpu: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(cpu);
    set
}

/// This thread stays where it was placed until this is dropped. The process, which nobody else asks, stays for good.
#[derive(Debug)]
pub struct Placed {
    before: CpuSet,
}

impl Drop for Placed {
    fn drop(&mut self) {
        // A placement that could be set before can be set again.
        let _ = sched_setaffinity(None, &self.before);
    }
}
