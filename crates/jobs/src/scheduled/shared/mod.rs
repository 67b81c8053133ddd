//! Schedules that several servers share: carries out their turns over a [`Ledger`].
//!
//! Every server takes a turn about each of them. The ledger decides which one submits a run.

mod ledger;
#[cfg(test)]
mod simulation;
mod turn;

pub use ledger::{Away, Entry, Kept, Ledger};

use super::{LOOK, Note, RETRY, Report, Run, Scheduled, Schedules, Status};
use crate::interface::Order;
use procpool_protocol::{JobError, JobId};
use procpool_schedules::Wall;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use turn::{Answer, Ask, Of, Turn};

/// The last entries that were read, for lists while the store is away.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashMap<Arc<str>, Note>>);

impl Seen {
    fn see(&self, schedule: &Arc<str>, note: Note) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(schedule.clone(), note);
    }

    fn note(&self, schedule: &str) -> Option<Note> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(schedule).cloned()
    }

    pub(super) fn forget(&self, schedule: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(schedule);
    }
}

impl Schedules {
    /// Returns the store that is shared about this schedule, if there is one.
    pub(super) fn ledger_of(&self, scheduled: &Scheduled) -> Option<Arc<dyn Ledger>> {
        self.0.notes.ledger(&scheduled.job.pool)
    }

    /// Submits what is due of the shared schedules, for ever.
    pub(super) async fn run_shared(&self, told: &impl Fn(&str, Report)) {
        let (mut mine, mut is_away) = (HashMap::new(), false);
        loop {
            let mut wait = LOOK;
            for scheduled in &*self.all() {
                let Some(ledger) = self.ledger_of(scheduled).filter(|_| self.has(&scheduled.name)) else {
                    continue;
                };
                let mine = mine.entry(scheduled.name.clone()).or_default();
                match self.turn(&*ledger, scheduled, mine, None, told).await {
                    Ok(rest) => {
                        wait = wait.min(rest);
                        if std::mem::take(&mut is_away) {
                            told(&scheduled.name, Report::Back);
                        }
                    }
                    Err(Away(reason)) => {
                        wait = wait.min(RETRY);
                        if !std::mem::replace(&mut is_away, true) {
                            told(&scheduled.name, Report::Away(reason));
                        }
                        // The others would wait for the same store.
                        break;
                    }
                }
            }
            mine.retain(|name, _| self.has(name));
            let _ = tokio::time::timeout(wait, self.0.replaced_shared.notified()).await;
        }
    }

    /// Takes a turn. Returns when to take the next one.
    async fn turn(
        &self,
        ledger: &dyn Ledger,
        scheduled: &Scheduled,
        mine: &mut Option<JobId>,
        by_hand: Option<Run>,
        told: &impl Fn(&str, Report),
    ) -> Result<Duration, Away> {
        let pool = &*scheduled.job.pool;
        let of = Of { schedule: &scheduled.schedule, pool, retain: ledger.retain(pool) };
        let mut turn = Turn::new(of, ledger.now().await?, *mine, by_hand);
        let mut answer = Answer::Begin;
        loop {
            let ask = turn.next(answer, ledger.id());
            *mine = turn.mine();
            turn.told().into_iter().for_each(|report| told(&scheduled.name, report));
            answer = match ask {
                Ask::Rest(wait) => return Ok(wait),
                Ask::Read => {
                    let kept = ledger.read(&scheduled.name).await?;
                    if let Some(kept) = &kept {
                        self.0.seen.see(&scheduled.name, kept.entry.note.clone());
                    }
                    Answer::Read(kept)
                }
                Ask::Look(pool, job) => Answer::Looked(ledger.has_ended(&pool, job).await?),
                Ask::Write(expect, entry) => match ledger.write(&scheduled.name, expect, &entry).await? {
                    Some(version) => {
                        self.0.seen.see(&scheduled.name, entry.note);
                        Answer::Written(version)
                    }
                    None => Answer::Conflict,
                },
                Ask::Submit(job) => match ledger.submit(job, order(scheduled)).await {
                    Ok(()) => Answer::Submitted,
                    Err(error) => Answer::Refused(error),
                },
            };
        }
    }

    /// Submits the job of a run by hand, and notes it if the store answers.
    pub(super) async fn run_shared_now(
        &self,
        ledger: &dyn Ledger,
        scheduled: &Scheduled,
    ) -> Result<JobId, JobError> {
        let job = ledger.id();
        ledger.submit(job, order(scheduled)).await?;
        let noted = async {
            let run = Run { at: ledger.now().await?, job: Ok(job) };
            self.turn(ledger, scheduled, &mut None, Some(run), &|_, _| {}).await
        };
        if let Err(Away(reason)) = noted.await {
            tracing::warn!(schedule = &*scheduled.name, %job, %reason, "failed to note a run by hand");
        }
        Ok(job)
    }

    /// Returns how far a shared schedule is. While the store is `away`, as it was at the last look.
    pub(super) async fn shared_status(
        &self,
        ledger: &dyn Ledger,
        scheduled: &Scheduled,
        away: &mut bool,
    ) -> Status {
        let mut now = (self.0.clock)();
        if !*away {
            match look(ledger, &scheduled.name).await {
                Ok((time, note)) => {
                    now = time;
                    match note {
                        Some(note) => self.0.seen.see(&scheduled.name, note),
                        None => self.0.seen.forget(&scheduled.name),
                    }
                }
                Err(_) => *away = true,
            }
        }
        let note = self.0.seen.note(&scheduled.name);
        let note = note.unwrap_or(Note { done: now, last: None, left_out: 0 });
        let record = if *away { None } else { self.last_job(&note).await };
        scheduled.status(note, now, record)
    }
}

async fn look(ledger: &dyn Ledger, schedule: &str) -> Result<(Wall, Option<Note>), Away> {
    let now = ledger.now().await?;
    Ok((now, ledger.read(schedule).await?.map(|kept| kept.entry.note)))
}

fn order(scheduled: &Scheduled) -> Order {
    let mut order = Order::new(scheduled.job.clone());
    order.principal = Some(scheduled.principal());
    order
}
