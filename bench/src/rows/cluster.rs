//! Jobs of a cluster beside messages that the same NATS server stores and acknowledges: a job is three of them, its
//! acceptance, its claim and its outcome.

use super::Kit;
use super::durable::{Answers, Directory, Figure, Work};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::floor::Nats;
use crate::places;
use procpool::raw::{Payload, Submission};
use procpool::{Encoding, JobId};
use procpool_nats::{Cluster, ClusterError, Front, JobState, Node, NodePool, PoolSettings, Settings};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const LANES: usize = 64;

/// Number of messages that are stored for a job.
const MESSAGES: f64 = 3.0;

/// Length of an input and of a message, in bytes.
const PAYLOAD: usize = 300;

const LEASE: Duration = Duration::from_secs(3);

const FLOOR: &str = "messages, stored and acknowledged";

pub(super) async fn in_flight(kit: Kit) -> Result<Row> {
    let work = Work { lanes: LANES, count: kit.args.effort(10_000), figure: Figure::Rate };
    let what = "3 × jobs of a cluster, 64 in flight, an engine that answers at once";
    beside("cluster-in-flight", what, "messages/s", work, Goal::AtLeast(0.6, FLOOR)).await
}

pub(super) async fn one(kit: Kit) -> Result<Row> {
    let work = Work { lanes: 1, count: kit.args.effort(1_000), figure: Figure::Share(0.5) };
    let what = "a job of a cluster, one after the other, p50";
    beside("cluster-sequential", what, "µs", work, Goal::AtMost(6.0, FLOOR)).await
}

async fn beside(
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    work: Work,
    goal: Goal,
) -> Result<Row> {
    let directory = Directory::new(name);
    let server = match Nats::start(directory.path()).await {
        Ok(server) => server,
        Err(why) => return Ok(Row::with(name, what, unit, ("procpool", Err(why.to_string()))).goal(goal)),
    };
    let client = async_nats::connect(server.address()).await?;
    let cluster = cluster(&server, vec![PoolSettings::new("answers")]).await?;
    let pools = BTreeMap::from([("answers".to_owned(), NodePool::new(LANES, None))]);
    let node = Node::start(cluster.clone(), Arc::new(Answers), "bench", pools).await?;
    let front = Arc::new(Front::start(cluster, "bench").await?);
    let ours = Ours { work, front, _node: node, _server: server, _directory: directory };
    let stream =
        br#"{"name":"RAW","subjects":["raw"],"storage":"file","discard":"old","max_bytes":1073741824}"#;
    client.request("$JS.API.STREAM.CREATE.RAW", stream.as_slice().into()).await?;
    Ok(Row::new(name, what, unit, Box::new(ours)).beside(Box::new(Floor { work, client })).goal(goal))
}

/// The time from the death of a node until its job has an outcome.
pub(super) async fn dead_host(_: Kit) -> Result<Row> {
    let (name, what) =
        ("cluster-dead-host", "from kill -9 of a node to the outcome of its job, a lease of 3 s");
    let goal = Goal::Below(LEASE.as_secs_f64() * 1000.0 + 100.0);
    let directory = Directory::new(name);
    let server = match Nats::start(directory.path()).await {
        Ok(server) => server,
        Err(why) => return Ok(Row::with(name, what, "ms", ("procpool", Err(why.to_string()))).goal(goal)),
    };
    let (nap, file) = (places::file("bench-nap")?, directory.path().join("procpool.toml"));
    let config = format!(
        "[pools.nap]\ncommand = [{nap:?}]\nmax_workers = 1\ntimeout = \"600s\"\ndurable = true\n\
         [cluster]\nnats = \"{}\"\nreplicas = 1\naccept_loss_on_power_failure = true\nlease = \"3s\"\n",
        server.address()
    );
    std::fs::write(&file, config)?;
    init(&file).await?;
    let mut pool = PoolSettings::new("nap");
    (pool.queue, pool.queue_bytes) = (1024, 256 << 20);
    let mut settings = settings(&server, vec![pool]);
    settings.namespace = "procpool".to_owned();
    (settings.timings.renew, settings.timings.fence, settings.timings.lease) =
        (LEASE / 3, LEASE * 2 / 3, LEASE);
    let front = Front::start(Cluster::connect(settings).await?, "bench").await?;
    let ours = DeadHost { front, file, _server: server, _directory: directory };
    Ok(Row::new(name, what, "ms", Box::new(ours)).goal(goal))
}

fn settings(server: &Nats, pools: Vec<PoolSettings>) -> Settings {
    let mut settings = Settings::new(server.address(), "bench");
    (settings.replicas, settings.accept_loss_on_power_failure) = (1, true);
    settings.pools = pools;
    settings
}

/// Connects, and creates the streams as soon as JetStream runs.
async fn cluster(server: &Nats, pools: Vec<PoolSettings>) -> Result<Cluster> {
    let cluster = Cluster::connect(settings(server, pools)).await?;
    loop {
        match cluster.init().await {
            Ok(_) => return Ok(cluster),
            Err(ClusterError::Link(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => return Err(error.into()),
        }
    }
}

async fn init(file: &std::path::Path) -> Result<()> {
    for _ in 0..100 {
        let mut command = Command::new(places::file("procpool")?);
        let made = command.args(["cluster", "init", "--config"]).arg(file).output().await?;
        if made.status.success() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("procpool cluster init fails".into())
}

struct Ours {
    work: Work,
    front: Arc<Front>,
    _node: Node,
    _server: Nats,
    _directory: Directory,
}

impl Contestant for Ours {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        let (front, work) = (self.front.clone(), self.work);
        Box::pin(async move {
            let turn = work.turn(move || {
                let front = front.clone();
                async move {
                    let (id, begun) = (JobId::from_bits(rand::random()), Instant::now());
                    let input = Payload::json(format!("{:PAYLOAD$}", 7));
                    front.enqueue(id, Submission::new("answers", input, Encoding::Json)).await?;
                    let finished = front.outcome("answers", id).await?.ok_or("a job without an outcome")?;
                    finished.result.as_ref().map_err(ToString::to_string)?;
                    Ok(begun.elapsed())
                }
            });
            let mut measured = turn.await?;
            if matches!(work.figure, Figure::Rate) {
                measured.value *= MESSAGES;
            }
            Ok(measured)
        })
    }
}

struct Floor {
    work: Work,
    client: async_nats::Client,
}

impl Contestant for Floor {
    fn name(&self) -> &'static str {
        FLOOR
    }

    fn turn(&mut self) -> Turn<'_> {
        let client = self.client.clone();
        Box::pin(self.work.turn(move || {
            let client = client.clone();
            async move {
                let begun = Instant::now();
                client.request("raw", vec![7; PAYLOAD].into()).await?;
                Ok(begun.elapsed())
            }
        }))
    }
}

struct DeadHost {
    front: Front,
    file: std::path::PathBuf,
    _server: Nats,
    _directory: Directory,
}

impl DeadHost {
    /// Starts a node, and waits until it runs.
    async fn node(&self) -> Result<Child> {
        let mut command = Command::new(places::file("procpool")?);
        command.args(["node", "--config"]).arg(&self.file).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut node = command.kill_on_drop(true).spawn()?;
        let stdout = node.stdout.take().ok_or("no standard output")?;
        BufReader::new(stdout).lines().next_line().await?.ok_or("the node ended")?;
        Ok(node)
    }
}

impl Contestant for DeadHost {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let mut first = self.node().await?;
            let id = JobId::from_bits(rand::random());
            let minutes = Payload::json((10 * 60_000_000_u64).to_string());
            self.front.enqueue(id, Submission::new("nap", minutes, Encoding::Json)).await?;
            while !matches!(self.front.state("nap", id).await?, JobState::Running { .. }) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let _second = self.node().await?;
            first.kill().await?;
            let killed = Instant::now();
            let finished = self.front.outcome("nap", id).await?.ok_or("a job without an outcome")?;
            if finished.result.is_ok() {
                return Err("a job of a dead node has ended well".into());
            }
            Ok(Measured::value(killed.elapsed().as_secs_f64() * 1000.0))
        })
    }
}
