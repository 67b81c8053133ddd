//! A server that runs as a user of its own, for limits by which the kernel means a user, and which root does not
//! have. Only root can make one.

use crate::binaries;
use crate::server::{Scratch, Server};
use procpool_needs::{Need, skip};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::process::Command;

/// The first of the users, of which every test process has a few; nobody has an account there.
const FIRST: u32 = 2_000_000;
const EACH: u32 = 16;

/// Returns a server as a user that has no other process, with a configuration that is told where that user
/// finds the misbehaving worker. `None` where this process is not root: then the test is skipped.
pub async fn server(config: impl FnOnce(&Path) -> String) -> Option<Server> {
    if !can_be_had() {
        return None;
    }
    let scratch = Scratch::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let user = FIRST + std::process::id() * EACH + COUNT.fetch_add(1, Ordering::Relaxed) % EACH;
    chown(scratch.path(), Some(user), Some(user)).expect("root may give a directory away");
    // Where the workspace is, others may not look.
    let [procpool, worker] = ["procpool", "verbs"].map(|name| copy(name, scratch.path()));
    let mut command = Command::new(procpool);
    command.uid(user).gid(user).current_dir("/");
    Some(Server::by_command(command, scratch, &config(&worker)).await)
}

/// Returns whether this process can start others as another user. If not, the calling test is recorded as
/// skipped.
#[must_use]
pub fn can_be_had() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skip(Need::Root, "only root can start a process of another user");
    }
    is_root
}

fn copy(name: &str, to: &Path) -> PathBuf {
    let path = to.join(name).with_extension("copy");
    binaries::copy(name, &path);
    path
}
