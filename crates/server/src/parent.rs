//! The end of the process that started this one, however it ends. Does not: stop the server.
//!
//! The kernel's own signal (`PR_SET_PDEATHSIG`) comes when the parent's *thread* ends that started this process, which
//! may be long before the parent does. A pidfd is readable when the process ends.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};
use std::io;
use std::os::fd::OwnedFd;
use tokio::sync::oneshot;

/// Stack of the thread that waits, in bytes: it makes one system call.
const STACK: usize = 64 * 1024;

/// The process that started this one.
#[derive(Debug)]
pub(crate) struct Parent {
    ended: oneshot::Receiver<()>,
}

impl Parent {
    /// Watches the process that is the parent now. Process 1 is a parent like any other: in a container, it is often the
    /// program that starts everything else.
    ///
    /// # Errors
    /// When the parent is in another PID namespace, or the system does not let it be watched.
    pub(crate) fn watch() -> io::Result<Self> {
        let parent = getppid().ok_or_else(|| {
            io::Error::other(
                "it is outside of this container, whose end is the server's, too; leave the option out",
            )
        })?;
        let (end, ended) = oneshot::channel();
        if let Some(parent) = open(parent, getppid)? {
            let watch = move || {
                wait(&parent);
                // Unless nobody wants to know any longer.
                let _ = end.send(());
            };
            std::thread::Builder::new().name("parent".into()).stack_size(STACK).spawn(watch)?;
        }
        Ok(Self { ended })
    }

    /// Returns when the parent has ended; not to be called again then.
    pub(crate) async fn ended(&mut self) {
        // An error is the end of a parent that was not watched at all.
        let _ = (&mut self.ended).await;
    }
}

/// Returns the process `parent`, or `None` if it has ended. It is still the parent afterwards, as `getppid` says, so the
/// number is not another process's by then.
fn open(parent: Pid, getppid: impl Fn() -> Option<Pid>) -> io::Result<Option<OwnedFd>> {
    match pidfd_open(parent, PidfdFlags::empty()) {
        Ok(process) if getppid() == Some(parent) => Ok(Some(process)),
        Ok(_) | Err(Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns when the process has ended.
fn wait(process: &OwnedFd) {
    let mut end = [PollFd::new(process, PollFlags::IN)];
    // An error would mean that the descriptor is none.
    let _ = retry_on_intr(|| poll(&mut end, None));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_that_ended_before_it_was_watched_is_noticed() {
        let this = Pid::from_raw(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(open(this, || Some(this)).unwrap().is_some());
        assert!(
            open(this, || Some(Pid::INIT)).unwrap().is_none(),
            "another process adopted this one meanwhile"
        );
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = Pid::from_child(&child);
        child.wait().unwrap();
        assert!(open(pid, || Some(pid)).unwrap().is_none());
    }
}
