//! [`View`]: what can be read of a registry, over whatever storage.

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_registry::{
    Cursor, Durable, Filter, ForeignCursor, Page, Record, Registry, ResultState, Resumed, Time,
};
use std::sync::Arc;

/// A look at the registry. It returns how to tell what was seen, once that is durable.
pub(super) type Read = Box<dyn FnOnce(&dyn View, Time) -> Reply + Send>;
pub(super) type Reply = Box<dyn FnOnce() + Send>;

/// The part of a registry that changes nothing.
pub(super) trait View {
    fn job(&self, job: JobId) -> Option<Arc<Record>>;
    fn result(&self, now: Time, job: JobId) -> ResultState;
    fn events(&self, job: JobId, seen: u64) -> Option<Resumed>;
    fn input(&self, now: Time, job: JobId) -> Option<Arc<Submission>>;
    fn list(&self, filter: &Filter, from: Option<Cursor>, limit: usize) -> Result<Page, ForeignCursor>;
    fn note(&self, name: &str) -> Option<Vec<u8>>;
}

impl<D: Durable> View for Registry<D> {
    fn job(&self, job: JobId) -> Option<Arc<Record>> {
        Registry::job(self, job)
    }

    fn result(&self, now: Time, job: JobId) -> ResultState {
        Registry::result(self, now, job)
    }

    fn events(&self, job: JobId, seen: u64) -> Option<Resumed> {
        Registry::events(self, job, seen)
    }

    fn input(&self, now: Time, job: JobId) -> Option<Arc<Submission>> {
        Registry::input(self, now, job)
    }

    fn list(&self, filter: &Filter, from: Option<Cursor>, limit: usize) -> Result<Page, ForeignCursor> {
        Registry::list(self, filter, from, limit)
    }

    fn note(&self, name: &str) -> Option<Vec<u8>> {
        self.storage().note(name)
    }
}
