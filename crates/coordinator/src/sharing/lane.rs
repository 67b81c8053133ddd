//! The arenas of one worker in one direction, one after the other: which is offered, which is in use, which is on its way
//! out. Decides, and touches no memory; `A` stands for that.

use procpool_protocol::arena::MIN_SHARED;
use procpool_scheduler::Time;
use std::sync::Arc;
use std::time::Duration;

/// Least memory of an arena, in bytes: 1 MiB. So that payloads which differ a little in size do not each ask for another.
const LEAST: usize = 1024 * 1024;

/// Time after which an arena that nothing has gone through is taken back.
const REST: Duration = Duration::from_secs(10);

/// One arena as it is spoken of.
#[derive(Debug)]
pub(crate) struct Arena<A> {
    /// Never used twice for one worker.
    pub(crate) number: u64,
    /// Bytes.
    pub(crate) length: usize,
    pub(crate) memory: Arc<A>,
}

impl<A> Clone for Arena<A> {
    fn clone(&self) -> Self {
        Self { memory: self.memory.clone(), ..*self }
    }
}

/// See the file.
#[derive(Debug)]
pub(crate) struct ArenaLane<A> {
    /// Maximum length of a payload that may be shared, in bytes. 0 if nothing is shared.
    most: usize,
    /// Told to the worker, who has not answered.
    offered: Option<Arena<A>>,
    current: Option<Arena<A>>,
    /// Replaced, or given up by the worker, and kept as long as jobs up to this number may refer to it.
    retired: Option<(Arena<A>, u64)>,
    /// Taken back, which the worker may not have heard.
    resting: Option<Arena<A>>,
    /// The job whose payload lies in the current one.
    lent: Option<u64>,
    used: Time,
}

impl<A> ArenaLane<A> {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            offered: None,
            current: None,
            retired: None,
            resting: None,
            lent: None,
            used: Time::ZERO,
        }
    }

    /// Returns the number of bytes of its memory.
    pub(crate) fn length(&self) -> usize {
        self.all().map(|arena| arena.length).sum()
    }

    /// Returns the length of the arena that such a payload asks for, or `None` if the present one will do.
    pub(crate) fn wants(&self, payload: usize) -> Option<usize> {
        let is_settled = self.offered.is_none() && self.retired.is_none();
        let is_large = payload >= MIN_SHARED && payload <= self.most;
        let fits = self.current.as_ref().is_some_and(|arena| payload <= arena.length);
        let length = || payload.next_power_of_two().max(LEAST).min(self.most.max(LEAST));
        (is_settled && is_large && !fits).then(length)
    }

    /// Notes that the worker is told of this arena. The error returns it if another was offered meanwhile.
    pub(crate) fn offer(&mut self, arena: Arena<A>) -> Result<(), Arena<A>> {
        if self.offered.is_some() || self.retired.is_some() {
            return Err(arena);
        }
        self.offered = Some(arena);
        Ok(())
    }

    /// Returns whether there is no arena, nor will be soon.
    pub(crate) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// Returns all arenas, in any state.
    fn all(&self) -> impl Iterator<Item = &Arena<A>> {
        let retired = self.retired.as_ref().map(|(arena, _)| arena);
        self.current.iter().chain(&self.offered).chain(retired).chain(&self.resting)
    }

    /// Takes in that the worker has answered, when it had jobs up to `newest`, or 0 if it had no job. Returns
    /// the arena to drop. The error means that the worker had no unanswered message about this arena.
    pub(crate) fn answered(
        &mut self,
        number: u64,
        accepted: bool,
        newest: u64,
        now: Time,
    ) -> Result<Option<Arena<A>>, ()> {
        if let Some(rested) = self.resting.take_if(|resting| resting.number == number) {
            return Ok(self.retire(rested, newest));
        }
        let offered = self.offered.take_if(|offered| offered.number == number).ok_or(())?;
        if !accepted {
            self.most = 0;
            return Ok(Some(offered));
        }
        self.used = now;
        let is_the_same = |current: &Arena<A>| Arc::ptr_eq(&current.memory, &offered.memory);
        if !self.current.as_ref().is_some_and(is_the_same) {
            self.lent = None;
        }
        // The worker hears one thing after the other: that it was to let go of the one before, too.
        let replaced = self.current.replace(offered).or(self.resting.take());
        Ok(replaced.and_then(|replaced| self.retire(replaced, newest)))
    }

    /// Retires an arena: the worker uses it only for the jobs up to `newest`. Returns it if there are none.
    fn retire(&mut self, arena: Arena<A>, newest: u64) -> Option<Arena<A>> {
        if newest == 0 {
            return Some(arena);
        }
        let before = self.retired.replace((arena, newest));
        before.map(|(arena, _)| arena)
    }

    /// Returns the arena for a payload of a job with this number, if one is free.
    pub(crate) fn lend(&mut self, payload: usize, sequence: u64, now: Time) -> Option<Arena<A>> {
        let is_large = payload >= MIN_SHARED;
        let arena = self.current.as_ref().filter(|arena| is_large && payload <= arena.length)?;
        if self.lent.is_some() {
            return None;
        }
        self.lent = Some(sequence);
        self.used = now;
        Some(arena.clone())
    }

    /// Returns the arena with this number, in any state.
    pub(crate) fn find(&mut self, number: u64, now: Time) -> Option<Arena<A>> {
        self.used = now;
        self.all().find(|arena| arena.number == number).cloned()
    }

    /// Ends a job: the worker no longer holds it. Returns the arena to drop.
    pub(crate) fn over(&mut self, sequence: u64) -> Option<Arena<A>> {
        self.lent.take_if(|lent| *lent <= sequence);
        let (arena, _) = self.retired.take_if(|(_, newest)| sequence >= *newest)?;
        Some(arena)
    }

    /// Gives up an arena that something in the worker holds on to: nobody writes to it any longer. Returns
    /// the arena to drop.
    pub(crate) fn lose(&mut self, number: u64) -> Option<Arena<A>> {
        let lost = self.current.take_if(|arena| arena.number == number);
        if lost.is_some() {
            self.lent = None;
        }
        lost
    }

    /// Takes back an unused arena to which only this side writes, of a worker that has no job. Returns the
    /// arena, to drop once the worker has been told.
    pub(crate) fn rest(&mut self, now: Time) -> Option<Arena<A>> {
        if !self.has_rested(now) {
            return None;
        }
        self.lent = None;
        self.current.take()
    }

    /// Takes back an unused arena to which the worker writes. Returns its number, so that the worker can be
    /// told. It is kept until the worker has heard that: until then the next job may leave its output there.
    pub(crate) fn rest_until_heard(&mut self, now: Time) -> Option<u64> {
        if !self.has_rested(now) || self.resting.is_some() {
            return None;
        }
        self.resting = self.current.take();
        self.resting.as_ref().map(|arena| arena.number)
    }

    /// Takes the resting arena, as if the worker had heard that it was taken back.
    #[cfg(test)]
    pub(crate) fn forget_what_rests(&mut self) -> Option<Arena<A>> {
        self.resting.take()
    }

    fn has_rested(&self, now: Time) -> bool {
        now.since(self.used) >= REST && self.offered.is_none() && self.retired.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 64 << 20;

    fn arena(number: u64, length: usize) -> Arena<()> {
        Arena { number, length, memory: Arc::default() }
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn with(number: u64, length: usize) -> ArenaLane<()> {
        let mut lane = ArenaLane::new(MOST);
        lane.offer(arena(number, length)).unwrap();
        assert!(lane.answered(number, true, 0, at(0)).unwrap().is_none());
        lane
    }

    #[test]
    fn large_payloads_ask_for_an_arena_until_there_is_one() {
        let mut lane = ArenaLane::new(MOST);
        assert_eq!(lane.wants(MIN_SHARED - 1), None);
        assert_eq!(lane.wants(MIN_SHARED), Some(LEAST));
        assert_eq!(lane.wants(5 << 20), Some(8 << 20));
        assert_eq!(lane.wants(MOST), Some(MOST));
        assert_eq!(lane.wants(MOST + 1), None);
        lane.offer(arena(1, 8 << 20)).unwrap();
        assert_eq!(lane.wants(MOST), None, "one at a time");
        assert!(lane.offer(arena(2, 8 << 20)).is_err());
        assert!(lane.lend(5 << 20, 1, at(0)).is_none(), "it has not been accepted");
        assert!(lane.answered(1, true, 3, at(0)).unwrap().is_none());
        assert_eq!(lane.wants(8 << 20), None);
        assert_eq!(lane.wants(9 << 20), Some(16 << 20));
    }

    #[test]
    fn a_bound_that_is_no_power_of_two_bounds_all_the_same() {
        let lane = ArenaLane::<()>::new(5 << 20);
        assert_eq!(lane.wants(5 << 20), Some(5 << 20));
    }

    #[test]
    fn one_job_at_a_time_has_its_payload_in_it() {
        let mut lane = with(1, 8 << 20);
        assert_eq!(lane.lend(1 << 20, 5, at(1)).unwrap().number, 1);
        assert!(lane.lend(1 << 20, 6, at(1)).is_none());
        assert!(lane.over(4).is_none() && lane.lend(1 << 20, 6, at(1)).is_none(), "an earlier job's end");
        assert!(lane.over(5).is_none());
        assert!(lane.lend(9 << 20, 7, at(1)).is_none(), "too large");
        assert!(lane.lend(MIN_SHARED - 1, 7, at(1)).is_none(), "too small");
        assert!(lane.lend(1 << 20, 7, at(1)).is_some());
    }

    #[test]
    fn an_arena_that_is_replaced_is_kept_while_jobs_may_refer_to_it() {
        let mut lane = with(1, 1 << 20);
        lane.offer(arena(2, 2 << 20)).unwrap();
        assert_eq!(lane.find(2, at(1)).unwrap().number, 2, "its answer may come before the word");
        assert!(lane.answered(2, true, 7, at(1)).unwrap().is_none());
        assert_eq!(lane.find(1, at(1)).unwrap().number, 1);
        assert_eq!(lane.wants(4 << 20), None, "two of them are enough");
        assert!(lane.over(6).is_none());
        assert_eq!(lane.over(7).unwrap().number, 1);
        assert!(lane.find(1, at(1)).is_none());
        assert_eq!(lane.wants(4 << 20), Some(4 << 20));
    }

    #[test]
    fn memory_that_grew_is_lent_to_one_job_at_a_time_all_the_same() {
        let mut lane = with(1, 1 << 20);
        let memory = lane.lend(1 << 20, 5, at(1)).unwrap().memory;
        lane.offer(Arena { number: 2, length: 2 << 20, memory }).unwrap();
        assert!(lane.answered(2, true, 5, at(1)).unwrap().is_none());
        assert!(lane.lend(2 << 20, 6, at(1)).is_none(), "it holds the input of job 5");
        lane.over(5);
        assert_eq!(lane.lend(2 << 20, 6, at(1)).unwrap().number, 2);
    }

    #[test]
    fn who_accepts_none_is_offered_no_other() {
        let mut lane = ArenaLane::new(MOST);
        lane.offer(arena(1, 1 << 20)).unwrap();
        assert!(lane.answered(2, true, 0, at(0)).is_err(), "which was not offered");
        assert_eq!(lane.answered(1, false, 0, at(0)).unwrap().unwrap().number, 1);
        assert_eq!(lane.wants(1 << 20), None);
    }

    #[test]
    fn what_is_held_on_to_is_not_written_again() {
        let mut lane = with(1, 1 << 20);
        assert!(lane.lend(1 << 20, 1, at(0)).is_some());
        assert!(lane.lose(7).is_none());
        assert_eq!(lane.lose(1).unwrap().number, 1);
        assert!(lane.lend(1 << 20, 2, at(0)).is_none());
        assert_eq!(lane.wants(1 << 20), Some(1 << 20), "there may be another");
    }

    #[test]
    fn what_the_worker_writes_to_is_kept_until_it_has_heard_that_it_is_taken_back() {
        let mut lane = with(1, 1 << 20);
        assert_eq!((lane.rest_until_heard(at(9)), lane.rest_until_heard(at(10))), (None, Some(1)));
        assert_eq!(lane.find(1, at(11)).unwrap().number, 1, "a job that came meanwhile has its output there");
        assert_eq!(lane.rest_until_heard(at(99)), None, "once is enough");
        assert!(lane.answered(1, true, 7, at(12)).unwrap().is_none(), "as that job may");
        assert_eq!(lane.find(1, at(12)).unwrap().number, 1);
        assert_eq!(lane.over(7).unwrap().number, 1);
        assert!(lane.is_empty() && lane.answered(1, true, 0, at(13)).is_err(), "there is nothing to answer");
    }

    #[test]
    fn who_accepts_another_has_let_go_of_the_one_before() {
        let mut lane = with(1, 1 << 20);
        assert_eq!(lane.rest_until_heard(at(10)), Some(1));
        assert_eq!(lane.wants(1 << 20), Some(1 << 20));
        lane.offer(arena(2, 1 << 20)).unwrap();
        assert_eq!(lane.answered(2, true, 0, at(11)).unwrap().unwrap().number, 1);
        assert!(lane.find(1, at(11)).is_none() && lane.find(2, at(11)).is_some());
    }

    #[test]
    fn what_has_rested_is_taken_back() {
        let mut lane = with(1, 1 << 20);
        lane.lend(1 << 20, 1, at(5)).unwrap();
        assert!(lane.rest(at(14)).is_none());
        assert_eq!(lane.rest(at(15)).unwrap().number, 1);
        assert!(lane.rest(at(99)).is_none());
    }
}
