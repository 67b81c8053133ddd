//! Messages from the guard to the thread that runs the jobs: cancels, credit, the shutdown.
//!
//! Jobs are identified by their sequence numbers, which increase on one connection. Therefore a late cancel
//! is distinguished from an early one, and never affects another job.

use crate::cancel::CancelFlag;
use crate::ending::WorkerError;
use crate::page::Page;
use procpool_protocol::Cancelled;
use procpool_protocol::limits::MAX_EARLY_CANCELS;
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Shared by the guard and the job's thread.
#[derive(Debug, Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The job that started last.
    newest: Option<u64>,
    /// The last started job that was not cancelled before it arrived. It may have ended. Then its flag and
    /// its credit belong to no job.
    running: Option<Running>,
    /// Cancels of jobs newer than `newest`.
    early: BTreeSet<u64>,
    /// The page, which records the started job and limits the numbers of the jobs that may start.
    page: Option<Arc<Page>>,
    /// Whether the coordinator asked the worker to exit.
    shut_down: bool,
}

/// Whether a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// The worker runs it.
    Run,
    /// The job was cancelled before it arrived. The answer says so.
    Cancelled,
    /// The job was withdrawn. The worker skips it and notifies the coordinator.
    PassedOver,
}

#[derive(Debug)]
struct Running {
    sequence: u64,
    flag: CancelFlag,
    /// Number of chunks that the job may send. `None` if no caller reads chunks.
    credit: Option<u64>,
}

/// Whether a chunk is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// The job may send it.
    Send,
    /// No caller reads chunks: the job drops it.
    Drop,
}

impl Board {
    /// Starts a job, unless it was cancelled or withdrawn.
    ///
    /// # Errors
    /// When its number is not above that of every earlier job.
    pub(crate) fn start(
        &self,
        sequence: u64,
        flag: CancelFlag,
        credit: Option<u32>,
    ) -> Result<Start, WorkerError> {
        let mut state = self.lock();
        if let Some(newest) = state.newest.filter(|&newest| sequence <= newest) {
            return Err(WorkerError::OutOfOrder { sequence, newest });
        }
        let last = state.newest.unwrap_or_default();
        if state.page.as_ref().is_some_and(|page| !page.begins(sequence, last)) {
            return Ok(Start::PassedOver);
        }
        state.newest = Some(sequence);
        let cancelled = state.early.remove(&sequence);
        // Cancels of skipped jobs have no further effect.
        if !state.early.is_empty() {
            state.early = state.early.split_off(&sequence);
        }
        if cancelled {
            return Ok(Start::Cancelled);
        }
        state.running = Some(Running { sequence, flag, credit: credit.map(u64::from) });
        Ok(Start::Run)
    }

    /// From now on, records each job that starts in the page, unless the page says that it is withdrawn.
    pub(crate) fn keep(&self, page: Arc<Page>) {
        self.lock().page = Some(page);
    }

    /// Returns whether this job was withdrawn.
    pub(crate) fn is_recalled(&self, sequence: u64) -> bool {
        self.lock().page.as_ref().is_some_and(|page| page.is_recalled(sequence))
    }

    /// Cancels this job, because its caller no longer wants the outcome.
    pub(crate) fn cancel(&self, sequence: u64) {
        let mut state = self.lock();
        match &state.running {
            Some(running) if running.sequence == sequence => {
                running.flag.raise();
                self.changed.notify_all();
            }
            _ => {
                let is_late = state.newest.is_some_and(|newest| sequence <= newest);
                if !is_late && state.early.len() < MAX_EARLY_CANCELS {
                    state.early.insert(sequence);
                }
            }
        }
    }

    /// Allows this job to send more chunks.
    pub(crate) fn add_credit(&self, sequence: u64, chunks: u32) {
        let mut state = self.lock();
        if let Some(running) = state.running.as_mut().filter(|running| running.sequence == sequence) {
            running.credit = running.credit.map(|credit| credit.saturating_add(chunks.into()));
            self.changed.notify_all();
        }
    }

    /// Records that the coordinator asks the worker to finish its jobs and exit.
    pub(crate) fn shut_down(&self) {
        self.lock().shut_down = true;
        self.changed.notify_all();
    }

    /// Waits until the coordinator has asked the worker to exit, for at most `patience`.
    pub(crate) fn await_shutdown(&self, patience: Duration) {
        let waiting = |state: &mut State| !state.shut_down;
        let _ = self.changed.wait_timeout_while(self.lock(), patience, waiting);
    }

    /// Waits until the running job may send a chunk, and uses that permission.
    ///
    /// # Errors
    /// When the job must stop.
    pub(crate) fn take_credit(&self, flag: &CancelFlag) -> Result<Grant, Cancelled> {
        let mut state = self.lock();
        loop {
            flag.check()?;
            match state.running.as_mut().and_then(|running| running.credit.as_mut()) {
                None => return Ok(Grant::Drop),
                Some(0) => {}
                Some(credit) => {
                    *credit -= 1;
                    return Ok(Grant::Send);
                }
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The user's code does not run under this lock, so no panic leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_memory::page::PageReader;
    use procpool_protocol::page::{BEGUN, LEN, MAGIC, MAGIC_AT, RECALLED};

    fn flag() -> CancelFlag {
        CancelFlag::until(None)
    }

    #[test]
    fn a_cancel_raises_the_running_jobs_flag_only() {
        let (board, flag) = (Board::default(), flag());
        assert_eq!(board.start(7, flag.clone(), None).unwrap(), Start::Run);
        board.cancel(6);
        board.cancel(8);
        assert!(!flag.is_cancelled());
        board.cancel(7);
        assert!(flag.is_cancelled());
    }

    #[test]
    fn a_cancel_that_comes_first_meets_its_job_at_the_door() {
        let board = Board::default();
        board.cancel(2);
        assert_eq!(board.start(1, flag(), None).unwrap(), Start::Run);
        assert_eq!(board.start(2, flag(), None).unwrap(), Start::Cancelled);
        assert_eq!(board.start(3, flag(), None).unwrap(), Start::Run);
    }

    #[test]
    fn a_late_cancel_hits_nobody_and_is_not_remembered() {
        let (board, flag) = (Board::default(), flag());
        assert_eq!(board.start(1, CancelFlag::until(None), None).unwrap(), Start::Run);
        assert_eq!(board.start(2, flag.clone(), None).unwrap(), Start::Run);
        board.cancel(1);
        assert!(!flag.is_cancelled());
        assert!(board.lock().early.is_empty());
    }

    #[test]
    fn early_cancels_are_bounded() {
        let board = Board::default();
        (1..1000).for_each(|sequence| board.cancel(sequence));
        assert_eq!(board.lock().early.len(), MAX_EARLY_CANCELS);
        // A later start forgets them.
        assert_eq!(board.start(2000, flag(), None).unwrap(), Start::Run);
        assert!(board.lock().early.is_empty());
    }

    #[test]
    fn what_was_recalled_does_not_start_and_what_comes_later_does() {
        let (board, coordinators) = (Board::default(), PageReader::create("test", LEN).unwrap());
        coordinators.write(MAGIC_AT, MAGIC).unwrap();
        board.keep(Arc::new(Page::from_fd(&coordinators).unwrap()));
        let begun = || coordinators.number(BEGUN).unwrap();
        assert_eq!((board.start(1, flag(), None).unwrap(), begun()), (Start::Run, 1));
        assert_eq!(coordinators.withdraw(RECALLED, BEGUN, 3).unwrap(), 1);
        assert!(board.is_recalled(3) && !board.is_recalled(4));
        for sequence in [2, 3] {
            assert_eq!((board.start(sequence, flag(), None).unwrap(), begun()), (Start::PassedOver, 1));
        }
        assert_eq!((board.start(4, flag(), None).unwrap(), begun()), (Start::Run, 4));
    }

    #[test]
    fn sequence_numbers_rise() {
        let board = Board::default();
        assert_eq!(board.start(5, flag(), None).unwrap(), Start::Run);
        let error = board.start(5, flag(), None).unwrap_err().to_string();
        assert!(error.ends_with("job 5 came after job 5, but sequence numbers rise"), "{error}");
    }

    #[test]
    fn credit_is_used_up_and_topped_up() {
        let (board, flag) = (Board::default(), flag());
        assert_eq!(board.start(1, flag.clone(), Some(1)).unwrap(), Start::Run);
        assert_eq!(board.take_credit(&flag), Ok(Grant::Send));
        board.add_credit(2, 1);
        board.add_credit(1, 1);
        assert_eq!(board.take_credit(&flag), Ok(Grant::Send));
        // Now there is no credit left: only a cancel ends the wait.
        board.cancel(1);
        assert_eq!(board.take_credit(&flag), Err(Cancelled));
    }

    #[test]
    fn waiting_for_credit_ends_with_a_cancel() {
        let (board, flag) = (Board::default(), flag());
        assert_eq!(board.start(1, flag.clone(), Some(0)).unwrap(), Start::Run);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| board.take_credit(&flag));
            board.cancel(1);
            assert_eq!(waiting.join().unwrap(), Err(Cancelled));
        });
    }

    #[test]
    fn a_shutdown_ends_the_wait_for_it() {
        let board = Board::default();
        board.await_shutdown(Duration::ZERO);
        std::thread::scope(|scope| {
            scope.spawn(|| board.await_shutdown(Duration::MAX));
            board.shut_down();
        });
        board.await_shutdown(Duration::MAX);
    }

    #[test]
    fn chunks_that_nobody_wants_need_no_credit() {
        let (board, flag) = (Board::default(), flag());
        assert_eq!(board.start(1, flag.clone(), None).unwrap(), Start::Run);
        board.add_credit(1, 1);
        assert_eq!(board.take_credit(&flag), Ok(Grant::Drop));
    }
}
