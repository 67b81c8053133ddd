//! Attached workers: processes that another program starts, such as a service manager, a container or a
//! debugger. They connect through a named socket.
//!
//! An [`AttachPoint`] is such a socket. The kernel's information about a process's user is checked before a
//! byte is read. Then the process proves itself by the token in the file beside the socket. Its two
//! connections together take a vacant worker's place, or wait for one.

mod door;
mod place;
mod private;
mod shared;

pub use private::SocketName;
pub(crate) use shared::Arrival;

use crate::os::socket::Listener;
use place::Place;
use shared::Shared;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The socket at which workers attach that this process does not start.
///
/// ```
/// # use procpool_process::AttachSocket;
/// // A service manager starts `WORKER --attach /run/procpool/fib.sock` as user 1001.
/// let socket = AttachSocket::at("/run/procpool/fib.sock").with_users([1001]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachSocket {
    path: PathBuf,
    users: Vec<u32>,
}

impl AttachSocket {
    /// Returns a socket of this name, at most 107 bytes long, for workers of this process's own
    /// user. Their token is in a file of the same name with `.token` at its end.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), users: Vec::new() }
    }

    /// Returns the same socket, which also accepts workers of these users. Each user needs a readable copy of
    /// the token.
    #[must_use]
    pub fn with_users(mut self, users: impl IntoIterator<Item = u32>) -> Self {
        self.users.extend(users);
        self
    }

    /// Returns the name of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A named socket, and the processes that attached through it.
#[derive(Debug)]
pub struct AttachPoint {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
    _place: Place,
}

impl AttachPoint {
    /// Binds the socket and writes the token. Needs a tokio runtime. Dropping the attach point removes both
    /// files.
    ///
    /// # Errors
    /// When the socket cannot be bound there, or other users could replace it with one of theirs.
    pub fn open(pool: &str, socket: &AttachSocket) -> io::Result<Arc<Self>> {
        // 128 random bits.
        let token = format!("{:032x}", rand::random::<u128>());
        let own = crate::os::socket::own_uid();
        let is_shared = socket.users.iter().any(|&uid| uid != own);
        let place = Place::prepare(&socket.path, &token, is_shared)?;
        let listener = Listener::bind(&socket.path).map_err(crate::cause::socket)?;
        if is_shared {
            // The mode is not the only check: the kernel's information about each peer counts, too.
            std::fs::set_permissions(&socket.path, Permissions::from_mode(0o666))?;
        }
        let users = socket.users.iter().copied().chain([own]).collect();
        let shared = Arc::new(Shared { pool: pool.into(), users, token, state: Mutex::default() });
        let accepting = tokio::spawn(door::accept(listener, shared.clone()));
        Ok(Arc::new(Self { shared, accepting, _place: place }))
    }

    /// Waits for a process that attaches. Safe to drop.
    pub(crate) async fn next(&self) -> Option<Arrival> {
        let arrival = {
            let mut state = self.shared.lock();
            while let Some(mut arrival) = state.standby.pop_front() {
                if !arrival.is_gone() {
                    return Some(arrival);
                }
            }
            let (sender, arrival) = oneshot::channel();
            state.waiting.retain(|waiting| !waiting.is_closed());
            state.waiting.push_back(sender);
            arrival
        };
        arrival.await.ok()
    }
}

impl Drop for AttachPoint {
    fn drop(&mut self) {
        self.accepting.abort();
        let mut state = self.shared.lock();
        for (_, greeting) in state.greetings.drain(..) {
            greeting.abort();
        }
        let standby = std::mem::take(&mut state.standby);
        drop(state);
        drop(standby);
    }
}
