//! F10, F33, F34, F44: workers that do not come up, and what a coordinator leaves in the file system.

use procpool::{Executable, Pool};
use procpool_tests::library::{idle, misbehaving};
use procpool_tests::served::misbehaving as serving;
use procpool_tests::server::{Scratch, Server, shell};
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, process};
use std::path::PathBuf;
use std::time::Duration;

#[tokio::test]
async fn every_way_not_to_start_is_told_apart() {
    let on_control = "on its control connection (descriptor 4)";
    let ways = [
        ("exit", "ended with exit code 3"),
        ("bequeath", "ended with exit code 3"),
        ("silent", "not being introduced within 500ms"),
        ("mute", "not being introduced within 500ms"),
        ("dribbled_hello", "not being introduced within 500ms"),
        ("garbage_for_hello", "does not begin with procpool's preamble"),
        ("wrong_version", "speaks protocol version 99 to 99, this side 2 to 2"),
        ("old_version", "speaks protocol version 1 to 1, this side 2 to 2"),
        ("hello_twice", "it said Hello instead of Ready"),
        ("ready_without_hello", "it said Ready instead of Hello"),
        ("hello_on_control", &format!("it said Hello {on_control} before it was ready")),
        ("greeting_on_control", on_control),
        ("close_jobs", "it closed the connection before it was ready"),
        ("close_control", &format!("{on_control}: it closed the connection before it was ready")),
        ("start_failed", "its initialisation failed: the model is not there"),
        ("die_at=spawn", "signal 9"),
        ("die_at=hello", "signal 9"),
        ("die_at=welcome", "signal 9"),
    ];
    for (how, words) in ways {
        let started = misbehaving(how).start_timeout(Duration::from_millis(500)).start().await;
        let error = started.err().unwrap_or_else(|| panic!("`{how}` started")).to_string();
        assert!(error.contains(words), "{how}: {error}");
    }
}

#[tokio::test]
async fn a_program_that_ends_well_and_never_served_is_asked_for_its_main() {
    let cat = Executable::path("/bin/cat").unwrap();
    let error = Pool::<Verbs>::builder(cat).start().await.unwrap_err().to_string();
    assert!(error.contains("exit code 0") && error.contains("does its `main` call `serve`?"), "{error}");
}

#[tokio::test]
async fn an_executable_that_is_none_is_named_before_anything_is_started() {
    let scratch = Scratch::new();
    let missing = scratch.path().join("missing");
    let error = Executable::path(&missing).unwrap_err().to_string();
    assert!(error.contains(missing.to_str().unwrap()) && error.contains("No such file"), "{error}");

    let plain = scratch.write("plain.sh", "#!/bin/sh\n");
    let error = Executable::path(&plain).unwrap_err().to_string();
    assert!(error.contains(plain.to_str().unwrap()) && error.contains("permission denied"), "{error}");

    // Executable by its mode, and nothing that the kernel can execute.
    let broken = scratch.path().join("broken.bin");
    procpool_tests::binaries::install(&broken, "\u{7f}ELF and nothing more");
    let pool = Pool::<Verbs>::builder(Executable::path(&broken).unwrap());
    let error = pool.start().await.unwrap_err().to_string();
    assert!(error.contains("failed to spawn") && error.contains(broken.to_str().unwrap()), "{error}");
}

/// Less than 5 % of a processor is the promise (FAULTS, F10), so here a time is asserted: that of the
/// server and of all the workers that it has started and buried.
#[tokio::test]
async fn a_pool_whose_workers_cannot_start_costs_next_to_nothing() {
    let server = Server::with_config(&serving(&["exit"], "")).await;
    let _job = server.begin(&Verb::Pid).await;
    let backs_off = async || (server.pool("verbs").await["deaths"].as_u64() > Some(2)).then_some(());
    eventually("the pool to have tried", backs_off).await;
    let before = process::cpu_time(server.pid());
    // sleep: the time over which the processor is watched.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let spent = process::cpu_time(server.pid()) - before;
    assert!(spent < Duration::from_millis(100), "{spent:?} in 2 s");
    assert_eq!(procpool_tests::http::get(server.address(), "/livez").await.status, 200);
}

#[tokio::test]
async fn workers_that_could_not_start_are_forgotten_once_one_can() {
    let scratch = Scratch::new();
    let pool = procpool_tests::library::misbehaving_once("exit", 1, &scratch).start_lazy().unwrap();
    assert_eq!(pool.run(Verb::Pid).await.unwrap(), "done");
    idle(&pool, 1).await;
    assert_eq!((pool.status().deaths, pool.status().backoff_ms), (1, None));
}

#[tokio::test]
async fn the_name_of_the_place_for_temporary_files_may_be_as_long_as_it_likes() {
    let long = Scratch::new();
    let place = long.path().join("x".repeat(100));
    std::fs::create_dir(&place).unwrap();
    let there = shell(&format!("export TMPDIR={}", place.display()));
    let server = Server::by_command(there, Scratch::new(), &procpool_tests::served::verbs(1, "")).await;
    assert_eq!(server.perform(&Verb::Echo("here".into())).await.text(), "\"here\"");
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
}

#[tokio::test]
async fn a_killed_coordinator_leaves_nothing_in_the_file_system_and_the_next_one_starts() {
    let place = Scratch::new();
    let start = async || {
        let here = shell(&format!("export TMPDIR={0} XDG_RUNTIME_DIR={0}", place.path().display()));
        Server::by_command(here, Scratch::new(), &procpool_tests::served::verbs(1, "")).await
    };
    let (killed, live) = (start().await, start().await);
    for server in [&killed, &live] {
        assert_eq!(server.perform(&Verb::Echo("found".into())).await.text(), "\"found\"");
    }
    process::kill(killed.pid());
    eventually("its end", async || (!process::is_alive(killed.pid())).then_some(())).await;
    assert_eq!(place.leftovers(), [] as [PathBuf; 0]);

    let second = start().await;
    for server in [&live, &second] {
        process::kill(server.workers("verbs").await[0]);
        assert_eq!(server.perform(&Verb::Echo("found".into())).await.text(), "\"found\"");
    }
    assert_eq!(place.leftovers(), [] as [PathBuf; 0]);
}
