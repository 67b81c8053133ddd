//! The process id of a worker that this process did not spawn, but a template forked: the kernel tells which process
//! has sent the first byte of a connection. One that has died before that is found in its template's process group.

use rustix::cmsg_space;
use rustix::net::sockopt::set_socket_passcred;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::Pid;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

/// Sets whether the kernel adds the sender's process id to each message that arrives from now on. That costs every
/// message something, so it is switched off again.
pub(crate) fn name_senders(socket: impl AsFd, names: bool) -> io::Result<()> {
    Ok(set_socket_passcred(socket, names)?)
}

/// Returns the sender of the first byte that has arrived, and leaves the byte there. Returns `None` at the end of the
/// connection.
pub(crate) fn first_sender(socket: impl AsFd) -> io::Result<Option<Pid>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut senders = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(credentials) => Some(credentials.pid),
        _ => None,
    });
    senders.next().map(Some).ok_or_else(|| io::Error::other("the kernel does not tell who sent"))
}

/// Returns the children of this process in the group that another child leads, dead ones among them, and the leader
/// not.
///
/// The leader was not reaped yet, so that the group's number is its own.
pub(crate) fn children_in_group_of(leader: Pid) -> Vec<Pid> {
    let own = rustix::process::getpid();
    let is_meant = |pid: &Pid| *pid != leader && parent_and_group(*pid) == Some((own, leader));
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| pid(entry.file_name().to_str()?));
    pids.filter(is_meant).collect()
}

fn parent_and_group(of: Pid) -> Option<(Pid, Pid)> {
    let stat = std::fs::read_to_string(format!("/proc/{of}/stat")).ok()?;
    // The name, in parentheses, may contain anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(1);
    Some((pid(fields.next()?)?, pid(fields.next()?)?))
}

fn pid(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    #[test]
    fn the_sender_of_the_first_byte_is_known_and_the_byte_stays() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        name_senders(&ours, true).unwrap();
        assert_eq!(first_sender(&ours).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        theirs.write_all(b"ab").unwrap();
        for _ in 0..2 {
            assert_eq!(first_sender(&ours).unwrap(), Some(rustix::process::getpid()));
        }
        let (other, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert_eq!(first_sender(&other).unwrap(), None);
    }

    #[test]
    fn children_of_a_group_are_found_alive_and_dead_and_its_leader_and_others_are_not() {
        let sleep = |group| Command::new("sleep").arg("1000").process_group(group).spawn().unwrap();
        let raw = |pid: Pid| pid.as_raw_pid();
        let mut leader = sleep(0);
        let group = Pid::from_child(&leader);
        let mut other = sleep(0);
        let mut member = sleep(raw(group));
        let found = || children_in_group_of(group);
        assert_eq!(found(), [Pid::from_child(&member)]);
        leader.kill().unwrap();
        member.kill().unwrap();
        assert_eq!(found(), [Pid::from_child(&member)]);
        member.wait().unwrap();
        assert_eq!(found(), []);
        leader.wait().unwrap();
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
