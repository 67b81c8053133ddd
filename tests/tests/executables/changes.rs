//! Workers run the file itself, with its path and its symbols, until somebody writes to it. Those who
//! write at the worst moment change nothing about what runs.

use procpool::{Pool, PoolBuilder};
use procpool_needs::{Need, skip};
use procpool_tests::binaries::binary;
use procpool_tests::eventually;
use procpool_tests::library::echo;
use procpool_tests::replaceable::Replaceable;
use procpool_tests::verbs::{Verb, Verbs};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Returns a pool of which each job has a process of its own, so that nothing runs the file between two jobs.
fn pool(worker: &Replaceable) -> PoolBuilder<Verbs> {
    Pool::builder(worker.executable(&[])).workers(0..=1).process_per_job(true)
}

/// Returns the name of the executable that a worker of the pool says it runs.
async fn current_exe(pool: &Pool<Verbs>) -> String {
    pool.run(Verb::CurrentExe).await.expect("a worker that answers")
}

/// Waits for a worker that runs the file itself. One may run the copy because another test of this
/// process was just forking, and so had the descriptor open by which the file was written.
async fn runs_the_file(pool: &Pool<Verbs>, path: &Path) {
    let path = path.to_str().expect("a path in UTF-8");
    eventually("a worker of the file", async || (current_exe(pool).await == path).then_some(())).await;
}

/// Returns whether the file system of the scratch directory is one whose files run as themselves.
fn is_guarded(worker: &Replaceable) -> bool {
    let (overlay, tmpfs) = (0x794c_7630, 0x0102_1994);
    let kind = rustix::fs::statfs(worker.path()).expect("a file system").f_type;
    let is_guarded = ![overlay, tmpfs].contains(&kind);
    if !is_guarded {
        skip(Need::Disk, "temporary files lie on tmpfs or overlayfs, where workers run a copy");
    }
    is_guarded
}

#[tokio::test]
async fn a_worker_finds_its_own_executable_while_that_is_unchanged() {
    let worker = Replaceable::new("verbs");
    if !is_guarded(&worker) {
        return;
    }
    let pool = pool(&worker).start().await.unwrap();
    runs_the_file(&pool, &worker.path()).await;
    worker.overwrite("procpool-ping").await;
    let copied = current_exe(&pool).await;
    assert_eq!(copied, format!("/memfd:{} (deleted)", worker.path().display()));
    worker.overwrite("verbs").await;
    pool.reload().await.unwrap();
    runs_the_file(&pool, &worker.path()).await;
}

#[tokio::test]
async fn the_backtrace_of_a_panic_names_the_workers_own_functions() {
    let worker = Replaceable::new("verbs");
    if !is_guarded(&worker) {
        return;
    }
    let pool = pool(&worker).env("RUST_BACKTRACE", "1").start().await.unwrap();
    runs_the_file(&pool, &worker.path()).await;
    let error = pool.run(Verb::PanicThenAbort("the sky is falling".into())).await.unwrap_err();
    let lines = error.crash_report().unwrap().death.stderr.join("\n");
    assert!(lines.contains("verbs::main"), "{lines}");
}

#[tokio::test]
async fn a_writer_that_has_the_file_open_makes_workers_run_the_copy_and_no_job_fail() {
    let worker = Replaceable::new("verbs");
    let pool = pool(&worker).start().await.unwrap();
    let writer = eventually("nothing to run the file", async || {
        OpenOptions::new().write(true).open(worker.path()).ok()
    })
    .await;
    for text in ["while it", "is open"] {
        assert_eq!(pool.run(echo(text)).await.unwrap(), text);
    }
    assert!(current_exe(&pool).await.starts_with("/memfd:"));
    drop(writer);
    if is_guarded(&worker) {
        runs_the_file(&pool, &worker.path()).await;
    }
    assert_eq!(pool.status().deaths, 0);
}

/// Writes another program into the file in two halves, as soon as nothing runs it. Gives up when told.
fn overwrite_when_possible(path: &Path, program: &[u8], is_over: &AtomicBool) -> bool {
    let open = || loop {
        match OpenOptions::new().write(true).truncate(true).open(path) {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                if is_over.load(Ordering::Relaxed) {
                    return None;
                }
            }
            opened => return Some(opened.unwrap()),
        }
    };
    let write = |mut file: File| {
        let (first, second) = program.split_at(program.len() / 2);
        file.write_all(first).unwrap();
        file.write_all(second).unwrap();
    };
    open().map(write).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn overwriting_the_file_between_any_two_jobs_never_changes_what_runs_without_a_reload() {
    let worker = Replaceable::new("verbs");
    let pool = pool(&worker).start().await.unwrap();
    let other = std::fs::read(binary("procpool-ping")).unwrap();
    let mut overwritten = 0;
    for round in 0..50 {
        worker.overwrite("verbs").await;
        pool.reload().await.unwrap();
        let is_over = AtomicBool::new(false);
        overwritten += std::thread::scope(|scope| {
            let writer = scope.spawn(|| overwrite_when_possible(&worker.path(), &other, &is_over));
            tokio::task::block_in_place(|| {
                let jobs = async {
                    for number in 0..3 {
                        let text = format!("{round} {number}");
                        assert_eq!(pool.run(echo(&text)).await.unwrap(), text);
                    }
                };
                tokio::runtime::Handle::current().block_on(jobs);
            });
            is_over.store(true, Ordering::Relaxed);
            usize::from(writer.join().unwrap())
        });
    }
    assert!(overwritten > 0, "the writer never found a gap");
    // Neither the other program nor half of it was ever started: that would have been a death.
    assert_eq!(pool.status().deaths, 0, "after {overwritten} times");
}
