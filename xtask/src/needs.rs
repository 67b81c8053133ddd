//! Finds out which needs of the tests this machine meets, so that `cargo xtask ci` can require them.
//!
//! Each probe asks the system in another way than the test does. A test that wrongly finds that it cannot run then
//! fails instead of being skipped.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use procpool_needs::{Need, REQUIRE};

use crate::error::Error;

/// Takes a lease of a file, as the tests' helper in Python does.
const LEASE: &str = "import fcntl, os, tempfile\n\
                     with tempfile.NamedTemporaryFile() as file:\n  \
                       fd = os.open(file.name, os.O_RDONLY)\n  \
                       file.close()\n  \
                       fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)";

/// Prints the version of Landlock's interface, or -1.
const LANDLOCK: &str = "import ctypes; print(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1))";

/// Loads libpng as the example does that uses it.
const LIBPNG: &str = "import ctypes; ctypes.CDLL('libpng16.so.16')";

/// Uses what came with Node.js 18.
const NODE: &str = "import { test } from 'node:test'; structuredClone(test.name); [].findLast(() => true)";

/// Makes a client as the script does that uses it.
const HTTPX: &str = "import httpx; httpx.Client(http1=False, http2=True).close()";

/// Succeeds where an interpreter can be registered. A mount that this needs is gone with the script.
const BINFMT: &str = "cd /proc/sys/fs/binfmt_misc; test -w register ||\n\
                      exec unshare --mount sh -c 'mount -t binfmt_misc none . && test -w /proc/sys/fs/binfmt_misc/register'";

/// Makes a cgroup below the own one, in either version of the interface where that is usually mounted, looks for one of the
/// files that set a limit of the controller, and removes it.
const CGROUPS: &str = "set -e; own() { grep -m 1 -E \"$1\" /proc/self/cgroup; }\n\
                       line=$(own \"^[0-9]+:([^:]*,)?$1[,:]\" || own '^0::'); rest=${line#*:}\n\
                       controllers=${rest%%:*}; dir=/sys/fs/cgroup/$controllers${rest#*:}\n\
                       test -n \"$controllers\" || grep -qw \"$1\" \"$dir/cgroup.controllers\"\n\
                       new=$dir/procpool-probe-$$; mkdir \"$new\"; trap 'rmdir \"$new\"' EXIT\n\
                       test -n \"$2\" || exit 0\n\
                       test -e \"$new/$2\" || test -e \"$new/$3\"";

/// Returns the needs that CI requires: those that the environment names, or else all that this machine meets.
pub(crate) fn required() -> Result<Vec<Need>, Error> {
    match env::var(REQUIRE) {
        Ok(given) => Need::list(&given).map_err(Error::Usage),
        Err(_) => Ok(Need::ALL.into_iter().filter(|need| is_met(*need)).collect()),
    }
}

/// Returns the list as the tests read it.
pub(crate) fn list(needs: &[Need]) -> String {
    needs.iter().map(|need| need.name()).collect::<Vec<_>>().join(",")
}

fn is_met(need: Need) -> bool {
    match need {
        Need::Root => is_root(),
        Need::Namespaces => {
            let script = "mount -t tmpfs tmpfs /tmp";
            let namespaces = ["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"];
            says("unshare", &[&namespaces[..], &["sh", "-c", script]].concat()).is_some()
        }
        Need::Cgroups => is_root() && says("sh", &["-c", CGROUPS, "sh", "pids"]).is_some(),
        Need::Memory => {
            let files = ["memory.max", "memory.limit_in_bytes"];
            let probe = [&["-c", CGROUPS, "sh", "memory"][..], &files[..]].concat();
            is_root() && says("sh", &probe).is_some()
        }
        Need::Gdb => {
            let said = says("gdb", &["-nx", "-batch", "-ex", "run", "--args", "true"]);
            said.is_some_and(|said| said.contains("exited normally"))
        }
        Need::Landlock => says("python3", &["-c", LANDLOCK]).is_some_and(|version| version.trim() != "-1"),
        Need::Binfmt => is_root() && says("sh", &["-c", BINFMT]).is_some(),
        Need::Libpng => says("python3", &["-c", LIBPNG]).is_some(),
        Need::Node => says("node", &["--input-type=module", "-e", NODE]).is_some(),
        Need::Systemd => says("systemd-analyze", &["--version"]).is_some(),
        // A transfer without a network: it needs what every other needs.
        Need::Curl => says("curl", &["--silent", "file:///dev/null"]).is_some(),
        Need::H2load => says("h2load", &["--help"]).is_some(),
        Need::Httpx => says("python3", &["-c", HTTPX]).is_some(),
        Need::EventSource => {
            let said = says("node", &["--experimental-eventsource", "-p", "typeof EventSource"]);
            said.is_some_and(|said| said.trim() == "function")
        }
        Need::Chromium => {
            let is_there = says("node", &["-p", "[].toSorted().length"]).is_some();
            is_there && says("chromium", &["--version"]).is_some()
        }
        Need::Promtool => says("promtool", &["--version"]).is_some(),
        Need::Axe => Path::new("tests/clients/node_modules/axe-core/axe.min.js").exists(),
        Need::Nats => {
            let given = env::var("PROCPOOL_NATS_SERVER").ok();
            let places = ["target/nats/bin/nats-server", "target/nats/nats-server", "nats-server"];
            let said = given.as_deref().into_iter().chain(places).find_map(|it| says(it, &["--version"]));
            said.is_some_and(|said| said.trim().rsplit("v2.").next().is_some_and(is_at_least_12))
        }
        Need::Leases => says("python3", &["-c", LEASE]).is_some(),
        Need::Disk => {
            let place = env::temp_dir().display().to_string();
            let kind = says("stat", &["--file-system", "--format=%T", &place]);
            kind.is_some_and(|kind| !["tmpfs", "overlayfs"].contains(&kind.trim()))
        }
    }
}

/// Reads the second part of a version: nats-server 2.12 is the oldest that is supported, and Debian's is older.
fn is_at_least_12(rest: &str) -> bool {
    rest.split('.').next().and_then(|minor| minor.parse::<u32>().ok()).is_some_and(|minor| minor >= 12)
}

fn is_root() -> bool {
    says("id", &["-u"]).is_some_and(|user| user.trim() == "0")
}

/// Returns the output of a program, if it ends well.
fn says(program: &str, args: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    let output = command.args(args).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_one_that_the_tests_can_read() {
        assert_eq!(Need::list(&list(&Need::ALL)).unwrap(), Need::ALL);
    }

    #[test]
    fn a_program_that_fails_or_is_not_there_meets_no_need() {
        assert_eq!(says("sh", &["-c", "echo here"]).as_deref(), Some("here\n"));
        assert_eq!(says("sh", &["-c", "echo here; exit 1"]), None);
        assert_eq!(says("procpool-no-such-program", &[]), None);
    }
}
