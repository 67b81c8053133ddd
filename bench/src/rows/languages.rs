//! A worker in Python and in Node beside the same in Rust: what an interpreter adds to a small job.

use super::http::{self, Asked};
use super::in_flight::rate;
use super::sequential::OneByOne;
use super::{Kit, all_ready, ping, server};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, by};
use crate::language::{Found, Interpreted};
use crate::placement::Placement;
use crate::script::Needs;
use procpool::{Job, Pool};

const PYTHON: &str = "Python worker";
const NODE: &str = "Node worker";
const RUST: &str = "Rust worker";
/// Both the lanes of a host and the connections of an HTTP client.
const LANES: usize = 64;

type Peer = std::result::Result<Box<dyn Contestant>, String>;

/// One after another.
pub(super) async fn sequential(kit: Kit) -> Result<Row> {
    let count = kit.args.effort(5_000);
    let rust = one_by_one(RUST, ping(1).await?, count).await?;
    let row = Row::with(
        "languages-sequential",
        "one small job after another, one worker of each language, p50",
        "µs",
        (PYTHON, one_by_one_of(PYTHON, Interpreted::python().await, count).await),
    );
    Ok(row
        .beside(rust)
        .peer(NODE, one_by_one_of(NODE, Interpreted::node().await, count).await)
        .goal(Goal::AtMost(1.5, RUST)))
}

async fn one_by_one_of(name: &'static str, found: Found, count: usize) -> Peer {
    let started = async { one_by_one(name, found?.pool(1).await?, count).await };
    started.await.map_err(|error: Box<dyn std::error::Error + Send + Sync>| error.to_string())
}

async fn one_by_one<J: Job<Input = String>>(
    name: &'static str,
    pool: Pool<J>,
    count: usize,
) -> Result<Box<dyn Contestant>> {
    pool.run("ping".into()).await?;
    Ok(Box::new(OneByOne { name, pool, count, placement: Placement::Apart }))
}

/// Many at once.
pub(super) async fn in_flight(kit: Kit) -> Result<Row> {
    let count = kit.args.effort(50_000);
    let row = Row::with(
        "languages-in-flight",
        "64 small jobs in flight, one worker of each language",
        "jobs/s",
        (PYTHON, many_of(PYTHON, Interpreted::python().await, count).await),
    );
    Ok(row
        .beside(many(RUST, ping(1).await?, count))
        .peer(NODE, many_of(NODE, Interpreted::node().await, count).await)
        .goal(Goal::Above(50_000.0)))
}

async fn many_of(name: &'static str, found: Found, count: usize) -> Peer {
    let started = async { all_ready(found?.pool(1).await?, 1).await };
    let pool = started.await.map_err(|error| error.to_string())?;
    Ok(many(name, pool, count))
}

fn many<J: Job<Input = String>>(name: &'static str, pool: Pool<J>, count: usize) -> Box<dyn Contestant> {
    by(name, move || {
        let pool = pool.clone();
        async move { Ok(Measured::value(rate(&pool, LANES, count).await?)) }
    })
}

/// Python functions over HTTP.
pub(super) async fn python(kit: Kit) -> Result<Row> {
    let peer = "FastAPI + ProcessPoolExecutor";
    let what = "POST /v1/pools/ping/jobs, 64 connections, two Python workers";
    let ours = served(&kit, PYTHON, Interpreted::python().await).await;
    Ok(Row::with("http-python", what, "requests/s", (PYTHON, ours))
        .peer(peer, http::peer(&kit, peer, Needs::Python, "fastapi_server.py", LANES).await)
        .goal(Goal::AtLeast(8.0, peer)))
}

/// JavaScript functions over HTTP.
pub(super) async fn node(kit: Kit) -> Result<Row> {
    let peer = "Node http + Piscina";
    let what = "POST /v1/pools/ping/jobs, 64 connections, two Node workers";
    let ours = served(&kit, NODE, Interpreted::node().await).await;
    Ok(Row::with("http-node", what, "requests/s", (NODE, ours))
        .peer(peer, http::peer(&kit, peer, Needs::Piscina, "http.js", LANES).await)
        .goal(Goal::AtLeast(2.0, peer)))
}

async fn served(kit: &Kit, name: &'static str, found: Found) -> Peer {
    let config = found?.config(2).map_err(|error| error.to_string())?;
    let server = server(&config).await.map_err(|error| error.to_string())?;
    Ok(Asked::boxed(name, server, http::job, LANES, http::turn(kit)))
}
