//! The rows of the table, one to a file, and the curves. Each row holds its goal.

mod batch;
mod cluster;
mod compute;
mod curves;
mod durable;
mod executor;
mod fresh;
mod http;
mod idle;
mod in_flight;
mod languages;
mod livez;
mod locks;
mod map;
mod overload;
mod payload;
mod replaced;
mod sandboxed;
mod scrape;
mod sequential;
mod stack;
mod thousand;
mod viewers;

pub use curves::Curve;
pub use map::{Mix, mix};
pub use overload::Nap;
pub use stack::Spin;

use crate::args::Args;
use crate::contest::Row;
use crate::contestant::Result;
use crate::floor::Server;
use crate::places;
use crate::script::Peers;
use procpool::{Bytes, Job, Pool, SharedRegion};
use procpool_ping::Ping;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicU32;
use std::time::Duration;
use tokio::process::Command;

/// The tools of rows.
#[derive(Clone, Debug)]
pub struct Kit {
    pub args: Args,
    pub peers: Peers,
}

/// Something of the table that is made by its name.
pub type Named<T> = (&'static str, fn(Kit) -> Pin<Box<dyn Future<Output = Result<T>> + Send>>);

/// Rows by name, in the order of the table.
pub const ROWS: &[Named<Row>] = &[
    ("sequential", |kit| Box::pin(sequential::row(kit))),
    ("sequential-together", |kit| Box::pin(sequential::together(kit))),
    ("in-flight", |kit| Box::pin(in_flight::row(kit))),
    ("map", |kit| Box::pin(map::row(kit))),
    ("map-single", |kit| Box::pin(map::single(kit))),
    ("fresh", |kit| Box::pin(fresh::row(kit))),
    ("forked", |kit| Box::pin(fresh::forked(kit))),
    ("warm-spare", |kit| Box::pin(fresh::warm(kit))),
    ("http", |kit| Box::pin(http::row(kit))),
    ("batch", |kit| Box::pin(batch::row(kit))),
    ("payload", |kit| Box::pin(payload::row(kit))),
    ("sandboxed-in-flight", |kit| Box::pin(sandboxed::in_flight(kit))),
    ("sandboxed-payload", |kit| Box::pin(sandboxed::payload(kit))),
    ("languages-sequential", |kit| Box::pin(languages::sequential(kit))),
    ("languages-in-flight", |kit| Box::pin(languages::in_flight(kit))),
    ("http-python", |kit| Box::pin(languages::python(kit))),
    ("http-node", |kit| Box::pin(languages::node(kit))),
    ("executor-sequential", |kit| Box::pin(async move { executor::one_by_one(&kit) })),
    ("executor-in-flight", |kit| Box::pin(async move { executor::in_flight(&kit) })),
    ("executor-arrays", |kit| Box::pin(async move { executor::arrays(&kit) })),
    ("livez", |kit| Box::pin(livez::row(kit))),
    ("scrape", |kit| Box::pin(scrape::time(kit))),
    ("scrape-size", |kit| Box::pin(scrape::size(kit))),
    ("scrape-size-plain", |kit| Box::pin(scrape::plain_size(kit))),
    ("scrape-lock", |kit| Box::pin(locks::figures(kit))),
    ("sample-lock", |kit| Box::pin(locks::sample(kit))),
    ("viewers", |kit| Box::pin(viewers::row(kit))),
    ("viewers-gone", |kit| Box::pin(viewers::gone(kit))),
    ("stack", |kit| Box::pin(stack::kill(kit))),
    ("stack-outcome", |kit| Box::pin(stack::outcome(kit))),
    ("compute", |kit| Box::pin(compute::row(kit))),
    ("idle-memory", |kit| Box::pin(idle::memory(kit))),
    ("idle-cpu", |kit| Box::pin(idle::cpu(kit))),
    ("durable-in-flight", |kit| Box::pin(durable::in_flight(kit))),
    ("durable-sequential", |kit| Box::pin(durable::one(kit))),
    ("durable-accept", |kit| Box::pin(durable::accept(kit))),
    ("durable-beside", |kit| Box::pin(durable::beside(kit))),
    ("cluster-in-flight", |kit| Box::pin(cluster::in_flight(kit))),
    ("cluster-sequential", |kit| Box::pin(cluster::one(kit))),
    ("cluster-dead-host", |kit| Box::pin(cluster::dead_host(kit))),
    ("overload", |kit| Box::pin(overload::goodput(kit))),
    ("overload-refusals", |kit| Box::pin(overload::refusals(kit))),
    ("replaced", |kit| Box::pin(replaced::row(kit))),
    ("thousand", |kit| Box::pin(thousand::row(kit))),
];

/// Curves by name.
pub const CURVES: &[Named<Curve>] = &[
    ("throughput-by-in-flight", |kit| Box::pin(curves::by_in_flight(kit))),
    ("cost-by-workers", |kit| Box::pin(curves::by_workers(kit))),
    ("cost-by-queue", |kit| Box::pin(curves::by_queue(kit))),
    ("cost-by-region", |kit| Box::pin(curves::by_region(kit))),
    ("cost-by-host", |kit| Box::pin(curves::by_host(kit))),
];

/// Rows that one name on the command line stands for.
pub const GROUPS: &[(&str, &[&str])] = &[
    (
        "languages",
        &[
            "languages-sequential",
            "languages-in-flight",
            "http-python",
            "http-node",
            "executor-sequential",
            "executor-in-flight",
            "executor-arrays",
            "forked",
        ],
    ),
    (
        "seeing",
        &[
            "scrape",
            "scrape-size",
            "scrape-size-plain",
            "scrape-lock",
            "sample-lock",
            "viewers",
            "viewers-gone",
            "stack",
            "stack-outcome",
        ],
    ),
    ("durable", &["durable-in-flight", "durable-sequential", "durable-accept", "durable-beside"]),
    ("cluster", &["cluster-in-flight", "cluster-sequential", "cluster-dead-host"]),
];

/// Returns the names of the rows and curves that these names ask for: all of them if there is none.
///
/// # Errors
/// When there is neither a row nor a group of a name.
pub fn wanted(names: &[String]) -> std::result::Result<Vec<&'static str>, String> {
    let all: Vec<_> = ROWS.iter().map(|row| row.0).chain(CURVES.iter().map(|curve| curve.0)).collect();
    if names.is_empty() {
        return Ok(all);
    }
    let mut wanted = Vec::new();
    for name in names {
        let group = GROUPS.iter().find(|group| group.0 == name).map(|group| group.1);
        let row = all.iter().position(|row| row == name).map(|at| &all[at..=at]);
        let rows = group.or(row).ok_or_else(|| {
            let groups = GROUPS.iter().map(|group| group.0);
            let known: Vec<_> = groups.chain(all.iter().copied()).collect();
            format!("there is no row `{name}`; there are {}", known.join(", "))
        })?;
        wanted.extend_from_slice(rows);
    }
    Ok(wanted)
}

/// The job of `bench-echo`.
#[derive(Clone, Copy, Debug)]
pub struct Blob;

impl Job for Blob {
    const NAME: &'static str = "blob";
    type Input = Bytes;
    type Output = Bytes;
}

/// The job of `bench-region`: adds to one of the region's words.
#[derive(Clone, Copy, Debug)]
pub struct Touch;

impl Job for Touch {
    const NAME: &'static str = "touch";
    type Input = (SharedRegion<AtomicU32>, u64);
    type Output = ();
}

/// Returns a pool of `procpool-ping`, all of it ready.
async fn ping(workers: usize) -> Result<Pool<Ping>> {
    let pool = Pool::builder(places::worker("procpool-ping")?).workers(workers..=workers).queue(1_000_000);
    all_ready(pool.start().await?, workers).await
}

async fn all_ready<J: Job>(pool: Pool<J>, workers: usize) -> Result<Pool<J>> {
    while pool.status().workers.idle < workers {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(pool)
}

/// A server of ours with this configuration.
async fn server(config: &str) -> Result<Server> {
    let file = std::env::temp_dir().join(format!("procpool-bench-{}.toml", std::process::id()));
    std::fs::write(&file, config)?;
    let mut command = Command::new(places::file("procpool")?);
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&file);
    let server = Server::start(command).await;
    std::fs::remove_file(&file)?;
    server
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Vec<String> {
        of.iter().copied().map(Into::into).collect()
    }

    #[test]
    fn a_group_stands_for_its_rows() {
        let rows = wanted(&names(&["languages", "map"])).unwrap();
        assert_eq!((rows[0], *rows.last().unwrap()), ("languages-sequential", "map"));
        assert_eq!(wanted(&[]).unwrap().len(), ROWS.len() + CURVES.len());
        for (_, rows) in GROUPS {
            assert_eq!(wanted(&names(rows)).unwrap(), *rows);
        }
    }

    #[test]
    fn an_unknown_name_is_told_all_others() {
        let error = wanted(&names(&["map", "language"])).unwrap_err();
        assert!(
            error.starts_with(
                "there is no row `language`; there are languages, seeing, durable, cluster, sequential, "
            ),
            "{error}"
        );
    }
}
