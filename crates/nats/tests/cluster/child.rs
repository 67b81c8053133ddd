//! A node in a process of its own, which a test can kill or stop.

use crate::engine::Sleeper;
use crate::server::{Server, connect};
use procpool_nats::{Contract, Node, NodePool, PoolSettings, Settings};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SERVER: &str = "PROCPOOL_NATS_TEST_SERVER";
const BOOK: &str = "PROCPOOL_NATS_TEST_BOOK";

/// The name of the node, and its process.
pub(crate) struct NodeProcess {
    pub(crate) id: String,
    process: Child,
}

/// The pools of a node whose workers are of version 1.
pub(crate) fn slots(count: usize) -> BTreeMap<String, NodePool> {
    pools(count, 1)
}

/// The pools of a node whose workers of `once` are of this version.
pub(crate) fn pools(count: usize, version: u32) -> BTreeMap<String, NodePool> {
    let pool = |version| NodePool::new(count, Some(Contract::new("sleep", version, None)));
    BTreeMap::from([("once".to_owned(), pool(version)), ("again".to_owned(), pool(1))])
}

impl NodeProcess {
    pub(crate) fn start(server: &Server, book: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child::node", "--nocapture"]);
        command.env(SERVER, server.port.to_string()).env(BOOK, book);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let id = lines.find_map(|line| line.unwrap().split_once("node is ").map(|(_, id)| id.to_owned()));
        Self { id: id.expect("the child names its node"), process }
    }

    pub(crate) fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.process.id()).unwrap();
        let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// No test: a node, where a test has started it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn node() {
    let (Ok(port), Some(book)) = (std::env::var(SERVER), std::env::var_os(BOOK)) else { return };
    let mut settings = Settings::new(format!("127.0.0.1:{port}"), "test");
    (settings.replicas, settings.accept_loss_on_power_failure) = (1, true);
    settings.timings = crate::server::fast();
    settings.pools = vec![PoolSettings::new("once"), PoolSettings::new("again").idempotent(3)];
    let cluster = connect(settings).await;
    let node = Node::start(cluster, Sleeper::new(Path::new(&book)), "child", slots(8)).await.unwrap();
    println!("\nnode is {}", node.id());
    // Until its test ends, and with it the pipe.
    let wait = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    let _ = wait.await;
}
