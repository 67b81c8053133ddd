//! A job that loops until it is killed at its deadline, with the worker's stack and without.
//!
//! Times count from the kill's due time: the deadline of the job, as the pool has no grace here. Nobody waits in a
//! queue, and each job has a worker that has been ready for a while.

use super::{Kit, all_ready};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::places;
use procpool::error::Stage;
use procpool::{CallNames, Job, JobError, Pool};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::time::{Duration, Instant};

/// The time of each job. It has begun by then.
const TIMEOUT: Duration = Duration::from_millis(20);

/// Maximum time that a stack adds until the process is dead, in microseconds.
const MOST_MORE: f64 = 10_000.0;

/// Maximum time until the outcome, as `docs/debugging.md` promises it, in microseconds.
const LATEST_OUTCOME: f64 = 240_000.0;

/// The job of `bench-spin`, which never ends.
#[derive(Clone, Copy, Debug)]
pub struct Spin;

impl Job for Spin {
    const NAME: &'static str = "spin";
    type Input = ();
    type Output = ();
}

const WITHOUT: &str = "without its stack";

/// The time until the process is dead.
pub(super) async fn kill(kit: Kit) -> Result<Row> {
    let what = "from a deadline to the death of the worker, p99";
    Ok(both(&kit, "stack", what, |end| end.death).await?.goal(Goal::AtMostMore(MOST_MORE, WITHOUT)))
}

/// The time until the caller has the outcome.
pub(super) async fn outcome(kit: Kit) -> Result<Row> {
    let what = "from a deadline to the outcome, p99";
    Ok(both(&kit, "stack-outcome", what, |end| end.outcome).await?.goal(Goal::Below(LATEST_OUTCOME)))
}

async fn both(
    kit: &Kit,
    name: &'static str,
    what: &'static str,
    figure: fn(&End) -> Duration,
) -> Result<Row> {
    let count = kit.args.effort(400);
    let ours = Deadlines::start("with its stack", true, count, figure).await?;
    let without = Deadlines::start(WITHOUT, false, count, figure).await?;
    Ok(Row::new(name, what, "µs", Box::new(ours)).beside(Box::new(without)))
}

struct Deadlines {
    name: &'static str,
    pool: Pool<Spin>,
    count: usize,
    figure: fn(&End) -> Duration,
}

/// The times of one job, from its deadline.
struct End {
    death: Duration,
    outcome: Duration,
}

impl Deadlines {
    async fn start(
        name: &'static str,
        takes: bool,
        count: usize,
        figure: fn(&End) -> Duration,
    ) -> Result<Self> {
        let names = CallNames::by_process(places::worker("procpool-symbolize")?);
        let pool = Pool::builder(places::worker("bench-spin")?)
            .workers(1..=1)
            .grace(Duration::ZERO)
            .poison_deaths(0)
            .stack_at_deadline(takes)
            .names(names);
        let deadlines = Self { name, pool: pool.start().await?, count, figure };
        let (_, error) = deadlines.one().await?;
        let is_seen = error.stack().is_some_and(|stack| !stack.frames().is_empty());
        if is_seen == takes { Ok(deadlines) } else { Err(format!("the stack: {:?}", error.stack()).into()) }
    }

    async fn one(&self) -> Result<(End, JobError)> {
        let pool = all_ready(self.pool.clone(), 1).await?;
        let pid = pool.workers().first().and_then(|worker| worker.pid).ok_or("there is no worker")?;
        let death = tokio::task::spawn_blocking(move || death_of(pid));
        let deadline = Instant::now() + TIMEOUT;
        let job = pool.job(()).timeout(TIMEOUT).submit().await?;
        let error = job.await.err().ok_or("it ended")?;
        let outcome = deadline.elapsed();
        if !matches!(error, JobError::TimedOut { stage: Stage::Running, .. }) {
            return Err(error.into());
        }
        let death = death.await??.saturating_duration_since(deadline);
        Ok((End { death, outcome }, error))
    }
}

/// Waits for the end of this process. Returns when that was.
fn death_of(pid: u32) -> Result<Instant> {
    let pid = Pid::from_raw(pid.try_into()?).ok_or("no process")?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    poll(&mut [PollFd::new(&process, PollFlags::IN)], None)?;
    Ok(Instant::now())
}

impl Contestant for Deadlines {
    fn name(&self) -> &str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let mut times = Vec::with_capacity(self.count);
            for _ in 0..self.count {
                times.push((self.figure)(&self.one().await?.0));
            }
            Ok(Measured::quantile(times.into_iter().collect(), 0.99))
        })
    }
}
