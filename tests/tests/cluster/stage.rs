//! A nats-server, and the processes that use it.

use procpool_needs::{Need, nats_server, skip};
use procpool_tests::binaries::binary;
use procpool_tests::http::{Answer, get, request};
use procpool_tests::process::signal;
use procpool_tests::program::{self, Ended};
use procpool_tests::served::pool;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use procpool_tests::{PATIENCE, eventually};
use rustix::process::Signal;
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The disk that a server gives to streams: else, it is a share of the disk of this machine.
const ROOM: &str = "64GB";

/// A nats-server with the streams of two pools, `once` and `again`.
pub(crate) struct Stage {
    pub(crate) scratch: Scratch,
    pub(crate) port: u16,
    server: PathBuf,
    /// The address at which it listens, and further lines of its file.
    host: &'static str,
    more: String,
    process: Option<Child>,
    /// Servers beside it.
    pub(crate) others: Vec<Child>,
    /// The lines of `[cluster]`.
    lines: String,
}

/// A node.
pub(crate) struct Node {
    pub(crate) name: String,
    process: Child,
}

impl Stage {
    /// Starts a server and creates the streams, or records that this test is skipped.
    pub(crate) async fn start() -> Option<Self> {
        let stage = Self::empty()?;
        eventually("the streams", async || (stage.cluster(&["init"]).await.code == Some(0)).then_some(()))
            .await;
        Some(stage)
    }

    /// Starts a server without streams.
    pub(crate) fn empty() -> Option<Self> {
        Self::with(Scratch::new(), "127.0.0.1", "", |port| {
            format!("nats = \"nats://127.0.0.1:{port}\"\nlease = \"3s\"")
        })
    }

    /// Starts a server without streams in this directory: at this address, with further lines of its file, and with
    /// lines of `[cluster]`.
    pub(crate) fn with(
        scratch: Scratch,
        host: &'static str,
        more: &str,
        lines: impl FnOnce(u16) -> String,
    ) -> Option<Self> {
        let server = match nats_server() {
            Ok(server) => server,
            Err(why) => {
                skip(Need::Nats, why);
                return None;
            }
        };
        let port = free_port();
        let lines = format!("{}\nreplicas = 1\naccept_loss_on_power_failure = true", lines(port));
        let (more, process, others) = (more.to_owned(), None, Vec::new());
        let mut stage = Self { scratch, port, server, host, more, process, others, lines };
        stage.scratch.write("procpool.toml", &stage.config(""));
        stage.resume();
        Some(stage)
    }

    /// Starts the server again where it was.
    pub(crate) fn resume(&mut self) {
        let store = self.scratch.path().join("store");
        let Self { host, port, more, .. } = self;
        let text = format!(
            "listen: \"{host}:{port}\"\njetstream {{ store_dir: {store:?}, max_file_store: {ROOM} }}\n{more}\n"
        );
        let file = self.scratch.write("nats.conf", &text);
        let mut command = Command::new(&self.server);
        command.arg("-c").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.kill_on_drop(true).spawn().expect("nats-server starts"));
    }

    /// SIGKILL.
    pub(crate) async fn kill_server(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
    }

    /// Returns the configuration of all, whose leases last 3 s, with further lines of `[cluster]`.
    pub(crate) fn config(&self, more: &str) -> String {
        let verbs = binary("verbs");
        let once = pool("once", &verbs, 2, "durable = true");
        let again = pool("again", &verbs, 2, "durable = true\nidempotent = true\nmax_attempts = 5");
        format!("{once}{again}[cluster]\n{}\n{more}\n", self.lines)
    }

    /// Starts three servers that hold three copies, and creates the streams, or records that this test is skipped.
    pub(crate) async fn of_three() -> Option<Self> {
        let mut stage = Self::empty()?;
        stage.kill_server().await;
        let ports = [free_port(), free_port(), free_port()];
        let routes = [free_port(), free_port(), free_port()];
        let address = |port: &u16| format!("nats://127.0.0.1:{port}");
        let all_routes =
            routes.iter().map(|port| format!("{:?}", address(port))).collect::<Vec<_>>().join(",");
        for nth in 0..3 {
            let store = stage.scratch.path().join(format!("store-{nth}"));
            let text = format!(
                "server_name: n{nth}\nlisten: \"127.0.0.1:{}\"\n\
                 jetstream {{ store_dir: {store:?}, max_file_store: {ROOM} }}\n\
                 cluster {{ name: procpool, listen: \"127.0.0.1:{}\", routes: [{all_routes}] }}\n",
                ports[nth], routes[nth],
            );
            let file = stage.scratch.write(&format!("nats-{nth}.conf"), &text);
            let mut command = Command::new(&stage.server);
            command.arg("-c").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            stage.others.push(command.kill_on_drop(true).spawn().expect("nats-server starts"));
        }
        let servers = ports.iter().map(address).collect::<Vec<_>>().join(",");
        stage.lines = format!("nats = \"{servers}\"");
        stage.scratch.write("procpool.toml", &stage.config(""));
        eventually("the streams", async || (stage.cluster(&["init"]).await.code == Some(0)).then_some(()))
            .await;
        Some(stage)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.scratch.path().join("procpool.toml")
    }

    /// Runs `procpool cluster`.
    pub(crate) async fn cluster(&self, args: &[&str]) -> Ended {
        let mut command = Command::new(binary("procpool"));
        program::finish(command.arg("cluster").args(args).arg("--config").arg(self.file())).await
    }

    /// Returns the state of each host by its name.
    pub(crate) async fn hosts(&self) -> Vec<(String, String)> {
        let said = self.cluster(&["status", "-o", "json"]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let hosts: Vec<Value> = serde_json::from_str(&said.stdout).expect("JSON");
        let text = |host: &Value, key: &str| host[key].as_str().unwrap_or_default().to_owned();
        hosts.iter().map(|host| (text(host, "node"), text(host, "state"))).collect()
    }

    /// Returns one of a host's figures.
    pub(crate) async fn figure(&self, node: &str, key: &str) -> u64 {
        let said = self.cluster(&["status", "-o", "json"]).await;
        let hosts: Vec<Value> = serde_json::from_str(&said.stdout).expect("JSON");
        let host = hosts.iter().find(|host| host["node"] == node).expect("the node");
        host[key].as_u64().expect("a number")
    }

    /// Waits until a host has this state.
    pub(crate) async fn is(&self, node: &str, state: &str) {
        let (node, state) = (node.to_owned(), state.to_owned());
        eventually("the state of a host", async || {
            self.hosts().await.contains(&(node.clone(), state.clone())).then_some(())
        })
        .await;
    }

    pub(crate) async fn front(&self, more: &str) -> Server {
        Server::by_command(Command::new(binary("procpool")), Scratch::new(), &self.config(more)).await
    }

    pub(crate) async fn node(&self) -> Node {
        self.node_of(&self.file()).await
    }

    /// Starts a node of this file.
    pub(crate) async fn node_of(&self, file: &Path) -> Node {
        let mut command = Command::new(binary("procpool"));
        command.args(["node", "--config"]).arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).env_remove("RUST_LOG");
        Node::announced(command.spawn().expect("a node starts")).await
    }
}

impl Node {
    /// Waits until a process with a piped output says that it is a node.
    pub(crate) async fn announced(mut process: Child) -> Self {
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("the node runs");
        let line = line.expect("its output").expect("a line");
        let name = line.strip_prefix("running as ").expect("its name").to_owned();
        Self { name, process }
    }

    pub(crate) fn signal(&self, number: Signal) {
        signal(self.process.id().expect("the node runs"), number);
    }

    /// Waits for its end. Returns the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        ended.expect("the node ends").expect("its status").code()
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Submits a job asynchronously, with further headers.
pub(crate) async fn submit(front: &Server, path: &str, verb: &Verb, more: &[(&str, &str)]) -> Answer {
    let mut headers = vec![("Prefer", "respond-async"), ("Content-Type", "application/json")];
    headers.extend(more);
    request(front.address(), "POST", path, &headers, &serde_json::to_vec(verb).unwrap()).await
}

/// Submits a job that is accepted. Returns its path.
pub(crate) async fn accepted(front: &Server, pool: &str, verb: &Verb) -> String {
    let answer = submit(front, &format!("/v1/pools/{pool}/jobs"), verb, &[]).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    answer.header("location").expect("a location").to_owned()
}

/// Waits for the end of a job. Returns it.
pub(crate) async fn ended(front: &Server, path: &str) -> Value {
    eventually("the end of a job", async || {
        let wait = [("Prefer", "wait=5")];
        request(front.address(), "GET", &format!("{path}/result"), &wait, b"").await;
        let job = get(front.address(), path).await.json();
        (job["state"] == "finished").then_some(job)
    })
    .await
}

/// A job that no node may run twice, and one that another may have. Each leaves the process id of its worker in a file
/// of its name. The first sleeps; the second waits for the file `gate`.
pub(crate) struct Pair {
    pub(crate) once: String,
    pub(crate) again: String,
}

impl Pair {
    /// Submits both, and waits until they run.
    pub(crate) async fn begin(stage: &Stage, front: &Server) -> Self {
        let dir = stage.scratch.path().display().to_string();
        let once = Verb::Shell(format!("echo $PPID >> {dir}/once; sleep 25"));
        let again =
            Verb::Shell(format!("echo $PPID >> {dir}/again; while [ ! -e {dir}/gate ]; do sleep 0.05; done"));
        let pair = Self {
            once: accepted(front, "once", &once).await,
            again: accepted(front, "again", &again).await,
        };
        eventually("their starts", async || {
            (workers(stage, "once").len() + workers(stage, "again").len() == 2).then_some(())
        })
        .await;
        pair
    }

    /// The first one crashed with its host, and the second one has run on the next. Each began as often as that.
    pub(crate) async fn has_ended(&self, stage: &Stage, front: &Server) {
        let (once, again) = (ended(front, &self.once).await, ended(front, &self.again).await);
        assert_eq!((&once["outcome"], &once["may_have_run"]), (&"crashed".into(), &true.into()), "{once}");
        assert_eq!((&again["outcome"], &again["attempt"]), (&"ok".into(), &2.into()), "{again}");
        assert_eq!((workers(stage, "once").len(), workers(stage, "again").len()), (1, 2));
    }
}

/// Returns the workers of a job of a [`Pair`], by its file.
pub(crate) fn workers(stage: &Stage, file: &str) -> Vec<u32> {
    let text = std::fs::read_to_string(stage.scratch.path().join(file)).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// A verb that writes a line into a file of the scratch directory, and then sleeps for these microseconds.
pub(crate) fn log(stage: &Stage, line: &str, micros: u64) -> Verb {
    Verb::LogThenNap(stage.scratch.path().join("lines.txt").display().to_string(), line.to_owned(), micros)
}

/// Returns the lines that were written.
pub(crate) fn lines(stage: &Stage) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(stage.scratch.path()).join("lines.txt")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
