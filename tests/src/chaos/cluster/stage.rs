//! A run from its beginning to its end: start, storm, quiet, end. Then the evidence.

use super::super::options::Options;
use super::client::{self, CLIENTS};
use super::evidence::{Evidence, Size};
use super::faults::{self, Scene, drain};
use super::hosts::{Part, Place};
use super::report::Report;
use super::run::Run;
use super::{nats, plan, settle};
use crate::process;
use crate::server::Scratch;
use rustix::process::{getpid, set_child_subreaper};
use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Servers of procpool.
const FRONTS: usize = 2;

/// For new servers of NATS to agree on their streams.
const AGREE: Duration = Duration::from_secs(60);

/// Runs, and tells what came of it.
///
/// # Errors
/// When the run could not be made at all, because there is no nats-server or a process does not start. Faults of the
/// product are in the report.
pub async fn run(options: Options) -> io::Result<Report> {
    let Options { duration, kills_per_minute, seed, cluster, servers, .. } = options;
    let seconds = duration.as_secs();
    // A process that loses its parent becomes our child.
    set_child_subreaper(Some(getpid()))?;
    let scratch = Scratch::new();
    let servers = usize::try_from(servers).unwrap_or(1);
    let nats = nats::start(&scratch, servers)?;
    writeln!(
        io::stdout(),
        "chaos of {cluster} nodes, {FRONTS} fronts and {servers} nats-server for {seconds} s with {kills_per_minute} \
         kills of workers a minute, --seed {seed}"
    )?;
    for server in &nats {
        server.listens().await?;
    }
    fs::create_dir(scratch.path().join("tmp"))?;
    let effects_file = scratch.path().join("effects.log");
    File::create(&effects_file)?;
    let run = Arc::new(Run::new(options, effects_file.display().to_string(), FRONTS));
    let scene = Arc::new(begin(&run, scratch, nats).await?);

    let clients: JoinSet<()> = (0..CLIENTS).map(|stream| client::submit(run.clone(), stream)).collect();
    let lasted = faults::strike(&run, &scene).await?;
    run.end.send_replace(true);
    clients.join_all().await;
    writeln!(io::stdout(), "{:>5.0} s  quiet", run.clock.now().as_secs_f64())?;
    settle::ask_for_all(&run).await;
    let streams = settle::streams(&scene).await?;
    let mut living = Vec::new();
    for node in &scene.nodes {
        living.push(node.lock().await.name.clone());
    }
    let (_, misread) = settle::nodes(&run, &scene, &living).await?;
    let sizes = sizes(&scene).await;

    for node in &scene.nodes {
        drain(&run, &mut *node.lock().await).await;
    }
    let (nodes, misread_at_end) = settle::nodes(&run, &scene, &[]).await?;
    for (nth, front) in scene.fronts.iter().enumerate() {
        run.tell(nth, None);
        front.lock().await.terminate(&run).await;
    }
    for server in scene.nats.lock().await.iter_mut() {
        server.kill().await;
    }
    let children = process::children(std::process::id());
    let strays = children.into_iter().filter(|&pid| process::is_alive(pid)).collect();

    let book = std::mem::take(&mut *run.book.open());
    let effects = book.effects.compare(BufReader::new(File::open(&effects_file)?))?;
    let (faults, complaints) = (run.faults.open().clone(), run.complaints.open().clone());
    let cancelled = run.cancelled.open().clone();
    Ok(Report::new(Evidence {
        options,
        lasted,
        book,
        cancelled,
        faults,
        effects,
        streams,
        nodes,
        misread,
        misread_at_end,
        sizes,
        strays,
        complaints,
    }))
}

/// Creates the streams, and starts every process.
async fn begin(run: &Arc<Run>, scratch: Scratch, nats: Vec<nats::Nats>) -> io::Result<Scene> {
    let urls: Vec<_> = nats.iter().map(nats::Nats::url).collect();
    let config = scratch.write("procpool.toml", &plan::config(&urls.join(","), nats.len()));
    let place = Place { scratch, config };
    let begun = Instant::now();
    loop {
        let said = place.cluster(&["init"]).await?;
        if said.code == Some(0) {
            break;
        }
        if begun.elapsed() > AGREE {
            return Err(io::Error::other(format!("`procpool cluster init`: {}", said.stderr.trim())));
        }
        // sleep: between two tries.
        sleep(Duration::from_millis(100)).await;
    }
    let (mut nodes, mut fronts) = (Vec::new(), Vec::new());
    for _ in 0..run.options.cluster {
        nodes.push(Mutex::new(place.start(run, Part::Node).await?));
    }
    for nth in 0..FRONTS {
        let front = place.start(run, Part::Front).await?;
        run.tell(nth, front.name.parse().ok());
        fronts.push(Mutex::new(front));
    }
    Ok(Scene { place, nats: Mutex::new(nats), nodes, fronts })
}

async fn sizes(scene: &Scene) -> Vec<Size> {
    let mut sizes = Vec::new();
    for (part, hosts) in [("node", &scene.nodes), ("front", &scene.fronts)] {
        for (nth, host) in hosts.iter().enumerate() {
            let pid = host.lock().await.pid;
            let (descriptors, memory) = (process::descriptors(pid), process::resident_memory(pid));
            sizes.push(Size { name: format!("{part} {nth}"), descriptors, memory });
        }
    }
    sizes
}
