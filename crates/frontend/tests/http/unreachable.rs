//! A store of jobs that accepts a job and then cannot be reached.

use crate::async_jobs::{ask, submit};
use crate::fake::Fake;
use crate::server::Server;
use procpool_frontend::{App, Health, HttpConfig};
use procpool_jobs::{Enqueued, Jobs, LocalJobs, Order};
use procpool_protocol::engine::{BoxFuture, Submission};
use procpool_protocol::{JobError, JobId};
use procpool_registry::{
    Cancelled, Cursor, Filter, ForeignCursor, Page, Record, ResultState, Resumed, Selection, Settings, Trial,
};
use std::sync::Arc;

/// Accepts jobs, and finds none.
struct Away(LocalJobs);

impl Jobs for Away {
    fn enqueue(&self, order: Order) -> BoxFuture<'_, Result<Enqueued, JobError>> {
        self.0.enqueue(order)
    }

    fn job(&self, _: JobId) -> BoxFuture<'_, Option<Arc<Record>>> {
        Box::pin(async { None })
    }

    fn changed(&self, job: JobId, _: u64) -> BoxFuture<'_, Option<Arc<Record>>> {
        self.job(job)
    }

    fn result(&self, _: JobId) -> BoxFuture<'_, ResultState> {
        Box::pin(async { ResultState::Unknown })
    }

    fn events(&self, _: JobId, _: u64) -> BoxFuture<'_, Option<Resumed>> {
        Box::pin(async { None })
    }

    fn input(&self, _: JobId) -> BoxFuture<'_, Option<Arc<Submission>>> {
        Box::pin(async { None })
    }

    fn list(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, ForeignCursor>> {
        self.0.list(filter, from, limit)
    }

    fn away(&self, _: JobId) -> Option<String> {
        Some("nobody is there".into())
    }

    fn cancel(&self, job: JobId) -> BoxFuture<'_, Cancelled> {
        self.0.cancel(job)
    }

    fn cancel_matching(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
        trial: Trial,
    ) -> BoxFuture<'_, Result<Selection, ForeignCursor>> {
        self.0.cancel_matching(filter, from, limit, trial)
    }
}

#[tokio::test]
async fn an_accepted_job_is_told_as_accepted_even_if_nobody_can_look_for_it() {
    let engine = Fake::echo();
    let jobs = Away(LocalJobs::new(engine.clone(), Settings::default()).unwrap());
    let health = Health::starting();
    let app = App::new(engine, HttpConfig::default(), health.clone()).with_jobs(Arc::new(jobs));
    let server = Server::of_app("127.0.0.1:0", app, health).await;
    let accepted = submit(&server, "Prefer: respond-async").await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let path = accepted.header("location").expect("a location").to_owned();
    assert_eq!(accepted.json()["id"].as_str(), path.strip_prefix("/v1/jobs/"));

    let looked = ask(&server, "GET", &path, "").await;
    let problem = looked.json();
    assert_eq!((looked.status, problem["reason"].as_str()), (503, Some("engine_unreachable")), "{problem}");
    assert_eq!(problem["may_have_run"], true, "nobody knows");
}
