//! Jobs that went wrong: kept as files, and run again as one ordinary process.

mod again;
mod history;
mod kept;
mod trust;

use procpool_protocol::recording::SavedJob;
use procpool_tests::http::Answer;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The key that has jobs kept, beside the configuration.
const SAVING: &str = "save_failed_jobs = \"failed\"";

/// Performs a verb that fails, and returns the file that is there when the answer is.
async fn fail(server: &Server, verb: &Verb) -> PathBuf {
    let before = saved(server.scratch.path());
    let answer = server.perform(verb).await;
    assert!(answer.status >= 500, "{verb:?}: {}", answer.text());
    let mut files = saved(server.scratch.path());
    files.retain(|file| !before.contains(file));
    assert_eq!(files.len(), 1, "{verb:?}: {}", answer.text());
    files.remove(0)
}

/// Returns the jobs that were kept beside the configuration.
fn saved(scratch: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(scratch.join("failed")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn read(file: &Path) -> SavedJob {
    SavedJob::read(File::open(file).expect("a file"))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Returns the file that a crash's answer names.
fn named(answer: &Answer) -> Option<PathBuf> {
    answer.problem()["crash"]["replay"].as_str().map(PathBuf::from)
}

/// Returns a job that was saved when it crashed and, because the marker is there now, ends well when it is
/// run again.
async fn mended(server: &Server) -> PathBuf {
    let marker = server.scratch.path().join("tried.txt");
    fail(server, &Verb::AbortOnce(marker.display().to_string())).await
}

/// Saves a changed copy of a job, where nobody else can write, whatever the umask.
fn altered(scratch: &Scratch, file: &Path, change: impl FnOnce(&mut SavedJob)) -> PathBuf {
    let mut job = read(file);
    change(&mut job);
    let dir = scratch.path().join("altered");
    DirBuilder::new().recursive(true).mode(0o700).create(&dir).expect("a directory");
    let path = dir.join("altered.job");
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path);
    job.write(&mut file.expect("a file")).expect("written");
    path
}
