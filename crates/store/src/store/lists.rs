//! Pages: the lists of pools, classes and priorities, merged by number.

use std::collections::BinaryHeap;

use procpool_registry::Query;

use super::Store;
use crate::encode::states;
use crate::row::rowid;
use crate::trouble::Trouble;

/// Number of rows that are read of one list at once.
const CHUNK: usize = 32;

/// A list of the index, from its newest row.
struct List {
    pool: i64,
    class: u8,
    priority: u8,
    /// Rows that were read, the newest last.
    read: Vec<i64>,
    below: i64,
}

impl Store {
    /// Returns the numbers of the jobs of a page, the newest first. Its time is not applied.
    pub(super) fn newest_first(&self, query: &Query<'_>) -> Result<Vec<i64>, Trouble> {
        let below = rowid(query.below);
        if query.pools.is_none() && query.classes.is_none() {
            let sql = "SELECT seq FROM job WHERE seq < ? ORDER BY seq DESC LIMIT ?";
            let mut statement = self.connection.prepare_cached(sql)?;
            let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
            let rows = statement.query_map([below, limit], |row| row.get(0))?;
            return Ok(rows.collect::<Result<_, _>>()?);
        }
        self.merge(self.selected(query, below), query.limit)
    }

    fn selected(&self, query: &Query<'_>, below: i64) -> Vec<List> {
        let mut pools: Vec<i64> = match query.pools {
            None => self.pools.names.keys().copied().collect(),
            Some(pools) => pools.iter().filter_map(|pool| self.pools.number(pool)).collect(),
        };
        let mut classes: Vec<u8> = match query.classes {
            None => states::classes().collect(),
            Some(classes) => classes.iter().flat_map(|&class| states::of_class(class)).collect(),
        };
        classes.sort_unstable();
        classes.dedup();
        pools.sort_unstable();
        pools.dedup();
        let classes = &classes;
        let of_pool = |pool: i64| {
            let list = move |class: u8, priority: u8| List { pool, class, priority, read: Vec::new(), below };
            classes.iter().flat_map(move |&class| states::PRIORITIES.map(|priority| list(class, priority)))
        };
        pools.into_iter().flat_map(of_pool).collect()
    }

    fn merge(&self, mut lists: Vec<List>, limit: usize) -> Result<Vec<i64>, Trouble> {
        let mut heap = BinaryHeap::new();
        for (at, list) in lists.iter_mut().enumerate() {
            heap.extend(self.next(list)?.map(|seq| (seq, at)));
        }
        let mut merged = Vec::with_capacity(limit.min(1024));
        while merged.len() < limit
            && let Some((seq, at)) = heap.pop()
        {
            merged.push(seq);
            heap.extend(self.next(&mut lists[at])?.map(|seq| (seq, at)));
        }
        Ok(merged)
    }

    /// Returns the next row of a list.
    fn next(&self, list: &mut List) -> Result<Option<i64>, Trouble> {
        if list.read.is_empty() {
            let sql = "SELECT seq FROM job INDEXED BY list WHERE pool = ? AND class = ? AND priority = ? AND seq < ? \
                       ORDER BY seq DESC LIMIT ?";
            let mut statement = self.connection.prepare_cached(sql)?;
            let params = (list.pool, list.class, list.priority, list.below, CHUNK as i64);
            list.read = statement.query_map(params, |row| row.get(0))?.collect::<Result<_, _>>()?;
            list.read.reverse();
            list.below = list.read.first().copied().unwrap_or(0);
        }
        Ok(list.read.pop())
    }

    /// Returns the numbers of jobs of one list, the oldest first.
    pub(super) fn oldest_first(
        &self,
        pool: i64,
        class: u8,
        priority: u8,
        after: i64,
        limit: usize,
    ) -> Result<Vec<i64>, Trouble> {
        let sql = "SELECT seq FROM job INDEXED BY list WHERE pool = ? AND class = ? AND priority = ? AND seq > ? \
                   ORDER BY seq LIMIT ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map((pool, class, priority, after, limit), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
