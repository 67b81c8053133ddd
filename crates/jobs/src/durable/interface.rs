//! [`Jobs`] for [`DurableJobs`]: each operation goes to the store's thread.

use super::op::{Accept, CancelMatching, Op};
use super::{DurableJobs, Health, View};
use crate::bells::{Bell, Listener};
use crate::compact::compact;
use crate::interface::{Enqueued, Jobs, Order};
use procpool_protocol::engine::{BoxFuture, Submission};
use procpool_protocol::outcome::{Finished, Refusal, Refused};
use procpool_protocol::{JobError, JobId};
use procpool_registry::{
    Cancelled, Cursor, Decision, Filter, ForeignCursor, Offer, Page, Record, ResultState, Resumed, Selection,
    Trial, Usage,
};
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

impl DurableJobs {
    async fn accept(&self, pool: Arc<str>, mut order: Order) -> Result<Enqueued, JobError> {
        let mut offer = Offer::new(JobId::from_bits(0), pool.clone());
        (offer.principal, offer.key, offer.wait) = (order.principal, order.key, order.wait);
        (offer.rerun_of, offer.priority) = (order.rerun_of, order.job.priority);
        // A timeout of its own counts from the moment at which it may run. The pool's counts for each attempt.
        let has_timeout = order.job.limits.timeout.is_some();
        let timeout = self.0.shared.engine.limits_of(&order.job).timeout.filter(|_| has_timeout);
        let delay = order.not_before.filter(|delay| !delay.is_zero());
        order.job.input = compact(&order.job.input).await;
        offer.input = Some(Arc::new(order.job));
        let (tell, told) = oneshot::channel();
        let has_note = order.note.is_some();
        let accept = Accept { offer, timeout, delay, note: order.note, tell };
        self.offer(&pool, Op::Accept(Box::new(accept)))?;
        // The client's budget is free once the job is on disk.
        let (decision, listener) = told.await.unwrap_or_else(|_| Err(self.closed(&pool)))?;
        drop(order.held);
        let is_noted = has_note && matches!(decision, Decision::Run(_));
        let enqueued = match (listener, &decision) {
            (Some(listener), _) => Enqueued::new(decision, outcome(listener)),
            (None, Decision::Replay(_, finished)) => {
                let finished = finished.clone();
                Enqueued::new(decision, ready(Some(finished)))
            }
            (None, _) => {
                let (jobs, job) = (self.clone(), decision.record().id);
                Enqueued::new(decision, async move { jobs.finished(job).await })
            }
        };
        Ok(Enqueued { is_noted, ..enqueued })
    }

    async fn finished(&self, job: JobId) -> Option<Arc<Finished>> {
        match self.read(move |view, now| view.result(now, job)).await? {
            ResultState::Finished(_, finished) => Some(finished),
            _ => None,
        }
    }

    /// Waits until `look` finds something, or there is no such job. Looks again at each change of the job.
    async fn await_change<T: Send + 'static>(
        &self,
        job: JobId,
        look: impl Fn(&dyn View) -> Option<Option<T>> + Clone + Send + 'static,
    ) -> Option<T> {
        let listener = self.0.shared.bells.listen(job);
        loop {
            let rung = listener.bell.rings.notified();
            let look = look.clone();
            if let Some(found) = self.read(move |view, _| look(view)).await?? {
                return Some(found);
            }
            rung.await;
        }
    }
}

/// Returns the outcome of a job once it is there.
async fn outcome(listener: Listener) -> Option<Arc<Finished>> {
    let bell: &Bell = &listener.bell;
    loop {
        let rung = bell.rings.notified();
        if let Some(finished) = bell.outcome.get() {
            return Some(finished.clone());
        }
        if bell.is_closed.load(Ordering::Acquire) {
            return None;
        }
        rung.await;
    }
}

impl Jobs for DurableJobs {
    fn enqueue(&self, order: Order) -> BoxFuture<'_, Result<Enqueued, JobError>> {
        let options = self.0.shared.options();
        let pool = order.job.pool.as_str();
        let refused = |reason| Box::pin(ready(Err(Refused::new(pool, reason).into())));
        let Some((pool, own)) = options.named(pool) else {
            return refused(Refusal::unknown_pool(options.names()));
        };
        let size = order.job.input.bytes.len();
        if size > own.max_payload {
            return refused(Refusal::input_too_large(size, own.max_payload));
        }
        Box::pin(self.accept(pool.clone(), order))
    }

    fn job(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Record>>> {
        Box::pin(async move { self.read(move |view, _| view.job(job)).await.flatten() })
    }

    fn changed(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Arc<Record>>> {
        Box::pin(self.await_change(job, move |view| {
            let record = view.job(job)?;
            Some((record.version != seen).then_some(record))
        }))
    }

    fn result(&self, job: JobId) -> BoxFuture<'_, ResultState> {
        Box::pin(async move {
            self.read(move |view, now| view.result(now, job)).await.unwrap_or(ResultState::Unknown)
        })
    }

    fn events(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Resumed>> {
        Box::pin(self.await_change(job, move |view| {
            Some(match view.events(job, seen)? {
                Resumed::Next(events) if events.is_empty() => None,
                resumed => Some(resumed),
            })
        }))
    }

    fn input(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Submission>>> {
        Box::pin(async move { self.read(move |view, now| view.input(now, job)).await.flatten() })
    }

    fn list(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, ForeignCursor>> {
        Box::pin(async move {
            self.read(move |view, _| view.list(&filter, from, limit)).await.unwrap_or(Err(ForeignCursor))
        })
    }

    fn is_durable(&self, pool: &str) -> bool {
        self.0.shared.options().named(pool).is_some()
    }

    fn usage(&self) -> (Usage, u64) {
        *self.0.shared.usage()
    }

    fn health(&self) -> Health {
        Self::health(self)
    }

    fn cancel(&self, job: JobId) -> BoxFuture<'_, Cancelled> {
        Box::pin(async move { self.ask(|tell| Op::Cancel(job, tell)).await.unwrap_or(Cancelled::Unknown) })
    }

    fn cancel_matching(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
        trial: Trial,
    ) -> BoxFuture<'_, Result<Selection, ForeignCursor>> {
        Box::pin(async move {
            let matching = |tell| CancelMatching { filter, from, limit, trial, tell };
            let selected = self.ask(|tell| Op::CancelMatching(Box::new(matching(tell)))).await;
            selected.unwrap_or(Err(ForeignCursor))
        })
    }
}
