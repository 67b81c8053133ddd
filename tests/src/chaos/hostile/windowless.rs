//! A client that asks for much and leaves no window for it. Its PINGs are to keep the connection alive.

use super::frames::{Frames, RST_STREAM};
use super::{given_up, large, pool};
use crate::chaos::books::Reply;
use crate::chaos::random::Random;
use crate::chaos::run::Run;
use crate::chaos::task::Task;
use std::io;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Jobs on one connection.
const JOBS: usize = 4;

/// Between two PINGs.
const PING_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn visit(run: &Run, random: &mut Random) -> Result<(), String> {
    let (number, name) = pool();
    let sent = run.clock.now();
    let tasks: Vec<_> = (0..JOBS).map(|_| large(random)).collect();
    let end = given_up(linger(run, name, &tasks)).await;
    for task in &tasks {
        run.record(number, task, &Reply::HungUp, sent..run.clock.now());
    }
    end
}

/// Until the connection is closed, or every answer is given up.
async fn linger(run: &Run, pool: &str, tasks: &[Task]) -> io::Result<()> {
    let mut frames = Frames::to(run.server).await?;
    for (stream, task) in (1..).step_by(2).zip(tasks) {
        frames.post(stream, &task.path(pool), &task.body).await?;
    }
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut resets = 0;
    while resets < tasks.len() {
        pings.tick().await;
        frames.ping().await?;
        // At least its acknowledgement comes.
        resets += usize::from(frames.next().await? == RST_STREAM);
    }
    Ok(())
}
