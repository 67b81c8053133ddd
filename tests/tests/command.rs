//! The `procpool` command and the worker executables as a person at a shell meets them.

use procpool_tests::binaries::{self, binary};
use procpool_tests::program::{Ended, finish, run};
use procpool_tests::served::{gone, verbs};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use serde_json::Value;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const WORKERS: [(&str, &str); 3] =
    [("procpool-ping", "ping"), ("procpool-fib", "fib"), ("procpool-compute", "compute")];

async fn procpool(args: &[&str]) -> Ended {
    run(binary("procpool"), args).await
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

/// Returns the one line on standard error of a command that has to fail with exit code 1 and print nothing
/// else.
#[track_caller]
fn error(ended: &Ended) -> &str {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    let line = ended.stderr.strip_prefix("error: ").and_then(|rest| rest.strip_suffix('\n'));
    line.filter(|line| !line.contains('\n')).unwrap_or_else(|| panic!("not one line: {ended:?}"))
}

#[tokio::test]
async fn run_prints_the_output_and_nothing_else() {
    for (pool, input, output) in [
        ("fib", "40", "102334155\n"),
        ("ping", "\"ping\"", "\"pong\"\n"),
        ("compute", "50000000", "235702256859.7696\n"),
    ] {
        let ended = procpool(&["run", pool, input]).await;
        assert_eq!(ended, Ended { code: Some(0), stdout: output.into(), stderr: String::new() });
    }
}

#[tokio::test]
async fn run_takes_its_input_from_a_pipe_too() {
    let mut command = Command::new(binary("procpool"));
    command.args(["run", "fib", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b" 30\n").await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"832040\n"[..]));
}

#[tokio::test]
async fn a_job_that_fails_is_one_line_and_exit_code_1() {
    let ended = procpool(&["run", "fib", "94"]).await;
    assert!(error(&ended).contains("fib(94) does not fit 64 bits; the largest input is 93"), "{ended:?}");
    let ended = procpool(&["run", "ping", "\"pong\""]).await;
    assert!(error(&ended).contains("expected \"ping\", got \"pong\""), "{ended:?}");
    let ended = procpool(&["run", "fib", "\"forty\""]).await;
    assert!(error(&ended).starts_with("bad input: "), "{ended:?}");
    let ended = procpool(&["run", "fib", "93", "--timeout", "200ms"]).await;
    assert!(error(&ended).starts_with("the job timed out running after 200ms"), "{ended:?}");
}

#[tokio::test]
async fn a_worker_that_dies_with_the_job_is_one_line_that_says_how() {
    let scratch = Scratch::new();
    let config = scratch.write("p.toml", &verbs(1, ""));
    let verb = async |verb| procpool(&["run", "verbs", verb, "--config", text(&config)]).await;
    let aborted = verb("\"abort\"").await;
    assert!(error(&aborted).contains("signal 6 (SIGABRT)"), "{aborted:?}");
    let dying = verb(r#"{"last_words":["out of cheese"]}"#).await;
    assert!(error(&dying).contains("its last words: out of cheese"), "{dying:?}");
    let panicked = verb(r#"{"panic":"the sky is falling"}"#).await;
    assert!(error(&panicked).starts_with("the job panicked: the sky is falling (at "), "{panicked:?}");
}

#[tokio::test]
async fn nothing_that_a_worker_or_a_configuration_says_turns_or_drives_the_terminal() {
    let scratch = Scratch::new();
    let config = scratch.write("p.toml", &verbs(1, ""));
    for verb in ["last_words", "panic", "break"] {
        let words = r"a\u001b[2J\u202eb\u2028c\u0085d\u200be";
        let words = if verb == "last_words" { format!("[\"{words}\"]") } else { format!("\"{words}\"") };
        let ended =
            procpool(&["run", "verbs", &format!("{{\"{verb}\":{words}}}"), "--config", text(&config)]).await;
        assert!(error(&ended).contains(r"a\u{1b}[2J\u{202e}b\u{2028}c\u{85}d\u{200b}e"), "{verb}: {ended:?}");
    }
    let ended = procpool(&["run", "verbs", r#"{"echo":"a\u202eb\u2028c"}"#, "--config", text(&config)]).await;
    assert_eq!(ended.stdout, "\"a\\u202eb\\u2028c\"\n");
    let evil = scratch.write("\u{202e}lmot.toml", "[pools.a]\ncommand = []\n\u{2028}\u{202e} = 1\n");
    let ended = procpool(&["check", "--config", text(&evil)]).await;
    assert!(ended.stderr.contains(r"\u{202e}lmot.toml:"), "{ended:?}");
    assert!(!ended.stderr.contains(['\u{202e}', '\u{2028}']), "{ended:?}");
}

#[tokio::test]
async fn an_input_that_is_not_json_is_answered_with_what_to_type() {
    let ended = procpool(&["run", "ping", "ping"]).await;
    assert!(error(&ended).starts_with("the input is not JSON: "), "{ended:?}");
    assert!(error(&ended).ends_with("'\"ping\"'"), "{ended:?}");
}

#[tokio::test]
async fn a_pool_that_is_not_there_is_answered_with_those_that_are() {
    let ended = procpool(&["run", "none", "1"]).await;
    assert_eq!(error(&ended), "there is no pool `none`; there are: compute, fib, ping");
}

#[tokio::test]
async fn an_interrupted_run_takes_its_worker_along() {
    let scratch = Scratch::new();
    let mut command = Command::new(binary("procpool"));
    command.args(["run", "fib", "93"]).env("TMPDIR", scratch.path()).env_remove("XDG_RUNTIME_DIR");
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let pid = child.id().unwrap();
    let worker = eventually("a worker", async || process::children(pid).first().copied()).await;
    process::signal(pid, Signal::INT);
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
    gone(&[worker]).await;
    assert_eq!(scratch.leftovers(), [] as [std::path::PathBuf; 0]);
}

#[tokio::test]
async fn a_taken_port_is_one_line_with_the_way_out() {
    let server = Server::start().await;
    let address = server.address().to_string();
    let ended = procpool(&["serve", "--listen", &address]).await;
    assert!(error(&ended).starts_with(&format!("failed to listen on {address}: ")), "{ended:?}");
    assert!(error(&ended).contains("choose another with --listen"), "{ended:?}");
    assert_eq!(procpool_tests::http::get(server.address(), "/livez").await.status, 200);
}

#[tokio::test]
async fn workers_that_are_not_installed_are_an_error_with_the_places() {
    let scratch = Scratch::new();
    let alone = scratch.path().join("procpool");
    binaries::copy("procpool", &alone);
    let mut command = Command::new(&alone);
    let ended = finish(command.arg("serve").env("PATH", "/nonexistent/bin")).await;
    let beside = scratch.path().canonicalize().unwrap();
    let expected = format!(
        "failed to find the worker executable `procpool-compute`; looked in {}, /nonexistent/bin; \
         build the workers, or name your own with --config",
        beside.display()
    );
    assert_eq!(error(&ended), expected);
}

#[tokio::test]
async fn check_says_what_would_be_served_and_starts_nothing() {
    let ended = procpool(&["check"]).await;
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(lines[0], "ok: 3 pools");
    for (line, name) in lines[1..].iter().zip(["compute", "fib", "ping"]) {
        let worker = binary(&format!("procpool-{name}"));
        assert!(line.starts_with(&format!("  {name}: {}", worker.display())), "{line}");
    }
}

#[tokio::test]
async fn the_example_configuration_is_served_as_it_stands() {
    let example = procpool_tests::binaries::workspace().join("crates/server/procpool.example.toml");
    let server = Server::with_config(&std::fs::read_to_string(example).unwrap()).await;
    let answer = procpool_tests::http::post(server.address(), "/v1/pools/fib/jobs", "40").await;
    assert_eq!((answer.status, answer.text()), (200, "102334155"));
}

#[tokio::test]
async fn an_unknown_key_is_an_error_with_its_line() {
    let scratch = Scratch::new();
    let config = scratch.write("p.toml", &verbs(1, "qeue = 3"));
    for command in [&["check"][..], &["serve"], &["run", "verbs", "1"]] {
        let ended = procpool(&[command, &["--config", text(&config)]].concat()).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
        let first = ended.stderr.lines().next().unwrap();
        let expected = format!("error: {}:5:1: unknown key `qeue`; did you mean `queue`?", config.display());
        assert_eq!(first, expected);
    }
}

#[tokio::test]
async fn a_worker_that_is_started_by_hand_says_how_it_is_meant_to_be_started() {
    for (name, job) in WORKERS {
        for args in [&[][..], &["40"]] {
            let ended = run(binary(name), args).await;
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{name} {args:?}");
            let headline = format!("{name}: a procpool worker for job `{job}`, contract version 1");
            assert!(ended.stderr.starts_with(&headline), "{}", ended.stderr);
            for way in ["procpool serve --config", &format!("procpool run {job} INPUT"), "--describe"] {
                assert!(ended.stderr.contains(way), "{way} is not in: {}", ended.stderr);
            }
        }
    }
}

#[tokio::test]
async fn a_worker_describes_its_contract_as_json() {
    for (name, job) in WORKERS {
        let ended = run(binary(name), &["--describe"]).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{name}");
        let description: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(
            (&description["job"], &description["contract"]),
            (&job.into(), &1.into()),
            "{description}"
        );
        for schema in ["input", "output"] {
            assert!(description[schema]["type"].is_string(), "{schema} of {description}");
        }
        assert!(
            description["schema_hash"].is_string() || description["schema_hash"].is_u64(),
            "{description}"
        );
    }
}
