//! The ticks of a pool's clock. After time was lost, other tasks run for a moment before the tick. Does not:
//! know how they use it.

use super::Core;
use procpool_process::clock;
use std::time::{Duration, Instant};

/// A tick that comes so late says that this process was stopped, or the machine suspended.
const HELD_UP: Duration = Duration::from_millis(250);

/// How long everybody else has to read what has arrived meanwhile.
const MOMENT: Duration = Duration::from_millis(50);

/// One such moment, begun once and then over, however often waiting for it is broken off and begun anew. A
/// `select!` drops this future each time that another of its branches is ready.
#[derive(Debug, Default)]
pub(crate) struct CatchUp(Option<Instant>);

impl CatchUp {
    /// Waits for the end of the moment. Safe to drop and call again.
    pub(crate) async fn over(&mut self) {
        let until = *self.0.get_or_insert_with(|| Instant::now() + MOMENT);
        clock::sleep_until(until).await;
        self.0 = None;
    }
}

impl Core {
    /// Waits until the scheduler's next timeout. If this process was held up for long, results have piled up that were in
    /// time: they are read first. Safe to drop and call again.
    pub(crate) async fn next_tick(&self, catch_up: &mut CatchUp) {
        loop {
            let armed = self.lock().armed();
            let rearmed = self.timer.notified();
            match armed {
                None => rearmed.await,
                Some(time) => {
                    let deadline = self.epoch + Duration::from_nanos(time.as_nanos());
                    let is_due = tokio::select! {
                        biased;
                        () = rearmed => false,
                        () = clock::sleep_until(deadline) => true,
                    };
                    if is_due {
                        if deadline.elapsed() > HELD_UP {
                            catch_up.over().await;
                        }
                        return;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_moment_ends_though_waiting_for_it_is_broken_off_again_and_again() {
        let mut catch_up = CatchUp::default();
        // Each wait is far too short for a whole moment; all of them together are many.
        for _ in 0..400 {
            if tokio::time::timeout(Duration::from_millis(5), catch_up.over()).await.is_ok() {
                return;
            }
        }
        panic!("the moment is begun anew each time");
    }
}
