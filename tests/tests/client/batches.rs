//! Batches by the command line: lines up and answers down at once, in bounded memory, with an exit code for the whole.

use crate::{command, fed, procpool, refused};
use procpool_tests::server::Server;
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use serde_json::Value;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// Maximum memory of a server or a command amid a batch, in bytes, whatever the size of the batch.
const MEMORY: u64 = 100 << 20;

fn lines(stdout: &[u8]) -> Vec<Value> {
    let lines = stdout.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| serde_json::from_slice(line).expect("an answer")).collect()
}

#[tokio::test]
async fn a_batch_has_an_answer_for_each_line_and_a_summary() {
    let server = Server::start().await;
    let inputs: String = (1..=30).map(|n| format!("{n}\n")).collect();
    let ended = fed(&server, &["batch", "fib", "-"], inputs.as_bytes()).await;
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{told}");
    assert!(told.starts_with("30 lines: 30 ok; ") && told.lines().count() == 1, "{told}");
    let answers = lines(&ended.stdout);
    let numbers: Vec<_> = answers.iter().filter_map(|answer| answer["line"].as_u64()).collect();
    assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
    assert_eq!(answers[29]["output"], 832_040);
    let file = server.scratch.write("inputs.jsonl", &inputs);
    let file = file.to_str().unwrap();
    let ended =
        procpool(&server, &["batch", "fib", file, "--unordered", "--quiet", "--priority", "low"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(lines(ended.stdout.as_bytes()).len(), 30);
}

#[tokio::test]
async fn a_line_that_fails_is_exit_code_1_and_the_others_have_their_answers() {
    let server = Server::start().await;
    let ended = fed(&server, &["batch", "fib", "-"], b"20\n94\n[\n\n30").await;
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(told.starts_with("4 lines: 2 ok, 1 bad_input, 1 failed; "), "{told}");
    assert_eq!(lines(&ended.stdout)[1]["problem"]["code"], "too_large");
    let none = fed(&server, &["batch", "none", "-"], b"1\n").await;
    let error = String::from_utf8_lossy(&none.stderr).into_owned();
    assert_eq!((none.status.code(), none.stdout.len()), (Some(4), 0), "{error}");
    assert!(error.ends_with("; `procpool pool list` shows the pools\n"), "{error}");
    let missing = procpool(&server, &["batch", "fib", "/no/such/file"]).await;
    assert!(refused(&missing, 2).starts_with("failed to read /no/such/file"), "{missing:?}");
    let nameless = procpool(&server, &["batch", "fib", "-", "--resumable"]).await;
    assert!(refused(&nameless, 2).contains("--key-prefix"), "{nameless:?}");
}

#[tokio::test]
async fn answers_are_printed_while_lines_still_come() {
    let server = Server::start().await;
    let mut batch = command(&server.address().to_string(), &["batch", "fib", "-"]);
    batch.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut batch = batch.spawn().unwrap();
    let mut stdin = batch.stdin.take().unwrap();
    let mut stdout = BufReader::new(batch.stdout.take().unwrap()).lines();
    for line in 1..=3 {
        stdin.write_all(b"20\n").await.unwrap();
        let answer = stdout.next_line().await.unwrap().unwrap();
        assert_eq!(answer, format!("{{\"line\":{line},\"outcome\":\"ok\",\"output\":6765}}"));
    }
    drop(stdin);
    assert_eq!(stdout.next_line().await.unwrap(), None);
    assert!(batch.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_reader_that_stalls_stops_the_batch_and_costs_bounded_memory() {
    let server = Server::start().await;
    let mut batch = command(&server.address().to_string(), &["batch", "fib", "-", "--quiet"]);
    batch.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut batch = batch.spawn().unwrap();
    let (mut stdin, mut stdout) = (batch.stdin.take().unwrap(), batch.stdout.take().unwrap());
    let (sent, mut progress) = tokio::sync::watch::channel(0);
    let endless = tokio::spawn(async move {
        // Long lines: the buffers on the way hold some megabytes, and each line among them is a job.
        let block = format!("1{:1022}\n", "").repeat(64);
        while stdin.write_all(block.as_bytes()).await.is_ok() {
            sent.send_modify(|sent| *sent += block.len());
        }
    });
    // A pipe, the command, two sockets and the server hold what they may. Then nothing moves.
    let mut quiet = 0;
    eventually("the batch to stop", || {
        quiet = if progress.has_changed().unwrap() { 0 } else { quiet + 1 };
        progress.mark_unchanged();
        std::future::ready((quiet > 100).then_some(()))
    })
    .await;
    let stopped = *progress.borrow();
    for pid in [server.pid(), batch.id().unwrap()] {
        let held = process::resident_memory(pid);
        assert!(held < MEMORY, "{held} bytes after {stopped} bytes of input");
    }
    // It goes on once somebody reads.
    let mut block = vec![0; 1 << 16];
    while *progress.borrow_and_update() < stopped + (1 << 20) {
        assert!(stdout.read(&mut block).await.unwrap() > 0);
    }
    endless.abort();
}

#[tokio::test]
async fn a_server_that_is_killed_amid_a_batch_is_exit_code_3_with_the_number_of_answers() {
    let server = Server::start().await;
    let mut batch = command(&server.address().to_string(), &["batch", "fib", "-"]);
    batch.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut batch = batch.spawn().unwrap();
    let mut stdin = batch.stdin.take().unwrap();
    let mut stdout = BufReader::new(batch.stdout.take().unwrap()).lines();
    stdin.write_all(b"20\n20\n93\n").await.unwrap();
    for _ in 0..2 {
        stdout.next_line().await.unwrap().unwrap();
    }
    process::signal(server.pid(), Signal::KILL);
    let ended = batch.wait_with_output().await.unwrap();
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(3), "{told}");
    assert!(told.contains("broke") && told.contains("2 lines have their answers"), "{told}");
}

#[tokio::test]
async fn a_batch_that_broke_goes_on_where_the_same_command_is_repeated() {
    let server = Server::of_verbs(1, "").await;
    let log = server.scratch.path().join("log.txt");
    let lines: String = (0..5).map(|n| format!("{{\"log\":[{log:?},\"{n}\"]}}\n")).collect();
    let file = server.scratch.write("inputs.jsonl", &lines);
    let file = file.to_str().unwrap();
    let batch = ["batch", "verbs", file, "--resumable"];
    // The reader takes one answer and goes.
    let mut first = command(&server.address().to_string(), &batch);
    let mut first = first.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let mut answers = BufReader::new(first.stdout.take().unwrap()).lines();
    answers.next_line().await.unwrap().unwrap();
    drop((answers, first));
    let again = procpool(&server, &batch).await;
    assert!(again.stderr.starts_with("5 lines: 5 ok; "), "{again:?}");
    let once = procpool(&server, &batch).await;
    assert_eq!((once.code, &once.stdout), (Some(0), &again.stdout));
    let ran = std::fs::read_to_string(&log).unwrap();
    let mut ran: Vec<_> = ran.lines().collect();
    ran.sort_unstable();
    assert_eq!(ran, ["0", "1", "2", "3", "4"]);
    // Another line under the same number is another job, and is refused.
    server.scratch.write("inputs.jsonl", &lines.replace("\"0\"", "\"9\""));
    let changed = procpool(&server, &batch).await;
    assert!(
        changed.code == Some(1) && changed.stderr.starts_with("5 lines: 4 ok, 1 refused; "),
        "{changed:?}"
    );
}
