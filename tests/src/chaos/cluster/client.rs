//! The clients: each submits one job after the other to whichever front there is, waits for some, hangs up on others,
//! cancels a few, and now and then asks for an earlier one.

use super::super::client::{Answer, Client};
use super::super::outcome::Outcome;
use super::super::random::Random;
use super::super::store::book::Told;
use super::super::store::plan::Order;
use super::plan::{MOST_JOBS, Way, draw};
use super::run::Run;
use hyper::Method;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Number of clients.
pub(super) const CLIENTS: u64 = 8;

/// For an answer of a front that lives, and for the next front. A synchronous job may wait for nodes that are stopped.
const PATIENCE: Duration = Duration::from_secs(120);

/// Of a thousand jobs, how many are asked for until they have their outcome. Should it change, the end shows that.
const FOLLOWED: u64 = 250;

/// Of a thousand jobs, after how many an earlier one is asked for.
const ASKED: u64 = 300;

/// How far back that one is at most.
const BACK: u64 = 40;

/// A client's way to the fronts of the moment.
#[derive(Debug)]
pub(super) struct Line {
    run: Arc<Run>,
    random: Random,
    kept: HashMap<SocketAddr, Client>,
}

impl Line {
    pub(super) fn new(run: Arc<Run>, stream: u64) -> Self {
        let random = Random::new(run.options.seed, stream);
        Self { run, random, kept: HashMap::new() }
    }

    /// Asks one of the fronts of the moment, or the next one. `None` if there is no answer, because it is gone.
    pub(super) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Option<Answer> {
        let pick = self.random.next();
        let mut changes = self.run.fronts.subscribe();
        let there = timeout(PATIENCE, changes.wait_for(|all| all.iter().any(Option::is_some))).await;
        let fronts: Vec<_> = there.ok()?.ok()?.iter().flatten().copied().collect();
        let front = fronts[usize::try_from(pick % fronts.len() as u64).unwrap_or_default()];
        self.kept.retain(|address, _| fronts.contains(address));
        let client = self.kept.entry(front).or_insert_with(|| Client::new(front));
        let answer = timeout(PATIENCE, client.ask(method, path, headers, body)).await;
        if answer.is_err() {
            self.run.book.open().strange.note(|| format!("{path} had no answer within {PATIENCE:?}"));
        }
        answer.ok()?.ok()
    }
}

/// Submits jobs until told to end. `stream` is the client's own.
pub(super) async fn submit(run: Arc<Run>, stream: u64) {
    let mut random = Random::new(run.options.seed, stream);
    let mut line = Line::new(run.clone(), CLIENTS + stream);
    let (mut mine, mut followers) = (Vec::new(), JoinSet::new());
    let end = run.end.subscribe();
    let pace = pace(run.options.duration);
    while !*end.borrow() {
        let drawn = draw(&mut random, &run.effects_file, &mut run.book.open().effects);
        if let Some((order, way)) = drawn {
            mine.extend(send(&run, &mut line, order, way).await);
        }
        while followers.try_join_next().is_some() {}
        if let Some(&last) = mine.last()
            && random.below(1000) < FOLLOWED
        {
            followers.spawn(follow(run.clone(), last));
        }
        if let Some(&last) = mine.last()
            && random.below(1000) < ASKED
        {
            let back = usize::try_from(random.below(BACK)).unwrap_or_default();
            let place = mine.len().checked_sub(1 + back).map_or(last, |at| mine[at]);
            ask_for(&run, &mut line, place, &[]).await;
        }
        // sleep: the load must be steady.
        sleep(random.millis(0, pace)).await;
    }
}

/// Asks for a job until it has its outcome.
async fn follow(run: Arc<Run>, place: usize) {
    let mut line = Line::new(run.clone(), u64::MAX / 2 - place as u64);
    while !ask_for(&run, &mut line, place, &[("prefer", "wait=10")]).await {}
}

/// Twice the mean pause between two jobs of a client, in milliseconds.
fn pace(duration: Duration) -> u64 {
    let least = 2 * CLIENTS * u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) / MOST_JOBS;
    least.max(60)
}

/// Sends a job. Returns its place in the book if it was accepted for certain.
async fn send(run: &Run, line: &mut Line, order: Order, way: Way) -> Option<usize> {
    let (path, body) = (order.path(), order.body.clone());
    let is_asynchronous = matches!(way, Way::Asynchronous(_));
    let headers: &[_] = if is_asynchronous { &[("prefer", "respond-async")] } else { &[] };
    let answering = line.ask(Method::POST, &path, headers, body);
    let answer = match way {
        Way::HangsUp(after) => timeout(after, answering).await.unwrap_or_default(),
        _ => answering.await,
    };
    let Some(answer) = answer else { return unsure(run, order) };
    let accepted = answer.header("location").and_then(|path| path.strip_prefix("/v1/jobs/"));
    let id = accepted.filter(|_| answer.status == 202).or_else(|| answer.header("job-id")).map(str::to_owned);
    match (answer.told_of_a_line(), id) {
        (_, Some(id)) if answer.status == 202 => {
            let is_cancelled = order.is_cancelled;
            let place = run.book.open().accepted(order, id.clone(), 0);
            if let (true, Way::Asynchronous(after)) = (is_cancelled, way) {
                cancel(run, line, place, &id, after).await;
            }
            Some(place)
        }
        (Ok(told), _) if told.outcome == Outcome::Refused => {
            if told.may_have_run {
                return unsure(run, order);
            }
            run.book.open().refused(&order, told.reason.unwrap_or_default());
            None
        }
        (Ok(told), Some(id)) if !is_asynchronous => {
            let mut book = run.book.open();
            let place = book.accepted(order, id, 0);
            let told = Told { outcome: told.outcome, may_have_run: told.may_have_run };
            book.told(place, told, &answer.body, 0);
            Some(place)
        }
        _ => {
            run.book.open().strange.note(|| text(&answer));
            unsure(run, order)
        }
    }
}

/// Nobody knows whether it was accepted.
fn unsure(run: &Run, order: Order) -> Option<usize> {
    run.book.open().unsure.push((order, 0));
    None
}

async fn cancel(run: &Run, line: &mut Line, place: usize, id: &str, after: Duration) {
    // sleep: so that it is cancelled in any of its states.
    sleep(after).await;
    let path = format!("/v1/jobs/{id}");
    let Some(answer) = line.ask(Method::DELETE, &path, &[], String::new()).await else { return };
    match answer.status {
        202 => run.cancelled.open().push(place),
        // It had its outcome, or the servers are away.
        409 => {}
        503 if is_away(&answer) => {}
        404 => run.book.open().lost.note(|| format!("job {id} when it was cancelled")),
        _ => run.book.open().strange.note(|| format!("a cancel: {}", text(&answer))),
    }
}

/// Asks for the result of a job, and writes it down. Returns whether it has one, or never will.
pub(super) async fn ask_for(run: &Run, line: &mut Line, place: usize, headers: &[(&str, &str)]) -> bool {
    let id = run.book.open().jobs[place].id.clone();
    let path = format!("/v1/jobs/{id}/result");
    let Some(answer) = line.ask(Method::GET, &path, headers, String::new()).await else { return false };
    let mut book = run.book.open();
    match answer.status {
        202 => return false,
        404 => book.lost.note(|| format!("job {id}")),
        503 if is_away(&answer) => return false,
        _ => match answer.told() {
            Ok(told) if told.job.is_some_and(|job| format!("{job:032x}") == id) => {
                let told = Told { outcome: told.outcome, may_have_run: told.may_have_run };
                book.told(place, told, &answer.body, 0);
            }
            Ok(_) => book.strange.note(|| format!("the result of {id} is that of another job")),
            Err(strange) => book.strange.note(|| format!("the result of {id} is {strange}")),
        },
    }
    true
}

/// Returns whether the front says that the cluster does not answer it.
pub(super) fn is_away(answer: &Answer) -> bool {
    let problem: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    problem.is_some_and(|problem| problem["reason"] == "engine_unreachable")
}

fn text(answer: &Answer) -> String {
    let body: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
    format!("{} {body}", answer.status)
}
