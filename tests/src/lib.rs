//! The base of the end-to-end tests: the built executables, a server to talk to, processes to look at.
//!
//! Nothing here sleeps to let something happen; [`eventually`] asks until it has happened, and gives up
//! after a time that no healthy machine needs.

pub mod binaries;
pub mod chaos;
pub mod crashes;
pub mod fork;
pub mod greedy;
pub mod host;
pub mod http;
pub mod languages;
pub mod large;
pub mod library;
pub mod other_user;
pub mod process;
pub mod program;
pub mod replaceable;
pub mod rooted;
pub mod served;
pub mod server;
pub mod several;
pub mod terminal;
pub mod verbs;

use std::future::Future;
use std::time::{Duration, Instant};

/// Maximum time for which a test waits for any single event. A bound, not an expectation.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `question` again and again until it answers, and panics with `what` when it never does.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut question: impl FnMut() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what}");
        // sleep: the pause between two questions, not a guess at how long the answer takes.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
