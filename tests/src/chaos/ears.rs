//! Reads the server's log as it is written, and passes on what it says. Keeps nothing but complaints.

use super::log::Line;
use super::run::Run;
use super::scenario::PLANS;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::ChildStderr;

/// Listens until the server closes its log.
pub(crate) async fn listen(run: Arc<Run>, log: ChildStderr) {
    let mut log = BufReader::with_capacity(1 << 16, log);
    let mut line = Vec::new();
    // The server bounds the length of its lines.
    while let Ok(1..) = log.read_until(b'\n', &mut line).await {
        hear(&run, String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
}

fn hear(run: &Run, text: &str) {
    match Line::parse(text, &run.clock) {
        Line::Accepted(id) => run.books.open().ids.accepted(id),
        Line::GivenBack(id) => run.books.open().ids.given_back(id),
        Line::Ready { pool, pid, at } => {
            let workers = PLANS.iter().find(|plan| plan.name == pool).map_or(0, |plan| plan.workers);
            run.recovery.open().ready(&pool, workers, pid, at, &run.stops.open());
        }
        Line::Died { worker, pid, is_told, at } => {
            run.recovery.open().died(pid, at, &run.stops.open());
            if is_told {
                run.views.open().died(&worker, at);
            }
        }
        Line::Bad => run.complaints.open().note(|| text.chars().take(300).collect()),
        Line::Lost(lines) => {
            run.lost_lines.fetch_add(lines, Relaxed);
        }
        Line::Other => {}
    }
}
