//! The example programs, run as a newcomer runs them: the three of Node's worker-threads tutorial, and
//! those that follow. The example `testing` is tests itself.

mod crash_to_fix;
mod hostile_files;

use procpool_tests::binaries::binary;
use procpool_tests::http::{get, request};
use procpool_tests::program::{Ended, Program, run};
use procpool_tests::{eventually, process};

/// Returns the output of an example that must end well.
async fn printed(name: &str) -> String {
    let Ended { code, stdout, stderr } = run(binary(&format!("examples/{name}")), &[]).await;
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{name} printed {stdout}");
    stdout
}

#[tokio::test]
async fn ping_pong_prints_what_the_worker_says() {
    assert_eq!(printed("ping_pong").await, "From worker: pong\n");
}

#[tokio::test]
async fn fib_prints_its_result_after_the_ticks_of_a_responsive_loop() {
    let text = printed("fib").await;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.first(), Some(&"Starting Fibonacci..."));
    assert_eq!(lines.last(), Some(&"Fib result: 102334155"));
    let ticks = &lines[1..lines.len() - 1];
    assert!(!ticks.is_empty() && ticks.iter().all(|line| line.starts_with("tick")), "{text}");
}

#[tokio::test]
async fn a_worker_and_its_caller_take_twelve_lines() {
    assert_eq!(printed("twelve_lines").await, "Fib result: 102334155\n");
    let source = include_str!("../../../crates/procpool/examples/twelve_lines.rs");
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//") && !line.starts_with("#!");
    assert_eq!(source.lines().filter(is_code).count(), 12);
}

#[tokio::test]
async fn several_jobs_of_one_executable_run_side_by_side() {
    assert_eq!(printed("several_jobs").await, "7 words, unknown: [\"sistem\"]\n");
}

#[tokio::test]
async fn web_server_answers_as_the_seeds_does() {
    let server = Program::example("web_server").await;
    let root = get(server.address, "/").await;
    assert_eq!((root.status, root.text()), (200, "OK"));
    let compute = get(server.address, "/compute").await;
    assert_eq!((compute.status, compute.text()), (200, "Result: 235702256859.7696"));
}

#[tokio::test]
async fn web_server_answers_while_it_computes() {
    let server = Program::example("web_server").await;
    let compute = tokio::spawn(get(server.address, "/compute"));
    let computing = async || {
        let children = process::children(server.pid());
        children.into_iter().any(|pid| process::state(pid) == Some('R')).then_some(())
    };
    eventually("a worker that computes", computing).await;
    assert_eq!(get(server.address, "/").await.text(), "OK");
    assert_eq!(compute.await.unwrap().text(), "Result: 235702256859.7696");
}

#[tokio::test]
async fn streaming_counts_its_primes_and_cancels_the_endless_job() {
    let text = printed("streaming").await;
    let ends: Vec<_> = text.lines().rev().take(2).collect();
    assert_eq!(ends, ["cancelled, and the worker is ready for the next job", "1229 primes in all"]);
    let counts = text.lines().filter_map(|line| line.split_once(" more, up to "));
    let count: u64 = counts.map(|(count, _)| count.parse::<u64>().unwrap()).sum();
    assert_eq!(count, 1229, "no chunk may be lost: {text}");
}

#[tokio::test]
async fn parallel_map_reports_the_one_failure_and_the_longest_way() {
    let text = printed("parallel_map").await;
    let expected = "0: the job failed: 0 never reaches 1\n\
                    10000 inputs, 1 failed; the longest way is that of 6171: 261 steps\n";
    assert_eq!(text, expected);
}

#[tokio::test]
async fn thumbnails_shrinks_a_picture_and_refuses_what_is_none() {
    let server = Program::example("thumbnails").await;
    let post = async |path, image: &[u8]| request(server.address, "POST", path, &[], image).await;
    let picture = b"P5 4 2 255\n\x00\x01\x02\x03\x04\x05\x06\x07";
    let small = post("/?width=2", picture).await;
    assert_eq!((small.status, small.body.as_slice()), (200, &b"P5 2 1 255\n\x00\x02"[..]));

    for broken in [&b"GIF89a"[..], b"", &picture[..12], b"P5 4 2 65535\n\x00"] {
        let answer = post("/?width=2", broken).await;
        assert_eq!(answer.status, 415, "{broken:?}: {}", answer.text());
    }
    assert_eq!(post("/?width=4", picture).await.body, picture);
}

#[tokio::test]
async fn progress_counts_a_batch_to_its_end_and_the_failure_in_it() {
    let Ended { code, stdout, stderr } = run(binary("examples/progress"), &[]).await;
    assert_eq!(code, Some(0), "{stderr}");
    let sums: Vec<_> = stdout.lines().collect();
    assert_eq!((sums.len(), sums[0], sums[19_999]), (20_000, "1", "20000"));
    assert_eq!(sums[77], "the job failed: `seven`: invalid digit found in string");
    let bars: Vec<_> = stderr.split('\r').collect();
    assert_eq!((bars.len(), bars[0]), (101, ""));
    assert_eq!(bars[50], format!("[{:40}] 10000 of 20000, 1 failed", "#".repeat(20)));
    assert_eq!(bars[100], format!("[{}] 20000 of 20000, 1 failed\n", "#".repeat(40)));
}
