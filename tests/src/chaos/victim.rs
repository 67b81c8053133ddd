//! A worker that is about to suffer. It is held by a pidfd and known to be the server's own child, so that no
//! signal ever goes to the next process with its number.

use crate::process;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A child of the server.
#[derive(Debug)]
pub(crate) struct Victim {
    pub(crate) pid: u32,
    handle: OwnedFd,
}

impl Victim {
    /// Returns one of the server's children that `suits`, or `None` if there is none, or if it is gone
    /// already.
    pub(crate) fn choose(server: u32, pick: u64, suits: impl Fn(u32) -> bool) -> Option<Self> {
        let children: Vec<u32> = children_of_pools(server).into_iter().filter(|&pid| suits(pid)).collect();
        let index = pick.checked_rem(children.len() as u64)?;
        Self::hold(children[usize::try_from(index).ok()?], server)
    }

    /// Takes hold of this process, unless it is gone or is no living child of the server.
    pub(crate) fn hold(pid: u32, server: u32) -> Option<Self> {
        let handle = pidfd_open(Pid::from_raw(i32::try_from(pid).ok()?)?, PidfdFlags::empty()).ok()?;
        // Asked after it was taken hold of: what is true now of the number is true of the handle.
        let (state, parent) = state_and_parent(pid)?;
        (parent == server && state != 'Z').then_some(Self { pid, handle })
    }

    /// Sends a signal; `false` if it died meanwhile.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        pidfd_send_signal(&self.handle, signal).is_ok()
    }
}

/// Returns the children of a server, but for the process that names the functions of stacks: it is of no pool, and
/// comes and goes.
pub(crate) fn children_of_pools(server: u32) -> Vec<u32> {
    let is_of_a_pool = |pid: &u32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let program = command.split(|&byte| byte == 0).next().unwrap_or_default();
        !program.ends_with(b"procpool-symbolize")
    };
    process::children(server).into_iter().filter(is_of_a_pool).collect()
}

/// Returns whether this variable is in the environment of a process, as it was when its program began.
pub(crate) fn has_variable(pid: u32, name: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|&byte| byte == 0).any(|entry| entry.starts_with(name.as_bytes()))
}

fn state_and_parent(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_child_is_killed_and_nobody_elses() {
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        let is_it = |pid| pid == child.id();
        assert!(Victim::choose(1, 0, is_it).is_none(), "it is no child of process 1");
        let victim = Victim::choose(std::process::id(), 5, is_it).expect("our own child");
        assert!(victim.signal(Signal::KILL));
        child.wait().unwrap();
        assert!(!victim.signal(Signal::KILL), "its number is not its own any more");
    }
}
