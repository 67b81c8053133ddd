//! Jobs that outlive their commands: handed over, found again, waited for, followed, cancelled, run again.

use crate::{command, printed, procpool, refused};
use procpool_tests::eventually;
use procpool_tests::server::Server;
use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Hands a job over, and returns its id.
async fn handed_over(server: &Server, pool: &str, input: &str) -> String {
    let ended = procpool(server, &["job", "submit", pool, input, "--async"]).await;
    let id = printed(&ended).trim_end().to_owned();
    assert!(id.len() == 32 && !id.contains('\n'), "{ended:?}");
    id
}

#[tokio::test]
async fn a_job_is_handed_over_and_its_result_fetched_later() {
    let server = Server::start().await;
    let id = handed_over(&server, "fib", "30").await;
    assert_eq!(printed(&procpool(&server, &["job", "result", &id]).await), "832040\n");
    let shown = procpool(&server, &["job", "show", &id]).await;
    assert!(
        printed(&shown).starts_with(&format!("id: {id}\npool: fib\nstate: finished\noutcome: ok\n")),
        "{shown:?}"
    );
    let failing = handed_over(&server, "fib", "94").await;
    let failed = procpool(&server, &["job", "result", &failing]).await;
    assert!(refused(&failed, 1).contains("does not fit 64 bits"), "{failed:?}");
    let list = procpool(&server, &["job", "list", "--outcome", "failed", "-o", "name"]).await;
    assert_eq!(printed(&list), format!("{failing}\n"));
    let rerun = procpool(&server, &["job", "rerun", &id, "-o", "json"]).await;
    let job: Value = serde_json::from_str(printed(&rerun)).unwrap();
    assert_eq!(job["rerun_of"], id);
    let rerun = procpool(&server, &["job", "rerun", "--where", "outcome=failed"]).await;
    assert_eq!(printed(&rerun), "1 jobs run again\n");
}

#[tokio::test]
async fn a_list_goes_over_pages_and_says_when_there_is_more() {
    let server = Server::start().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, handed_over(&server, "fib", "1").await);
    }
    let all = procpool(&server, &["job", "list", "-o", "name"]).await;
    assert_eq!(printed(&all), ids.join("\n") + "\n");
    let two = procpool(&server, &["job", "list", "-o", "name", "-n", "2"]).await;
    assert_eq!((two.code, two.stdout), (Some(0), ids[..2].join("\n") + "\n"));
    assert_eq!(two.stderr, "there are more jobs; `--limit 0` lists all of them\n");
    let wrong = procpool(&server, &["job", "list", "--state", "sleeping"]).await;
    assert!(refused(&wrong, 2).contains("`state`"), "{wrong:?}");
}

#[tokio::test]
async fn a_result_is_waited_for_as_long_as_it_is_asked_for() {
    let server = Server::of_verbs(1, "").await;
    let id = handed_over(&server, "verbs", "\"spin\"").await;
    for wait in [&["--no-wait"][..], &["--timeout", "50ms"]] {
        let ended = procpool(&server, &[&["job", "result", &id][..], wait].concat()).await;
        assert_eq!(
            refused(&ended, 5),
            format!("job {id} has not ended; `procpool job watch {id}` follows it")
        );
    }
    let cancelled = procpool(&server, &["job", "cancel", &id]).await;
    assert_eq!(printed(&cancelled), format!("{id} cancelled\n"));
    let ended = procpool(&server, &["job", "result", &id]).await;
    assert!(refused(&ended, 1).contains("cancelled"), "{ended:?}");
    let late = procpool(&server, &["job", "cancel", &id]).await;
    assert!(refused(&late, 4).contains("it has finished"), "{late:?}");
}

#[tokio::test]
async fn a_job_is_followed_to_its_end_which_is_that_of_the_command() {
    let server = Server::of_verbs(1, "").await;
    let watched = procpool(&server, &["job", "submit", "verbs", r#"{"count":3}"#, "--watch"]).await;
    assert_eq!((watched.code, watched.stdout.as_str()), (Some(0), "\"3\"\n"), "{watched:?}");
    for line in ["state      running on verbs-0", "chunk      {\"json\":\"2\"}", "outcome    ok"] {
        assert!(watched.stderr.lines().any(|told| told == line), "{line}: {watched:?}");
    }
    let id = handed_over(&server, "verbs", "\"abort\"").await;
    let ended = procpool(&server, &["job", "watch", &id, "-o", "jsonl"]).await;
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert!(ended.stderr.contains("SIGABRT"), "{ended:?}");
    let last: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["data"]["outcome"]), (&"outcome".into(), &"crashed".into()));
}

#[tokio::test]
async fn a_key_runs_its_job_once_and_a_command_that_is_repeated_waits_for_it() {
    let server = Server::of_verbs(1, "").await;
    let log = server.scratch.path().join("log.txt");
    let input = format!("{{\"log_then_nap\":[{log:?},\"once\",200000]}}");
    let submit = ["job", "submit", "verbs", &input, "--key", "order-7"];
    let all =
        tokio::join!(procpool(&server, &submit), procpool(&server, &submit), procpool(&server, &submit));
    for ended in [all.0, all.1, all.2] {
        printed(&ended);
    }
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "once\n");
    let other = procpool(&server, &["job", "submit", "verbs", "\"pid\"", "--key", "order-7"]).await;
    assert!(refused(&other, 4).contains("Idempotency-Key"), "{other:?}");
}

#[tokio::test]
async fn all_jobs_that_match_are_counted_and_then_cancelled() {
    let server = Server::of_verbs(1, "").await;
    handed_over(&server, "verbs", "\"spin\"").await;
    server.busy("verbs", 1).await;
    for _ in 0..2 {
        handed_over(&server, "verbs", "\"pid\"").await;
    }
    let cancel = ["job", "cancel", "--where", "pool=verbs state=queued"];
    let counted = procpool(&server, &[&cancel[..], &["--dry-run"]].concat()).await;
    assert_eq!(printed(&counted), "2 jobs would be cancelled\n");
    assert_eq!(printed(&procpool(&server, &cancel).await), "2 jobs cancelled\n");
    let wrong = procpool(&server, &["job", "cancel", "--where", "colour=red"]).await;
    assert!(refused(&wrong, 2).contains("colour"), "{wrong:?}");
}

#[tokio::test]
async fn a_pool_is_resized_and_drained_and_its_workers_are_sent_away() {
    let server = Server::of_verbs(1, "").await;
    let resized =
        procpool(&server, &["pool", "resize", "verbs", "--min", "2", "--max", "3", "--queue", "7"]).await;
    assert_eq!(printed(&resized), "verbs resized\n");
    server.idle("verbs", 2).await;
    let wrong = procpool(&server, &["pool", "resize", "verbs", "--min", "9"]).await;
    assert!(wrong.code == Some(4) && wrong.stderr.contains("max_workers"), "{wrong:?}");
    assert_eq!(printed(&procpool(&server, &["worker", "retire", "verbs-0"]).await), "verbs-0 retires\n");
    assert_eq!(printed(&procpool(&server, &["worker", "kill", "verbs-1"]).await), "verbs-1 killed\n");
    eventually("two other workers", async || {
        let names = procpool(&server, &["worker", "list", "-o", "name"]).await.stdout;
        (names.lines().count() == 2 && !names.contains("verbs-0") && !names.contains("verbs-1")).then_some(())
    })
    .await;
    let gone = procpool(&server, &["worker", "kill", "verbs-1"]).await;
    assert!(refused(&gone, 4).ends_with("; `procpool worker list` shows the workers"), "{gone:?}");
    assert_eq!(printed(&procpool(&server, &["pool", "drain", "verbs"]).await), "verbs draining\n");
    let refusal = procpool(&server, &["job", "submit", "verbs", "\"pid\""]).await;
    refused(&refusal, 4);
}

#[tokio::test]
async fn workers_are_told_again_when_they_change() {
    let server = Server::of_verbs(1, "").await;
    let mut watch = command(&server.address().to_string(), &["worker", "list", "-w", "-o", "jsonl"]);
    let mut watch = watch.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next =
        async || -> Value { serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap() };
    assert_eq!(next().await["state"], "idle");
    let id = handed_over(&server, "verbs", "\"spin\"").await;
    let busy = next().await;
    assert_eq!((&busy["state"], &busy["job"]), (&"busy".into(), &Value::from(id)));
}
