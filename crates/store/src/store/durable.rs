//! [`Durable`] for the store: a group is a transaction.

use std::fs;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;

use procpool_protocol::engine::Priority;
use procpool_registry::{CommitError, Durable, Record, Settled, Time};
use rusqlite::OptionalExtension;

use super::{Group, Store};
use crate::encode::states::{self, RUNNING, UNFINISHED, WAITING};
use crate::row::{checksum_of, rowid, sortable};
use crate::saved::Saved;
use crate::schema::PAGE_BYTES;
use crate::trouble::Trouble;

impl Durable for Store {
    fn commit(&mut self, now: Time) -> Result<(), CommitError> {
        self.end(now, Self::sync)
    }

    fn seal(&mut self, now: Time) -> Result<(), CommitError> {
        self.end(now, |store, dropped| match &store.syncs {
            Some(syncs) => {
                syncs.begin(dropped);
                Ok(())
            }
            None => store.sync(dropped),
        })
    }

    fn when_durable(&mut self, then: Settled) {
        match &self.syncs {
            Some(syncs) => syncs.when_durable(then),
            None => then(Ok(())),
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
        self.sums = self.written;
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
        self.first_time("SELECT due FROM job INDEXED BY due WHERE due IS NOT NULL ORDER BY due LIMIT 1")
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
            store.takes_pages(2 + note.as_ref().map_or(0, Vec::len) / PAGE_BYTES)?;
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
    /// Ends the group, and makes it durable in this way, or undoes it.
    fn end(
        &mut self,
        now: Time,
        make_durable: impl FnOnce(&Self, Vec<PathBuf>) -> Result<(), Trouble>,
    ) -> Result<(), CommitError> {
        let ended = self.write_group(now).and_then(|dropped| match dropped {
            Some(dropped) => make_durable(self, dropped).map(|()| true),
            // Nothing but what came before.
            None => self.settle().map(|()| false),
        });
        let trouble = match ended {
            Ok(has_written) => {
                if has_written {
                    self.after_group();
                }
                return Ok(());
            }
            Err(trouble) => trouble,
        };
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

    /// Waits until what was written is durable, and removes these files then.
    fn sync(&self, dropped: Vec<PathBuf>) -> Result<(), Trouble> {
        match &self.syncs {
            Some(syncs) => syncs.sync(dropped),
            None => {
                dropped.iter().for_each(|file| drop(fs::remove_file(file)));
                Ok(())
            }
        }
    }

    /// Writes the group once the one before is durable. Returns the files that go once it is. `None` if there is no group.
    fn write_group(&mut self, now: Time) -> Result<Option<Vec<PathBuf>>, Trouble> {
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
            return Ok(None);
        }
        if self.group.grows && !self.reserve.refill() {
            return Err(Trouble::Full);
        }
        self.flush()?;
        Saved { newest: self.sums.newest, now, moment: self.clock.moment() }.write(&self.connection)?;
        self.settle()?;
        self.group.is_ending = true;
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        let Group { dropped, .. } = mem::take(&mut self.group);
        self.pools.commit();
        self.written = self.sums;
        Ok(Some(dropped))
    }

    /// Lets the log be copied. The group is written, whatever becomes of that.
    fn after_group(&mut self) {
        match self.checkpoints.after_commit(&self.connection) {
            Err(Trouble::Unwritten(reason) | Trouble::Broken(reason)) => self.broken = Some(reason),
            Err(Trouble::Full) => self.reserve.spend(),
            Ok(()) => {}
        }
    }

    /// Writes over the pages of a group that has failed. If they were all in the log, and only its index had no space, the
    /// next start would find the group there, which everybody was told had failed.
    fn cover(&mut self, now: Time) -> Result<(), Trouble> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let saved = Saved { newest: self.sums.newest, now, moment: self.clock.moment() };
        let covered = saved.write(&self.connection).and_then(|()| {
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            self.sync(Vec::new())
        });
        if covered.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        covered
    }

    /// Returns the time that this query finds. It may be earlier than that of the record, which does not fit into a column
    /// if it is some centuries ahead.
    pub(super) fn first_time(&self, query: &str) -> Option<Time> {
        self.search(|connection| {
            let mut statement = connection.prepare_cached(query)?;
            let time: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
            Ok(time.map(|time| Time::from_nanos(time.cast_unsigned())))
        })
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
