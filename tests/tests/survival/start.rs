//! F10, F33, F34: workers that do not come up, and the place where they are to connect.

use procpool::Executable;
use procpool_tests::library::{idle, misbehaving};
use procpool_tests::served::misbehaving as serving;
use procpool_tests::server::{Scratch, Server, shell};
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

#[tokio::test]
async fn every_way_not_to_start_is_told_apart() {
    let ways = [
        ("exit", "ended with exit code 3"),
        ("silent", "not being connected within 500ms"),
        ("mute", "not being connected within 500ms"),
        ("dribbled_hello", "not being connected within 500ms"),
        ("one_connection", "not being connected within 500ms"),
        ("garbage_for_hello", "exit code 4"),
        ("wrong_version", "exit code 4"),
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
async fn an_executable_that_is_none_is_named_before_anything_is_started() {
    let scratch = Scratch::new();
    let missing = scratch.path().join("missing");
    let error = Executable::path(&missing).unwrap_err().to_string();
    assert!(error.contains(missing.to_str().unwrap()) && error.contains("No such file"), "{error}");

    let plain = scratch.write("plain.sh", "#!/bin/sh\n");
    let error = Executable::path(&plain).unwrap_err().to_string();
    assert!(error.contains(plain.to_str().unwrap()) && error.contains("permission denied"), "{error}");

    // Executable by its mode, and nothing that the kernel can execute.
    let broken = scratch.write("broken.bin", "\u{7f}ELF and nothing more");
    std::fs::set_permissions(&broken, std::fs::Permissions::from_mode(0o755)).unwrap();
    let pool = procpool::Pool::<procpool_tests::verbs::Verbs>::builder(Executable::path(&broken).unwrap());
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
async fn a_place_with_too_long_a_name_is_passed_over_for_one_that_works() {
    let long = Scratch::new();
    let place = long.path().join("x".repeat(100));
    std::fs::create_dir(&place).unwrap();
    let server = Server::by_command(
        shell(&format!("export TMPDIR={}", place.display())),
        Scratch::new(),
        &procpool_tests::served::verbs(1, ""),
    )
    .await;
    assert_eq!(server.perform(&Verb::Echo("here".into())).await.text(), "\"here\"");
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 0);
    // Told to stop rather than killed: nobody's scratch directory holds what it would leave behind.
    let mut server = server;
    process::signal(server.pid(), rustix::process::Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0));
}

/// The directories for sockets in a place.
fn directories(place: &Scratch) -> Vec<PathBuf> {
    let mut found = place.leftovers();
    found.sort();
    found
}

#[tokio::test]
async fn the_next_coordinator_sweeps_what_a_killed_one_left_and_spares_a_live_one() {
    let place = Scratch::new();
    let start = async || {
        let here = shell(&format!("export TMPDIR={}", place.path().display()));
        Server::by_command(here, Scratch::new(), &procpool_tests::served::verbs(1, "")).await
    };
    let killed = start().await;
    let stale = directories(&place);
    assert_eq!(stale.len(), 1);
    process::kill(killed.pid());
    eventually("its end", async || (!process::is_alive(killed.pid())).then_some(())).await;
    assert_eq!(directories(&place), stale, "nobody cleaned up");

    let live = start().await;
    let own = directories(&place);
    assert!(own.len() == 1 && own != stale, "{own:?} after {stale:?}");
    let second = start().await;
    assert!(directories(&place).len() == 2 && directories(&place).contains(&own[0]));

    // New workers still find the first one's socket.
    for server in [&live, &second] {
        process::kill(server.workers("verbs").await[0]);
        assert_eq!(server.perform(&Verb::Echo("found".into())).await.text(), "\"found\"");
    }
}
