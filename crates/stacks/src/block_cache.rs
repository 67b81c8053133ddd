//! Reads pieces of files, and keeps blocks of them for the next stack. Does not map files: a file that
//! shrinks would kill this process.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::{Arc, Mutex, PoisonError};

/// Number of bytes that are read at once.
const BLOCK: u64 = 4096;

/// Maximum number of blocks that are kept: 8 MiB.
const MOST_BLOCKS: usize = 2048;

/// Identifies one state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl FileId {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        // Not the time of modification, which the owner of the file can set to what it was.
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Self { device: metadata.dev(), inode: metadata.ino(), size: metadata.size(), changed }
    }
}

/// A block of a file, by its number.
type Key = (FileId, u64);

/// The blocks that were read, of all files.
#[derive(Debug, Default)]
pub(crate) struct BlockCache(Mutex<HashMap<Key, Arc<[u8]>>>);

impl BlockCache {
    /// Reads up to `length` bytes at `at`. Returns fewer where the file ends, or cannot be read.
    pub(crate) fn read(&self, file: &File, id: FileId, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let Some(place) = at.checked_add(bytes.len() as u64) else { break };
            let block = self.block(file, id, place / BLOCK);
            let skip = usize::try_from(place % BLOCK).unwrap_or_default();
            let Some(found) = block.get(skip..).filter(|found| !found.is_empty()) else { break };
            bytes.extend(found.iter().take(length - bytes.len()));
        }
        bytes
    }

    fn block(&self, file: &File, id: FileId, number: u64) -> Arc<[u8]> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(block) = lock().get(&(id, number)) {
            return block.clone();
        }
        let block: Arc<[u8]> = read_block(file, number).into();
        let mut blocks = lock();
        if blocks.len() >= MOST_BLOCKS {
            blocks.clear();
        }
        blocks.insert((id, number), block.clone());
        block
    }
}

/// Returns a block of the file, shorter at its end, and empty behind it.
fn read_block(file: &File, number: u64) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let mut filled = 0;
    while let Some(at) = number.checked_mul(BLOCK).and_then(|at| at.checked_add(filled as u64)) {
        match file.read_at(&mut bytes[filled..], at) {
            Ok(0) | Err(_) => break,
            Ok(count) => filled += count,
        }
        if filled == bytes.len() {
            break;
        }
    }
    bytes.truncate(filled);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_the_file_also_across_blocks_and_at_its_end() {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let (id, length) = (FileId::of(&file.metadata().unwrap()), file.metadata().unwrap().size());
        let cache = BlockCache::default();
        for _ in 0..2 {
            let mut expected = [0; 5000];
            file.read_exact_at(&mut expected, 4000).unwrap();
            assert_eq!(cache.read(&file, id, 4000, 5000), expected);
            assert_eq!(cache.read(&file, id, length - 3, 10).len(), 3);
            assert!(cache.read(&file, id, length + 5, 10).is_empty());
            assert!(cache.read(&file, id, u64::MAX - 5, 10).is_empty());
        }
    }

    #[test]
    fn the_number_of_blocks_is_bounded() {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let id = FileId::of(&file.metadata().unwrap());
        let cache = BlockCache::default();
        for number in 0..=MOST_BLOCKS as u64 {
            cache.block(&file, id, number);
        }
        assert!(cache.0.lock().unwrap().len() < MOST_BLOCKS);
    }
}
