//! The processes, as far as a scheduler can tell. Each does what it is told, when the script lets it. Rejects
//! orders that no real process could follow.

use std::collections::{BTreeMap, VecDeque};

use procpool_scheduler::{Death, Event, Fingerprint, Generation, Health, JobId, Time, WorkerId};

use crate::ledger::Loss;

/// One process that has been started and has not died.
#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(crate) is_up: bool,
    pub(crate) takes_ahead: bool,
    pub(crate) generation: Generation,
    /// The jobs that it was given and that nobody knows to be done, in the order in which it runs them.
    pub(crate) held: VecDeque<JobId>,
    /// Number of them that it has begun. It runs the last of these, and has answers to the others
    /// that nobody has read.
    pub(crate) begun: usize,
    /// Since when the first of them has been the first.
    pub(crate) turn: Time,
    /// Since when that one, and the recall of it, has been waited for.
    pub(crate) waited_for: Time,
    /// It was asked to give back the jobs that it has not begun.
    pub(crate) is_recalled: bool,
    /// The job after those that it has begun, if it was taken for begun and is passed over.
    pub(crate) passes_over: Option<JobId>,
    pub(crate) jobs_done: u64,
    pub(crate) is_suspect: bool,
    pub(crate) has_hung_up: bool,
    pub(crate) is_killed: bool,
    pub(crate) is_retiring: bool,
}

impl Process {
    /// Returns the job that it runs as far as the scheduler can know.
    pub(crate) fn first(&self) -> Option<JobId> {
        self.held.front().copied()
    }

    /// Returns the job that it runs in truth, or has just ended.
    pub(crate) fn runs(&self) -> Option<JobId> {
        self.held.get(self.begun.checked_sub(1)?).copied()
    }

    pub(crate) const fn is_starting(&self) -> bool {
        !self.is_up && !self.is_killed
    }

    /// Another of its jobs is the first.
    fn begin_turn(&mut self, now: Time) {
        (self.turn, self.waited_for) = (now, now);
    }

    /// Goes through with one more of its jobs, which nobody hears of. Returns `false` if there is
    /// none.
    pub(crate) fn begin(&mut self) -> bool {
        let may = self.is_up && self.begun < self.held.len() && self.passes_over.is_none();
        self.begun += usize::from(may);
        may
    }

    /// Those that it has begun, as far as anybody can see from outside.
    fn believed(&self) -> usize {
        self.begun + usize::from(self.passes_over.is_some())
    }
}

/// All processes, alive and dead.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) alive: BTreeMap<WorkerId, Process>,
    pub(crate) dead: Vec<WorkerId>,
    /// The last to die.
    pub(crate) last_dead: Option<Process>,
    /// Jobs that a worker no longer holds though nobody has answered them.
    pub(crate) lost: Vec<(JobId, Loss)>,
    /// The payload of each job.
    pub(crate) payloads: Vec<u64>,
    /// Jobs whose payloads somebody is about to tell.
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

    /// Says whether the job is sent ahead of its turn.
    pub(crate) fn assign(&mut self, worker: WorkerId, job: JobId, now: Time) -> bool {
        let is_starting = self.alive.values().any(Process::is_starting);
        let process = self.process(worker);
        assert!(process.is_up, "{worker} gets a job before it is ready");
        assert!(!process.is_killed && !process.is_retiring, "{worker} is on its way out and gets a job");
        assert!(!process.has_hung_up && !process.is_suspect, "{worker} is about to die and gets a job");
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

    pub(crate) fn pick(&self, pick: usize) -> Option<WorkerId> {
        self.alive.keys().nth(pick.checked_rem(self.alive.len())?).copied()
    }

    /// Returns the process that has this job, and whether it is the one that it runs as far as is
    /// known.
    pub(crate) fn holder(&self, job: JobId) -> Option<(&Process, bool)> {
        let holder = self.alive.values().find(|process| process.held.contains(&job))?;
        Some((holder, holder.first() == Some(job)))
    }

    /// Somebody tells a payload.
    pub(crate) fn identify(&mut self) -> Option<Event> {
        let job = self.asked.pop()?;
        Some(Event::Identified { job, fingerprint: Fingerprint(self.payload(job)?) })
    }

    pub(crate) fn payload(&self, job: JobId) -> Option<u64> {
        self.payloads.get(usize::try_from(job.0).ok()?).copied()
    }

    /// One process does the next thing that it would do by itself, if there is any. One that is about to die may still
    /// have answered; which of the two comes first is up to `pick`.
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

    /// Answers a recall. One that hesitates is about to begin one more, which is taken for begun and is not.
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

    /// One that cannot tell what it has begun may have got all of its job or not.
    pub(crate) fn die(&mut self, worker: WorkerId, handed_over: bool, death: Death) -> Event {
        let mut process = self.alive.remove(&worker).unwrap_or_default();
        if !process.takes_ahead {
            process.begun = usize::from(handed_over && !process.held.is_empty());
        }
        let culprit = process.runs();
        for (at, &job) in process.held.iter().enumerate() {
            let loss = match at {
                _ if Some(job) == culprit => Loss::Run(death),
                // It had ended, and nobody knows how.
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
