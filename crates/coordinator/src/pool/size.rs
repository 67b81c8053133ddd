//! The life of a pool: waited for, closed, listened to, and held without being kept alive.

use super::news::PoolEvents;
use super::raw::{Owner, RawPool};
use super::{Pool, PoolEvent};
use procpool_protocol::Job;
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_scheduler::Event;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

/// A handle of a pool that does not keep it alive.
pub struct WeakPool<J> {
    owner: Weak<Owner>,
    job: PhantomData<fn() -> J>,
}

impl<J> WeakPool<J> {
    /// Returns the pool, if somebody still has it.
    pub fn upgrade(&self) -> Option<Pool<J>> {
        Some(Pool { raw: RawPool::of(self.owner.upgrade()?), job: PhantomData })
    }
}

impl<J> Clone for WeakPool<J> {
    fn clone(&self) -> Self {
        Self { owner: self.owner.clone(), job: PhantomData }
    }
}

impl<J> fmt::Debug for WeakPool<J> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("WeakPool")
    }
}

impl<J: Job> Pool<J> {
    /// Returns a handle that does not keep the pool alive.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use std::time::Duration;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) {
    /// let weak = pool.downgrade();
    /// tokio::spawn(async move {
    ///     while let Some(pool) = weak.upgrade() {
    ///         println!("{} jobs wait", pool.status().queued);
    ///         drop(pool);
    ///         tokio::time::sleep(Duration::from_secs(10)).await;
    ///     }
    /// });
    /// # }
    /// ```
    pub fn downgrade(&self) -> WeakPool<J> {
        WeakPool { owner: Arc::downgrade(&self.raw.owner.0), job: PhantomData }
    }

    /// Waits until this number of workers is ready, at most the number that the pool keeps without a job: its minimum or its
    /// spares, and none in a lazy pool that was given no job. Workers beyond those start for jobs, and it does not wait
    /// for them. Resizing the pool changes the number for those that wait already.
    ///
    /// ```no_run
    /// # use procpool_coordinator::{Executable, Pool};
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let pool = Pool::<Fib>::builder(Executable::find("procpool-fib")?).workers(4).start().await?;
    /// pool.ready(4).await?;
    /// // Each of the first four jobs finds a worker that is ready.
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the pool stops taking jobs.
    pub async fn ready(&self, workers: usize) -> Result<(), Refused> {
        self.raw.ready(workers).await
    }

    /// Stops taking jobs, and returns at once. Jobs that were accepted go on. Workers exit as they are no longer needed.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), Box<dyn std::error::Error>> {
    /// let job = pool.submit(40).await?;
    /// pool.close();
    /// assert!(pool.try_submit(41).is_err());
    /// println!("{}", job.await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(&self) {
        self.raw.close();
    }

    /// Returns whether the pool has stopped taking jobs: it was closed or shut down, its runtime has ended,
    /// or this is a fork.
    pub fn is_closed(&self) -> bool {
        self.raw.is_closed()
    }

    /// Returns the events of the pool from now on, as a stream: of its workers, of orders and reloads, and how many
    /// jobs have ended.
    ///
    /// ```no_run
    /// # use procpool_coordinator::{Executable, Pool, PoolEvent};
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) {
    /// let mut events = pool.events();
    /// tokio::spawn(async move {
    ///     while let Some(event) = events.next().await {
    ///         match event {
    ///             PoolEvent::Died { report, reason: None, .. } => eprintln!("a worker died: {report}"),
    ///             PoolEvent::Jobs(totals) => println!("{:?}", totals.outcomes),
    ///             _ => {}
    ///         }
    ///     }
    /// });
    /// # }
    /// ```
    pub fn events(&self) -> PoolEvents {
        self.raw.events()
    }
}

impl RawPool {
    /// Waits until this number of workers is ready; see [`Pool::ready`].
    ///
    /// # Errors
    /// When the pool stops taking jobs.
    pub async fn ready(&self, workers: usize) -> Result<(), Refused> {
        let core = self.core();
        if self.is_ready(workers)? {
            return Ok(());
        }
        let mut events = self.events();
        loop {
            // The listeners are in before the look, so that a change in between is not missed.
            let changed = core.size_changed.notified();
            if self.is_ready(workers)? {
                return Ok(());
            }
            let started = async {
                while !matches!(
                    events.next().await,
                    None | Some(PoolEvent::Started { .. } | PoolEvent::Missed { .. })
                ) {}
            };
            tokio::select! {
                () = changed => {}
                () = started => {}
            }
        }
    }

    /// Returns whether this number of workers is ready, or all that the pool keeps by itself.
    fn is_ready(&self, workers: usize) -> Result<bool, Refused> {
        let core = self.core();
        if self.is_closed() {
            let reason = if core.is_here() { core.what_ended() } else { Refusal::Forked };
            return Err(Refused::new(self.name(), reason));
        }
        let counts = self.status().workers;
        let ready = counts.idle + counts.busy + counts.stopping;
        Ok(ready >= workers.min(core.with(|state, _| state.scheduler.kept())))
    }

    /// Returns whether both are handles of one pool.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.core(), other.core())
    }

    /// Returns the counter of the names of its workers, for a pool that takes its place.
    pub(crate) fn numbers(&self) -> Arc<AtomicU64> {
        self.core().with(|state, _| state.numbers.clone())
    }

    /// Waits until no job and no worker is left, after [`close`](Self::close).
    pub(crate) async fn ended(&self) {
        // The sender lives in the core, which is alive here.
        let _ = self.core().drained().wait_for(|drained| *drained).await;
    }

    /// Stops taking jobs; the workers exit after those that were accepted.
    pub fn close(&self) {
        self.core().feed(Event::Drain { limit: None });
    }

    /// Returns whether the pool has stopped taking jobs.
    pub fn is_closed(&self) -> bool {
        let core = self.core();
        !core.is_here() || core.with(|state, _| state.scheduler.is_draining())
    }

    /// Returns the events of the pool's workers from now on. In a fork, and after the pool's end, there are
    /// none.
    pub fn events(&self) -> PoolEvents {
        let core = self.core();
        if !core.is_here() {
            return PoolEvents::none();
        }
        core.news.listen()
    }
}
