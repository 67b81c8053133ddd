//! The end: every accepted job is asked for until it has its outcome, the queues run empty, and the cluster tells of
//! its nodes.

use super::client::{Line, ask_for};
use super::faults::Scene;
use super::hosts::Told;
use super::nats::Stream;
use super::plan::{CLAIMS, POOLS};
use super::run::{End, Run};
use hyper::Method;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Clients that ask at a time.
const CLIENTS: u64 = 4;

/// For all jobs together to end, once the faults are over.
const PATIENCE: Duration = Duration::from_secs(120);

/// For the cluster to notice the last deaths.
const NOTICE: Duration = Duration::from_secs(30);

/// Asks for every job.
pub(super) async fn ask_for_all(run: &Arc<Run>) {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for stream in 0..CLIENTS {
        let (run, next) = (run.clone(), next.clone());
        asking.spawn(async move {
            let mut line = Line::new(run.clone(), 1000 + stream);
            loop {
                let place = next.fetch_add(1, Relaxed);
                if place >= run.book.open().jobs.len() {
                    break;
                }
                settle(&run, &mut line, place, begun).await;
            }
        });
    }
    asking.join_all().await;
}

async fn settle(run: &Run, line: &mut Line, place: usize, begun: Instant) {
    loop {
        let is_late = begun.elapsed() > PATIENCE;
        let wait: &[_] = if is_late { &[] } else { &[("prefer", "wait=10")] };
        if ask_for(run, line, place, wait).await {
            break;
        }
        if is_late {
            let id = run.book.open().jobs[place].id.clone();
            return run.book.open().unfinished.note(|| format!("job {id}"));
        }
    }
    let path = format!("/v1/jobs/{}", run.book.open().jobs[place].id);
    let Some(answer) = line.ask(Method::GET, &path, &[], String::new()).await else { return };
    let Ok(job) = serde_json::from_slice::<Value>(&answer.body) else { return };
    compare(run, place, &job);
}

/// Compares the resource of a job with its result.
fn compare(run: &Run, place: usize, job: &Value) {
    let mut book = run.book.open();
    let entry = &book.jobs[place];
    let told = entry.told.map(|told| told.outcome.name());
    let is_same = job["state"] == "finished" && job["outcome"].as_str() == told && job["durable"] == true;
    let id = entry.id.clone();
    let most = if entry.order.pool.attempts > 1 { CLAIMS } else { 1 };
    let attempt = job["attempt"].as_u64();
    if told.is_some() && !is_same {
        book.changed.note(|| format!("the result of job {id} is {told:?}, its resource {job}"));
    }
    if attempt.is_some_and(|attempt| attempt > most.into()) {
        book.strange.note(|| format!("job {id} has {attempt:?} attempts of {most}"));
    }
}

/// Reads the streams until the queues are empty, or it is clear that they do not become empty.
pub(super) async fn streams(scene: &Scene) -> io::Result<BTreeMap<String, Stream>> {
    let begun = Instant::now();
    loop {
        let streams = scene.nats.lock().await[0].streams().await?;
        let is_empty = |name: &str| streams.get(&queue(name)) == Some(&Stream::default());
        if POOLS.iter().all(|pool| is_empty(pool.name)) || begun.elapsed() > PATIENCE {
            return Ok(streams);
        }
        // sleep: between two looks.
        sleep(Duration::from_millis(100)).await;
    }
}

/// Returns the name of a pool's queue.
pub(super) fn queue(pool: &str) -> String {
    format!("PP_procpool_J_{pool}")
}

/// Returns the name of a pool's stream of records.
pub(super) fn records(pool: &str) -> String {
    format!("PP_procpool_S_{pool}")
}

/// Reads the nodes until all are shown as they are, or it is clear that they are not.
pub(super) async fn nodes(
    run: &Run,
    scene: &Scene,
    living: &[String],
) -> io::Result<(Vec<Told>, Vec<String>)> {
    let begun = Instant::now();
    let ends = run.faults.open().ends.clone();
    loop {
        let nodes = scene.place.nodes().await?;
        let wrong = wrong(&nodes, &ends, living);
        if wrong.is_empty() || begun.elapsed() > NOTICE {
            return Ok((nodes, wrong));
        }
    }
}

/// Returns what is wrong with the cluster's picture of its nodes.
fn wrong(nodes: &[Told], ends: &[End], living: &[String]) -> Vec<String> {
    let states: HashMap<&str, &str> =
        nodes.iter().map(|node| (node.name.as_str(), node.state.as_str())).collect();
    let mut wrong = Vec::new();
    let mut expect = |name: &str, words: &str, is_right: &dyn Fn(Option<&str>) -> bool| {
        let state = states.get(name).copied();
        if !is_right(state) {
            wrong.push(format!("{name} {words}, and is {}", state.unwrap_or("unknown")));
        }
    };
    for End { name, is_in_order, is_unknown, is_unheard } in ends {
        let is_right = |state: Option<&str>| match state {
            Some("left") => *is_in_order,
            Some("gone") => !*is_in_order || *is_unheard,
            None => *is_unknown,
            _ => false,
        };
        expect(name, if *is_in_order { "ended in order" } else { "was killed" }, &is_right);
    }
    for name in living {
        expect(name, "runs", &|state| state == Some("up"));
    }
    let known = |name: &str| living.iter().any(|it| it == name) || ends.iter().any(|end| end.name == name);
    let strange = nodes.iter().filter(|node| !known(&node.name));
    wrong.extend(strange.map(|node| format!("nobody started {}", node.name)));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, state: &str) -> Told {
        Told { name: name.into(), state: state.into(), decided: 0, late: 0, fenced: 0 }
    }

    fn end(name: &str, is_in_order: bool) -> End {
        End { name: name.into(), is_in_order, is_unknown: false, is_unheard: false }
    }

    #[test]
    fn each_node_has_its_state() {
        let ends = [end("killed", false), end("drained", true)];
        let living = ["living".to_owned()];
        let right = [told("killed", "gone"), told("drained", "left"), told("living", "up")];
        assert_eq!(wrong(&right, &ends, &living), Vec::<String>::new());
        let crossed = [told("killed", "up"), told("drained", "gone"), told("living", "left")];
        assert_eq!(wrong(&crossed, &ends, &living).len(), 3);
        assert_eq!(wrong(&right[..1], &ends, &living).len(), 2, "two are missing");
        assert_eq!(wrong(&right, &ends, &[]), ["nobody started living"]);
        let mut unheard = ends;
        (unheard[1].is_unheard, unheard[0].is_unknown) = (true, true);
        assert_eq!(wrong(&[told("drained", "gone"), told("living", "up")], &unheard, &living).len(), 0);
    }
}
