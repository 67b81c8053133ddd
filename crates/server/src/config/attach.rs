//! Where the workers of a pool come from: a command that starts them, or a socket at which those attach
//! that somebody else starts.

use super::command::Command;
use super::error::Mistake;
use super::file::PoolTable;
use procpool_coordinator::AttachSocket;
use std::path::{Path, PathBuf};

/// See the module.
#[derive(Clone, Debug)]
pub(super) enum WorkersFrom {
    Command(Command),
    Socket(AttachSocket),
}

/// Reads it from a pool's table. `dir` is where sockets are configured to be. The error names the key.
pub(super) fn workers(
    name: &str,
    table: &PoolTable,
    dir: Option<PathBuf>,
) -> Result<WorkersFrom, (&'static str, Mistake)> {
    if !table.attach {
        if !table.attach_users.is_empty() {
            return Err(("attach_users", Mistake::NotAttached));
        }
        let command = table.command.clone().ok_or_else(|| ("command", Mistake::MissingKey("command".into())));
        return command.map(WorkersFrom::Command);
    }
    if let Some(key) = of_spawned_workers(table) {
        return Err((key, Mistake::OfSpawnedWorkers(key)));
    }
    let dir = dir.or_else(usual_dir).ok_or(("attach", Mistake::NoAttachDir))?;
    let socket = AttachSocket::at(dir.join(format!("{name}.sock")));
    Ok(WorkersFrom::Socket(socket.with_users(table.attach_users.iter().copied())))
}

/// Returns the runtime directory of the user, or of the system for root.
fn usual_dir() -> Option<PathBuf> {
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let system = || rustix::process::geteuid().is_root().then(|| Path::new("/run").to_owned());
    Some(own.or_else(system)?.join("procpool"))
}

/// Returns a key that means nothing where somebody else starts the workers.
fn of_spawned_workers(table: &PoolTable) -> Option<&'static str> {
    let keys = [
        ("command", table.command.is_some()),
        ("min_workers", table.min_workers.is_some()),
        ("spares", table.spares.is_some()),
        ("idle_timeout", table.idle_timeout.is_some()),
        ("process_per_job", table.process_per_job.is_some()),
        ("fork", table.fork.is_some()),
        ("crash_stacks", table.crash_stacks.is_some()),
        ("recycle_jobs", table.recycle_jobs.is_some()),
        ("recycle_lifetime", table.recycle_lifetime.is_some()),
        ("recycle_memory", table.recycle_memory.is_some()),
        ("memory_limit", table.memory_limit.is_some()),
        ("address_space_limit", table.address_space_limit.is_some()),
        ("cpu_limit", table.cpu_limit.is_some()),
        ("open_files_limit", table.open_files_limit.is_some()),
        ("process_limit", table.process_limit.is_some()),
        ("file_size_limit", table.file_size_limit.is_some()),
        ("nice", table.nice.is_some()),
        ("inherit_env", !table.inherit_env.is_empty()),
        ("env", !table.env.is_empty()),
        ("current_dir", table.current_dir.is_some()),
        ("save_failed_jobs", table.save_failed_jobs.is_some()),
        ("saved_jobs", table.saved_jobs.is_some()),
        ("save_history", table.save_history.is_some()),
    ];
    keys.into_iter().find(|(_, is_set)| *is_set).map(|(key, _)| key)
}
