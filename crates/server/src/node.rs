//! `procpool node`: runs jobs of a cluster in pools of this host, without HTTP, until it is told to stop.

use crate::cli::cluster::NodeArgs;
use crate::cluster;
use crate::config::{Config, Overrides};
use crate::error::Error;
use crate::late::Late;
use crate::reload::{Configuration, Loaded};
use crate::signals::{Order, Signals};
use crate::spans;
use procpool_coordinator::{Coordinator, CoordinatorConfig};
use procpool_nats::Node;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// How long a second signal waits for the workers, which it kills, to be reaped.
const REAP: Duration = Duration::from_secs(1);

/// Runs jobs until told to stop.
pub(crate) async fn node(args: NodeArgs) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?.and_hang_up()?.and_unasked()?;
    if let Err(error) = procpool_coordinator::raise_open_files_limit() {
        tracing::warn!(%error, "failed to raise the limit of open files");
    }
    let config = Config::load(Some(&args.config))?;
    let pools = cluster::pools(&config)?;
    let (limit, deaths) = (config.server.drain_limit, config.server.deaths);
    let connected = tokio::select! {
        connected = cluster::connect(&config) => connected?,
        _ = signals.stop() => return Ok(ExitCode::SUCCESS),
    };
    let connected = connected.ok_or_else(|| cluster::no_cluster(&args.config))?;
    let mut coordinator = CoordinatorConfig::new(pools.clone());
    coordinator.deaths = deaths;
    let started = tokio::select! {
        started = Coordinator::start(coordinator) => started?,
        _ = signals.stop() => return Ok(ExitCode::SUCCESS),
    };
    let (spans, exporting) = spans::start();
    let late = Late::with_spans(spans);
    let loaded = Loaded::of(&config, pools.clone(), Vec::new());
    late.arrive(started.clone(), Configuration::new(None, Overrides::default(), loaded));
    let node = cluster::node(connected, Arc::new(late), &started, &pools).await?;
    announce(&node);
    loop {
        match signals.next().await {
            Order::Reload => {
                let coordinator = started.clone();
                tokio::spawn(async move { coordinator.reload().await });
            }
            Order::Stop(stop) => {
                tracing::info!(?stop, ?limit, "draining; a second signal is immediate");
                break;
            }
        }
    }
    let begun = tokio::time::Instant::now();
    let draining = async {
        node.drain(limit).await;
        started.shutdown(limit.saturating_sub(begun.elapsed())).await;
        exporting.end().await;
    };
    tokio::select! {
        () = draining => Ok(ExitCode::SUCCESS),
        stop = signals.stop_at_once() => {
            let _ = tokio::time::timeout(REAP, started.shutdown(Duration::ZERO)).await;
            Ok(stop.exit_code())
        }
    }
}

/// Prints the line that scripts wait for.
fn announce(node: &Node) {
    let mut stdout = std::io::stdout().lock();
    // A node whose standard output is closed can still run jobs.
    let told = writeln!(stdout, "running as {}", node.id()).and_then(|()| stdout.flush());
    if let Err(error) = told {
        tracing::debug!(%error, "failed to write the name to standard output");
    }
}
