//! The live line, and being told to end early.

use super::client::Client;
use super::run::Run;
use super::status::{self, Pool};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Between two lines that stay; a terminal has one line that changes every second.
const KEPT_EVERY: u64 = 10;

/// Prints until dropped.
pub(crate) async fn line(run: Arc<Run>) {
    let mut client = Client::new(run.server);
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let is_terminal = io::stdout().is_terminal();
    for second in 0_u64.. {
        ticks.tick().await;
        let line = describe(&run, &status::pools(&mut client).await.unwrap_or_default());
        // Nobody may be reading; that is no reason to end.
        let _ = match (is_terminal, second % KEPT_EVERY) {
            (true, _) => write!(io::stdout(), "\r\x1b[K{line}").and_then(|()| io::stdout().flush()),
            (false, 0) => writeln!(io::stdout(), "{line}"),
            (false, _) => Ok(()),
        };
    }
}

fn describe(run: &Run, pools: &[Pool]) -> String {
    let total = run.books.open().ledger.total();
    let weather = if run.is_stormy.load(Relaxed) { "storm" } else { "calm" };
    let ready: u64 = pools.iter().map(Pool::ready).sum();
    let deaths: u64 = pools.iter().map(|pool| pool.deaths).sum();
    format!(
        "{:>5.0} s  {weather:<5}  {} answers, {} hung up, {} without; {} kills, {deaths} deaths, {ready} workers ready",
        run.clock.now().as_secs_f64(),
        total.answers(),
        total.hung_up,
        total.unanswered,
        run.kills.load(Relaxed),
    )
}

/// Waits for Ctrl-C or SIGTERM.
///
/// # Errors
/// When they cannot be caught.
pub(crate) async fn interrupted() -> io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
