//! The pinned executable runs, whatever is written into the file.

use procpool::error::ReloadError;
use procpool::{Pool, PoolBuilder};
use procpool_tests::binaries::binary;
use procpool_tests::library::echo;
use procpool_tests::replaceable::Replaceable;
use procpool_tests::served::pool as table;
use procpool_tests::server::Server;
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, other_user, process};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Returns a pool that has no worker unless there is a job.
fn pool(worker: &Replaceable) -> PoolBuilder<Verbs> {
    let pool = Pool::builder(worker.executable(&[])).workers(0..=1).process_per_job(true);
    pool.start_timeout(Duration::from_secs(5))
}

#[tokio::test]
async fn a_program_that_is_overwritten_in_place_runs_as_it_was_until_it_is_reloaded() {
    let worker = Replaceable::new("verbs");
    let pool = pool(&worker).start().await.unwrap();
    for text in ["before any worker", "between two workers"] {
        worker.overwrite("procpool-ping").await;
        assert_eq!(pool.run(echo(text)).await.unwrap(), text);
    }
    let Err(ReloadError::Canary { reason, .. }) = pool.reload().await else { panic!("it is another job's") };
    assert!(reason.contains("job `verbs`"), "{reason}");
    assert_eq!(pool.run(echo("still")).await.unwrap(), "still");
    worker.overwrite("verbs").await;
    assert!(!pool.reload().await.unwrap().same_file);
    assert_eq!(pool.run(echo("anew")).await.unwrap(), "anew");
}

#[tokio::test]
async fn half_a_copy_is_never_started_and_its_reload_says_so() {
    let worker = Replaceable::new("verbs");
    let pool = pool(&worker).start().await.unwrap();
    let whole = std::fs::read(worker.path()).unwrap();
    worker.overwrite_with(&whole[..4096]).await;
    assert_eq!(pool.run(echo("whole")).await.unwrap(), "whole");
    let Err(ReloadError::Executable { reason, .. }) = pool.reload().await else { panic!("half a program") };
    assert!(reason.contains("it is cut short: 4096 bytes are there"), "{reason}");
    assert_eq!(pool.run(echo("whole")).await.unwrap(), "whole");
}

#[tokio::test]
async fn a_worker_that_dies_is_replaced_by_the_program_that_was_pinned() {
    let worker = Replaceable::new("verbs");
    let config = table("verbs", &worker.path(), 1, "");
    let server = Server::with_config(&config).await;
    server.idle("verbs", 1).await;
    // The kernel lets nobody write to the file that a worker runs, but its mode can be changed. The
    // next worker therefore runs the copy, and the one after it would run what is in the file by then.
    std::fs::set_permissions(worker.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    for text in ["of the copy", "as before"] {
        let before = server.workers("verbs").await;
        process::kill(before[0]);
        eventually("a worker less", async || (!process::is_alive(before[0])).then_some(())).await;
        assert_eq!(server.perform(&Verb::Echo(text.into())).await.text(), format!("\"{text}\""));
        worker.overwrite("procpool-fib").await;
    }
}

#[tokio::test]
async fn a_script_runs_as_it_is_at_the_time() {
    let worker = Replaceable::new("verbs");
    worker.become_script(&format!("exec {}", binary("verbs").display()));
    let pool = pool(&worker).start().await.unwrap();
    assert_eq!(pool.run(echo("by a script")).await.unwrap(), "by a script");
    let marker = worker.path().with_extension("marker");
    let script = format!("#!/bin/sh\n: > {}\nexec {}\n", marker.display(), binary("verbs").display());
    std::fs::write(worker.path(), script).unwrap();
    assert_eq!(pool.run(echo("by another")).await.unwrap(), "by another");
    assert!(marker.exists());
}

#[tokio::test]
async fn a_program_that_its_user_cannot_write_to_is_not_copied() {
    // The executables are root's, the server is somebody else's.
    let Some(server) = other_user::server(|worker| table("verbs", worker, 1, "")).await else {
        return;
    };
    let file = server.scratch.path().join("exe.txt");
    server.perform(&Verb::Shell(format!("readlink /proc/$PPID/exe > {}", file.display()))).await;
    let exe = std::fs::read_to_string(file).unwrap();
    assert!(exe.contains("verbs.copy") && !exe.contains("memfd"), "{exe}");
}
