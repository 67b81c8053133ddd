//! Merges a page of each side into one, the newest job first. Pure.

use super::cursor::Position;
use procpool_registry::Record;
use std::sync::Arc;

/// Rows of one side.
#[derive(Debug)]
pub(super) struct Rows {
    /// The newest first.
    pub(super) records: Vec<Arc<Record>>,
    /// Older ones may follow.
    pub(super) has_more: bool,
}

/// A page of both sides.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) records: Vec<Arc<Record>>,
    /// Where both sides continue, or `None` at the end.
    pub(super) next: Option<Position>,
}

/// Merges up to `limit` rows of each side into one page. `from` is where both began.
///
/// The order of each side is kept, also where its clock and that of the other side disagree.
pub(super) fn merge(durable: Rows, memory: Rows, limit: usize, from: Position) -> Merged {
    let has_more = durable.has_more || memory.has_more;
    let mut position = from;
    let mut records = Vec::with_capacity(limit.min(durable.records.len() + memory.records.len()));
    let (mut durable, mut memory) =
        (durable.records.into_iter().peekable(), memory.records.into_iter().peekable());
    while records.len() < limit {
        let takes_durable = match (durable.peek(), memory.peek()) {
            (Some(one), Some(other)) => one.accepted >= other.accepted,
            (one, _) => one.is_some(),
        };
        let (side, place) = match takes_durable {
            true => (&mut durable, &mut position.durable),
            false => (&mut memory, &mut position.memory),
        };
        let Some(record) = side.next() else { break };
        *place = record.seq;
        records.push(record);
    }
    let goes_on = has_more || durable.peek().is_some() || memory.peek().is_some();
    Merged { records, next: goes_on.then_some(position) }
}
