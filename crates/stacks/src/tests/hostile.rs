//! Files and snapshots that say anything: a copy of the test's own file with other bytes in it, and numbers
//! from nowhere. The unwinder must come to an end, without a panic, and within its bounds.

use super::Waiting;
use crate::arch::Arch;
use crate::elf::{Elf, HEADER};
use crate::{Mapping, Registers, Snapshot, ThreadSnapshot, Unwinder};
use procpool_protocol::stack::MOST_FRAMES;
use proptest::prelude::*;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A state of the test, whose own file is a copy that may be changed.
pub(super) struct Copied {
    pub(super) snapshot: Snapshot,
    pub(super) path: PathBuf,
    pub(super) original: Vec<u8>,
}

impl Copied {
    pub(super) fn create(name: &str) -> Self {
        let own = std::env::current_exe().unwrap();
        let path = std::env::temp_dir().join(format!("procpool-stacks-{name}-{}", std::process::id()));
        let original = fs::read(&own).unwrap();
        fs::write(&path, &original).unwrap();
        let mut snapshot = SNAPSHOT.clone();
        for mapping in snapshot.mappings.iter_mut().filter(|it| Path::new(&it.path) == own) {
            (mapping.path, mapping.inode) = (path.to_str().unwrap().into(), 0);
        }
        Self { snapshot, path, original }
    }

    /// Writes other bytes, looks, and writes the right ones again.
    fn look_with(&self, at: usize, bytes: &[u8]) {
        let file = File::options().write(true).open(&self.path).unwrap();
        let at = at.min(self.original.len() - bytes.len());
        file.write_all_at(bytes, at as u64).unwrap();
        let unwound = Unwinder::new().unwind(&self.snapshot);
        assert!(!unwound.threads[0].calls.is_empty() && unwound.threads[0].calls.len() <= MOST_FRAMES);
        file.write_all_at(&self.original[at..at + bytes.len()], at as u64).unwrap();
    }

    /// Returns the position of the index of call frame information, and of the records, which follow it.
    pub(super) fn index(&self) -> usize {
        self.position(self.elf().index.unwrap().0)
    }

    /// Returns the position in the file of an address.
    pub(super) fn position(&self, address: u64) -> usize {
        usize::try_from(self.elf().position_of(address).unwrap().0).unwrap()
    }

    fn elf(&self) -> Elf {
        let read = |at: u64, length: usize| {
            let at = usize::try_from(at).unwrap();
            self.original.get(at..).map(|rest| rest[..length.min(rest.len())].to_vec()).unwrap_or_default()
        };
        Elf::read(Arch::NATIVE.unwrap(), read).unwrap()
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// One state for all cases. The thread waits no longer, but its memory was copied.
static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| Waiting::begin().snapshot());

#[test]
fn a_file_with_other_bytes_in_it_does_no_harm() {
    let copied = Copied::create("bytes");
    let index = copied.index();
    let bytes = prop::collection::vec(any::<u8>(), 1..64);
    let mut runner = proptest::test_runner::TestRunner::default();
    let places = prop_oneof![0..HEADER * 16, index..index + 64, index..copied.original.len()];
    let look = |(at, bytes): (usize, Vec<u8>)| {
        copied.look_with(at, &bytes);
        Ok(())
    };
    runner.run(&(places, bytes), look).unwrap();
}

#[test]
fn a_file_that_ends_anywhere_does_no_harm() {
    let copied = Copied::create("short");
    for length in [0, 3, HEADER - 1, HEADER, HEADER + 100, copied.index() + 5] {
        fs::write(&copied.path, &copied.original[..length]).unwrap();
        let unwound = Unwinder::new().unwind(&copied.snapshot);
        assert!(unwound.note.is_some() && !unwound.threads[0].calls.is_empty(), "{length}");
    }
}

proptest! {
    #[test]
    fn a_snapshot_with_any_numbers_does_no_harm(
        numbers in any::<[u64; 4]>(),
        words in prop::collection::vec(prop_oneof![any::<u64>(), 0_u64..8, 0x5000_u64..0x6000], 0..64),
        near in any::<bool>(),
        mapped in prop::collection::vec((any::<u64>(), any::<u64>(), any::<u64>()), 0..8),
    ) {
        let [ip, sp, fp, lr] = numbers;
        let stack: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let fp = if near { sp.wrapping_add(fp % 64 * 8) } else { fp };
        let registers = Registers { ip, sp, fp, lr };
        let thread = ThreadSnapshot { registers, stack, stack_start: sp, ..ThreadSnapshot::default() };
        let path = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
        let mappings = mapped.iter().map(|&(start, end, offset)| Mapping {
            start, end, offset, executable: true, path: path.clone(), ..Mapping::default()
        });
        let snapshot = Snapshot::new(vec![thread], mappings.collect()).confirmed();
        let unwound = Unwinder::new().unwind(&snapshot);
        prop_assert!(unwound.threads[0].calls.len() <= MOST_FRAMES);
    }
}
