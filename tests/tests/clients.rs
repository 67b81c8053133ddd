//! Programs that people have, driven against a server by the scripts in `tests/clients`. Each needs its program.

use procpool_needs::{Need, skip};
use procpool_tests::binaries::workspace;
use procpool_tests::server::Server;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// A bound, not an expectation: thousands of jobs, on a machine that builds something else.
const PATIENCE: Duration = Duration::from_secs(120);

/// Returns whether a program ends well with these arguments. Otherwise the test is skipped for what it needs.
fn has(need: Need, program: &str, args: &[&str]) -> bool {
    let mut probe = std::process::Command::new(program);
    let output = probe.args(args).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => return true,
        Ok(output) => skip(need, String::from_utf8_lossy(&output.stderr)),
        Err(error) => skip(need, format!("{program}: {error}")),
    }
    false
}

/// Runs a script against a server of its own, to its last check.
async fn drives(program: &str, args: &[&str], script: &str) {
    let server = Server::start().await;
    let mut command = Command::new(program);
    command.args(args).arg(workspace().join("tests/clients").join(script));
    // A proxy of the machine has no part in this.
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    command.arg(format!("http://{}", server.address())).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("the script ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{script}\n{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("ok: "), "{script} checked nothing: {said}");
}

#[tokio::test]
async fn curl_runs_jobs() {
    if has(Need::Curl, "curl", &["--version"]) {
        drives("sh", &[], "curl.sh").await;
    }
}

#[tokio::test]
async fn h2load_finds_no_request_without_its_answer() {
    if has(Need::H2load, "h2load", &["--version"]) {
        drives("sh", &[], "h2load.sh").await;
    }
}

#[tokio::test]
async fn httpx_runs_jobs_over_both_versions_of_http() {
    if has(Need::Httpx, "python3", &["-c", "import httpx, h2"]) {
        drives("python3", &[], "client.py").await;
    }
}

#[tokio::test]
async fn a_browser_hands_a_job_over_and_sees_it_end_once() {
    if has(Need::Chromium, "chromium", &["--version"])
        && has(Need::Chromium, "node", &["-p", "[].toSorted().length"])
    {
        drives("node", &[], "browser.mjs").await;
    }
}

#[tokio::test]
async fn a_person_runs_a_job_from_the_page_of_the_api() {
    if has(Need::Chromium, "chromium", &["--version"])
        && has(Need::Chromium, "node", &["-p", "[].toSorted().length"])
    {
        drives("node", &[], "docs.mjs").await;
    }
}

#[tokio::test]
async fn an_event_source_sees_a_job_end_and_does_not_come_back() {
    let needed = ["--experimental-eventsource", "-e", "new EventSource('http://localhost').close()"];
    if has(Need::EventSource, "node", &needed) {
        drives("node", &needed[..1], "eventsource.mjs").await;
    }
}
