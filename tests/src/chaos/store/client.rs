//! The clients: each submits one job after the other, to whichever server there is, and now and then asks for an
//! earlier one or sends it again under its key.

use super::super::client::{Answer, Client};
use super::super::outcome::Outcome;
use super::super::random::Random;
use super::book::Told;
use super::plan::{MOST_JOBS, Order};
use super::run::Run;
use hyper::Method;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Number of clients.
pub(super) const CLIENTS: u64 = 6;

/// For an answer of a server that lives, and for the next server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two requests that are the same.
const PAUSE: Duration = Duration::from_millis(20);

/// How often a request is sent under its key before it is given up.
const TRIES: u32 = 500;

/// Of a thousand jobs, after how many an earlier one is asked for.
const ASKED: u64 = 300;

/// How far back that one is at most.
const BACK: u64 = 40;

/// A client's way to the server of the moment.
#[derive(Debug)]
pub(super) struct Line {
    run: Arc<Run>,
    server: Option<(SocketAddr, Client)>,
}

impl Line {
    pub(super) fn new(run: Arc<Run>) -> Self {
        Self { run, server: None }
    }

    /// Asks the server of the moment, or the next one. `None` if there is no answer, because it is gone.
    pub(super) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Option<Answer> {
        let mut listening = self.run.server.subscribe();
        let address =
            timeout(PATIENCE, listening.wait_for(Option::is_some)).await.ok()?.ok()?.as_ref().copied()?;
        if self.server.as_ref().is_none_or(|(known, _)| *known != address) {
            self.server = Some((address, Client::new(address)));
        }
        let (_, client) = self.server.as_mut()?;
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
    let mut line = Line::new(run.clone());
    let mut mine = Vec::new();
    let end = run.end.subscribe();
    let pace = pace(run.options.duration);
    while !*end.borrow() {
        let order = Order::draw(&mut random, &run.effects_file, &mut run.book.open().effects);
        if let Some(order) = order {
            mine.extend(send(&run, &mut line, order).await);
        }
        if let Some(&last) = mine.last()
            && random.below(1000) < ASKED
        {
            let back = usize::try_from(random.below(BACK)).unwrap_or_default();
            let place = mine.len().checked_sub(1 + back).map_or(last, |at| mine[at]);
            revisit(&run, &mut line, place, random.below(2) == 0).await;
        }
        // sleep: the load must be steady, and the server remembers every job until the end.
        sleep(random.millis(0, pace)).await;
    }
}

/// Twice the mean pause between two jobs of a client, in milliseconds.
fn pace(duration: Duration) -> u64 {
    let least = 2 * CLIENTS * u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) / MOST_JOBS;
    least.max(40)
}

/// Sends a job. Returns its place in the book if it was accepted for certain.
async fn send(run: &Run, line: &mut Line, order: Order) -> Option<usize> {
    let mut has_been_sent = false;
    let kills = run.faults.open().kills();
    for _ in 0..TRIES {
        match post(line, &order).await {
            Posted::Is(id) => {
                run.answered.notify_waiters();
                let is_cancelled = order.is_cancelled;
                let place = run.book.open().accepted(order, id.clone(), kills);
                if is_cancelled {
                    // If the server is gone, it is not cancelled.
                    let _ = line.ask(Method::DELETE, &format!("/v1/jobs/{id}"), &[], String::new()).await;
                }
                return Some(place);
            }
            Posted::Refused(reason) if !has_been_sent => {
                run.book.open().refused(&order, reason);
                return None;
            }
            Posted::Strange(what) => {
                let mut book = run.book.open();
                book.strange.note(|| what);
                book.unsure.push((order, kills));
                return None;
            }
            Posted::Unknown if order.key.is_none() => {
                run.book.open().unsure.push((order, kills));
                return None;
            }
            // An earlier request of this key may have been accepted.
            Posted::Unknown | Posted::Refused(_) => has_been_sent = true,
        }
        // sleep: the next server needs a moment.
        sleep(PAUSE).await;
    }
    let mut book = run.book.open();
    book.strange.note(|| format!("no answer in {TRIES} tries under one key"));
    book.unsure.push((order, kills));
    None
}

/// The fate of a request.
enum Posted {
    /// The job, new or known.
    Is(String),
    Refused(String),
    /// The server was gone before its answer.
    Unknown,
    Strange(String),
}

async fn post(line: &mut Line, order: &Order) -> Posted {
    let key = order.key.as_ref().map(|key| ("idempotency-key", key.as_str()));
    let headers: Vec<_> = [("prefer", "respond-async")].into_iter().chain(key).collect();
    let Some(answer) = line.ask(Method::POST, &order.path(), &headers, order.body.clone()).await else {
        return Posted::Unknown;
    };
    let replayed = answer.header("idempotent-replayed").and_then(|_| answer.header("job-id"));
    let accepted = answer.header("location").and_then(|path| path.strip_prefix("/v1/jobs/"));
    match (answer.status, accepted, replayed) {
        (202, Some(id), _) | (_, _, Some(id)) => Posted::Is(id.to_owned()),
        (503, ..) => match answer.told_of_a_line() {
            Ok(told) if told.outcome == Outcome::Refused => Posted::Refused(told.reason.unwrap_or_default()),
            _ => Posted::Strange(text(&answer)),
        },
        _ => Posted::Strange(text(&answer)),
    }
}

/// Asks for an earlier job, or sends it again under its key.
async fn revisit(run: &Run, line: &mut Line, place: usize, is_sent_again: bool) {
    let (id, again) = {
        let book = run.book.open();
        let entry = &book.jobs[place];
        let again = entry.order.key.as_ref().filter(|_| is_sent_again);
        let again = again.map(|key| (entry.order.path(), key.clone(), entry.order.body.clone()));
        (entry.id.clone(), again)
    };
    match again {
        None => {
            if let Some(answer) =
                line.ask(Method::GET, &format!("/v1/jobs/{id}/result"), &[], String::new()).await
            {
                result(run, place, &answer);
            }
        }
        Some((path, key, body)) => {
            let headers = [("prefer", "respond-async"), ("idempotency-key", key.as_str())];
            let Some(answer) = line.ask(Method::POST, &path, &headers, body).await else { return };
            let known = answer.header("location").and_then(|path| path.strip_prefix("/v1/jobs/"));
            if let Some(id) = known.or_else(|| answer.header("job-id")) {
                run.book.open().repeated(place, id);
            } else if answer.status != 503 {
                run.book.open().strange.note(|| format!("sent again: {}", text(&answer)));
            }
        }
    }
}

/// Writes down the result of a job. Returns whether it has one.
pub(super) fn result(run: &Run, place: usize, answer: &Answer) -> bool {
    let kills = run.faults.open().kills();
    let mut book = run.book.open();
    let id = book.jobs[place].id.clone();
    match answer.status {
        202 => return false,
        404 => book.lost.note(|| format!("job {id}")),
        // A server that is about to end.
        503 if answer.header("job-id").is_none() => return false,
        _ => match answer.told() {
            Ok(told) if told.job.is_some_and(|job| format!("{job:032x}") == id) => {
                let told_now = Told { outcome: told.outcome, may_have_run: told.may_have_run };
                book.told(place, told_now, &answer.body, kills);
                run.answered.notify_waiters();
            }
            Ok(_) => book.strange.note(|| format!("the result of {id} is that of another job")),
            Err(strange) => book.strange.note(|| format!("the result of {id} is {strange}")),
        },
    }
    true
}

fn text(answer: &Answer) -> String {
    let body: String = String::from_utf8_lossy(&answer.body).chars().take(300).collect();
    format!("{} {body}", answer.status)
}
