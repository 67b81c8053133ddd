//! Lists of jobs, page by page.

use std::sync::Arc;

use super::Registry;
use crate::cursor::{Cursor, ForeignCursor};
use crate::filter::{Class, Filter};
use crate::record::Record;
use crate::storage::{Query, Storage};
use crate::time::Time;

/// Maximum number of jobs of a page.
pub const MAX_PAGE: usize = 200;

/// A page of a list, the newest job first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<Arc<Record>>,
    /// Where the list continues, or `None` at its end.
    pub next: Option<Cursor>,
}

impl Page {
    /// Returns a page of another store than a registry.
    #[must_use]
    pub fn new(jobs: Vec<Arc<Record>>, next: Option<Cursor>) -> Self {
        Self { jobs, next }
    }
}

impl<S: Storage> Registry<S> {
    /// Returns the cursor with which a list begins with the newest job. For a list that continues in another registry.
    #[must_use]
    pub fn first(&self) -> Cursor {
        Cursor { registry: self.number, below: u64::MAX }
    }

    /// Returns the jobs that match, the newest first: at most `limit`, from 1 to [`MAX_PAGE`].
    ///
    /// A job that matches during the whole walk from page to page appears once. One that begins or
    /// ceases to match meanwhile appears at most once.
    ///
    /// # Errors
    /// When the cursor comes from another registry.
    pub fn list(&self, filter: &Filter, from: Option<Cursor>, limit: usize) -> Result<Page, ForeignCursor> {
        self.page(filter, filter.classes().as_deref(), from, limit)
    }

    /// Returns the jobs that match and have one of these classes.
    pub(super) fn page(
        &self,
        filter: &Filter,
        classes: Option<&[Class]>,
        from: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, ForeignCursor> {
        if from.is_some_and(|cursor| cursor.registry != self.number) {
            return Err(ForeignCursor);
        }
        let limit = limit.clamp(1, MAX_PAGE);
        let query = Query {
            pools: filter.pools.as_deref(),
            classes,
            below: from.map_or(u64::MAX, |cursor| cursor.below),
            since: filter.since.unwrap_or(Time::ZERO),
            limit,
        };
        let jobs = self.storage.page(&query);
        let last = jobs.last().filter(|_| jobs.len() == limit);
        let next = last.map(|record| Cursor { registry: self.number, below: record.seq });
        Ok(Page { jobs, next })
    }
}
