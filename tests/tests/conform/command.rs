//! The command `procpool conform`: its reports and its exit codes.

use procpool_tests::binaries::binary;
use procpool_tests::program::{Ended, run};

async fn conform(args: &[&str]) -> Ended {
    run(binary("procpool"), &[&["conform"], args].concat()).await
}

fn path(name: &str) -> String {
    binary(name).display().to_string()
}

#[tokio::test]
async fn it_reports_for_people_and_for_programs() {
    let ping = path("procpool-ping");
    let people = conform(&[&ping, "--any", "\"ping\"", "-k", "ready"]).await;
    assert_eq!((people.code, people.stderr.as_str()), (Some(0), ""));
    assert!(people.stdout.starts_with("ok     handshake: ready ("), "{}", people.stdout);
    assert!(people.stdout.ends_with("1 ok, 0 not ok, 0 advice, 0 skipped\n"), "{}", people.stdout);
    let tap = conform(&[&ping, "-k", "ready", "--format", "tap"]).await;
    assert_eq!((tap.code, tap.stdout.as_str()), (Some(0), "TAP version 14\n1..1\nok 1 - handshake: ready\n"));
    let junit = conform(&[&ping, "-k", "ready", "--format", "junit"]).await;
    assert_eq!(junit.code, Some(0));
    assert!(junit.stdout.contains("tests=\"1\" failures=\"0\""), "{}", junit.stdout);
}

#[tokio::test]
async fn a_failure_is_told_with_its_section_and_an_exit_code() {
    let misbehave = path("misbehave");
    let people = conform(&[&misbehave, "hello_twice", "-k", "ready"]).await;
    assert_eq!(people.code, Some(1));
    assert!(people.stdout.contains("NOT OK handshake: ready"), "{}", people.stdout);
    assert!(people.stdout.contains("expected Ready"), "{}", people.stdout);
    assert!(people.stdout.contains("WIRE.md #handshake, #kinds"), "{}", people.stdout);
    let tap = conform(&[&misbehave, "hello_twice", "-k", "ready", "--format", "tap"]).await;
    assert!(tap.stdout.contains("\nnot ok 1 - handshake: ready\n  ---\n  message: \""), "{}", tap.stdout);
    let junit = conform(&[&misbehave, "hello_twice", "-k", "ready", "--format", "junit"]).await;
    assert!(junit.stdout.contains("<failure message=\""), "{}", junit.stdout);
}

#[tokio::test]
async fn it_lists_its_checks_without_a_worker() {
    let list = conform(&["--list"]).await;
    assert_eq!((list.code, list.stderr.as_str()), (Some(0), ""));
    let entry = "  by-hand  (MUST, any worker, WIRE.md #starting-a-worker, #exit-codes)\n";
    assert!(list.stdout.contains(entry), "{}", list.stdout);
}

#[tokio::test]
async fn an_order_that_cannot_be_carried_out_is_one_error() {
    let ended = conform(&["./no-such-worker"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert_eq!(
        ended.stderr,
        "error: failed to start ./no-such-worker: No such file or directory (os error 2)\n"
    );
    let ended = conform(&["./no-such-worker", "--any", "ping"]).await;
    assert!(ended.stderr.contains("the input is not JSON"), "{}", ended.stderr);
    let ended = conform(&[&path("procpool-fib"), "--any", "-1"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    let told = "error: the worker answers the input of --any with BadInput";
    assert!(ended.stderr.starts_with(told), "{}", ended.stderr);
    let ended = conform(&[&path("procpool-ping"), "-k", "nothing-like-it"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no check's name contains `nothing-like-it`"), "{}", ended.stderr);
}
