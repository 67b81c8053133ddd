//! A client that asks for much and leaves no window for it. Its PINGs are to keep the connection alive.

use super::frames::{Frames, RST_STREAM};
use super::{large, pool};
use crate::chaos::books::Reply;
use crate::chaos::random::Random;
use crate::chaos::run::Run;
use std::io;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Jobs on one connection.
const JOBS: u32 = 4;

/// Between two PINGs.
const PING_EVERY: Duration = Duration::from_millis(200);

pub(super) async fn visit(run: &Run, random: &mut Random) -> Result<(), String> {
    let (number, name) = pool();
    let sent = run.clock.now();
    let mut frames = Frames::to(run.server).await.map_err(|error| error.to_string())?;
    let mut tasks = Vec::new();
    for nth in 0..JOBS {
        let task = large(random);
        if frames.post(2 * nth + 1, &task.path(name), &task.body).await.is_ok() {
            tasks.push(task);
        }
    }
    // However it ends.
    let _ = linger(&mut frames).await;
    drop(frames);
    for task in &tasks {
        run.record(number, task, &Reply::HungUp, sent..run.clock.now());
    }
    Ok(())
}

/// Until the connection is closed, or every answer is given up.
async fn linger(frames: &mut Frames) -> io::Result<()> {
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut resets = 0;
    while resets < JOBS {
        pings.tick().await;
        frames.ping().await?;
        // At least its acknowledgement comes.
        resets += u32::from(frames.next().await? == RST_STREAM);
    }
    Ok(())
}
