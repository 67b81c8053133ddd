//! A format that the kernel runs by a registered interpreter (`binfmt_misc`). Only root can
//! register one, and only where the kernel has the register.

use procpool::{Executable, Pool};
use procpool_needs::{Need, skip};
use procpool_tests::binaries::{binary, install};
use procpool_tests::library::echo;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::Verbs;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const REGISTER: &str = "/proc/sys/fs/binfmt_misc";

/// An entry of the register, and the mount that was needed for it; both are taken back.
struct Entry {
    path: PathBuf,
    mounted: bool,
}

impl Entry {
    /// Has files with `magic` at byte 9 run by `interpreter`, which is given their path.
    fn register(magic: &str, interpreter: &Path) -> io::Result<Self> {
        let mounted = !Path::new(REGISTER).join("register").exists();
        if mounted {
            rustix::mount::mount(
                "binfmt_misc",
                REGISTER,
                "binfmt_misc",
                rustix::mount::MountFlags::empty(),
                None,
            )?;
        }
        let name = format!("procpool-{}", std::process::id());
        let entry = Self { path: Path::new(REGISTER).join(&name), mounted };
        fs::write(
            Path::new(REGISTER).join("register"),
            format!(":{name}:M:9:{magic}::{}:", interpreter.display()),
        )?;
        Ok(entry)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let _ = fs::write(&self.path, "-1");
        if self.mounted {
            let _ = rustix::mount::unmount(REGISTER, rustix::mount::UnmountFlags::empty());
        }
    }
}

#[tokio::test]
async fn a_worker_that_a_registered_interpreter_runs_is_given_its_path() {
    let scratch = Scratch::new();
    let executable = |name, contents: &[u8]| {
        let path = scratch.path().join(name);
        install(&path, contents);
        path
    };
    // Reads its file, as an emulator would, before it becomes the worker.
    let text = format!("#!/bin/sh\ngrep -q PPTEST \"$1\" || exit 9\nexec {}\n", binary("verbs").display());
    let interpreter = executable("interpreter", text.as_bytes());
    // A program of this machine but for that: its header has room for a mark.
    let mut program = fs::read("/bin/true").unwrap();
    program[9..15].copy_from_slice(b"PPTEST");
    let worker = executable("worker", &program);
    let entry = match Entry::register("PPTEST", &interpreter) {
        Ok(entry) => entry,
        Err(error) => return skip(Need::Binfmt, format!("no interpreter can be registered here: {error}")),
    };
    let pool =
        Pool::<Verbs>::builder(Executable::path(&worker).unwrap()).workers(1..=1).start().await.unwrap();
    assert_eq!(pool.run(echo("by an interpreter")).await.unwrap(), "by an interpreter");
    drop(entry);
}
