//! Jobs by the command line: inputs, outputs, and an exit code for each kind of end.

use crate::{fed, printed, procpool, refused};
use procpool_tests::served::verbs;
use procpool_tests::server::Server;

#[tokio::test]
async fn a_job_is_submitted_and_its_output_printed_and_nothing_else() {
    let server = Server::start().await;
    assert_eq!(printed(&procpool(&server, &["job", "submit", "fib", "40"]).await), "102334155\n");
    let all = ["job", "submit", "fib", "20", "--priority", "low", "--tenant", "a&b", "--timeout", "1m 30s"];
    assert_eq!(printed(&procpool(&server, &all).await), "6765\n");
    let file = server.scratch.write("input.json", "30\n");
    let from_file = format!("@{}", file.display());
    assert_eq!(printed(&procpool(&server, &["job", "submit", "fib", &from_file]).await), "832040\n");
    let piped = fed(&server, &["job", "submit", "ping", "-"], b"\"ping\"").await;
    assert_eq!((piped.status.code(), &*piped.stdout), (Some(0), &b"\"pong\"\n"[..]));
}

#[tokio::test]
async fn each_end_of_a_job_has_its_exit_code() {
    let server = Server::of_verbs(1, "queue = 1").await;
    let submit = async |input: &str| procpool(&server, &["job", "submit", "verbs", input]).await;
    let failed = submit(r#"{"break":"no luck"}"#).await;
    assert!(refused(&failed, 1).contains("no luck"), "{failed:?}");
    let crashed = submit("\"abort\"").await;
    assert!(refused(&crashed, 6).contains("SIGABRT"), "{crashed:?}");
    let late = procpool(&server, &["job", "submit", "verbs", "\"spin\"", "-t", "100ms"]).await;
    assert!(refused(&late, 5).contains("timed out running after 100ms; "), "{late:?}");
    assert!(refused(&late, 5).contains("; `--timeout` gives"), "{late:?}");
    let wrong = submit("\"no such verb\"").await;
    assert!(refused(&wrong, 1).contains("; `procpool pool show verbs`"), "{wrong:?}");
    let unknown = procpool(&server, &["job", "submit", "none", "1"]).await;
    assert!(refused(&unknown, 4).ends_with("; `procpool pool list` shows the pools"), "{unknown:?}");
    let tenant = procpool(&server, &["job", "submit", "verbs", "1", "--tenant", "a b"]).await;
    assert!(refused(&tenant, 2).contains("`tenant`"), "{tenant:?}");
    let word = submit("ping").await;
    assert!(refused(&word, 2).ends_with("'\"ping\"'"), "{word:?}");
    let nowhere = submit("@/no/such/file").await;
    assert!(refused(&nowhere, 2).starts_with("failed to read /no/such/file: "), "{nowhere:?}");
}

#[tokio::test]
async fn a_refused_job_did_not_run_and_is_told_from_a_failed_one() {
    let server = Server::with_config(&verbs(1, "queue = 0")).await;
    server.idle("verbs", 1).await;
    let busy = server.begin(&procpool_tests::verbs::Verb::Spin).await;
    server.busy("verbs", 1).await;
    let full = procpool(&server, &["job", "submit", "verbs", "\"pid\""]).await;
    let line = refused(&full, 4);
    assert!(line.contains("it did not run: try again in"), "{line}");
    assert!(line.ends_with("`procpool pool show verbs` shows its queue"), "{line}");
    drop(busy);
}

#[tokio::test]
async fn a_program_gets_the_problem_to_the_letter() {
    let server = Server::start().await;
    let ended = procpool(&server, &["job", "submit", "fib", "94", "-o", "json"]).await;
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(1), 1), "{ended:?}");
    let problem: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!((&problem["outcome"], &problem["code"]), (&"failed".into(), &"too_large".into()));
    let nowhere = procpool(&server, &["job", "show", "none", "-o", "jsonl"]).await;
    assert_eq!((nowhere.code, &nowhere.stderr[..1]), (Some(4), "{"), "{nowhere:?}");
}

#[tokio::test]
async fn words_of_a_worker_do_not_drive_the_terminal() {
    let server = Server::of_verbs(1, "").await;
    let evil = r#"{"break":"a\u001b[2Jb\u202ec"}"#;
    let ended = procpool(&server, &["job", "submit", "verbs", evil]).await;
    assert!(refused(&ended, 1).contains(r"a\u{1b}[2Jb\u{202e}c"), "{ended:?}");
}
