//! Programs that people have, driven against a server by the scripts in `tests/clients`. Each needs its program.

use procpool_needs::{Need, skip};
use procpool_tests::binaries::{binary, workspace};
use procpool_tests::server::{Scratch, Server};
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
    drives_at(&Server::start().await, program, args, script, &[]).await;
}

/// Runs a script with these further arguments against this server, to its last check.
async fn drives_at(server: &Server, program: &str, args: &[&str], script: &str, further: &[&str]) {
    let mut command = Command::new(program);
    command.args(args).arg(workspace().join("tests/clients").join(script));
    // A proxy of the machine has no part in this.
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    command.arg(format!("http://{}", server.address())).args(further).stdin(Stdio::null()).kill_on_drop(true);
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

fn has_browser() -> bool {
    has(Need::Chromium, "chromium", &["--version"])
        && has(Need::Chromium, "node", &["-p", "[].toSorted().length"])
}

const FIB: &str =
    "[server]\norders = true\n[pools.fib]\ncommand = [\"procpool-fib\"]\nmin_workers = 3\nmax_workers = 3\n";

#[tokio::test]
async fn a_worker_is_killed_from_the_page_and_another_one_stands_where_it_was() {
    if has_browser() {
        let server = Server::with_config(FIB).await;
        drives_at(&server, "node", &[], "dashboard.mjs", &["kill"]).await;
    }
}

#[tokio::test]
async fn a_reader_of_the_page_has_no_buttons() {
    if has_browser() {
        let scratch = Scratch::new();
        let mut command = Command::new(binary("procpool"));
        command.args(["token", "new", "reader", "--scope", "read", "--file"]);
        let made = command.arg(scratch.path().join("tokens.toml")).output().await.unwrap();
        let secret = String::from_utf8(made.stdout).unwrap();
        let config = FIB.replace("orders = true", "orders = \"off\"\ntokens = \"tokens.toml\"");
        let server = Server::by_command(Command::new(binary("procpool")), scratch, &config).await;
        drives_at(&server, "node", &[], "dashboard.mjs", &["reader", secret.trim_end()]).await;
    }
}

#[tokio::test]
async fn markup_in_the_words_of_a_worker_is_text_on_the_page() {
    if has_browser() {
        let verbs = binary("verbs").display().to_string();
        let config =
            format!("[server]\norders = true\n[pools.verbs]\ncommand = [\"{verbs}\"]\nmin_workers = 2\n");
        let server = Server::with_config(&config).await;
        drives_at(&server, "node", &[], "dashboard.mjs", &["hostile"]).await;
    }
}

#[tokio::test]
async fn nothing_on_the_page_is_out_of_reach_of_keys_and_screen_readers() {
    let axe = workspace().join("tests/clients/node_modules/axe-core/axe.min.js");
    if !has_browser() {
        return;
    }
    if !axe.exists() {
        skip(Need::Axe, format!("{} is missing: npm ci --prefix tests/clients", axe.display()));
        return;
    }
    let server = Server::with_config(FIB).await;
    drives_at(&server, "node", &[], "dashboard.mjs", &["barriers"]).await;
}
