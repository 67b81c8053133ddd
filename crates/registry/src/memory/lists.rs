//! [`Lists`]: the records in order of acceptance, by pool and class. A page merges the lists that it
//! needs, and looks at no other record.

use std::collections::{BTreeMap, HashMap};
use std::iter;
use std::sync::Arc;

use procpool_protocol::JobId;

use crate::filter::Class;
use crate::record::Record;
use crate::storage::Query;

/// Jobs by their number.
type List = BTreeMap<u64, JobId>;

/// The lists of all pools and of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    all: ClassLists,
    /// Pools without records are left out.
    by_pool: HashMap<Arc<str>, ClassLists>,
}

/// A list of all classes, and one for each.
#[derive(Clone, Debug, Default)]
struct ClassLists {
    all: List,
    by_class: [List; Class::COUNT],
}

impl Lists {
    /// Moves a record from its old lists to its new ones.
    pub(super) fn change(&mut self, old: Option<&Record>, new: Option<&Record>) {
        let class = |record: Option<&Record>| record.map(Class::of);
        if class(old) == class(new) {
            return;
        }
        if let Some(record) = old {
            self.all.remove(record);
            if let Some(lists) = self.by_pool.get_mut(&record.pool) {
                lists.remove(record);
                if lists.all.is_empty() && new.is_none() {
                    self.by_pool.remove(&record.pool);
                }
            }
        }
        if let Some(record) = new {
            self.all.insert(record);
            self.by_pool.entry(record.pool.clone()).or_default().insert(record);
        }
    }

    /// Returns the jobs of a query, the newest first, without the end that its time and its limit
    /// set.
    pub(super) fn newest_first(&self, query: &Query<'_>) -> impl Iterator<Item = JobId> {
        let below = query.below;
        merge(self.selected(query).into_iter().map(move |list| list.range(..below).rev()).collect())
            .map(|(_, &job)| job)
    }

    fn selected(&self, query: &Query<'_>) -> Vec<&List> {
        let pools: Vec<&ClassLists> = match query.pools {
            None => vec![&self.all],
            Some(pools) => pools.iter().filter_map(|pool| self.by_pool.get(pool)).collect(),
        };
        pools.into_iter().flat_map(|lists| lists.selected(query.classes)).collect()
    }
}

impl ClassLists {
    fn selected(&self, classes: Option<&[Class]>) -> Vec<&List> {
        match classes {
            None => vec![&self.all],
            Some(classes) => classes.iter().map(|class| &self.by_class[class.index()]).collect(),
        }
    }

    fn insert(&mut self, record: &Record) {
        self.all.insert(record.seq, record.id);
        self.by_class[Class::of(record).index()].insert(record.seq, record.id);
    }

    fn remove(&mut self, record: &Record) {
        self.all.remove(&record.seq);
        self.by_class[Class::of(record).index()].remove(&record.seq);
    }
}

/// Merges descending iterators into one. Items that several of them have appear once.
fn merge<T: Ord, I: Iterator<Item = T>>(lists: Vec<I>) -> impl Iterator<Item = T> {
    let mut lists: Vec<_> = lists.into_iter().map(Iterator::peekable).collect();
    iter::from_fn(move || {
        let (first, _) = lists
            .iter_mut()
            .enumerate()
            .filter_map(|(at, list)| Some((at, list.peek()?)))
            .max_by(|a, b| a.1.cmp(b.1))?;
        let next = lists[first].next()?;
        for list in &mut lists {
            while list.next_if_eq(&next).is_some() {}
        }
        Some(next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn lists_are_merged_in_descending_order_and_without_repetitions() {
        let lists = vec![vec![9, 4, 1], vec![], vec![8, 7, 4], vec![9]];
        let merged: Vec<_> = merge(lists.into_iter().map(Vec::into_iter).collect()).collect();
        assert_eq!(merged, [9, 8, 7, 4, 1]);
    }

    #[test]
    fn a_page_looks_at_its_rows_and_at_one_more_of_each_list() {
        let looks = Cell::new(0);
        let list = |from: u64| {
            (0..1_000_000).rev().map(move |n| 2 * n + from).inspect(|_| looks.set(looks.get() + 1))
        };
        assert_eq!(merge(vec![list(0), list(1)]).take(100).count(), 100);
        assert!(looks.get() <= 102, "{} looks", looks.get());
    }
}
