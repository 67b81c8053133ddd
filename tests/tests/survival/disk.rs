//! F32: no space where the workers' socket is. The tiny file system needs a namespace of its own; where
//! that cannot be had, the tests say so and pass.

use procpool_tests::binaries::binary;
use procpool_tests::process;
use procpool_tests::served::verbs;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use std::io::Write;
use tokio::process::Command;

/// A server whose directory for temporary files is a file system of its own with these options.
async fn server_on(options: &str) -> Option<Server> {
    if !has_namespaces() {
        eprintln!("this user may make no namespaces here, so there is no file system to fill");
        return None;
    }
    let script = format!(
        "set -e; mkdir $TMPDIR/tiny; export TMPDIR=$TMPDIR/tiny
        mount -t tmpfs -o {options} tmpfs $TMPDIR; exec \"$0\" \"$@\""
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", &script]).arg(binary("procpool"));
    Some(Server::by_command(command, Scratch::new(), &verbs(2, "")).await)
}

fn has_namespaces() -> bool {
    let mut tried = std::process::Command::new("unshare");
    let script = "mount -t tmpfs tmpfs /tmp";
    tried.args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", script]);
    tried.output().is_ok_and(|output| output.status.success())
}

#[tokio::test]
async fn a_full_disk_stops_neither_workers_nor_their_replacement() {
    let Some(server) = server_on("size=64k").await else { return };
    server.idle("verbs", 2).await;
    // The file system as the server sees it.
    let tiny = format!("/proc/{}/root{}/tiny", server.pid(), server.scratch.path().display());
    let mut full = std::fs::File::create(format!("{tiny}/full")).unwrap();
    let error = full.write_all(&[1; 128 << 10]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);

    assert_eq!(server.perform(&Verb::Echo("go on".into())).await.text(), "\"go on\"");
    for pid in server.workers("verbs").await {
        process::kill(pid);
    }
    assert_eq!(server.perform(&Verb::Echo("still".into())).await.text(), "\"still\"");
    server.idle("verbs", 2).await;
    std::fs::remove_file(format!("{tiny}/full")).unwrap();
    assert_eq!(server.perform(&Verb::Echo("and again".into())).await.text(), "\"and again\"");
    assert_eq!(server.pool("verbs").await["jobs"]["ok"], 3);
}

#[tokio::test]
async fn a_server_that_finds_no_space_for_its_socket_looks_elsewhere() {
    // The one file that there may be is the directory itself.
    let Some(mut server) = server_on("nr_inodes=1").await else { return };
    assert_eq!(server.perform(&Verb::Echo("elsewhere".into())).await.text(), "\"elsewhere\"");
    process::signal(server.pid(), rustix::process::Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0));
}
