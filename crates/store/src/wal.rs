//! A look at the write-ahead log before SQLite reads it.
//!
//! SQLite ends a log silently at the first frame whose checksum is wrong. After a power cut that is right: such a frame
//! was never synced. If frames of a later commit follow it, then it was synced, and has changed since. SQLite would lose
//! those commits without a word.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::place;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Returns a sentence about the damage of a directory's log, if it has any. Keeps a copy of such a log.
pub(crate) fn examine(directory: &Path) -> io::Result<Option<String>> {
    let Some(log) = read(directory)? else { return Ok(None) };
    let Some(lost) = lost_commits(&log) else { return Ok(None) };
    let copy = directory.join(format!("{}.damaged", place::WAL));
    fs::write(&copy, &log)?;
    let after = if lost == 0 { "commits".to_owned() } else { format!("{lost} commits or more") };
    Ok(Some(format!(
        "the write-ahead log was damaged, and {after} are lost; {} is a copy of it",
        copy.display()
    )))
}

/// Returns whether the log has lost commits, and how many at least.
pub(crate) fn lost(directory: &Path) -> io::Result<Option<usize>> {
    Ok(read(directory)?.and_then(|log| lost_commits(&log)))
}

fn read(directory: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(directory.join(place::WAL)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        log => log.map(Some),
    }
}

/// Returns the number of commits behind the first damaged frame that are known to have been synced. `None` if there are
/// none. `0` if the header is damaged, so that nobody can count.
fn lost_commits(log: &[u8]) -> Option<usize> {
    let header = log.get(..HEADER)?;
    let word = |bytes: &[u8], at: usize| {
        u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    };
    let is_big = word(header, 0) & 1 == 1;
    let size = word(header, 8) as usize;
    let salt = &header[16..24];
    let sum = checksum(is_big, (0, 0), &header[..24]);
    if sum != (word(header, 24), word(header, 28))
        || !size.is_power_of_two()
        || !(512..=65_536).contains(&size)
    {
        // A log that was begun and never synced looks the same, but has no second frame behind it.
        return (log.len() > HEADER + 2 * (FRAME_HEADER + 4096)).then_some(0);
    }
    let (mut sum, mut is_whole, mut commits, mut behind) = (sum, true, 0, 0);
    for frame in log[HEADER..].chunks_exact(FRAME_HEADER + size) {
        // Frames of an earlier round follow those of this one.
        if &frame[8..16] != salt {
            if is_whole { break } else { continue }
        }
        let stored = (word(frame, 16), word(frame, 20));
        let computed = checksum(is_big, checksum(is_big, sum, &frame[..8]), &frame[FRAME_HEADER..]);
        let is_right = computed == stored;
        is_whole &= is_right;
        if !is_whole {
            if is_right {
                // A frame that follows a commit was written after the sync of that commit.
                behind += usize::from(commits > 0);
            }
            commits += usize::from(word(frame, 4) != 0);
        }
        sum = stored;
    }
    (behind > 0).then_some(commits)
}

/// SQLite's checksum over words of 32 bits, two at a time.
fn checksum(is_big: bool, (mut first, mut second): (u32, u32), bytes: &[u8]) -> (u32, u32) {
    for pair in bytes.chunks_exact(8) {
        let word = |at: usize| {
            let bytes = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
            if is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        first = first.wrapping_add(word(0)).wrapping_add(second);
        second = second.wrapping_add(word(4)).wrapping_add(first);
    }
    (first, second)
}
