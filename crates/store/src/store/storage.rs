//! [`Storage`] for the store: each method is a look-up in an index, or a change of a row.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;
use procpool_registry::{Key, Part, Query, Record, Storage, Time, Usage};

use super::Store;
use crate::encode::record::encode_key;
use crate::place::Kind;
use crate::row::{COLUMNS, sortable};
use crate::schema::dead;

impl Storage for Store {
    fn put(&mut self, record: Arc<Record>) {
        self.change(|store| store.write(&record));
    }

    fn remove(&mut self, record: &Record) {
        self.change(|store| store.erase(record));
    }

    fn get(&self, job: JobId) -> Option<Arc<Record>> {
        self.look(|_| self.find(job))
    }

    fn holder(&self, key: &Key) -> Option<Arc<Record>> {
        self.search(|_| match self.seq_of_key(&encode_key(key))? {
            Some(seq) => self.numbered(seq).map(Some),
            None => Ok(None),
        })
    }

    fn newest(&self) -> u64 {
        self.sums.newest
    }

    fn page(&self, query: &Query<'_>) -> Vec<Arc<Record>> {
        self.search(|_| {
            let mut page = Vec::new();
            for seq in self.newest_first(query)? {
                let record = self.numbered(seq)?;
                if record.accepted < query.since {
                    break;
                }
                page.push(record);
            }
            Ok(page)
        })
    }

    fn overdue(&self, now: Time) -> Option<Arc<Record>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM job INDEXED BY expiry WHERE expiry IS NOT NULL AND expiry <= ? ORDER BY expiry, seq LIMIT 1"
        );
        self.search(|_| self.one(&sql, [sortable(now)]))
    }

    fn next_expiry(&self) -> Option<Time> {
        self.first_time(
            "SELECT expiry FROM job INDEXED BY expiry WHERE expiry IS NOT NULL ORDER BY expiry LIMIT 1",
        )
    }

    fn spare(&self, part: Part) -> Option<Arc<Record>> {
        let rest = match part {
            Part::Record => "spare WHERE finished IS NOT NULL AND protected = 0 ORDER BY finished, seq",
            Part::Dead => concat!("dead WHERE ", dead!(), " ORDER BY finished, seq"),
            Part::Result => {
                "spare_result WHERE finished IS NOT NULL AND result = 1 ORDER BY protected, finished, seq"
            }
            Part::Input => "spare_input WHERE finished IS NOT NULL AND input = 1 ORDER BY finished, seq",
        };
        self.search(|_| self.one(&format!("SELECT {COLUMNS} FROM job INDEXED BY {rest} LIMIT 1"), []))
    }

    fn usage(&self) -> Usage {
        self.sums.usage
    }

    fn put_input(&mut self, job: JobId, input: Arc<Submission>) {
        self.change(|store| match store.find(job)? {
            Some(record) => store.write_input(&record, &input),
            None => {
                store.early.insert(job, input);
                Ok(())
            }
        });
    }

    fn input(&self, job: JobId) -> Option<Arc<Submission>> {
        self.look(|_| self.read_input(job))
    }

    fn take_input(&mut self, job: JobId) -> Option<Arc<Submission>> {
        let input = self.input(job);
        self.change(|store| store.erase_body(job, Kind::Input));
        input
    }

    fn put_result(&mut self, job: JobId, result: Arc<Finished>) {
        self.change(|store| store.write_result(job, &result));
    }

    fn result(&self, job: JobId) -> Option<Arc<Finished>> {
        self.look(|_| self.read_result(job))
    }

    fn take_result(&mut self, job: JobId) -> Option<Arc<Finished>> {
        let result = self.result(job);
        self.change(|store| store.erase_body(job, Kind::Result));
        result
    }
}
