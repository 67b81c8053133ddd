//! A node whose network is cut amid its jobs. It has a network of its own, whose one link is taken down and up again,
//! which needs namespaces: where they cannot be had, the test is skipped.

use crate::stage::{Node, Pair, Stage, accepted, ended, workers};
use procpool_needs::{Need, skip};
use procpool_tests::binaries::binary;
use procpool_tests::http::get;
use procpool_tests::process::is_alive;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, program};
use rustix::process::Signal;
use std::fs::{read_link, write};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The addresses of a link: our end, and that of the node.
const ENDS: [&str; 2] = ["10.213.77.1", "10.213.77.2"];

/// A node with a network of its own.
struct Island {
    node: Node,
    /// Our end of the link.
    link: String,
}

impl Island {
    /// Starts a node behind a link, or records that this test is skipped.
    async fn start(stage: &Stage) -> Option<Self> {
        let config = stage.config("accept_plaintext = true").replace("127.0.0.1", ENDS[0]);
        let file = stage.scratch.write("island.toml", &config);
        let mut command = Command::new("unshare");
        // It waits for its link.
        command.args(["--net", "sh", "-c", "read -r go && exec \"$0\" node --config \"$1\""]);
        command.arg(binary("procpool")).arg(file).env_remove("RUST_LOG").kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("unshare starts");
        let pid = process.id().expect("it runs");
        let network = |pid: &str| read_link(format!("/proc/{pid}/ns/net")).ok();
        let ours = network("self");
        let is_apart = eventually("a network of its own", async || {
            let its = network(&pid.to_string());
            let has_ended = its.is_none() || !is_alive(pid);
            (has_ended || its != ours).then_some(!has_ended)
        })
        .await;
        let link = format!("pp{pid}");
        let (outer, inner) = (format!("{}/30", ENDS[0]), format!("{}/30", ENDS[1]));
        let inside = format!(
            "nsenter -t {pid} -n sh -c 'ip link set lo up && ip addr add {inner} dev eth0 && ip link set eth0 up'"
        );
        let script = format!(
            "ip link add {link} type veth peer name eth0 netns {pid} && ip addr add {outer} dev {link} && \
             ip link set {link} up && {inside}"
        );
        let made = program::run("/bin/sh", &["-c", &script]).await;
        if !is_apart || made.code != Some(0) {
            skip(Need::Namespaces, format!("no link to a network of its own can be made: {}", made.stderr));
            return None;
        }
        process.stdin.take().expect("a pipe").write_all(b"go\n").await.expect("the shell reads");
        Some(Self { node: Node::announced(process).await, link })
    }

    async fn set(&self, state: &str) {
        let ended = program::run("ip", &["link", "set", &self.link, state]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[tokio::test]
async fn a_node_that_is_cut_off_kills_its_jobs_first_and_its_late_results_are_refused() {
    // On all addresses: that of the link comes later.
    let lines = |port| format!("nats = \"nats://127.0.0.1:{port}\"\nlease = \"6s\"");
    let Some(stage) = Stage::with(Scratch::new(), "0.0.0.0", "", lines) else { return };
    eventually("the streams", async || (stage.cluster(&["init"]).await.code == Some(0)).then_some(())).await;
    let front = stage.front("").await;
    let Some(island) = Island::start(&stage).await else { return };
    let name = island.node.name.clone();
    let pair = Pair::begin(&stage, &front).await;
    let mut other = stage.node().await;

    island.set("down").await;
    // It ends on the node that is cut off, where nobody hears of it.
    write(stage.scratch.path().join("gate"), "").unwrap();
    let worker = workers(&stage, "once")[0];
    eventually("an outcome", async || {
        let job = get(front.address(), &pair.once).await.json();
        // In this order: it is dead before the job has its outcome.
        (job["state"] == "finished").then(|| assert!(!is_alive(worker), "its worker lives: {job}"))
    })
    .await;
    pair.has_ended(&stage, &front).await;
    stage.is(&name, "gone").await;

    island.set("up").await;
    stage.is(&name, "up").await;
    eventually("its late result", async || (stage.figure(&name, "late").await > 0).then_some(())).await;
    assert!(stage.figure(&name, "fenced").await > 0);
    pair.has_ended(&stage, &front).await;
    other.signal(Signal::TERM);
    assert_eq!(other.ended().await, Some(0));
    let next = accepted(&front, "once", &Verb::Echo("hello".into())).await;
    assert_eq!(ended(&front, &next).await["outcome"], "ok");
}
