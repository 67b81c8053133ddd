//! F32: nowhere to write. A worker's start touches no file system, so workers are started and replaced
//! where temporary files cannot go: the disk is full, read-only, or the directories are gone. A file
//! system of its own needs a namespace; where that cannot be had, the tests are skipped. And where files
//! may not grow (`ulimit -f`), which also holds for memory that is passed as a file.

use procpool_needs::{Need, skip};
use procpool_tests::binaries::binary;
use procpool_tests::host::Host;
use procpool_tests::library;
use procpool_tests::program::finish;
use procpool_tests::served::verbs;
use procpool_tests::server::{Scratch, Server, shell};
use procpool_tests::verbs::Verb;
use procpool_tests::{http, process};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use tokio::process::Command;

/// Returns a server whose directory for temporary files is a file system of its own, mounted with these
/// options; and where that is for others. It may be mounted anew by `then`.
async fn server_on(options: &str, then: &str) -> Option<(Server, PathBuf)> {
    if !has_namespaces() {
        skip(Need::Namespaces, "this user may make none");
        return None;
    }
    let script = format!(
        "set -e; mkdir $TMPDIR/tiny; export TMPDIR=$TMPDIR/tiny XDG_RUNTIME_DIR=$TMPDIR/tiny
        mount -t tmpfs -o {options} tmpfs $TMPDIR; {then}; exec \"$0\" \"$@\""
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", &script]).arg(binary("procpool"));
    let server = Server::by_command(command, Scratch::new(), &verbs(2, "")).await;
    // The file system as the server sees it.
    let tiny = format!("/proc/{}/root{}/tiny", server.pid(), server.scratch.path().display());
    Some((server, tiny.into()))
}

fn has_namespaces() -> bool {
    let mut tried = std::process::Command::new("unshare");
    let script = "mount -t tmpfs tmpfs /tmp";
    tried.args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", script]);
    tried.output().is_ok_and(|output| output.status.success())
}

/// Jobs run, all workers are killed, and jobs run again.
async fn goes_on(server: &Server) {
    server.idle("verbs", 2).await;
    for text in ["\"go on\"", "\"still\"", "\"and again\""] {
        assert_eq!(server.perform(&Verb::Echo(text.trim_matches('"').into())).await.text(), text);
        for pid in server.workers("verbs").await {
            process::kill(pid);
        }
    }
    assert_eq!(server.perform(&Verb::Pid).await.status, 200);
    server.idle("verbs", 2).await;
    assert_eq!(server.pool("verbs").await["jobs"]["ok"], 4);
}

#[tokio::test]
async fn a_full_disk_stops_neither_workers_nor_their_replacement() {
    let Some((server, tiny)) = server_on("size=64k", "true").await else { return };
    let mut full = std::fs::File::create(tiny.join("full")).unwrap();
    assert_eq!(full.write_all(&[1; 128 << 10]).unwrap_err().kind(), ErrorKind::StorageFull);
    goes_on(&server).await;
}

#[tokio::test]
async fn a_read_only_disk_stops_neither_workers_nor_their_replacement() {
    let Some((server, tiny)) = server_on("size=64k", "mount -o remount,ro tmpfs $TMPDIR").await else {
        return;
    };
    let refused = std::fs::File::create(tiny.join("new")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
    goes_on(&server).await;
}

#[tokio::test]
async fn a_server_whose_directories_go_starts_and_replaces_workers_as_before() {
    let place = Scratch::new();
    let [temporary, runtime] = ["tmp", "run"].map(|name| place.path().join(name));
    let there = format!("export TMPDIR={} XDG_RUNTIME_DIR={}", temporary.display(), runtime.display());
    let there = format!("{there}; mkdir -m 700 $TMPDIR $XDG_RUNTIME_DIR");
    let server = Server::by_command(shell(&there), Scratch::new(), &verbs(2, "")).await;
    server.idle("verbs", 2).await;
    // As at the end of a login session.
    for directory in [temporary, runtime] {
        std::fs::remove_dir(directory).expect("it is there, and empty");
    }
    goes_on(&server).await;
}

#[tokio::test]
async fn a_payload_above_the_limit_of_a_files_size_costs_the_server_nothing() {
    let ping = format!("[pools.ping]\ncommand = [{:?}]\nmax_workers = 1\n", binary("procpool-ping"));
    let mut server = Server::by_command(shell("ulimit -f 64"), Scratch::new(), &ping).await;
    let before = server.workers("ping").await;
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    for (body, status) in [(large.as_str(), 422), ("\"ping\"", 200), (&large, 422)] {
        let answer = http::post(server.address(), "/v1/pools/ping/jobs", body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    assert_eq!(server.workers("ping").await, before);
    process::signal(server.pid(), rustix::process::Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0));
}

/// A library's host has the signal's default action, and nobody there changes it.
#[tokio::test]
async fn nothing_that_a_pool_writes_ends_its_host_by_the_limit_of_a_files_size() {
    for blocks in [0, 64, 2048] {
        let scratch = Scratch::new();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
        let mut host = Host::by(command);
        assert_eq!(host.ask("jobs 200").await, "true");
        assert_eq!(host.ask("bytes 3000000").await, "true");
        let shared = host.ask("share 3000000").await;
        assert!(shared.contains("File too large") && shared.contains("ulimit -f"), "{shared}");
        let dir = scratch.path().join("saved");
        let saved = host.ask(&format!("save {}", dir.display())).await;
        assert!(saved.contains("signal 6 (SIGABRT)"), "{saved}");
        let is_saved = saved.contains("procpool replay");
        assert_eq!(is_saved, blocks > 0, "{saved}");
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), usize::from(is_saved), "no half file");
        host.replaced().await;
        assert_eq!(host.ask("bytes 3000000").await, "true");
    }
}

#[tokio::test]
async fn a_worker_that_shares_more_memory_than_its_files_may_have_hears_of_it() {
    let pool = library::verbs(1).file_size_limit(1 << 20).start().await.unwrap();
    let told = pool.run(Verb::Share(2 << 20)).await.unwrap();
    assert!(told.contains("File too large"), "{told}");
    assert_eq!(pool.run(Verb::Share(1 << 20)).await.unwrap(), "shared");
    assert_eq!(pool.status().deaths, 0);
}

#[tokio::test]
async fn a_command_whose_files_may_not_grow_says_so_or_goes_on() {
    let limited = async |arguments: &[&str], redirected: &str| {
        let scratch = Scratch::new();
        let file = scratch.path().join("file.txt");
        let mut command = Command::new("/bin/sh");
        let script = format!("ulimit -f 0; exec \"$0\" \"$@\" {redirected} {}", file.display());
        finish(command.args(["-c", &script]).arg(binary("procpool")).args(arguments)).await
    };
    let logging = limited(&["-vvv", "run", "fib", "20"], "2>").await;
    assert_eq!((logging.code, logging.stdout.as_str()), (Some(0), "6765\n"));
    for arguments in [&["run", "fib", "20"][..], &["check"]] {
        let printing = limited(arguments, ">").await;
        assert_eq!(printing.code, Some(1), "{printing:?}");
        assert!(
            printing.stderr.contains("failed to write to standard output: File too large"),
            "{printing:?}"
        );
    }
}
