//! `procpool replay` and `--replay`: a saved job as one ordinary process.

use super::{SAVING, altered, fail, mended, named, saved};
use procpool_needs::{Need, skip};
use procpool_protocol::Payload;
use procpool_tests::binaries::binary;
use procpool_tests::crashes::has_lines_of;
use procpool_tests::library;
use procpool_tests::program::{Ended, run};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn text(path: &Path) -> &str {
    path.to_str().expect("a path that is text")
}

async fn replay(file: &Path, more: &[&str]) -> Ended {
    run(binary("procpool"), &[&["replay", text(file)], more].concat()).await
}

/// Returns the one line of an error.
#[track_caller]
fn error(ended: &Ended) -> &str {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    let line = ended.stderr.strip_prefix("error: ").and_then(|rest| rest.strip_suffix('\n'));
    line.filter(|line| !line.contains('\n')).unwrap_or_else(|| panic!("not one line: {ended:?}"))
}

#[tokio::test]
async fn a_crash_is_the_same_crash_again() {
    let server = Server::of_verbs(1, SAVING).await;
    let answer = server.perform(&Verb::Abort).await;
    let signal = answer.problem()["crash"]["signal"].clone();
    let mut again = Command::new(binary("procpool"));
    let again = again.arg("replay").arg(named(&answer).unwrap()).stdin(Stdio::null()).output().unwrap();
    assert_eq!(again.status.signal().map(i64::from), signal.as_i64(), "{again:?}");
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("again; attempt 1 ended as crashed: the worker crashed: "), "{said}");
    assert!(said.contains("no deadline is enforced"), "{said}");

    let exit = fail(&server, &Verb::Exit(7)).await;
    assert_eq!(replay(&exit, &[]).await.code, Some(7));
}

#[tokio::test]
async fn a_panic_is_the_same_panic_again() {
    let server = Server::of_verbs(1, SAVING).await;
    let ended = replay(&fail(&server, &Verb::Panic("the sky is falling".into())).await, &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(101), ""));
    let last = ended.stderr.lines().last().unwrap();
    assert!(last.starts_with("procpool-worker: the job panicked at tests/src/bin/verbs.rs:"), "{last}");
    assert!(last.ends_with(": the sky is falling"), "{last}");
}

#[tokio::test]
async fn a_job_whose_cause_is_gone_prints_its_output() {
    let server = Server::of_verbs(1, SAVING).await;
    let ended = replay(&mended(&server).await, &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "\"attempt 1\"\n"), "{ended:?}");
    assert!(ended.stderr.contains("the job ended well after "), "{ended:?}");
}

#[tokio::test]
async fn no_deadline_ends_a_job_that_is_run_again() {
    let server = Server::of_verbs(1, SAVING).await;
    let awaited = server.scratch.path().join("awaited.txt");
    let wait = Verb::WaitFor(awaited.display().to_string());
    let answer = procpool_tests::http::finish(server.begin_with(&wait, "?timeout=1s").await).await.unwrap();
    assert_eq!((answer.status, &answer.problem()["stage"]), (504, &"running".into()));
    let file = saved(server.scratch.path()).remove(0);
    std::fs::write(&awaited, "").unwrap();
    let ended = replay(&file, &[]).await;
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("\"{}\"\n", awaited.display())));
}

#[tokio::test]
async fn a_memory_bomb_is_run_again_under_the_limits_of_its_worker_where_that_is_wanted() {
    let server = Server::of_verbs(1, &format!("{SAVING}\naddress_space_limit = \"256 MiB\"")).await;
    let file = fail(&server, &Verb::Allocate).await;
    let mut again = Command::new(binary("procpool"));
    let again = again.args(["replay", "--limits"]).arg(&file).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(again.stderr).unwrap();
    assert_eq!(again.status.signal(), Some(6), "{said}");
    assert!(said.contains("memory allocation of "), "{said}");

    let server = Server::of_verbs(1, SAVING).await;
    let unlimited = fail(&server, &Verb::Exit(7)).await;
    assert!(error(&replay(&unlimited, &["--limits"]).await).contains("replay it without --limits"));
}

#[tokio::test]
async fn a_wrapper_gets_the_worker_as_its_pool_starts_it() {
    let scratch = Scratch::new();
    let here = scratch.path().canonicalize().unwrap();
    let worker = binary("verbs");
    let config = format!(
        "[pools.verbs]\ncommand = [{worker:?}, \"--some\", \"own arguments\"]\ncurrent_dir = {here:?}\n\
         env = {{ MARK = \"of the pool\" }}\n{SAVING}\n"
    );
    let server = Server::with_config(&config).await;
    let file = mended(&server).await;
    let wrap = r#"sh -c 'echo "$MARK"; pwd; printf "<%s>" "$@"; echo; exec "$@"' wrapper"#;
    let ended = replay(&file, &["--wrap", wrap]).await;
    let words = format!("<{}><--some><own arguments><--replay><{}>", worker.display(), file.display());
    let expected = format!("of the pool\n{}\n{words}\n\"attempt 1\"\n", here.display());
    assert_eq!((ended.code, ended.stdout), (Some(0), expected), "{}", ended.stderr);

    let ended = replay(&file, &["--wrap", "no-such-debugger --args"]).await;
    assert!(error(&ended).starts_with("failed to start `no-such-debugger`: No such file"), "{ended:?}");
}

#[tokio::test]
async fn a_file_may_be_named_from_where_one_stands() {
    let server = Server::of_verbs(1, &format!("{SAVING}\ncurrent_dir = \"/\"")).await;
    let file = mended(&server).await;
    let mut command = tokio::process::Command::new(binary("procpool"));
    command.arg("replay").arg(file.file_name().unwrap()).current_dir(file.parent().unwrap());
    let ended = procpool_tests::program::finish(&mut command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_debugger_sees_one_ordinary_process() {
    let server = Server::of_verbs(1, SAVING).await;
    let file = fail(&server, &Verb::Abort).await;
    if Command::new("gdb").arg("--version").stdout(Stdio::null()).status().is_err() {
        return skip(Need::Gdb, "gdb is not installed");
    }
    let wrap = "gdb -nx -batch -ex run -ex 'info threads' -ex backtrace --args";
    let ended = replay(&file, &["--wrap", wrap]).await;
    if ended.stderr.contains("ptrace") {
        return skip(Need::Gdb, format!("this system lets nobody trace a process: {}", ended.stderr));
    }
    assert!(ended.stdout.contains("SIGABRT"), "{ended:?}");
    assert!(ended.stdout.contains("perform"), "{ended:?}");
    // Without debug information a debugger knows functions, and no lines.
    assert_eq!(ended.stdout.contains("verbs.rs:"), has_lines_of("verbs"), "{ended:?}");
    assert!(ended.stdout.contains("* 1 ") && !ended.stdout.contains("\n  2 "), "one thread: {ended:?}");
}

#[tokio::test]
async fn what_a_rust_caller_was_to_be_sent_is_told_by_its_size() {
    let scratch = Scratch::new();
    let marker = scratch.path().join("tried").display().to_string();
    let pool = library::verbs(1).save_failed_jobs(scratch.path().join("failed")).start().await.unwrap();
    pool.run(Verb::AbortOnce(marker)).await.unwrap_err();
    let ended = replay(&saved(scratch.path())[0], &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert!(ended.stderr.contains("; its output: 10 bytes of bincode"), "{ended:?}");
}

#[tokio::test]
async fn a_worker_refuses_what_is_not_its_own() {
    let server = Server::of_verbs(1, SAVING).await;
    let file = fail(&server, &Verb::Abort).await;
    let ended = run(binary("procpool-fib"), &["--replay", text(&file)]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(
        ended.stderr.contains("it is of job `verbs`, contract version 1, and this worker of `fib`"),
        "{ended:?}"
    );

    let older = altered(&server.scratch, &file, |job| job.recording.contract = 0);
    let ended = replay(&older, &[]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("it is of job `verbs`, contract version 0"), "{ended:?}");
}

#[tokio::test]
async fn a_program_that_is_its_own_worker_runs_its_own_jobs_again_and_minds_no_others() {
    let server = Server::of_verbs(1, SAVING).await;
    let file = fail(&server, &Verb::Abort).await;
    let fib = altered(&server.scratch, &file, |job| {
        job.recording.job = "fib".into();
        job.job.payload = Payload::json("20");
    });
    let ended = run(binary("examples/fib"), &["--replay", text(&fib)]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "6765\n"), "{ended:?}");
    // `--replay` may mean something to the program itself.
    let ended = run(binary("examples/ping_pong"), &["--replay", text(&fib)]).await;
    assert!(ended.code == Some(0) && !ended.stderr.contains("again"), "{ended:?}");
}

#[tokio::test]
async fn what_cannot_be_run_again_is_named_with_the_way_out() {
    let server = Server::of_verbs(1, SAVING).await;
    let file = fail(&server, &Verb::Abort).await;
    let missing = server.scratch.path().join("missing.job");
    let expected = format!("failed to read the saved job {}: No such file", missing.display());
    assert!(error(&replay(&missing, &[]).await).starts_with(&expected));

    let other = altered(&server.scratch, &file, |_| {});
    std::fs::write(&other, "[pools.verbs]").unwrap();
    let expected =
        format!("failed to read the saved job {}: it is not a job that procpool has saved", other.display());
    assert_eq!(error(&replay(&other, &[]).await), expected);

    let moved = altered(&server.scratch, &file, |job| job.recording.executable = "/no/such/worker".into());
    let ended = replay(&moved, &[]).await;
    let expected =
        "failed to use the worker executable that the job was saved from, /no/such/worker: No such file";
    assert!(error(&ended).starts_with(expected), "{ended:?}");
    assert!(error(&ended).ends_with(&format!("WORKER --replay {}", moved.display())), "{ended:?}");

    let elsewhere =
        altered(&server.scratch, &file, |job| job.recording.current_dir = Some("/no/such/place".into()));
    let ended = replay(&elsewhere, &[]).await;
    assert!(
        error(&ended).starts_with("failed to use the directory that the job was saved from, /no/such/place")
    );
}
