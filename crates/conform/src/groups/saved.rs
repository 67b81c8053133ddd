//! Saved jobs, for workers that run them.

use crate::check::{Check, Checked, Group, ensure, skip};
use crate::frame::{Out, job, job_frame};
use crate::lab::{ByHand, Lab};
use crate::os::process::End;
use crate::worker::Terms;
use procpool_protocol::frame::{Kind, flags};
use procpool_protocol::preamble::Preamble;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process};

pub(super) const GROUP: Group = Group {
    name: "saved jobs",
    checks: &[
        Check::new(
            "replay",
            "A worker that runs saved jobs runs one of format 1 and exits with code 0.",
            &["saved-jobs", "exit-codes"],
            replay,
        )
        .with_input(),
        Check::new(
            "replay-output",
            "A saved job's output is printed on standard output.",
            &["saved-jobs"],
            replay_output,
        )
        .with_fixture()
        .should(),
    ],
};

/// A file that is removed when dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Returns the name of a file that is not there yet.
    pub(super) fn unused() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(env::temp_dir().join(format!("procpool-conform-{}-{number}", process::id())))
    }

    /// Writes a file.
    pub(super) fn at(path: PathBuf, bytes: &[u8]) -> std::io::Result<Self> {
        fs::write(&path, bytes)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs a saved job. Skips the check if the worker runs none.
fn run(lab: &Lab<'_>, format: u64, input: &[u8]) -> Checked<ByHand> {
    let hello = lab.hello()?;
    let recording = json!({
        "format": format,
        "pool": "conform",
        "job": hello["job"],
        "contract": hello["contract"],
        "executable": "/nowhere/worker",
        "args": [],
        "env": {},
        "id": "07".repeat(16),
        "attempt": 1,
        "outcome": "crashed",
        "summary": "the kit wrote this file",
        "a_field_of_the_future": true,
    });
    let recording =
        Out::of(Kind::Recording, 0).message(recording.to_string()).flags(flags::IGNORABLE).bytes();
    let welcome = lab.welcome(&Terms { owned: false, ..Terms::default() }).bytes();
    let job = job_frame(1, &job(), input).bytes();
    let file = Scratch::unused();
    fs::write(file.path(), [&Preamble::ours().to_bytes()[..], &recording, &welcome, &job].concat())?;
    let path = file.path().display().to_string();
    lab.by_hand(&["--replay", &path], None)
}

fn replay(lab: &Lab<'_>) -> Checked {
    let ended = run(lab, 1, &lab.any()?)?;
    if ended.end == End::Code(2) {
        return skip("it runs no saved jobs");
    }
    ensure(ended.end == End::Code(0), || {
        format!("expected exit code 0, got {}: {}", ended.end, ended.stderr.trim())
    })?;
    let other = run(lab, 99, &lab.any()?)?;
    ensure(other.end == End::Code(2), || format!("expected exit code 2 for format 99, got {}", other.end))
}

fn replay_output(lab: &Lab<'_>) -> Checked {
    let ended = run(lab, 1, br#"{"op":"echo","value":[42]}"#)?;
    if ended.end == End::Code(2) {
        return skip("it runs no saved jobs");
    }
    let printed = serde_json::from_str::<Value>(&ended.stdout).ok();
    ensure(printed == Some(json!([42])), || {
        format!("expected [42] on standard output, got {:?}", ended.stdout)
    })
}
