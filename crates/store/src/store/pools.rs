//! [`Pools`]: the names of pools, which records have as numbers.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use crate::trouble::Trouble;

#[derive(Debug, Default)]
pub(super) struct Pools {
    pub(super) names: HashMap<i64, Arc<str>>,
    numbers: HashMap<Arc<str>, i64>,
    /// Numbers that the group has given.
    new: Vec<i64>,
}

impl Pools {
    pub(super) fn of(names: HashMap<i64, Arc<str>>) -> Self {
        let numbers = names.iter().map(|(&number, name)| (name.clone(), number)).collect();
        Self { names, numbers, new: Vec::new() }
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.numbers.get(name).copied()
    }

    /// Returns the number of a pool, which may be new.
    pub(super) fn number_or_new(&mut self, name: &Arc<str>, connection: &Connection) -> Result<i64, Trouble> {
        if let Some(number) = self.number(name) {
            return Ok(number);
        }
        let number = self.names.keys().max().map_or(1, |last| last + 1);
        connection.prepare_cached("INSERT INTO pool (id, name) VALUES (?, ?)")?.execute((number, &**name))?;
        self.names.insert(number, name.clone());
        self.numbers.insert(name.clone(), number);
        self.new.push(number);
        Ok(number)
    }

    pub(super) fn commit(&mut self) {
        self.new.clear();
    }

    pub(super) fn undo(&mut self) {
        for number in self.new.drain(..) {
            if let Some(name) = self.names.remove(&number) {
                self.numbers.remove(&name);
            }
        }
    }
}
