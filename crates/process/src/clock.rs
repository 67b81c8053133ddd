//! Waiting in real time.
//!
//! A test may pause tokio's clock, which then jumps ahead whenever the runtime is idle. Workers are real
//! processes and need real time, so these functions notice the jump and continue waiting.

use std::future::Future;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Maximum length of a single wait while the clock is paused. Bounds how long a runtime's shutdown
/// waits for it.
const NAP: Duration = Duration::from_millis(20);

/// The time is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

/// Waits for `duration`, regardless of tokio's clock. Call it on a tokio runtime with time; it may be awaited
/// elsewhere.
///
/// # Panics
/// When called outside of such a runtime.
pub fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
    let deadline = Instant::now().checked_add(duration);
    let sleep = deadline.map(sleep_until);
    async move {
        match sleep {
            Some(sleep) => sleep.await,
            None => std::future::pending().await,
        }
    }
}

/// Waits until `deadline`, regardless of tokio's clock. Call it on a tokio runtime with time; it may be
/// awaited elsewhere.
///
/// # Panics
/// When called outside of such a runtime.
pub fn sleep_until(deadline: Instant) -> impl Future<Output = ()> + Send {
    let left = move || deadline.saturating_duration_since(Instant::now());
    let (sleep, runtime) = (tokio::time::sleep(left()), Handle::current());
    async move {
        sleep.await;
        // tokio's timers are never early, unless its clock is paused.
        while !left().is_zero() {
            // While a blocking task runs, a paused clock does not jump.
            let nap = runtime.spawn_blocking(move || std::thread::sleep(left().min(NAP)));
            if nap.await.is_err() {
                // The runtime shuts down, and this task with it.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Waits for `work`, for at most `duration`, regardless of tokio's clock. Call it as [`sleep`].
///
/// # Errors
/// [`Elapsed`] when the time is up first.
///
/// # Panics
/// When called outside of a tokio runtime with time.
pub fn timeout<T>(
    duration: Duration,
    work: impl Future<Output = T>,
) -> impl Future<Output = Result<T, Elapsed>> {
    let sleep = sleep(duration);
    async move {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = sleep => Err(Elapsed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_does_not_shorten_a_wait() {
        let (started, wait) = (Instant::now(), Duration::from_millis(30));
        sleep(wait).await;
        assert!(started.elapsed() >= wait);
        assert_eq!(timeout(wait, std::future::pending::<()>()).await, Err(Elapsed));
        assert!(started.elapsed() >= 2 * wait);
        assert_eq!(timeout(Duration::MAX, async { 7 }).await, Ok(7));
    }
}
