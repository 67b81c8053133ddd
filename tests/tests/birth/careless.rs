//! Programs that are their own workers and do not serve: no fork bomb, but a start that fails at once in
//! the parent, with a sentence that names the missing line.

use procpool_tests::binaries::binary;
use procpool_tests::program::Ended;
use procpool_tests::{PATIENCE, eventually, process};
use std::process::Stdio;
use tokio::process::Command;

/// Runs such a program as the leader of a session, so that none of its processes can hide, and returns its
/// result. None of its processes is left.
async fn outcome(how: &str) -> Ended {
    let mut command = Command::new(binary("careless"));
    command.arg(how).process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // By this its workers are known, wherever they go.
    let mark = format!("careless-{how}-{}", std::process::id());
    command.env("LC_CARELESS", &mark).kill_on_drop(true);
    let child = command.spawn().unwrap();
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output.expect("the program ends").unwrap();
    eventually("the end of its workers", async || marked(&mark).is_empty().then_some(())).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Returns the processes that have this in their environment.
fn marked(mark: &str) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_marked = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(mark)
    };
    pids.filter(|&pid| process::is_alive(pid)).filter(is_marked).collect()
}

#[tokio::test]
async fn a_program_that_is_its_own_worker_and_does_not_serve_fails_to_start_and_names_the_line() {
    for how in ["forgot", "late", "worker", "once", "lazy"] {
        let ended = outcome(how).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{how}: {ended:?}");
        let missing = "call `procpool::worker::serve_if_spawned::<…>(…)` with that job before this";
        assert!(ended.stderr.contains(missing), "{how}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_program_that_serves_another_job_only_fails_to_start_and_names_both() {
    let ended = outcome("other").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("calls `serve_if_spawned` for `tool` only"), "{}", ended.stderr);
    assert!(ended.stderr.contains("started as a worker of job `double`"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_program_that_serves_several_jobs_and_starts_itself_for_none_by_name_is_told_to_choose() {
    for (how, place) in [("unnamed", "`WorkerBuilder::job`"), ("unnamed_pool", "`PoolConfig::job`")] {
        let ended = outcome(how).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{how}: {ended:?}");
        let jobs = "this program calls `serve_if_spawned` for several jobs (`tool`, `double`), and `tool` would \
                    serve because it comes first: name the job, with";
        assert!(ended.stderr.contains(&format!("{jobs} {place}")), "{how}: {}", ended.stderr);
    }
    let ended = outcome("named").await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "4\n"), "{ended:?}");
}
