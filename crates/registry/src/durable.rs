//! [`Durable`]: a storage that outlives its process. Its changes become durable in groups.

use std::sync::Arc;

use procpool_protocol::engine::Priority;

use crate::record::Record;
use crate::storage::Storage;
use crate::time::Time;

/// A storage whose records, inputs and results survive the end of the process.
///
/// One thread owns it. It calls the registry several times, then [`commit`](Self::commit). Only then may anybody be
/// told what the registry has decided. A commit that fails undoes its whole group, and the decisions and effects of
/// the group are void.
///
/// With [`seal`](Self::seal) in its place, the next group can be prepared while this one is on its way to the disk.
/// Then [`when_durable`](Self::when_durable) says when somebody may be told.
pub trait Durable: Storage {
    /// Makes the changes since the last commit durable, all or none. Blocks until they are. `now` is the registry's
    /// time, from which the next process continues.
    ///
    /// # Errors
    /// After [`CommitError::Full`], the storage has undone the group, and can be used. After [`CommitError::Broken`] it takes
    /// nothing more, and only the next process knows whether the group is durable.
    fn commit(&mut self, now: Time) -> Result<(), CommitError>;

    /// Writes the changes since the last commit, all or none, and returns before they are durable: the storage sees to
    /// that beside its thread. Groups become durable in their order. Blocks until those before are. The default is a
    /// [`commit`](Self::commit).
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    fn seal(&mut self, now: Time) -> Result<(), CommitError> {
        self.commit(now)
    }

    /// Calls `then` once every group so far is durable, at once or from another thread, in the order of these calls. It
    /// gets an error if one of them has failed; then every later commit fails, too. The default calls it at once.
    fn when_durable(&mut self, then: Settled) {
        then(Ok(()));
    }

    /// Undoes the changes since the last commit.
    fn undo(&mut self);

    /// Returns the damage that was found since the last call, one sentence each: inputs and results that cannot be read, and
    /// count as gone. The default finds none.
    fn take_damage(&mut self) -> Vec<String> {
        Vec::new()
    }

    /// Returns unfinished jobs of a pool that no worker has and whose [`Record::due`] is `None`, in the order in which
    /// they run: by priority, then by [`Record::seq`]. `after` is the last one of the page before, which need not exist.
    fn waiting(&self, pool: &str, after: Option<(Priority, u64)>, limit: usize) -> Vec<Arc<Record>>;

    /// Returns unfinished jobs whose [`Record::due`] is `now` or earlier, the earliest first.
    fn due(&self, now: Time, limit: usize) -> Vec<Arc<Record>>;

    /// Returns the earliest [`Record::due`] of the unfinished jobs.
    fn next_due(&self) -> Option<Time>;

    /// Returns jobs that a worker had when they were last changed, by [`Record::seq`], above `after`: those in
    /// [`State::Running`](crate::State::Running).
    fn running(&self, after: u64, limit: usize) -> Vec<Arc<Record>>;

    /// Returns the pools that have unfinished jobs.
    fn busy_pools(&self) -> Vec<Arc<str>>;

    /// Returns the note of this name: bytes that somebody keeps beside the records, such as the state of schedules.
    /// Sees the changes of the group.
    fn note(&self, name: &str) -> Option<Vec<u8>>;

    /// Writes the note of this name, or removes it. The change belongs to the group, as those of records do: it becomes
    /// durable with the next [`commit`](Self::commit), or is undone.
    ///
    /// Notes are few and short. The caller bounds them: a storage keeps every note until it is removed.
    fn put_note(&mut self, name: &str, note: Option<Vec<u8>>);
}

/// Learns whether a sealed group has become durable.
pub type Settled = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

/// Why a group has not become durable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// There is no space. Groups that only end jobs still succeed, from the reserve.
    #[error(
        "there is no space left for jobs in the state directory; free some space, and new jobs are accepted again"
    )]
    Full,
    /// The medium has failed. Its content is unknown until the next start has read it.
    #[error("the state directory cannot be written: {0}; the server has to be restarted")]
    Broken(String),
}
