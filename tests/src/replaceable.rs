//! A worker executable at a path of its own, which a test may replace while workers of it run.

use crate::binaries::{self, binary};
use crate::eventually;
use crate::server::Scratch;
use procpool::Executable;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file that stands for a worker, whatever it is at the moment.
#[derive(Debug)]
pub struct Replaceable {
    scratch: Scratch,
}

impl Replaceable {
    /// Begins as the executable `name` of this workspace.
    pub fn new(name: &str) -> Self {
        let worker = Self { scratch: Scratch::new() };
        worker.become_binary(name);
        worker
    }

    /// Returns the file.
    pub fn path(&self) -> PathBuf {
        self.scratch.path().join("worker")
    }

    /// Returns the file as an executable that is started with `args`.
    ///
    /// # Panics
    /// When it is not there.
    pub fn executable(&self, args: &[&str]) -> Executable {
        Executable::path(self.path()).expect("the file is there").with_args(args.iter().copied())
    }

    /// Becomes another executable of this workspace, as a deployment would do it: by renaming.
    ///
    /// # Panics
    /// When that cannot be done.
    pub fn become_binary(&self, name: &str) {
        self.put(&binary(name));
    }

    /// Becomes another executable of this workspace by writing into the file itself, as `cp` does.
    /// Waits until nothing runs the file.
    ///
    /// # Panics
    /// When that cannot be done.
    pub async fn overwrite(&self, name: &str) {
        self.overwrite_with(&std::fs::read(binary(name)).expect("a binary")).await;
    }

    /// The same with these bytes.
    ///
    /// # Panics
    /// When that cannot be done.
    pub async fn overwrite_with(&self, bytes: &[u8]) {
        eventually("nothing to run the file", async || match std::fs::write(self.path(), bytes) {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => None,
            written => {
                written.expect("a file that may be written to");
                Some(())
            }
        })
        .await;
    }

    /// Becomes a shell script.
    ///
    /// # Panics
    /// When that cannot be done.
    pub fn become_script(&self, line: &str) {
        let script = self.scratch.path().join("script");
        binaries::install(&script, format!("#!/bin/sh\n{line}\n"));
        self.put(&script);
    }

    /// It has ended.
    ///
    /// # Panics
    /// When that cannot be done.
    pub fn vanish(&self) {
        std::fs::remove_file(self.path()).expect("the file was there");
    }

    /// Another process copies it. A file that this one writes can be inherited by a process that
    /// another test is just starting, and cannot be executed until that one runs its program.
    fn put(&self, file: &Path) {
        let next = self.scratch.path().join("next");
        let copied = Command::new("cp").arg(file).arg(&next).status();
        assert!(copied.is_ok_and(|status| status.success()), "cp {} {}", file.display(), next.display());
        std::fs::rename(next, self.path()).expect("a new name");
    }
}
