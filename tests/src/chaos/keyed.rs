//! Jobs that outlive their request: sent under a key, sent again after the client has hung up, and asked for later.
//! None runs more often than its pool allows, and the answer is that of a job that its client has waited for.

use super::books::Reply;
use super::client::{Answer, Client};
use super::followed::Followed;
use super::random::Random;
use super::run::Run;
use super::scenario::PLANS;
use super::task::Task;
use hyper::Method;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long after its deadline an answer is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of a thousand requests that have a key, on how many the client hangs up.
const HANG_UPS: u64 = 250;

/// The longest time after which it does, in microseconds: before the request is read, or when the job has ended.
const HANGS_UP_WITHIN: u64 = 8_000;

/// Of a thousand such jobs, how many have their events read.
const FOLLOWED: u64 = 300;

/// Between two questions for a result.
const PAUSE: Duration = Duration::from_millis(5);

/// Sends a job under a key of its own until it is accepted, and returns the answer that is kept for it.
pub(crate) async fn perform(
    run: &Run,
    pool: usize,
    client: &mut Client,
    task: Task,
    random: &mut Random,
) -> (Task, Reply) {
    let task = Task { is_watched: true, ..task };
    let patience = task.timeout + PATIENCE;
    let key = format!("{:016x}", random.next());
    let mut hang_ups = 0;
    let reply = match timeout(patience, outcome(run, pool, client, &task, &key, random, &mut hang_ups)).await
    {
        Ok(Ok(answer)) => Reply::Answered(answer),
        Ok(Err(strange)) => Reply::None(strange),
        Err(_) => Reply::None(format!("not within {patience:?}, under the key {key}")),
    };
    // A request that was given up may arrive when the last one was refused, or has ended without having run.
    let has_not_run =
        matches!(&reply, Reply::Answered(answer) if answer.told().is_ok_and(|told| !told.may_have_run));
    let task = if hang_ups > 0 && has_not_run { task.without_tag() } else { task };
    (task, reply)
}

async fn outcome(
    run: &Run,
    pool: usize,
    client: &mut Client,
    task: &Task,
    key: &str,
    random: &mut Random,
    hang_ups: &mut u32,
) -> Result<Answer, String> {
    let accepted = loop {
        let headers = [("prefer", "respond-async"), ("idempotency-key", key)];
        let path = task.path(PLANS[pool].name);
        let asked = client.ask(Method::POST, &path, &headers, task.body.clone());
        if random.below(1000) >= HANG_UPS {
            break asked.await.map_err(|error| error.to_string())?;
        }
        let sent = run.clock.now();
        let after = Duration::from_micros(random.below(HANGS_UP_WITHIN));
        match timeout(after, asked).await {
            Ok(answer) => break answer.map_err(|error| error.to_string())?,
            // It may have been accepted, or refused. Its key is sent again in either case.
            Err(_) => {
                *hang_ups += 1;
                run.record(pool, task, &Reply::HungUp, sent..run.clock.now());
            }
        }
    };
    if accepted.status != 202 {
        // A refusal, or the answer of a job that has ended meanwhile.
        return Ok(accepted);
    }
    let id = accepted.header("location").and_then(|path| path.strip_prefix("/v1/jobs/"));
    let id = id.ok_or("accepted without a location")?.to_owned();
    if random.below(1000) < FOLLOWED {
        let followed = Followed::read(client, &id, random).await?;
        run.events.open().add(&followed);
    }
    loop {
        let answer = client.get(&format!("/v1/jobs/{id}/result")).await.map_err(|error| error.to_string())?;
        if answer.status != 202 {
            return Ok(answer);
        }
        // sleep: between two questions.
        sleep(PAUSE).await;
    }
}
