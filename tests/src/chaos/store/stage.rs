//! A run from its beginning to its end: start, storm, quiet, end. Then the evidence.

use super::super::options::Options;
use super::client::{self, CLIENTS};
use super::evidence::Evidence;
use super::report::Report;
use super::run::Run;
use super::server::{Place, Server};
use super::{faults, settle};
use rustix::process::{getpid, set_child_subreaper};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Runs, and tells what came of it.
///
/// # Errors
/// When the run could not be made at all. The server's faults are in the report.
///
/// # Panics
/// When a server does not start.
pub async fn run(options: Options) -> io::Result<Report> {
    let Options { duration, kills_per_minute, seed, .. } = options;
    let seconds = duration.as_secs();
    writeln!(
        io::stdout(),
        "chaos of durable jobs for {seconds} s with {kills_per_minute} kills of workers a minute, --seed {seed}"
    )?;
    // A worker that loses its server becomes our child.
    set_child_subreaper(Some(getpid()))?;
    let place = Place::new()?;
    let effects = place.effects_file();
    File::create(&effects)?;
    let run = Arc::new(Run::new(options, effects.display().to_string()));
    let mut server = Some(place.start(&run).await?);

    let clients: JoinSet<()> = (0..CLIENTS).map(|stream| client::submit(run.clone(), stream)).collect();
    let lasted = faults::strike(&run, &place, &mut server).await?;
    run.end.send_replace(true);
    clients.join_all().await;
    writeln!(io::stdout(), "{:>5.0} s  quiet", run.clock.now().as_secs_f64())?;
    settle::ask_for_all(&run).await;
    let listed = settle::list(&run).await;
    end(&run, server).await;

    let (checked, stats) = (place.store("check").await?, place.store("stats").await?);
    let mut book = std::mem::take(&mut *run.book.open());
    book.close(run.faults.open().kills());
    let effects = book.effects.compare(BufReader::new(File::open(&effects)?))?;
    let (faults, complaints) = (run.faults.open().clone(), run.complaints.open().clone());
    Ok(Report::new(Evidence { options, lasted, book, faults, effects, listed, complaints, checked, stats }))
}

async fn end(run: &Run, server: Option<Server>) {
    if let Some(server) = server {
        server.terminate(run).await;
    }
}
