//! Durable jobs beside a log of the same bytes: what the store costs above the writes and syncs that any store needs.
//!
//! The engine answers at once. Each job is on disk when it is accepted, when it has started, and with its outcome before
//! anybody is told. So is that of the log: three records, one after the other.

use super::{Kit, server};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::floor::{Log, Server};
use crate::http::Question;
use procpool::raw::{Accepted, Engine, Finished, Payload, Submission, Timing};
use procpool::{Encoding, JobError, JobId};
use procpool_jobs::{DurableJobs, DurableOptions, Jobs, Order, PoolOptions};
use procpool_protocol::engine::{JobEvent, JobEvents, Watched};
use procpool_registry::Settings;
use procpool_store::{Durability, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

const LANES: usize = 64;

/// Length of an input and of an output, in bytes.
const PAYLOAD: usize = 100;

/// Length of a record of the log beside the payload, in bytes: about that of a record of ours.
const RECORD: usize = 200;

const FLOOR: &str = "a log of the same bytes";

pub(super) async fn in_flight(kit: Kit) -> Result<Row> {
    let what = "durable jobs, 64 in flight, an engine that answers at once";
    rate(&kit, "durable-in-flight", what, LANES, 20_000, 0.6)
}

pub(super) async fn one(kit: Kit) -> Result<Row> {
    rate(&kit, "durable-sequential", "durable jobs, one after the other", 1, 1_000, 0.8)
}

fn rate(
    kit: &Kit,
    name: &'static str,
    what: &'static str,
    lanes: usize,
    count: usize,
    goal: f64,
) -> Result<Row> {
    let work = Work { lanes, count: kit.args.effort(count), figure: Figure::Rate };
    Ok(Row::new(name, what, "jobs/s", work.ours()?).beside(work.floor()?).goal(Goal::AtLeast(goal, FLOOR)))
}

pub(super) async fn accept(kit: Kit) -> Result<Row> {
    let work = Work { lanes: LANES, count: kit.args.effort(20_000), figure: Figure::Share(0.99) };
    let what = "until a durable job is accepted, 64 in flight, p99";
    let row = Row::new("durable-accept", what, "µs", work.ours()?);
    Ok(row.beside(work.floor()?).goal(Goal::AtMost(2.5, FLOOR)))
}

/// Small synchronous jobs, which have nothing to do with the store.
pub(super) async fn beside(kit: Kit) -> Result<Row> {
    const WITHOUT: &str = "without a store";
    let pool = "command = [\"procpool-ping\"]\nmin_workers = 2\nmax_workers = 2\n";
    let directory = Directory::new("beside");
    let store = format!(
        "[jobs]\nstate_dir = \"{}\"\n[pools.ping]\n{pool}[pools.kept]\ndurable = true\n{pool}",
        directory.0.display()
    );
    let without = format!("[pools.ping]\n{pool}[pools.kept]\n{pool}");
    let time = Duration::from_millis(kit.args.effort(2_000) as u64);
    let asked = async |name, config: &str, directory| {
        let server = server(config).await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Box::new(Asked {
            name,
            server,
            time,
            _directory: directory,
        }))
    };
    let ours = asked("procpool", &store, Some(directory)).await?;
    Ok(Row::new("durable-beside", "POST /v1/pools/ping/jobs with a store configured", "requests/s", ours)
        .beside(asked(WITHOUT, &without, None).await?)
        .goal(Goal::AtLeast(0.99, WITHOUT)))
}

/// The work of a turn.
#[derive(Clone, Copy)]
pub(super) struct Work {
    pub(super) lanes: usize,
    pub(super) count: usize,
    pub(super) figure: Figure,
}

#[derive(Clone, Copy)]
pub(super) enum Figure {
    /// Jobs a second.
    Rate,
    /// This share of the times that are measured.
    Share(f64),
}

impl Work {
    fn ours(self) -> Result<Box<dyn Contestant>> {
        let directory = Directory::new("store");
        let opened = Store::open(&directory.0, Durability::Fsync)?;
        let mut pool = PoolOptions::default();
        pool.idempotent = true;
        let options = DurableOptions::new([("answers", pool)]);
        let jobs = DurableJobs::open(Arc::new(Answers), Settings::on_disk(), opened.store, options)?;
        Ok(Box::new(Ours { work: self, jobs, _directory: directory }))
    }

    fn floor(self) -> Result<Box<dyn Contestant>> {
        let directory = Directory::new("log");
        std::fs::create_dir_all(&directory.0)?;
        let log = Log::create(&directory.0.join("log"))?;
        Ok(Box::new(Floor { work: self, log, _directory: directory }))
    }

    /// Has each lane do its share, one after the other. `one` returns the time that counts.
    pub(super) async fn turn<F>(self, one: impl Fn() -> F + Clone + Send + 'static) -> Result<Measured>
    where
        F: Future<Output = Result<Duration>> + Send,
    {
        let share = self.count.div_ceil(self.lanes);
        let begun = Instant::now();
        let lanes = (0..self.lanes).map(|_| {
            let one = one.clone();
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(share);
                for _ in 0..share {
                    times.push(one().await?);
                }
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(times)
            })
        });
        let lanes: Vec<_> = lanes.collect();
        let mut times = Vec::new();
        for lane in lanes {
            times.extend(lane.await??);
        }
        let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
        Ok(match self.figure {
            Figure::Rate => Measured::value(rate),
            Figure::Share(share) => Measured::quantile(times.into_iter().collect(), share),
        })
    }
}

struct Ours {
    work: Work,
    jobs: DurableJobs,
    _directory: Directory,
}

impl Contestant for Ours {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        let jobs = self.jobs.clone();
        Box::pin(self.work.turn(move || {
            let jobs = jobs.clone();
            async move {
                let input = Payload::json(format!("{:PAYLOAD$}", 7));
                let begun = Instant::now();
                let enqueued =
                    jobs.enqueue(Order::new(Submission::new("answers", input, Encoding::Json))).await?;
                let accepted = begun.elapsed();
                let finished = enqueued.outcome.await.ok_or("a job without an outcome")?;
                finished.result.as_ref().map_err(ToString::to_string)?;
                Ok(accepted)
            }
        }))
    }
}

/// Starts every job, and answers with its input.
pub(super) struct Answers;

impl Engine for Answers {
    fn submit(&self, job: Submission) -> std::result::Result<Accepted, JobError> {
        self.submit_watched(JobId::from_bits(1), job).map(|watched| watched.accepted)
    }

    fn submit_watched(&self, id: JobId, job: Submission) -> std::result::Result<Watched, JobError> {
        let outcome = async move { Finished::new(id, Timing::default(), Ok(job.input)) };
        let mut started = Some(JobEvent::started(1, "answers-0"));
        Ok(Watched::new(Accepted::new(id, outcome), JobEvents::new(move |_| Poll::Ready(started.take()))))
    }

    fn cancel(&self, _: JobId) -> bool {
        false
    }
}

struct Floor {
    work: Work,
    log: Log,
    _directory: Directory,
}

impl Contestant for Floor {
    fn name(&self) -> &'static str {
        FLOOR
    }

    fn turn(&mut self) -> Turn<'_> {
        let log = self.log.clone();
        Box::pin(self.work.turn(move || {
            let log = log.clone();
            async move {
                let begun = Instant::now();
                log.append(vec![7; RECORD + PAYLOAD]).await?;
                let accepted = begun.elapsed();
                log.append(vec![7; RECORD]).await?;
                log.append(vec![7; RECORD + PAYLOAD]).await?;
                Ok(accepted)
            }
        }))
    }
}

/// A server whose small jobs are counted.
struct Asked {
    name: &'static str,
    server: Server,
    time: Duration,
    _directory: Option<Directory>,
}

impl Contestant for Asked {
    fn name(&self) -> &str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let question = Question::post(self.server.address, "/v1/pools/ping/jobs", "\"ping\"");
            let (_, rate) = question.ask(32, self.time).await?;
            Ok(Measured::value(rate))
        })
    }
}

/// A directory that goes at the end.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(name: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("procpool-bench-{name}-{}-{number}", std::process::id())))
    }
}

impl Directory {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Nobody measures what is left.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
