//! Three times as many jobs as the pool can run, each with a deadline of twenty runs: how much of the capacity goes into
//! jobs that are answered in time, and how many are refused that would have been.

use super::{Kit, all_ready};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use crate::places;
use procpool::error::Refusal;
use procpool::{Job, JobError, Pool};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const WORKERS: usize = 4;

/// Mean run time. Single runs are up to a fifth shorter or longer.
const RUN: Duration = Duration::from_millis(5);

const DEADLINE: Duration = Duration::from_millis(100);

/// A refusal is false if the job would have been in time by this much.
const SPARE: Duration = Duration::from_millis(10);

/// Times the capacity.
const LOAD: f64 = 3.0;

/// The time between two looks at the clock of the one who offers jobs.
const TICK: Duration = Duration::from_millis(1);

/// The job of `bench-nap`.
#[derive(Clone, Copy, Debug)]
pub struct Nap;

impl Job for Nap {
    const NAME: &'static str = "nap";
    type Input = u64;
    type Output = ();
}

pub(super) async fn goodput(kit: Kit) -> Result<Row> {
    let [on, off] = both(&kit, Figure::Goodput).await?;
    Ok(Row::new("overload", "jobs in time at 3 times the capacity", "% of capacity", on)
        .beside(off)
        .goal(Goal::Above(95.0)))
}

pub(super) async fn refusals(kit: Kit) -> Result<Row> {
    let [on, off] = both(&kit, Figure::FalseRefusals).await?;
    Ok(Row::new("overload-refusals", "refused jobs with time to spare", "% of refused", on)
        .beside(off)
        .goal(Goal::Below(1.0)))
}

async fn both(kit: &Kit, figure: Figure) -> Result<[Box<dyn Contestant>; 2]> {
    let time = Duration::from_millis(kit.args.effort(3_000) as u64);
    let on = Overload::start("procpool", true, figure, time).await?;
    Ok([Box::new(on), Box::new(Overload::start("admission = false", false, figure, time).await?)])
}

#[derive(Clone, Copy, Debug)]
enum Figure {
    Goodput,
    FalseRefusals,
}

struct Overload {
    name: &'static str,
    pool: Pool<Nap>,
    figure: Figure,
    time: Duration,
}

/// A job that was offered.
#[derive(Clone, Copy, Debug)]
struct Offer {
    at: Instant,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Answered(Instant),
    Refused,
    Late,
}

impl Overload {
    async fn start(name: &'static str, admission: bool, figure: Figure, time: Duration) -> Result<Self> {
        let pool = Pool::builder(places::worker("bench-nap")?).workers(WORKERS..=WORKERS).queue(10_000);
        let pool = all_ready(pool.admission(admission).start().await?, WORKERS).await?;
        Ok(Self { name, pool, figure, time })
    }

    /// Returns the jobs a second of a pool that always has one more.
    async fn capacity(&self) -> Result<f64> {
        let (begun, mut lanes) = (Instant::now(), JoinSet::new());
        for lane in 0..2 * WORKERS as u64 {
            let (pool, time) = (self.pool.clone(), self.time / 3);
            lanes.spawn(async move {
                let mut jobs = 0_u64;
                while begun.elapsed() < time {
                    pool.run(run_time(lane + jobs)).await?;
                    jobs += 1;
                }
                Ok::<_, JobError>(jobs)
            });
        }
        let mut jobs = 0;
        while let Some(lane) = lanes.join_next().await {
            jobs += lane??;
        }
        Ok(jobs as f64 / begun.elapsed().as_secs_f64())
    }

    /// Offers this number of jobs a second. Returns what became of each.
    async fn offer(&self, rate: f64) -> Result<Vec<Offer>> {
        let (begun, mut jobs, mut offers) = (Instant::now(), JoinSet::new(), Vec::new());
        let mut offered = 0_u64;
        while begun.elapsed() < self.time {
            while (offered as f64) < begun.elapsed().as_secs_f64() * rate {
                let job = self.pool.job(run_time(offered)).timeout(DEADLINE);
                offered += 1;
                let at = Instant::now();
                match job.try_submit() {
                    Ok(job) => {
                        jobs.spawn(async move {
                            let end = match job.await {
                                Ok(()) => End::Answered(Instant::now()),
                                Err(JobError::Refused(_)) => End::Refused,
                                Err(_) => End::Late,
                            };
                            Offer { at, end }
                        });
                    }
                    Err(refused) => {
                        let is_late = matches!(refused.reason, Refusal::DeadlineUnreachable { .. });
                        offers.push(Offer { at, end: if is_late { End::Refused } else { End::Late } });
                    }
                }
            }
            tokio::time::sleep(TICK).await;
        }
        while let Some(offer) = jobs.join_next().await {
            offers.push(offer?);
        }
        offers.sort_by_key(|offer| offer.at);
        Ok(offers)
    }
}

impl Contestant for Overload {
    fn name(&self) -> &str {
        self.name
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let capacity = self.capacity().await?;
            let offers = self.offer(LOAD * capacity).await?;
            Ok(Measured::value(match self.figure {
                Figure::Goodput => {
                    let in_time = offers.iter().filter(|offer| is_in_time(offer)).count();
                    // The last jobs end a deadline after the last offer.
                    100.0 * in_time as f64 / (capacity * (self.time + DEADLINE).as_secs_f64())
                }
                Figure::FalseRefusals => false_refusals(&offers),
            }))
        })
    }
}

fn is_in_time(offer: &Offer) -> bool {
    matches!(offer.end, End::Answered(end) if end <= offer.at + DEADLINE)
}

/// Returns the percentage of the refused jobs that would have been in time with [`SPARE`] time: a job that was offered
/// later was, and they would have been before it. Two of three jobs have to be refused. A refusal that left less to
/// spare only chose between jobs that come together.
fn false_refusals(offers: &[Offer]) -> f64 {
    let (mut refused, mut in_vain, mut earliest) = (0_u32, 0_u32, None::<Instant>);
    for offer in offers.iter().rev() {
        match offer.end {
            End::Answered(end) => earliest = Some(earliest.map_or(end, |earliest| earliest.min(end))),
            End::Refused => {
                refused += 1;
                in_vain += u32::from(earliest.is_some_and(|end| end + SPARE <= offer.at + DEADLINE));
            }
            End::Late => {}
        }
    }
    100.0 * f64::from(in_vain) / f64::from(refused.max(1))
}

/// Returns the run time of a job, in microseconds.
fn run_time(number: u64) -> u64 {
    let run = u64::from(RUN.subsec_micros());
    run * 4 / 5 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (run * 2 / 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_false_if_a_later_job_was_answered_before_its_deadline() {
        let begun = Instant::now();
        let after = |millis| begun + Duration::from_millis(millis);
        let answered = |at, end| Offer { at: after(at), end: End::Answered(after(end)) };
        let refused = |at| Offer { at: after(at), end: End::Refused };
        let share = |offers: &[Offer]| false_refusals(offers);
        assert_eq!(share(&[answered(0, 90), refused(1)]), 0.0, "it was offered before");
        assert_eq!(share(&[refused(0), answered(1, 94)]), 0.0, "it was a matter of a moment");
        assert_eq!(share(&[refused(0), refused(5), answered(6, 93)]), 50.0);
        assert_eq!(share(&[]), 0.0);
    }

    #[test]
    fn runs_are_as_long_as_they_are_said_to_be() {
        let sum: u64 = (0..1_000).map(run_time).sum();
        assert!((4_900..5_100).contains(&(sum / 1_000)), "{sum}");
    }
}
