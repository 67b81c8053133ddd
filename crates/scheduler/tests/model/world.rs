//! The processes, as far as a scheduler can tell: each does what it is told, when the script lets it. Refuses orders
//! that no real process could follow.

use std::collections::BTreeMap;

use procpool_scheduler::{Death, Event, Fingerprint, Generation, Health, JobId, WorkerId};

/// One process that has been started and has not died.
#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(crate) is_up: bool,
    pub(crate) generation: Generation,
    pub(crate) job: Option<JobId>,
    pub(crate) jobs_done: u64,
    pub(crate) is_killed: bool,
    pub(crate) is_retiring: bool,
}

/// All processes, alive and dead.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) alive: BTreeMap<WorkerId, Process>,
    pub(crate) dead: Vec<WorkerId>,
    /// The job that went with the last to die, and what is said of that death.
    pub(crate) lost: Option<Lost>,
    /// The payload of each job.
    pub(crate) payloads: Vec<u64>,
    /// Jobs whose payloads somebody is about to tell.
    pub(crate) asked: Vec<JobId>,
}

/// A job that went with its worker.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) job: JobId,
    pub(crate) handed_over: bool,
    pub(crate) death: Death,
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

    pub(crate) fn assign(&mut self, worker: WorkerId, job: JobId) {
        let process = self.process(worker);
        assert!(process.is_up, "{worker} gets a job before it is ready");
        assert!(!process.is_killed && !process.is_retiring, "{worker} is on its way out and gets a job");
        assert_eq!(process.job.replace(job), None, "{worker} gets a second job");
    }

    pub(crate) fn cancel(&mut self, worker: WorkerId, job: JobId) {
        let process = self.process(worker);
        assert_eq!(process.job, Some(job), "{worker} is to give up a job that it does not have");
        assert!(!process.is_killed, "{worker} is asked after it was killed");
    }

    pub(crate) fn kill(&mut self, worker: WorkerId, job: Option<JobId>) {
        let process = self.process(worker);
        assert_eq!(process.job, job, "{worker} is killed for another job than it has");
        assert!(!std::mem::replace(&mut process.is_killed, true), "{worker} is killed twice");
    }

    pub(crate) fn retire(&mut self, worker: WorkerId) {
        let process = self.process(worker);
        assert!(process.is_up && process.job.is_none() && !process.is_killed, "{worker} cannot retire");
        assert!(!std::mem::replace(&mut process.is_retiring, true), "{worker} is retired twice");
    }

    pub(crate) fn pick(&self, pick: usize) -> Option<WorkerId> {
        self.alive.keys().nth(pick.checked_rem(self.alive.len())?).copied()
    }

    /// Somebody tells a payload.
    pub(crate) fn identify(&mut self) -> Option<Event> {
        let job = self.asked.pop()?;
        Some(Event::Identified { job, fingerprint: self.fingerprint(job)? })
    }

    fn fingerprint(&self, job: JobId) -> Option<Fingerprint> {
        Some(Fingerprint(*self.payloads.get(usize::try_from(job.0).ok()?)?))
    }

    /// One process does the next thing that it would do by itself, if there is any. A killed one dies, but may still
    /// have answered; which of the two comes first is up to `pick`.
    pub(crate) fn react(&mut self, pick: usize, suspect: bool) -> Option<Event> {
        let worker = self.pick(pick)?;
        let process = self.process(worker);
        let dies = process.is_killed && (process.job.is_none() || pick.is_multiple_of(2));
        if dies || (process.is_retiring && process.job.is_none()) {
            return Some(self.die(worker, true, Death::Own));
        }
        if !process.is_up {
            process.is_up = true;
            return Some(Event::Ready { worker, takes_ahead: false });
        }
        let job = process.job.take()?;
        process.jobs_done += 1;
        Some(Event::Done { worker, job, health: if suspect { Health::Suspect } else { Health::Sound } })
    }

    pub(crate) fn die(&mut self, worker: WorkerId, handed_over: bool, death: Death) -> Event {
        let job = self.alive.remove(&worker).and_then(|process| process.job);
        self.lost = job.map(|job| Lost { job, handed_over, death });
        self.dead.push(worker);
        let fingerprint = job.and_then(|job| self.fingerprint(job));
        Event::Died { worker, begun: usize::from(handed_over), death, fingerprint }
    }
}
