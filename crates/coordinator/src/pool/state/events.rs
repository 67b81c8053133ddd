//! The events of a job for its caller: progress, of which the latest wins, chunks, of which none is lost, and for
//! who watches the job, when workers have it. Bounded by the credit that the job was given.

use procpool_protocol::engine::JobEvent;
use procpool_protocol::limits::{CHUNK_CREDIT, MAX_CHUNK};
use procpool_protocol::message::Progress;
use procpool_protocol::{JobId, Payload};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A job's events on their way from the session to the handle.
#[derive(Debug, Default)]
pub(crate) struct Events {
    state: Mutex<State>,
    /// The id that the job was given by who watches it. `None`: nobody is told when workers have the job.
    watched_as: Option<JobId>,
}

#[derive(Debug, Default)]
struct State {
    /// Chunks, and between two of them at most one place.
    waiting: VecDeque<Waiting>,
    /// Number of chunks that wait.
    chunks: usize,
    progress: Option<Progress>,
    /// The progress of this attempt that came last, whether the reader has it or not.
    last_progress: Option<Progress>,
    /// Chunks that were taken and for which no new credit was granted yet.
    taken: u32,
    /// Nobody reads any longer: chunks are dropped, and credit is still granted.
    discarding: bool,
    /// A chunk was kept for the reader.
    begun: bool,
    ended: bool,
    /// The one waker for the next event: that of the handle, or of the stream that was taken from it.
    reader: Option<Waker>,
}

/// An item that waits for the reader.
#[derive(Debug)]
enum Waiting {
    Chunk(Payload),
    Place(Place),
}

/// Where the job is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// With this worker, for this attempt.
    Worker(u32, Arc<str>),
    /// Back in the queue.
    Queue,
}

impl From<Place> for JobEvent {
    fn from(place: Place) -> Self {
        match place {
            Place::Worker(attempt, worker) => Self::started(attempt, worker),
            Place::Queue => Self::Returned,
        }
    }
}

/// The consequence of a chunk that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Credit to grant, if any.
    pub(crate) grant: u32,
    /// It is the first that the reader will see.
    pub(crate) is_first: bool,
}

/// The next thing that a handle is told.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// Told only of jobs that are watched.
    Place(Place),
    Progress(Progress),
    /// A chunk, and how many further ones the job may now send.
    Chunk(Payload, u32),
}

impl Events {
    /// Half of the credit is granted at once, so that a grant costs one small frame for many chunks
    /// and the job seldom runs dry.
    const GRANT: u32 = CHUNK_CREDIT / 2;

    /// Returns the events of a job that is watched under this id.
    pub(crate) fn watched_as(id: JobId) -> Self {
        Self { watched_as: Some(id), ..Self::default() }
    }

    /// Returns the id under which the job is watched, if it is.
    pub(crate) fn id(&self) -> Option<JobId> {
        self.watched_as
    }

    /// Takes progress from the session.
    pub(crate) fn progress(&self, progress: Progress) {
        let mut state = self.lock();
        (state.progress, state.last_progress) = (Some(progress), Some(progress));
        wake(state);
    }

    /// Returns the progress that came last in this attempt.
    pub(crate) fn last_progress(&self) -> Option<Progress> {
        self.lock().last_progress
    }

    /// Begins another attempt, with all of its credit. Returns whether [`stir`](Self::stir) has to follow.
    pub(crate) fn begin(&self, attempt: u32, worker: &str) -> bool {
        let mut state = self.lock();
        (state.taken, state.last_progress) = (0, None);
        if self.watched_as.is_some() {
            state.is_at(Place::Worker(attempt, worker.into()));
        }
        self.watched_as.is_some()
    }

    /// Notes that the job is back in the queue. Returns whether [`stir`](Self::stir) has to follow.
    pub(crate) fn back_in_queue(&self) -> bool {
        if self.watched_as.is_some() {
            self.lock().is_at(Place::Queue);
        }
        self.watched_as.is_some()
    }

    /// Wakes the reader. The pool's lock must not be held.
    pub(crate) fn stir(&self) {
        wake(self.lock());
    }

    /// Takes a chunk from the session. The error says how the worker broke the rules.
    pub(crate) fn chunk(&self, chunk: Payload) -> Result<Taken, String> {
        if chunk.bytes.len() > MAX_CHUNK as usize {
            return Err(format!("a chunk of {} bytes exceeds the limit of {MAX_CHUNK}", chunk.bytes.len()));
        }
        let mut state = self.lock();
        if state.discarding {
            return Ok(Taken { grant: state.take(), is_first: false });
        }
        if state.chunks >= CHUNK_CREDIT as usize {
            return Err("a chunk was sent without credit".into());
        }
        state.waiting.push_back(Waiting::Chunk(chunk));
        state.chunks += 1;
        let is_first = !std::mem::replace(&mut state.begun, true);
        wake(state);
        Ok(Taken { grant: 0, is_first })
    }

    /// Ends the events: the job has its outcome, and no further event comes.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        wake(state);
    }

    /// Stops the delivery of chunks. Returns the credit to grant for those that were waiting.
    pub(crate) fn discard(&self) -> u32 {
        let mut state = self.lock();
        state.discarding = true;
        let waiting = u32::try_from(std::mem::take(&mut state.chunks)).unwrap_or(CHUNK_CREDIT);
        let chunks = std::mem::take(&mut state.waiting);
        let taken = std::mem::take(&mut state.taken);
        drop(state);
        drop(chunks);
        taken + waiting
    }

    /// Takes a chunk, if there is one. Returns the number of further chunks that the job may now send.
    #[cfg(test)]
    pub(crate) fn try_chunk(&self) -> Option<u32> {
        match self.lock().next()? {
            Next::Chunk(_, grant) => Some(grant),
            _ => None,
        }
    }

    /// Returns the next event, or `None` once the job has ended and everything was taken. Only the last
    /// caller is woken.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Next>> {
        let mut state = self.lock();
        if let Some(next) = state.next() {
            return Poll::Ready(Some(next));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the reader, out of the lock: it may be woken by being polled.
fn wake(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl State {
    /// Notes where the job is. A place that was not told yet is replaced.
    fn is_at(&mut self, place: Place) {
        // It belongs to the attempt before.
        self.progress = None;
        if let Some(Waiting::Place(_)) = self.waiting.back() {
            self.waiting.pop_back();
        }
        self.waiting.push_back(Waiting::Place(place));
    }

    /// Takes what the reader is told next. Progress overtakes chunks, and no place.
    fn next(&mut self) -> Option<Next> {
        if !matches!(self.waiting.front(), Some(Waiting::Place(_)))
            && let Some(progress) = self.progress.take()
        {
            return Some(Next::Progress(progress));
        }
        match self.waiting.pop_front()? {
            Waiting::Place(place) => Some(Next::Place(place)),
            Waiting::Chunk(chunk) => {
                self.chunks -= 1;
                Some(Next::Chunk(chunk, self.take()))
            }
        }
    }

    /// Counts a chunk as taken and returns the credit to grant, if it is time.
    fn take(&mut self) -> u32 {
        self.taken += 1;
        if self.taken < Events::GRANT {
            return 0;
        }
        std::mem::take(&mut self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(byte: u8) -> Payload {
        Payload::raw(vec![byte])
    }

    async fn next(events: &Events) -> Option<Next> {
        std::future::poll_fn(|context| events.poll_next(context)).await
    }

    #[tokio::test]
    async fn chunks_come_in_order_and_the_end_comes_last() {
        let events = Events::default();
        events.chunk(chunk(1)).unwrap();
        events.chunk(chunk(2)).unwrap();
        events.end();
        assert_eq!(next(&events).await, Some(Next::Chunk(chunk(1), 0)));
        assert_eq!(next(&events).await, Some(Next::Chunk(chunk(2), 0)));
        assert_eq!(next(&events).await, None);
    }

    #[tokio::test]
    async fn the_latest_progress_wins() {
        let events = Events::default();
        events.progress(Progress { done: 1, total: None });
        events.progress(Progress { done: 2, total: None });
        assert_eq!(next(&events).await, Some(Next::Progress(Progress { done: 2, total: None })));
    }

    #[tokio::test]
    async fn places_are_told_of_watched_jobs_in_their_order_and_the_latest_replaces_those_before() {
        let events = Events::watched_as(JobId::from_bits(1));
        assert!(events.begin(1, "fib-0") && events.back_in_queue() && events.begin(2, "fib-1"));
        events.progress(Progress { done: 1, total: None });
        events.chunk(chunk(1)).unwrap();
        assert_eq!(next(&events).await, Some(Next::Place(Place::Worker(2, "fib-1".into()))));
        assert_eq!(next(&events).await, Some(Next::Progress(Progress { done: 1, total: None })));
        assert_eq!(next(&events).await, Some(Next::Chunk(chunk(1), 0)));
        events.back_in_queue();
        assert_eq!(next(&events).await, Some(Next::Place(Place::Queue)));

        let unwatched = Events::default();
        assert!(!unwatched.begin(1, "fib-0") && !unwatched.back_in_queue());
        unwatched.end();
        assert_eq!(next(&unwatched).await, None);
    }

    #[tokio::test]
    async fn all_credit_is_given_back_in_the_long_run() {
        let events = Events::default();
        let mut credit = CHUNK_CREDIT;
        for _ in 0..1000 {
            assert!(credit > 0, "the job would stall though everything is read");
            credit -= 1;
            events.chunk(chunk(0)).unwrap();
            let Some(Next::Chunk(_, grant)) = next(&events).await else { panic!("no chunk") };
            credit += grant;
        }
    }

    #[tokio::test]
    async fn a_waiting_caller_is_woken_by_each_kind_of_event() {
        let events = std::sync::Arc::new(Events::default());
        let theirs = events.clone();
        let reader = tokio::spawn(async move {
            let mut seen = 0;
            while next(&theirs).await.is_some() {
                seen += 1;
            }
            seen
        });
        let is_waiting = || events.lock().reader.is_some();
        for event in 0..3 {
            while !is_waiting() {
                tokio::task::yield_now().await;
            }
            match event {
                0 => events.progress(Progress { done: 1, total: None }),
                1 => assert!(events.chunk(chunk(1)).is_ok()),
                _ => events.end(),
            }
        }
        assert_eq!(reader.await.unwrap(), 2);
    }

    #[test]
    fn chunks_without_credit_are_a_violation_unless_nobody_reads() {
        let events = Events::default();
        for _ in 0..CHUNK_CREDIT {
            events.chunk(chunk(0)).unwrap();
        }
        assert!(events.chunk(chunk(0)).is_err());
        assert_eq!(events.discard(), CHUNK_CREDIT);
        assert!(events.chunk(chunk(0)).is_ok());
    }
}
