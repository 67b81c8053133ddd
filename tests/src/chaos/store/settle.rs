//! The end: every accepted job is asked for until it has its outcome, and the server's list of jobs is read.

use super::client::{Line, result};
use super::run::Run;
use hyper::Method;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Clients that ask at a time.
const CLIENTS: usize = 4;

/// For all jobs together to end, once the faults are over.
const PATIENCE: Duration = Duration::from_secs(120);

/// Of the times in the server's JSON.
const PRECISION: Duration = Duration::from_millis(1);

/// The server's list of jobs.
#[derive(Clone, Debug, Default)]
pub(super) struct Listed {
    pub(super) ids: HashSet<String>,
    /// Jobs that have not finished.
    pub(super) unfinished: u64,
    /// Jobs that were listed twice.
    pub(super) twice: u64,
    /// Why it could not be read to its end.
    pub(super) trouble: Option<String>,
}

/// Asks for every job.
pub(super) async fn ask_for_all(run: &Arc<Run>) {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut asking = JoinSet::new();
    for _ in 0..CLIENTS {
        let (run, next) = (run.clone(), next.clone());
        asking.spawn(async move {
            let mut line = Line::new(run.clone());
            loop {
                let place = next.fetch_add(1, Relaxed);
                let Some(id) = run.book.open().jobs.get(place).map(|entry| entry.id.clone()) else { break };
                ask_for(&run, &mut line, place, &id, begun).await;
            }
        });
    }
    asking.join_all().await;
}

async fn ask_for(run: &Run, line: &mut Line, place: usize, id: &str, begun: Instant) {
    let (path, wait) = (format!("/v1/jobs/{id}"), [("prefer", "wait=10")]);
    loop {
        let answer = line.ask(Method::GET, &format!("{path}/result"), &wait, String::new()).await;
        if answer.is_some_and(|answer| result(run, place, &answer)) {
            break;
        }
        if begun.elapsed() > PATIENCE {
            return run.book.open().unfinished.note(|| format!("job {id}"));
        }
    }
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
    let (attempt, most) = (job["attempt"].as_u64(), entry.order.pool.attempts);
    // Another attempt has a later start.
    let delay = entry.order.delay.filter(|_| entry.order.pool.attempts == 1);
    let moment = |of: &str| job[of].as_str().and_then(|stamp| run.clock.read(&micros(stamp)));
    let times = (moment("accepted_at"), moment("started_at"), delay);
    if told.is_some() && !is_same {
        book.changed.note(|| format!("the result of job {id} is {told:?}, its resource {job}"));
    }
    if attempt.is_some_and(|attempt| attempt > most.into()) {
        book.strange.note(|| format!("job {id} has {attempt:?} attempts of {most}"));
    }
    if let (Some(accepted), Some(started), Some(delay)) = times {
        book.delayed += 1;
        if started + PRECISION < accepted + delay {
            book.early
                .note(|| format!("job {id} waited {:?} of {delay:?}", started.saturating_sub(accepted)));
        }
    }
}

/// Returns a stamp of the server's JSON, which has milliseconds, in the form of its log.
fn micros(stamp: &str) -> String {
    stamp.replace('Z', "000Z")
}

/// Reads the list of jobs, page by page, until none is unfinished or it is clear that they do not end.
pub(super) async fn list(run: &Arc<Run>) -> Listed {
    let mut line = Line::new(run.clone());
    let begun = Instant::now();
    loop {
        let listed = pages(&mut line).await;
        if listed.trouble.is_some() || listed.unfinished == 0 || begun.elapsed() > PATIENCE {
            return listed;
        }
    }
}

async fn pages(line: &mut Line) -> Listed {
    let mut listed = Listed::default();
    let mut cursor = String::new();
    loop {
        let answer = line.ask(Method::GET, &format!("/v1/jobs?limit=200{cursor}"), &[], String::new()).await;
        let page = answer.and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
        let Some(jobs) = page.as_ref().and_then(|page| page["jobs"].as_array()) else {
            listed.trouble = Some(format!("a page of jobs is {page:?}"));
            return listed;
        };
        for job in jobs {
            listed.unfinished += u64::from(job["state"] != "finished");
            listed.twice += u64::from(!listed.ids.insert(job["id"].as_str().unwrap_or_default().to_owned()));
        }
        match page.as_ref().and_then(|page| page["next"].as_str()) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return listed,
        }
    }
}
