//! `/metrics` of a real server, the dashboard and the alerts that use it, and the history of a pool.

use procpool_needs::{Need, skip};
use procpool_tests::binaries::workspace;
use procpool_tests::http::{get, post};
use procpool_tests::server::Server;
use procpool_tests::{eventually, process};
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// Returns the page after a job and a scrape, so that each family has a series.
async fn page(server: &Server) -> String {
    assert_eq!(post(server.address(), "/v1/pools/fib/jobs", "20").await.status, 200);
    eventually("a page with what was measured for another one", async || {
        let page = get(server.address(), "/metrics").await;
        assert_eq!(page.status, 200);
        let is_whole = page.text().contains("\nprocpool_worker_resident_bytes{pool=\"fib\"}")
            && page.text().contains("route=\"/metrics\"");
        is_whole.then(|| page.text().to_owned())
    })
    .await
}

fn value(page: &str, series: &str) -> f64 {
    let line =
        page.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("{series}: {page}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// Returns the names in a text that are ours, or those of our process.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("procpool_") || word.starts_with("process_")).collect()
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_use_metrics_that_there_are() {
    let limited = "[pools.fib]\ncommand = [\"procpool-fib\"]\nmemory_limit = \"256 MiB\"\n";
    let server = Server::with_config(limited).await;
    let page = page(&server).await;
    let limit = value(&page, "procpool_worker_memory_limit_bytes{pool=\"fib\"}");
    assert_eq!(limit, f64::from(256 << 20), "and a pool without a limit has no such series");
    let series = page.lines().filter(|line| !line.starts_with('#'));
    let known: BTreeSet<_> = series.map(|line| line.split(['{', ' ']).next().unwrap()).collect();
    for file in ["grafana.json", "alerts.yml"] {
        let text = std::fs::read_to_string(workspace().join("deploy").join(file)).unwrap();
        let used = names(&text);
        assert!(used.len() > 5, "{file} uses {used:?}");
        let missing: Vec<_> = used.difference(&known).collect();
        assert!(missing.is_empty(), "{file} uses {missing:?}; there are {known:#?}");
    }
}

#[tokio::test]
async fn the_page_of_the_guide_names_every_family() {
    let server = Server::start().await;
    let page = page(&server).await;
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let guide = std::fs::read_to_string(workspace().join("docs/metrics.md")).unwrap();
    let named = names(&guide);
    let families: BTreeSet<_> = families.collect();
    let missing: Vec<_> = families.difference(&named).collect();
    assert!(missing.is_empty(), "docs/metrics.md says nothing of {missing:?}");
    let invented: Vec<_> = named.difference(&families).collect();
    assert!(invented.is_empty(), "docs/metrics.md names {invented:?}, which are not there");
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_metrics_and_the_alerts() {
    let probe = Command::new("promtool").arg("--version").stdin(Stdio::null()).output();
    if let Err(error) = probe {
        return skip(Need::Promtool, format!("promtool: {error}"));
    }
    let server = Server::start().await;
    let scratch = &server.scratch;
    let page = scratch.write("metrics.txt", &page(&server).await);
    let check = |arguments: &[&str], stdin: Stdio| {
        let output = Command::new("promtool").arg("check").args(arguments).stdin(stdin).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&text));
        assert!(!String::from_utf8_lossy(&text).contains("no help text"));
    };
    check(&["metrics"], std::fs::File::open(page).unwrap().into());
    let alerts = workspace().join("deploy/alerts.yml");
    check(&["rules", alerts.to_str().unwrap()], Stdio::null());
}

#[tokio::test]
async fn jobs_deaths_and_bytes_are_counted() {
    let server = Server::start().await;
    let before = page(&server).await;
    assert_eq!(value(&before, "procpool_jobs_total{pool=\"fib\",outcome=\"ok\"}"), 1.0);
    assert_eq!(value(&before, "procpool_job_run_seconds_count{pool=\"fib\"}"), 1.0);
    assert_eq!(value(&before, "procpool_job_attempts_total{pool=\"fib\"}"), 1.0);
    let input = "procpool_payload_bytes_total{pool=\"fib\",direction=\"in\",via=\"socket\"}";
    assert_eq!(value(&before, input), 2.0, "the input is `20`");
    let killed = "procpool_worker_exits_total{pool=\"fib\",cause=\"killed\"}";
    assert_eq!(value(&before, killed), 0.0, "listed before there is one");
    process::kill(server.workers("fib").await[0]);
    eventually("a counted death", async || {
        let page = get(server.address(), "/metrics").await.text().to_owned();
        let is_back = value(&page, "procpool_worker_starts_total{pool=\"fib\",result=\"ready\"}") >= 2.0;
        (value(&page, killed) == 1.0 && is_back).then_some(())
    })
    .await;
    let missing = get(server.address(), "/v1/pools/none/jobs").await;
    assert_eq!(missing.status, 405);
    let page = get(server.address(), "/metrics").await.text().to_owned();
    let wrong = "procpool_http_requests_total{route=\"/v1/pools/{pool}/jobs\",method=\"GET\",status=\"405\"}";
    assert_eq!(value(&page, wrong), 1.0);
}

#[tokio::test]
async fn a_pool_has_a_history_without_having_been_asked_for_one() {
    let server = Server::start().await;
    for _ in 0..3 {
        assert_eq!(post(server.address(), "/v1/pools/fib/jobs", "20").await.status, 200);
    }
    let history = eventually("seconds in which the jobs have ended", async || {
        let history = get(server.address(), "/v1/pools/fib/history?seconds=900").await.json();
        let finished = history["finished"].as_array().unwrap().iter().filter_map(serde_json::Value::as_u64);
        (finished.sum::<u64>() == 3).then_some(history)
    })
    .await;
    let seconds = history["seconds"].as_u64().unwrap();
    let columns = history.as_object().unwrap().values().filter_map(|column| column.as_array());
    let lengths: BTreeSet<_> = columns.map(Vec::len).collect();
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [usize::try_from(seconds).unwrap()]);
    assert_eq!(history["pool"], "fib");
    assert!(history["run_p99_us"].as_array().unwrap().iter().any(|it| it.as_u64() > Some(0)), "{history}");
    let one = get(server.address(), "/v1/pools/fib/history?seconds=1").await.json();
    assert_eq!(one["finished"].as_array().unwrap().len(), 1);
}
