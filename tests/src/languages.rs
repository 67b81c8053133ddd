//! The interpreters of workers in other languages.

use procpool_needs::{Need, skip};
use std::process::Command;

/// Returns Node.js, or `None` where it is missing or too old, and the test is skipped.
pub fn node() -> Option<String> {
    let script =
        "console.log(process.execPath); process.exit(process.versions.node.split('.')[0] < 18 ? 1 : 0)";
    let found = Command::new("node").args(["-e", script]).output();
    match found {
        Ok(found) if found.status.success() => Some(String::from_utf8(found.stdout).ok()?.trim().to_owned()),
        Ok(old) => {
            skip(Need::Node, format!("{} is older than 18", String::from_utf8_lossy(&old.stdout).trim()));
            None
        }
        Err(error) => {
            skip(Need::Node, format!("node: {error}"));
            None
        }
    }
}
