//! [`Map`]: many inputs, their outcomes as a stream, a bounded number under way.

mod arriving;
mod budget;
mod chunk;
mod lanes;
mod under_way;
mod window;

use self::arriving::{Arriving, End};
use self::budget::Budget;
use self::chunk::{Chunk, Filling};
use self::lanes::Lanes;
use self::under_way::{Cargo, Prepared, UnderWay};
use self::window::Window;
use super::handle;
use super::offering::Submitted;
use crate::pool::Pool;
use crate::pool::state::open_job::{NewJob, Rejected};
use futures_core::Stream;
use procpool_protocol::engine::JobLimits;
use procpool_protocol::outcome::{Finished, Refused};
use procpool_protocol::{Job, JobError, Payload};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::task::coop;

/// A stream of outcomes; see [`Pool::map`].
///
/// It implements `futures_core::Stream`; [`next`](Self::next) works without a stream library.
///
/// ```no_run
/// # use procpool_coordinator::Pool;
/// # use procpool_protocol::JobError;
/// # procpool_protocol::job!(Fib, "fib", u64 => u64);
/// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
/// let mut outputs = pool.map(0..1_000_000).unordered();
/// let mut sum = 0;
/// while let Some(output) = outputs.next().await {
///     sum += output?;
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "streams do nothing unless polled"]
pub struct Map<J: Job, I> {
    pool: Pool<J>,
    inputs: std::iter::Fuse<I>,
    limits: JobLimits,
    window: Window,
    /// The rest of the inputs that this poll may prepare.
    budget: Budget,
    /// The inputs of the next chunk. It is kept from poll to poll, and where the iterator panics.
    filling: Filling,
    /// Jobs, and refused inputs between them, that are still to be submitted.
    prepared: VecDeque<Result<Prepared, Refused>>,
    /// The inputs of chunks that must be sent again, before other inputs.
    pieces: VecDeque<Prepared>,
    /// A job that waits for a queue slot, while it cannot wait for the end of one under way.
    offer: Option<Offer>,
    under_way: Lanes<UnderWay>,
    /// Number of entries under way that were refused. Nothing else bounds it: they need no queue slot.
    refused: usize,
    /// The outcomes of an ended job, which are being returned.
    arriving: Option<Arriving>,
}

/// Maximum number of inputs of a chunk.
const IN_CHUNK: usize = 16_384;

/// Maximum number of refused inputs that wait for their turn: above 1, so that some bad inputs among good ones
/// leave no worker idle.
const REFUSED: usize = 16;

struct Offer {
    submitted: Pin<Box<dyn Future<Output = Result<Submitted, Box<Rejected>>> + Send>>,
    cargo: Cargo,
    is_piece: bool,
}

// Nothing in it is pinned in place: the one future that is not `Unpin` is boxed.
impl<J: Job, I> Unpin for Map<J, I> {}

impl<J: Job, I> std::fmt::Debug for Map<J, I> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Map").field("under_way", &self.under_way.len()).finish_non_exhaustive()
    }
}

impl<J: Job, I: Iterator<Item = J::Input>> Map<J, I> {
    pub(crate) fn new(pool: Pool<J>, inputs: I) -> Self {
        let limits = pool.raw().limits();
        let (window, filling) = (Window::of(limits), Filling::new(limits.max_payload));
        Self {
            pool,
            inputs: inputs.fuse(),
            limits: JobLimits::default(),
            window,
            budget: Budget::WHOLE,
            filling,
            prepared: VecDeque::new(),
            pieces: VecDeque::new(),
            offer: None,
            under_way: Lanes::ordered(),
            refused: 0,
            arriving: None,
        }
    }

    /// Sets the number of jobs under way, at least 1. By default, no worker runs out of jobs: 256, or 64 for
    /// each worker. The number is lower where the jobs would fill more than half of the pool's queue, or
    /// where their payloads would exceed 64 MiB.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) {
    /// // Four jobs at a time, so that the other workers are free for other callers.
    /// let outputs = pool.map(0..1_000_000).ahead(4);
    /// # }
    /// ```
    pub fn ahead(mut self, jobs: usize) -> Self {
        self.window.ahead = Some(jobs.max(1));
        self
    }

    /// Sends up to `inputs` inputs together, at most 16,384, as one job, where they take less than 1 MiB. This is for jobs of
    /// a few microseconds, whose transport costs more than their run. Each input has an outcome of its own.
    /// Default: 1.
    ///
    /// As one job, a chunk has one queue slot, one `run_timeout`, one count in the pool's figures. A worker
    /// that dies costs all inputs of its chunk, unless the job may be repeated and
    /// [`max_attempts`](crate::PoolBuilder::max_attempts) is above 1. In that case each of them is run again,
    /// alone. The chunk counts as one attempt. An input at which the function fails or panics affects no
    /// other. Workers in other languages get each input as a job, and so do the workers of a pool with
    /// [`process_per_job`](crate::PoolBuilder::process_per_job).
    /// [`recycle_jobs`](crate::PoolBuilder::recycle_jobs) counts a chunk as one job.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Parse, "parse", String => u64);
    /// # async fn example(pool: Pool<Parse>, text: String) {
    /// let lines = text.lines().map(str::to_owned);
    /// let mut outcomes = pool.map(lines).chunks(1_000);
    /// while let Some(outcome) = outcomes.next().await {
    ///     match outcome {
    ///         Ok(number) => println!("{number}"),
    ///         Err(error) => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn chunks(mut self, inputs: usize) -> Self {
        self.window.chunk = inputs.clamp(1, IN_CHUNK);
        self
    }

    /// Returns outcomes as they come, and not in the order of the inputs, so that one long job does not delay
    /// others.
    pub fn unordered(mut self) -> Self {
        self.under_way.unorder();
        self
    }

    /// Bounds the time in queue and the run of each job together, as
    /// [`JobRequest::timeout`](crate::JobRequest::timeout) does. Default: `None`, since nobody waits for one
    /// job of a map.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = Some(timeout);
        self
    }

    /// Bounds the run of each job. Default: the pool's `timeout` or `run_timeout`, whichever is shorter.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.limits.run_timeout = Some(timeout);
        self
    }

    /// Returns the next outcome, in the order of the inputs unless [`unordered`](Self::unordered) was
    /// called, or `None` after the last. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Result<J::Output, JobError>> {
        std::future::poll_fn(|context| self.poll_outcome(context)).await
    }

    fn poll_outcome(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<J::Output, JobError>>> {
        // Outcomes of a chunk, and refusals, are there without a wait: other tasks get their turn in between.
        let turn = ready!(coop::poll_proceed(context));
        self.budget = Budget::WHOLE;
        let outcome = self.poll_on(context);
        let has_more = self.budget.is_spent() && !matches!(outcome, Poll::Ready(Some(_)));
        if has_more {
            context.waker().wake_by_ref();
        }
        if has_more || outcome.is_ready() {
            turn.made_progress();
        }
        if has_more { Poll::Pending } else { outcome }
    }

    fn poll_on(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<J::Output, JobError>>> {
        loop {
            self.fill(context);
            if let Some(arriving) = &mut self.arriving {
                if let Some(outcome) = arriving.next::<J>() {
                    return Poll::Ready(Some(outcome));
                }
                let left = self.arriving.take().and_then(Arriving::left);
                let left = left.map(|left| self.together(left));
                self.pieces.extend(left);
                continue;
            }
            let (end, cargo) = match ready!(self.poll_end(context)) {
                Some(end) => end,
                None if self.offer.is_some() => return Poll::Pending,
                None => return Poll::Ready(None),
            };
            if let Ok(Finished { result: Ok(output), .. }) = &end {
                self.window.take(output.bytes.len());
            }
            match cargo {
                Cargo::One => {
                    let end = end.map_err(JobError::from);
                    return Poll::Ready(Some(end.and_then(handle::decode::<J>)));
                }
                Cargo::Many(chunk) => match End::of(end, chunk, self.may_repeat()) {
                    End::Arrives(arriving) => self.arriving = Some(arriving),
                    End::Apart { chunk, may_have_run } => {
                        let spent = u32::from(may_have_run);
                        let apart: Vec<_> = chunk.apart().map(|input| self.alone(input, spent)).collect();
                        self.pieces.extend(apart);
                    }
                },
            }
        }
    }

    /// Returns the next job that has ended.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Option<(Result<Finished, Refused>, Cargo)>> {
        let awaits_pieces =
            !self.pieces.is_empty() || self.offer.as_ref().is_some_and(|offer| offer.is_piece);
        let end = ready!(self.under_way.poll_next(context, awaits_pieces));
        self.refused -= usize::from(matches!(end, Some((Err(_), _))));
        Poll::Ready(end)
    }

    /// Submits jobs until the maximum number is under way, or the queue is full.
    fn fill(&mut self, context: &mut Context<'_>) {
        loop {
            if let Some(offer) = &mut self.offer {
                let Poll::Ready(end) = offer.submitted.as_mut().poll(context) else { return };
                if let Some(Offer { cargo, is_piece, .. }) = self.offer.take() {
                    self.push(UnderWay::of(self.pool.raw().core(), end, cargo), is_piece);
                }
                continue;
            }
            let is_piece = !self.pieces.is_empty();
            let next = if is_piece {
                // The refused ones are not counted: there are as many at most as a chunk has inputs.
                let has_room = self.under_way.before_pieces() < self.window.pieces();
                has_room.then(|| self.pieces.pop_front().map(Ok)).flatten()
            } else if self.under_way.len() < self.window.jobs() && self.refused < REFUSED {
                match self.prepared.pop_front() {
                    None if self.prepare() => continue,
                    next => next,
                }
            } else {
                None
            };
            match next {
                Some(Ok(prepared)) => match self.submit(prepared, is_piece) {
                    Some(job) => self.push(job, is_piece),
                    None if self.offer.is_some() => {}
                    None => return,
                },
                Some(Err(refused)) => self.push(UnderWay::refused(refused), is_piece),
                None => return,
            }
        }
    }

    fn push(&mut self, job: UnderWay, is_piece: bool) {
        self.refused += usize::from(job.is_refused());
        if is_piece { self.under_way.push_piece(job) } else { self.under_way.push(job) }
    }

    /// Submits a job, or sets it aside until the queue has room: until a job before it ends, or if there is
    /// none, until any job does. A caller that waits for a slot and is not polled would keep it from others.
    fn submit(&mut self, Prepared { job, cargo }: Prepared, is_piece: bool) -> Option<UnderWay> {
        let core = self.pool.raw().core();
        let before = if is_piece { self.under_way.before_pieces() } else { self.under_way.len() };
        match core.offer(job) {
            Err(rejected) if rejected.reason.is_full_queue() && before > 0 => {
                let prepared = Prepared { job: rejected.job, cargo };
                if is_piece {
                    self.pieces.push_front(prepared);
                } else {
                    self.prepared.push_front(Ok(prepared));
                }
                None
            }
            Err(rejected) if rejected.reason.is_full_queue() => {
                let core = core.clone();
                let submitted = Box::pin(async move { core.submit_patiently(rejected.job).await });
                self.offer = Some(Offer { submitted, cargo, is_piece });
                None
            }
            end => {
                let end = end.inspect_err(|rejected| core.count_refusal(&rejected.reason));
                Some(UnderWay::of(core, end, cargo))
            }
        }
    }

    /// Prepares jobs of the next inputs. Returns `false` if there are none, or if this poll has prepared enough.
    fn prepare(&mut self) -> bool {
        let core = self.pool.raw().core();
        self.window.workers = core.max_workers();
        let most = self.window.chunk;
        let most = if most > 1 && core.takes_batches() { most } else { 1 };
        let mut last = None;
        while last.is_none() && self.filling.count() < most {
            if self.budget.is_spent() {
                return false;
            }
            let Some(input) = self.inputs.next() else { break };
            let encoded = self.pool.raw().encoded::<J>(&input);
            self.budget.spend(encoded.as_ref().map_or(0, |(input, _)| input.bytes.len()));
            match encoded {
                Ok((input, _)) if most == 1 => last = Some(Ok(input)),
                Ok((input, _)) if self.pool.raw().core().sets_apart(&input) => last = Some(Ok(input)),
                Ok((input, _)) => last = self.filling.add(input).err().map(Ok),
                Err(refused) => last = Some(Err(refused)),
            }
        }
        let empty = Filling::new(self.pool.raw().limits().max_payload);
        let chunk = std::mem::replace(&mut self.filling, empty).chunk().map(|chunk| Ok(self.together(chunk)));
        self.prepared.extend(chunk);
        self.prepared.extend(last.map(|last| last.map(|input| self.alone(input, 0))));
        let sizes = self.prepared.iter().flatten().map(|it| it.job.input.bytes.len());
        self.window.give(sizes.max().unwrap_or_default());
        !self.prepared.is_empty()
    }

    fn together(&self, chunk: Chunk) -> Prepared {
        if chunk.count == 1
            && let Some(input) = chunk.clone().apart().next()
        {
            return self.alone(input, 0);
        }
        let (job, batch) = (self.job(chunk.payload()), Some(chunk.encoding));
        // The further attempts are those of each input alone.
        Prepared { job: NewJob { batch, attempts: 1, ..job }, cargo: Cargo::Many(chunk) }
    }

    /// Prepares a job of one input that has had `spent` attempts in a chunk.
    fn alone(&self, input: Payload, spent: u32) -> Prepared {
        let job = self.job(input);
        Prepared {
            job: NewJob { attempts: job.attempts.saturating_sub(spent).max(1), ..job },
            cargo: Cargo::One,
        }
    }

    fn job(&self, input: Payload) -> NewJob {
        let pool = self.pool.raw();
        let reply = pool.encodings().encoding(J::ENCODING);
        let job = pool.new_job(input, reply, JobLimits::default(), None, None);
        NewJob { limits: pool.limits().of_batched_job(self.limits), ..job }
    }

    fn may_repeat(&self) -> bool {
        self.job(Payload::none()).attempts > 1
    }
}

impl<J: Job, I: Iterator<Item = J::Input>> Stream for Map<J, I> {
    type Item = Result<J::Output, JobError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_outcome(context)
    }
}
