//! A run from its beginning to its end: start, calm, storm, quiet, end. Then the evidence.

use super::client::Client;
use super::counting::Counting;
use super::evidence::{Evidence, Quiet};
use super::options::Options;
use super::report::Report;
use super::run::Run;
use super::scenario::{self, PLANS, Plan};
use super::subject::{Sample, Subject};
use super::watch::Probes;
use super::{
    attack, batches, budgets, ears, forks, gate, hostile, killer, live, load, scrapes, starvation, status,
    viewers, watch,
};
use rustix::process::Signal;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tokio::process::ChildStderr;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// For the server to come to rest: longer than its idle threads live and its pauses between starts last.
const REST: Duration = Duration::from_secs(45);

/// Descriptors of the pool that names functions, which starts with the first crash and stays: its executable, and a
/// piece of memory.
const OF_NAMES: usize = 2;

/// Clients that send batches.
const BATCHES: u64 = 2;

/// For the last lines of the log, once the server has ended.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Runs, and tells what came of it.
///
/// # Errors
/// When the run could not be made at all. The server's faults are in the report.
///
/// # Panics
/// When the server does not start.
pub async fn run(options: Options) -> io::Result<Report> {
    let Options { duration, kills_per_minute, seed, .. } = options;
    let seconds = duration.as_secs();
    writeln!(io::stdout(), "chaos for {seconds} s with {kills_per_minute} kills a minute, --seed {seed}")?;
    let (subject, log) = Subject::start().await?;
    let effects = subject.effects_file();
    File::create(&effects)?;
    let run = Arc::new(Run::new(options, subject.address(), effects.display().to_string()));
    Stage { run, subject }.play(log).await
}

struct Stage {
    run: Arc<Run>,
    subject: Subject,
}

impl Stage {
    async fn play(mut self, log: ChildStderr) -> io::Result<Report> {
        let run = self.run.clone();
        let hearing = tokio::spawn(ears::listen(run.clone(), log));
        let mut operator = Client::new(run.server);
        let mut start = self.at_rest(&mut operator, None).await;
        start.sample.descriptors += OF_NAMES;
        if !start.restless.is_empty() {
            return Err(io::Error::other(format!("the server did not start: {}", start.restless.join(", "))));
        }

        let counting = Counting::start(&run.options)?;
        let audience = self.audience();
        let (lasted, probes, memory) = self.load().await?;
        let streams = counting.finish().await;
        let _impatience = self.end_on_another_signal();
        self.let_viewers_see_the_end(&mut operator).await;
        audience.join_all().await;
        let whole_budget = budgets::ask(&run, &mut operator).await;
        forks::kill_all(self.subject.pid);
        let quiet = self.at_rest(&mut operator, Some(&start.sample)).await;
        scrapes::last(&run, &mut operator).await;
        drop(operator);
        let exit = self.subject.end().await;
        // It ends with the server, unless somebody else holds it open.
        let _ = timeout(LAST_LINES, hearing).await;

        let books = std::mem::take(&mut *run.books.open());
        let effects = books.effects.compare(BufReader::new(File::open(&run.effects_file)?))?;
        Ok(Report::new(Evidence {
            options: run.options,
            lasted,
            kills: run.kills.load(Relaxed),
            worker_stops: run.worker_stops.load(Relaxed),
            template_kills: run.template_kills.load(Relaxed),
            template_stops: run.template_stops.load(Relaxed),
            newborn_kills: run.newborn_kills.load(Relaxed),
            unknown_kills: run.unknown_kills.load(Relaxed),
            reloads: run.reloads.load(Relaxed),
            server_stops: run.stops.open().count,
            books,
            effects,
            longest_starvation: run.starvation.open().longest,
            streams,
            events: std::mem::take(&mut *run.events.open()),
            visits: std::mem::take(&mut *run.visits.open()),
            views: std::mem::take(&mut *run.views.open()),
            scrapes: std::mem::take(&mut *run.scrapes.open()),
            whole_budget,
            lost_lines: run.lost_lines.load(Relaxed),
            complaints: std::mem::take(&mut *run.complaints.open()),
            made_good: run.recovery.open().times.spread(),
            probes,
            memory,
            before: start.sample,
            quiet,
            exit,
            after: self.subject.sample(),
        }))
    }

    /// The load, first without faults and then with them. Says how long they lasted.
    async fn load(&self) -> io::Result<(Duration, Probes, Vec<u64>)> {
        let run = &self.run;
        let live = tokio::spawn(live::line(run.clone()));
        let probing = tokio::spawn(watch::probe(run.clone()));
        starvation::watch(run.clone(), self.subject.pid)?;
        let clients = self.clients();
        let interrupted = tokio::select! {
            // sleep: the run is compared with a time without faults.
            () = sleep(run.options.calm()) => false,
            caught = live::interrupted() => caught.map(|()| true)?,
        };
        let sampling = tokio::spawn(watch::memory(run.clone(), self.subject.pid));
        let lasted = if interrupted { Duration::ZERO } else { self.storm().await? };

        run.end.send_replace(true);
        clients.join_all().await;
        live.abort();
        writeln!(io::stdout(), "\n{:>5.0} s  quiet", run.clock.now().as_secs_f64())?;
        Ok((lasted, probing.await?, sampling.await?))
    }

    fn clients(&self) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        for (pool, plan) in PLANS.iter().enumerate() {
            for _ in 0..plan.clients {
                let stream = clients.len() as u64;
                clients.spawn(load::client(self.run.clone(), pool, stream));
            }
        }
        clients.spawn(gate::visitor(self.run.clone()));
        clients.spawn(attack::watch(self.run.clone()));
        clients.spawn(scrapes::scrape(self.run.clone()));
        for _ in 0..BATCHES {
            let stream = clients.len() as u64;
            clients.spawn(batches::client(self.run.clone(), stream));
        }
        let stream = clients.len() as u64;
        clients.spawn(attack::waves(self.run.clone(), stream));
        for guise in hostile::guises() {
            let stream = clients.len() as u64;
            clients.spawn(hostile::client(self.run.clone(), guise, stream));
        }
        clients
    }

    /// Those who watch, from before the load until all is quiet.
    fn audience(&self) -> JoinSet<()> {
        let watch = |number: usize| viewers::watch(self.run.clone(), number, !(number as u64));
        viewers::all().map(watch).collect()
    }

    /// Waits until the viewers see the pools as they are, or until it is clear that they never do.
    async fn let_viewers_see_the_end(&self, operator: &mut Client) {
        let begun = Instant::now();
        loop {
            let pools = status::pools(operator).await.unwrap_or_default();
            let rests = |plan: &Plan| {
                pools.iter().any(|pool| pool.name == plan.name && pool.is_at_rest(plan.workers))
            };
            let mut views = self.run.views.open();
            views.compare(&pools);
            let is_seen = views.differences.count == 0 && views.unseen().is_empty();
            if is_seen && PLANS.iter().all(rests) || begun.elapsed() > REST {
                views.end();
                break;
            }
            drop(views);
            // sleep: between two looks.
            sleep(Duration::from_millis(50)).await;
        }
        self.run.leave.send_replace(true);
    }

    async fn storm(&self) -> io::Result<Duration> {
        let run = &self.run;
        let begun = Instant::now();
        run.is_stormy.store(true, Relaxed);
        tokio::select! {
            () = killer::strike(run, self.subject.pid) => {}
            // sleep: so long was asked for.
            () = sleep(run.options.duration) => {}
            caught = live::interrupted() => caught?,
        }
        Ok(begun.elapsed())
    }

    /// Waits until every pool rests and nothing is left of the load, or until it is clear that this never comes.
    async fn at_rest(&self, operator: &mut Client, before: Option<&Sample>) -> Quiet {
        let begun = Instant::now();
        loop {
            let pools = status::pools(operator).await.unwrap_or_default();
            let sample = self.subject.sample();
            let rests =
                |name: &str, workers| pools.iter().any(|pool| pool.name == name && pool.is_at_rest(workers));
            let restless = PLANS.iter().filter(|plan| !rests(plan.name, plan.workers));
            let restless: Vec<_> = restless.map(|plan| plan.name.to_owned()).collect();
            let is_quiet = restless.is_empty()
                && self.has_logged_all_of(&pools)
                && sample.workers() == scenario::workers()
                && before.is_none_or(|before| sample.is_no_more_than(before));
            if is_quiet || begun.elapsed() > REST {
                return Quiet { pools, sample, restless };
            }
            // sleep: between two looks.
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns whether the log tells of as many accepted jobs as the pools. A request of a client that is gone
    /// may be read late, when everything else rests already.
    fn has_logged_all_of(&self, pools: &[status::Pool]) -> bool {
        // The log has no line for each job of a batch.
        let counted: u64 =
            pools.iter().filter(|pool| pool.name != scenario::BATCHED).map(status::Pool::outcomes).sum();
        let is_incomplete = self.run.lost_lines.load(Relaxed) > 0;
        is_incomplete || self.run.books.open().ids.accepted_for_good() == counted
    }

    /// A second signal is for those who do not want the ledger either.
    fn end_on_another_signal(&self) -> tokio::task::JoinHandle<()> {
        let server = self.subject.pid;
        tokio::spawn(async move {
            if live::interrupted().await.is_ok() {
                crate::process::signal(server, Signal::KILL);
                std::process::exit(130);
            }
        })
    }
}
