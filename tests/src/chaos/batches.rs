//! Clients that send many jobs in one request, and take a part of the answer: each line has one outcome, and those
//! behind a cut are the jobs of a client that has hung up.

use super::books::Reply;
use super::client::{Answer, Client};
use super::load;
use super::random::Random;
use super::run::Run;
use super::scenario::{BATCHED, PLANS};
use super::task::Task;
use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The most lines of one batch.
const LINES: u64 = 60;

/// Of a thousand batches, on how many the client hangs up.
const CUTS: u64 = 300;

/// The most bytes of an answer that are read before that.
const CUT: u64 = 3_000;

/// For a whole batch on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time limit of each job. It does not count while the queue is full.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Between two batches.
const PAUSE: u64 = 50;

#[derive(Deserialize)]
struct Line {
    line: usize,
    outcome: String,
    problem: Option<Box<serde_json::Value>>,
}

/// Sends batches until told to end.
pub(crate) async fn client(run: Arc<Run>, stream: u64) {
    let pool = PLANS.iter().position(|plan| plan.name == BATCHED).unwrap_or_default();
    let mut random = Random::new(run.options.seed, stream);
    let end = run.end.subscribe();
    while !*end.borrow() {
        let lines = 1 + random.below(LINES);
        let tasks: Vec<_> = (0..lines).filter_map(|_| load::draw(&run, pool, &mut random)).collect();
        let tasks: Vec<_> = tasks.into_iter().map(|task| task.within(TIMEOUT)).collect();
        batch(&run, pool, &tasks, &mut random).await;
        // sleep: the load must be steady, not as much as there can be.
        sleep(random.millis(0, PAUSE)).await;
    }
}

async fn batch(run: &Run, pool: usize, tasks: &[Task], random: &mut Random) {
    let order = if random.below(2) == 0 { "lines" } else { "none" };
    let path = format!("/v1/pools/{BATCHED}/batch?order={order}&timeout={}ms", TIMEOUT.as_millis());
    let body: String = tasks.iter().map(|task| format!("{}\n", task.body)).collect();
    let cut = (random.below(1000) < CUTS).then(|| random.below(CUT));
    let sent = run.clock.now();
    let mut seen: Vec<Option<Answer>> = tasks.iter().map(|_| None).collect();
    let read = timeout(PATIENCE, read(run, &path, body, cut, &mut seen)).await;
    let why = match read {
        Ok(Ok(())) => "the batch ended without it".to_owned(),
        Ok(Err(error)) => error,
        Err(_) => format!("not within {PATIENCE:?}"),
    };
    let time = sent..run.clock.now();
    for (task, answer) in tasks.iter().zip(seen) {
        let reply = match answer {
            Some(answer) => Reply::Line(answer),
            None if cut.is_some() => Reply::HungUp,
            None => Reply::None(why.clone()),
        };
        run.record(pool, task, &reply, time.clone());
    }
}

/// Reads outcome lines, at most `cut` bytes of them.
async fn read(
    run: &Run,
    path: &str,
    body: String,
    cut: Option<u64>,
    seen: &mut [Option<Answer>],
) -> Result<(), String> {
    let strange = |line: &str| format!("a strange line: {}", line.chars().take(200).collect::<String>());
    let kind = [("accept", "application/x-ndjson")];
    let mut reading = Client::new(run.server)
        .read(Method::POST, path, &kind, body)
        .await
        .map_err(|error| error.to_string())?;
    if reading.status != 200 {
        return Err(format!("a batch was answered {}", reading.status));
    }
    let (mut text, mut left) = (Vec::new(), cut.unwrap_or(u64::MAX));
    while left > 0 {
        let Some(piece) = reading.next().await.map_err(|error| error.to_string())? else { break };
        let taken = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        left -= taken as u64;
        text.extend_from_slice(&piece[..taken]);
    }
    let text = String::from_utf8_lossy(&text);
    // The rest of a line was cut off.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let told: Line = serde_json::from_str(line).map_err(|_| strange(line))?;
        let place = told.line.checked_sub(1).and_then(|at| seen.get_mut(at)).ok_or_else(|| strange(line))?;
        if place.is_some() {
            return Err(format!("line {} has two outcomes", told.line));
        }
        *place = Some(match told.problem {
            None => Answer::part(200, output(line).ok_or_else(|| strange(line))?),
            Some(problem) => {
                let status = problem["status"].as_u64().and_then(|status| u16::try_from(status).ok());
                let is_same = problem["outcome"].as_str().is_none_or(|outcome| outcome == told.outcome);
                let status = status.filter(|_| is_same).ok_or_else(|| strange(line))?;
                Answer::part(status, Bytes::from(problem.to_string()))
            }
        });
    }
    Ok(())
}

/// Returns the output of a line as it stands there.
fn output(line: &str) -> Option<Bytes> {
    let (_, output) = line.split_once("\"output\":")?;
    Some(Bytes::copy_from_slice(output.strip_suffix('}')?.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_taken_as_it_stands_there() {
        let line = r#"{"line":7,"outcome":"ok","output":{"a": "}"}}"#;
        assert_eq!(output(line).unwrap(), r#"{"a": "}"}"#);
        assert_eq!(output(r#"{"line":7,"outcome":"ok"}"#), None);
    }
}
