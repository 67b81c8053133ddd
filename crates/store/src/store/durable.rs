//! [`Durable`] for the store: a group is a transaction.

use std::fs;
use std::mem;
use std::sync::Arc;

use procpool_protocol::engine::Priority;
use procpool_registry::{CommitError, Durable, Record, Time};
use rusqlite::OptionalExtension;

use super::{Group, Store};
use crate::encode::states::{self, RUNNING, UNFINISHED, WAITING};
use crate::row::{COLUMNS, checksum_of, rowid, sortable};
use crate::saved::Saved;
use crate::trouble::Trouble;

impl Durable for Store {
    fn commit(&mut self, now: Time) -> Result<(), CommitError> {
        match self.try_commit(now) {
            Ok(()) => Ok(()),
            Err(trouble) => {
                let mut trouble = trouble.settled(&self.connection);
                let was_ending = self.group.is_ending;
                self.undo();
                if matches!(trouble, Trouble::Full) {
                    self.reserve.spend();
                    if was_ending && let Err(uncovered) = self.cover(now) {
                        trouble = Trouble::Broken(uncovered.to_string());
                    }
                }
                if let Trouble::Broken(reason) = &trouble {
                    self.broken = Some(reason.clone());
                }
                Err(trouble.into())
            }
        }
    }

    fn take_damage(&mut self) -> Vec<String> {
        self.damage.borrow_mut().take()
    }

    fn undo(&mut self) {
        let group = mem::take(&mut self.group);
        if group.is_open
            && !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            self.broken.get_or_insert(error.to_string());
        }
        // A file that stays is without a record, and goes at the next start.
        group.made.iter().for_each(|file| drop(fs::remove_file(file)));
        self.trouble.take();
        self.cache.get_mut().clear();
        self.pending.take();
        self.early.clear();
        self.pools.undo();
        self.sums = self.durable;
    }

    fn waiting(&self, pool: &str, after: Option<(Priority, u64)>, limit: usize) -> Vec<Arc<Record>> {
        let Some(pool) = self.pools.number(pool) else { return Vec::new() };
        let (first, seq) =
            after.map_or((0, 0), |(priority, seq)| (states::of_priority(priority), rowid(seq)));
        self.search(|_| {
            let mut jobs = Vec::new();
            for priority in states::PRIORITIES.into_iter().filter(|&it| it >= first) {
                let after = if priority == first { seq } else { 0 };
                jobs.extend(self.oldest_first(pool, WAITING, priority, after, limit - jobs.len())?);
            }
            self.all_numbered(&jobs)
        })
    }

    fn due(&self, now: Time, limit: usize) -> Vec<Arc<Record>> {
        let sql =
            "SELECT seq FROM job INDEXED BY due WHERE due IS NOT NULL AND due <= ? ORDER BY due, seq LIMIT ?";
        self.search(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = statement.query_map((sortable(now), limit), |row| row.get(0))?;
            self.all_numbered(&rows.collect::<Result<Vec<_>, _>>()?)
        })
    }

    fn next_due(&self) -> Option<Time> {
        let sql = format!(
            "SELECT {COLUMNS} FROM job INDEXED BY due WHERE due IS NOT NULL ORDER BY due, seq LIMIT 1"
        );
        self.search(|_| self.one(&sql, []))?.due
    }

    fn running(&self, after: u64, limit: usize) -> Vec<Arc<Record>> {
        self.search(|_| {
            let mut jobs = Vec::new();
            for &pool in self.pools.names.keys() {
                for priority in states::PRIORITIES {
                    jobs.extend(self.oldest_first(pool, RUNNING, priority, rowid(after), limit)?);
                }
            }
            jobs.sort_unstable();
            jobs.truncate(limit);
            self.all_numbered(&jobs)
        })
    }

    fn busy_pools(&self) -> Vec<Arc<str>> {
        self.search(|_| {
            let mut busy = Vec::new();
            for (&number, name) in &self.pools.names {
                if self.is_busy(number)? {
                    busy.push(name.clone());
                }
            }
            busy.sort_unstable();
            Ok(busy)
        })
    }

    fn note(&self, name: &str) -> Option<Vec<u8>> {
        self.look(|connection| {
            let mut statement = connection.prepare_cached("SELECT body, crc FROM note WHERE name = ?")?;
            let row = statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let Some((body, crc)): Option<(Vec<u8>, u32)> = row else { return Ok(None) };
            if checksum_of(name.as_bytes(), &body) != crc {
                return Err(Trouble::Broken(format!("the note {name:?} is damaged: its checksum is wrong")));
            }
            Ok(Some(body))
        })
    }

    fn put_note(&mut self, name: &str, note: Option<Vec<u8>>) {
        self.change(|store| {
            let connection = &store.connection;
            match note {
                None => connection.prepare_cached("DELETE FROM note WHERE name = ?")?.execute([name])?,
                Some(body) => {
                    let crc = checksum_of(name.as_bytes(), &body);
                    let sql = "INSERT OR REPLACE INTO note (name, body, crc) VALUES (?, ?, ?)";
                    connection.prepare_cached(sql)?.execute((name, body, crc))?
                }
            };
            Ok(())
        });
    }
}

impl Store {
    fn try_commit(&mut self, now: Time) -> Result<(), Trouble> {
        if let Some(reason) = &self.broken {
            return Err(Trouble::Broken(reason.clone()));
        }
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        match self.checkpoints.trouble() {
            // Of before the reserve was spent, maybe. It stops no group that only ends jobs.
            Some(Trouble::Full) => self.reserve.spend(),
            Some(broken) => return Err(broken),
            None => {}
        }
        if !self.group.is_open {
            return Ok(());
        }
        if self.group.grows && !self.reserve.refill() {
            return Err(Trouble::Full);
        }
        self.flush()?;
        Saved { newest: self.sums.newest, now, moment: self.clock.moment() }.write(&self.connection)?;
        self.group.is_ending = true;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        let Group { dropped, .. } = mem::take(&mut self.group);
        dropped.iter().for_each(|file| drop(fs::remove_file(file)));
        self.pools.commit();
        self.durable = self.sums;
        // The group is durable, whatever becomes of the log.
        match self.checkpoints.after_commit(&self.connection) {
            Err(Trouble::Unwritten(reason) | Trouble::Broken(reason)) => self.broken = Some(reason),
            Err(Trouble::Full) => self.reserve.spend(),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Writes over the pages of a group that has failed. If they were all in the log, and only its index had no space, the
    /// next start would find the group there, which everybody was told had failed.
    fn cover(&mut self, now: Time) -> Result<(), Trouble> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let saved = Saved { newest: self.sums.newest, now, moment: self.clock.moment() };
        let covered = saved.write(&self.connection).and_then(|()| {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(())
        });
        if covered.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        covered
    }

    fn is_busy(&self, pool: i64) -> Result<bool, Trouble> {
        for class in UNFINISHED {
            for priority in states::PRIORITIES {
                if !self.oldest_first(pool, class, priority, 0, 1)?.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn all_numbered(&self, jobs: &[i64]) -> Result<Vec<Arc<Record>>, Trouble> {
        jobs.iter().map(|&seq| self.numbered(seq)).collect()
    }
}
