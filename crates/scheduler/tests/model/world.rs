//! The processes, as far as a scheduler can observe them. Each follows its orders when the script
//! lets it. Rejects orders that no real process could follow.

use std::collections::{BTreeMap, VecDeque};

use procpool_scheduler::{Death, Event, Fingerprint, Generation, Health, JobId, Time, WorkerId};

use crate::ledger::Loss;

/// One process that has been started and has not died.
#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(crate) is_up: bool,
    pub(crate) takes_ahead: bool,
    pub(crate) generation: Generation,
    /// The jobs that it was assigned and that the pool does not know to have ended, in the order in
    /// which it runs them.
    pub(crate) held: VecDeque<JobId>,
    /// Number of these jobs that it has begun. It runs the last of these. It has answered the
    /// others, but the pool has not read the answers.
    pub(crate) begun: usize,
    /// Time since which the first of these jobs has been the first.
    pub(crate) turn: Time,
    /// Time since which the pool has waited for this job and for an answer to its recall.
    pub(crate) waited_for: Time,
    /// The pool has asked it to give back the jobs that it has not begun.
    pub(crate) is_recalled: bool,
    /// The job after those that it has begun, if the pool believed it begun and the process passes
    /// it over.
    pub(crate) passes_over: Option<JobId>,
    pub(crate) jobs_done: u64,
    pub(crate) is_suspect: bool,
    pub(crate) has_hung_up: bool,
    pub(crate) is_killed: bool,
    pub(crate) is_retiring: bool,
    /// An operator wants it to retire.
    pub(crate) is_dismissed: bool,
}

impl Process {
    /// Returns the job that it runs as far as the scheduler knows.
    pub(crate) fn first(&self) -> Option<JobId> {
        self.held.front().copied()
    }

    /// Returns the job that it actually runs, or has just ended.
    pub(crate) fn runs(&self) -> Option<JobId> {
        self.held.get(self.begun.checked_sub(1)?).copied()
    }

    pub(crate) const fn is_starting(&self) -> bool {
        !self.is_up && !self.is_killed
    }

    /// Records that another of its jobs is now the first.
    fn begin_turn(&mut self, now: Time) {
        (self.turn, self.waited_for) = (now, now);
    }

    /// Begins the next of its jobs without a report to the pool. Returns `false` if there is none.
    pub(crate) fn begin(&mut self) -> bool {
        let may = self.is_up && self.begun < self.held.len() && self.passes_over.is_none();
        self.begun += usize::from(may);
        may
    }

    /// Returns the number of jobs that it appears to have begun.
    fn believed(&self) -> usize {
        self.begun + usize::from(self.passes_over.is_some())
    }
}

/// All processes, alive and dead.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) alive: BTreeMap<WorkerId, Process>,
    pub(crate) dead: Vec<WorkerId>,
    /// The process that died last.
    pub(crate) last_dead: Option<Process>,
    /// Jobs that a worker no longer holds although it has not answered them.
    pub(crate) lost: Vec<(JobId, Loss)>,
    /// The payload of each job.
    pub(crate) payloads: Vec<u64>,
    /// Jobs whose payloads the scheduler has asked for.
    pub(crate) asked: Vec<JobId>,
}

impl World {
    pub(crate) fn spawn(&mut self, worker: WorkerId, generation: Generation) {
        assert!(!self.dead.contains(&worker), "{worker} is used again");
        let process = Process { generation, ..Process::default() };
        assert!(self.alive.insert(worker, process).is_none(), "{worker} is started twice");
    }

    pub(crate) fn process(&mut self, worker: WorkerId) -> &mut Process {
        self.alive.get_mut(&worker).unwrap_or_else(|| panic!("{worker} is dead, or never was"))
    }

    /// Assigns a job. Returns whether the job is sent ahead of its turn.
    pub(crate) fn assign(&mut self, worker: WorkerId, job: JobId, now: Time) -> bool {
        let is_starting = self.alive.values().any(Process::is_starting);
        let process = self.process(worker);
        assert!(process.is_up, "{worker} gets a job before it is ready");
        assert!(!process.is_killed && !process.is_retiring, "{worker} is on its way out and gets a job");
        assert!(!process.has_hung_up && !process.is_suspect, "{worker} is about to die and gets a job");
        assert!(!process.is_dismissed, "{worker} was to retire and gets a job");
        process.held.push_back(job);
        let is_ahead = process.held.len() > 1;
        if is_ahead {
            assert!(process.takes_ahead, "{worker} gets a second job and cannot tell which it has begun");
            assert!(!process.is_recalled, "{worker} gets a second job and is to give them back");
            assert!(!is_starting, "{worker} gets a second job and another one is on its way up");
        } else {
            process.begin_turn(now);
        }
        is_ahead
    }

    pub(crate) fn recall(&mut self, worker: WorkerId) {
        let process = self.process(worker);
        assert!(process.held.len() > 1, "{worker} is recalled, and has nothing ahead");
        assert!(!process.is_killed && !process.is_retiring, "{worker} is recalled on its way out");
        assert!(!std::mem::replace(&mut process.is_recalled, true), "{worker} is recalled twice");
    }

    pub(crate) fn cancel(&mut self, worker: WorkerId, job: JobId) {
        let process = self.process(worker);
        assert!(process.held.contains(&job), "{worker} is to give up a job that it does not have");
        assert!(!process.is_killed, "{worker} is asked after it was killed");
    }

    pub(crate) fn kill(&mut self, worker: WorkerId, job: Option<JobId>) {
        let process = self.process(worker);
        assert_eq!(process.first(), job, "{worker} is killed for another job than it has");
        assert!(!std::mem::replace(&mut process.is_killed, true), "{worker} is killed twice");
    }

    pub(crate) fn retire(&mut self, worker: WorkerId) {
        let process = self.process(worker);
        assert!(process.is_up && process.held.is_empty() && !process.is_killed, "{worker} cannot retire");
        assert!(!std::mem::replace(&mut process.is_retiring, true), "{worker} is retired twice");
    }

    pub(crate) fn dismiss(&mut self, worker: WorkerId) {
        if let Some(process) = self.alive.get_mut(&worker) {
            process.is_dismissed = true;
        }
    }

    pub(crate) fn pick(&self, pick: usize) -> Option<WorkerId> {
        self.alive.keys().nth(pick.checked_rem(self.alive.len())?).copied()
    }

    /// Returns the process that holds this job, and whether the process is known to run it.
    pub(crate) fn holder(&self, job: JobId) -> Option<(&Process, bool)> {
        let holder = self.alive.values().find(|process| process.held.contains(&job))?;
        Some((holder, holder.first() == Some(job)))
    }

    /// Reports a payload that the scheduler asked for.
    pub(crate) fn identify(&mut self) -> Option<Event> {
        let job = self.asked.pop()?;
        Some(Event::Identified { job, fingerprint: Fingerprint(self.payload(job)?) })
    }

    pub(crate) fn payload(&self, job: JobId) -> Option<u64> {
        self.payloads.get(usize::try_from(job.0).ok()?).copied()
    }

    /// Lets one process perform its next spontaneous action, if there is one. A process that is
    /// about to die may still have answered. `pick` decides which of the two comes first.
    pub(crate) fn react(&mut self, pick: usize, suspect: bool, now: Time) -> Option<Event> {
        let worker = self.pick(pick)?;
        let process = self.process(worker);
        let is_going = process.is_killed || process.has_hung_up || process.is_retiring;
        if is_going && (process.held.is_empty() || pick.is_multiple_of(2)) {
            return Some(self.die(worker, true, Death::Own));
        }
        if !process.is_up {
            process.is_up = true;
            process.takes_ahead = !worker.0.is_multiple_of(4);
            return Some(Event::Ready { worker, takes_ahead: process.takes_ahead });
        }
        if process.begun == 0 && process.passes_over.is_some() {
            return self.pass_over(worker, now);
        }
        if process.is_recalled {
            return self.give_back(worker, pick.is_multiple_of(3), now);
        }
        process.begin();
        let job = process.held.pop_front()?;
        process.begun -= 1;
        process.begin_turn(now);
        process.jobs_done += 1;
        process.is_suspect |= suspect;
        Some(Event::Done { worker, job, health: if suspect { Health::Suspect } else { Health::Sound } })
    }

    /// Answers a recall. If it hesitates, it is about to begin one more job, which counts as begun
    /// but does not begin.
    pub(crate) fn give_back(&mut self, worker: WorkerId, hesitates: bool, now: Time) -> Option<Event> {
        let process = self.process(worker);
        if !std::mem::take(&mut process.is_recalled) {
            return None;
        }
        process.waited_for = now;
        if hesitates && process.passes_over.is_none() {
            process.passes_over = process.held.get(process.begun).copied();
        }
        let keeps = process.believed();
        if keeps == 0 && !process.held.is_empty() {
            return Some(Event::Unbegun { worker });
        }
        let back = process.held.split_off(keeps.min(process.held.len()));
        self.lost.extend(back.into_iter().map(|job| (job, Loss::Ahead)));
        Some(Event::Recalled { worker, keeps })
    }

    pub(crate) fn pass_over(&mut self, worker: WorkerId, now: Time) -> Option<Event> {
        let process = self.process(worker);
        let job = process.passes_over.take()?;
        process.held.remove(process.begun);
        if process.begun == 0 {
            process.begin_turn(now);
        }
        self.lost.push((job, Loss::Ahead));
        Some(Event::PassedOver { worker, job })
    }

    /// Lets a process die. A process that cannot report what it has begun may or may not have
    /// received all of its job.
    pub(crate) fn die(&mut self, worker: WorkerId, handed_over: bool, death: Death) -> Event {
        let mut process = self.alive.remove(&worker).unwrap_or_default();
        if !process.takes_ahead {
            process.begun = usize::from(handed_over && !process.held.is_empty());
        }
        let culprit = process.runs();
        for (at, &job) in process.held.iter().enumerate() {
            let loss = match at {
                _ if Some(job) == culprit => Loss::Run(death),
                // The job had ended, and its result is lost.
                _ if at < process.begun => Loss::Run(Death::Killed),
                0 => Loss::OnTheWay,
                _ => Loss::Ahead,
            };
            self.lost.push((job, loss));
        }
        self.dead.push(worker);
        let fingerprint = culprit.and_then(|job| self.payload(job)).map(Fingerprint);
        let begun = process.begun;
        self.last_dead = Some(process);
        Event::Died { worker, begun, death, fingerprint }
    }
}
