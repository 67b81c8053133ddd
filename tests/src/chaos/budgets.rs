//! Whether the bytes that clients' bodies and answers took are given back: nothing tells how many the frontend holds, but one more
//! request that needs all of them is refused unless none are.

use super::books::Reply;
use super::client::Client;
use super::run::Run;
use super::scenario::{BUDGET, MEASURED, PLANS};
use super::task::Task;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// For one answer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// For the server to notice that the last clients are gone.
const NOTICE: Duration = Duration::from_secs(20);

/// Bytes of its path, quotes and braces, beside the text.
const BESIDE: usize = 64;

/// Asks until it is answered as it should be: says how long it took to be let in.
pub(crate) async fn ask(run: &Run, client: &mut Client) -> Result<Duration, String> {
    let number = PLANS.iter().position(|plan| plan.name == MEASURED).unwrap_or_default();
    let task = Task::echo_of(BUDGET - BESIDE);
    let begun = Instant::now();
    loop {
        let sent = run.clock.now();
        let answer = timeout(PATIENCE, client.post(&task.path(MEASURED), task.body.clone())).await;
        let answer = answer.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
        if answer.is_overloaded() {
            if begun.elapsed() > NOTICE {
                return Err("bytes are still held though nobody is there".into());
            }
            // sleep: between two looks.
            sleep(Duration::from_millis(100)).await;
            continue;
        }
        let status = answer.status;
        run.record(number, &task, &Reply::Answered(answer), sent..run.clock.now());
        return if status == 200 { Ok(begun.elapsed()) } else { Err(format!("status {status}")) };
    }
}
