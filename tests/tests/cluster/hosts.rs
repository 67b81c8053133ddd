//! The hosts of a cluster as a server shows them, and what it says of pools that run there.

use crate::stage::Stage;
use procpool_needs::{Need, skip};
use procpool_tests::PATIENCE;
use procpool_tests::binaries::binary;
use procpool_tests::eventually;
use procpool_tests::http::get;
use procpool_tests::program::finish;
use procpool_tests::server::Server;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;
use tokio::process::Command;

async fn hosts(front: &Server) -> Vec<Value> {
    let answer = get(front.address(), "/v1/hosts").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["hosts"].as_array().expect("a list").clone()
}

async fn is(front: &Server, node: &str, state: &str) -> Value {
    eventually("the state of a host", async || {
        hosts(front).await.into_iter().find(|host| host["node"] == node && host["state"] == state)
    })
    .await
}

#[tokio::test]
async fn a_server_shows_its_hosts_and_which_of_them_is_gone() {
    let Some(stage) = Stage::start().await else { return };
    let front = stage.front("").await;
    assert_eq!(hosts(&front).await, Vec::<Value>::new());
    let (mut lost, other) = (stage.node().await, stage.node().await);
    let up = is(&front, &lost.name, "up").await;
    assert_eq!((&up["slots"], &up["held"]), (&json!({"once": 2, "again": 2}), &json!(0)));
    lost.signal(Signal::KILL);
    lost.ended().await;
    is(&front, &lost.name, "gone").await;
    is(&front, &other.name, "up").await;
    // The command and the server say the same. The command alone has the contracts.
    let said = stage.cluster(&["status", "-o", "json"]).await;
    let said: Vec<Value> = serde_json::from_str(&said.stdout).expect("JSON");
    let gone = said.iter().find(|host| host["node"] == lost.name).expect("the host");
    let keys = |host: &Value| host.as_object().expect("a host").keys().cloned().collect::<BTreeSet<_>>();
    let mut all = keys(&up);
    all.extend(["apart", "contracts"].map(str::to_owned));
    assert_eq!((keys(gone), &gone["state"]), (all, &json!("gone")));
    in_a_browser(&front, &other.name, &lost.name).await;
}

/// Looks at the page, if there is a browser.
async fn in_a_browser(front: &Server, up: &str, gone: &str) {
    for (program, args) in [("chromium", ["--version", ""]), ("node", ["-p", "[].toSorted().length"])] {
        let args = args.iter().filter(|it| !it.is_empty());
        let status = Command::new(program).args(args).stdin(Stdio::null()).output().await;
        if !status.is_ok_and(|it| it.status.success()) {
            return skip(Need::Chromium, format!("there is no {program} that is new enough"));
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/dashboard.mjs");
    let mut command = Command::new("node");
    command.arg(script).arg(format!("http://{}", front.address())).args(["hosts", up, gone]);
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("the script ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("ok: the page shows the hosts"), "{said}");
}

#[tokio::test]
async fn a_front_is_ready_for_the_pools_of_its_cluster_with_a_host_and_without() {
    let Some(mut stage) = Stage::start().await else { return };
    let front = stage.front("").await;
    let ready = async || get(front.address(), "/readyz?pool=once").await;
    let alone = ready().await;
    assert!(alone.status == 200 && alone.text().contains("no host of the cluster runs"), "{}", alone.text());
    let node = stage.node().await;
    eventually("a host of the pool", async || (ready().await.text() == "OK").then_some(())).await;
    stage.kill_server().await;
    eventually("that the cluster is away", async || (ready().await.status == 503).then_some(())).await;
    drop(node);
}

#[tokio::test]
async fn only_a_node_looks_for_the_executables_of_the_pools_that_nodes_run() {
    let scratch = procpool_tests::server::Scratch::new();
    let text = "[pools.report]\ncommand = \"/no/such/report\"\ndurable = true\n\
                [cluster]\nnats = \"nats://127.0.0.1:1\"\nreplicas = 1\naccept_loss_on_power_failure = true\n";
    let file = scratch.write("procpool.toml", text);
    let check = async |more: &[&str]| {
        finish(Command::new(binary("procpool")).arg("check").args(more).arg("--config").arg(&file)).await
    };
    let front = check(&[]).await;
    assert_eq!(front.code, Some(0), "{front:?}");
    let line = "report: durable, 1 attempt; runs on the nodes of the cluster";
    assert!(front.stdout.starts_with("ok: 0 pools\n") && front.stdout.contains(line), "{front:?}");
    let node = check(&["--node"]).await;
    assert!(node.code == Some(1) && node.stderr.contains("/no/such/report"), "{node:?}");
    // One process that is both looks, too.
    scratch.write("procpool.toml", &format!("{text}node = true\n"));
    let both = check(&[]).await;
    assert!(both.code == Some(1) && both.stderr.contains("/no/such/report"), "{both:?}");
    scratch.write("procpool.toml", "[pools.report]\ncommand = \"sh\"\n");
    let none = check(&["--node"]).await;
    assert!(none.code == Some(1) && none.stderr.contains("has no cluster"), "{none:?}");
}
