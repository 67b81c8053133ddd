//! The process at the other end of a Unix socket, as the kernel names it, and whether it may connect.

use std::fmt;
use std::io;
use tokio::net::UnixStream;

/// A process that has connected to a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) uid: u32,
    pub(crate) pid: Option<i32>,
}

/// As a log names it.
impl fmt::Display for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(out, "process {pid} of user {}", self.uid),
            None => write!(out, "a process of user {}", self.uid),
        }
    }
}

/// Returns the process that made the connection to the socket with this `purpose`, or `None` if it is of a user
/// other than `owner` and root. The log tells why.
pub(crate) fn admitted(stream: &UnixStream, owner: u32, purpose: &'static str) -> Option<Credentials> {
    match credentials(stream) {
        Ok(peer) if peer.uid == owner || peer.uid == 0 => Some(peer),
        Ok(Credentials { uid, pid }) => {
            tracing::warn!(uid, ?pid, "rejected another user's process at the {purpose}");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "failed to learn who has connected to the {purpose}");
            None
        }
    }
}

fn credentials(stream: &UnixStream) -> io::Result<Credentials> {
    let peer = stream.peer_cred()?;
    Ok(Credentials { uid: peer.uid(), pid: peer.pid() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_of_another_user_is_not_admitted() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let this = credentials(&ours).unwrap();
        assert_eq!(admitted(&ours, this.uid, "socket"), Some(this));
        let is_root = this.uid == 0;
        assert_eq!(admitted(&ours, this.uid + 1, "socket").is_some(), is_root);
    }
}
