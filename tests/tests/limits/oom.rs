//! The effect of the kernel's OOM killer on a service in a control group with a limit of memory.

use procpool_needs::{Need, skip};
use procpool_tests::binaries::binary;
use procpool_tests::eventually;
use procpool_tests::host::Host;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tokio::process::Command;

const LIMIT: u64 = 256 << 20;

/// A control group whose processes have so much memory together, removed when dropped.
struct Group(PathBuf);

impl Group {
    fn new() -> io::Result<Self> {
        let (above, is_first_version) = own()?;
        let dir = above.join(format!("procpool-oom-{}", std::process::id()));
        fs::create_dir(&dir)?;
        let group = Self(dir);
        let (limit, swap) = if is_first_version {
            ("memory.limit_in_bytes", ("memory.memsw.limit_in_bytes", LIMIT))
        } else {
            ("memory.max", ("memory.swap.max", 0))
        };
        fs::write(group.0.join(limit), LIMIT.to_string())?;
        // Where there is no swap, there is no such file, or it does not matter.
        let _ = fs::write(group.0.join(swap.0), swap.1.to_string());
        Ok(group)
    }

    /// Returns a command that enters it and then becomes this one.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]);
        command.arg(self.0.join("cgroup.procs")).arg(program);
        command
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Returns the group that counts the memory of this process, and whether it is of the first version.
fn own() -> io::Result<(PathBuf, bool)> {
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let of = |mark: &str| groups.lines().find_map(|line| line.split_once(mark)).map(|(_, group)| group);
    let place = |mounted: &str, group: &str| Path::new(mounted).join(group.trim_start_matches('/'));
    let first = of(":memory:").map(|group| (place("/sys/fs/cgroup/memory", group), true));
    let second = || of("0::").map(|group| (place("/sys/fs/cgroup", group), false));
    first.or_else(second).ok_or_else(|| io::Error::other("there is no control group"))
}

#[tokio::test]
async fn what_the_kernels_oom_killer_takes_is_told_from_a_strangers_kill() {
    let group = match Group::new() {
        Ok(group) => group,
        Err(reason) => return skip(Need::Memory, reason),
    };
    let mut command = group.command(&binary("host"));
    command.arg(binary("verbs"));
    let mut host = Host::start(command);
    let taken = "signal 9 (SIGKILL)";
    let told = "OOM killer took it";
    for _ in 0..2 {
        let killed = host.ask("run kill -9 $PPID").await;
        assert!(killed.contains(taken) && !killed.contains("OOM"), "{killed}");
        let hoarded = host.ask(&format!("hoard {}", 2 * LIMIT)).await;
        assert!(hoarded.contains(taken) && hoarded.contains(told), "{hoarded}");
    }
    let pid = host.pid();
    drop(host);
    eventually("the end of the host", async || (!procpool_tests::process::is_alive(pid)).then_some(())).await;
    eventually("an empty group", async || {
        fs::read_to_string(group.0.join("cgroup.procs")).unwrap().is_empty().then_some(())
    })
    .await;
}
