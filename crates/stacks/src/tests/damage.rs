//! Call frame information with damage in it: a copy of the test's own file, whose records were cut, zeroed or
//! changed. A stack that becomes shorter by that says so, and names the file.

use super::hostile::Copied;
use crate::Unwinder;
use crate::arch::Arch;
use crate::block_cache::BlockCache;
use crate::module::Module;
use crate::unwound::Unwound;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Where in the file the records of a call are.
#[derive(Clone, Debug)]
struct Place {
    common: Range<usize>,
    own: Range<usize>,
}

impl Copied {
    fn unwind(&self) -> Unwound {
        Unwinder::new().unwind(&self.snapshot)
    }

    /// Returns the places of the records of all calls that are in the file.
    fn places(&self, unwound: &Unwound) -> Vec<Place> {
        let path = self.path.to_str().unwrap();
        let mapping = self.snapshot.mappings.iter().find(|it| it.path == path).unwrap();
        let cache = BlockCache::default();
        let file = Module::open(mapping, Arch::NATIVE.unwrap(), &cache, None).unwrap();
        let calls = &unwound.threads[0].calls;
        let own = calls.iter().filter(|call| call.module.is_some_and(|at| unwound.modules[at].path == path));
        let places = own.map(|call| {
            let records = file.records(call.address.unwrap(), &cache).unwrap().unwrap();
            let own = self.position(records.address + records.own_at as u64);
            let own_length = records.bytes.len() - records.own_at;
            let distance = u32::from_le_bytes(self.original[own + 4..own + 8].try_into().unwrap());
            let common = own + 4 - usize::try_from(distance).unwrap();
            Place { common: common..common + records.own_at, own: own..own + own_length }
        });
        places.collect()
    }

    /// Looks at a state of the file that is made of these bytes.
    fn unwind_with(&self, bytes: &[u8]) -> Unwound {
        fs::write(&self.path, bytes).unwrap();
        self.unwind()
    }
}

/// Returns the note, which names the file.
fn note(copied: &Copied, unwound: &Unwound) -> String {
    let note = unwound.note.clone().unwrap_or_default();
    assert!(note.contains(copied.path.to_str().unwrap()), "{note:?} of {unwound:?}");
    assert!(!unwound.threads[0].calls.is_empty());
    note
}

#[test]
fn records_that_are_cut_off_have_a_note() {
    let copied = Copied::create("cut");
    let whole = copied.unwind();
    assert_eq!(whole.note, None);
    for place in copied.places(&whole) {
        for end in [place.own.start, place.own.start + 4, place.own.end - 1, place.common.start + 3] {
            let cut = copied.unwind_with(&copied.original[..end]);
            let note = note(&copied, &cut);
            assert!(note.contains("has damaged call frame information"), "{note}");
        }
    }
}

#[test]
fn records_of_zeros_have_a_note() {
    let copied = Copied::create("zeros");
    let whole = copied.unwind();
    let place = copied.places(&whole).remove(0);
    let index = copied.index();
    let zeroed = |range: Range<usize>| {
        let mut bytes = copied.original.clone();
        bytes[range].fill(0);
        note(&copied, &copied.unwind_with(&bytes))
    };
    for (range, expected) in [
        // All of them; those of one function; the table of the index; its count.
        (place.common.start..place.own.end, "has damaged call frame information"),
        (place.own.clone(), "has damaged call frame information"),
        (index + 12..place.common.start, "call frame information"),
        (index + 8..index + 12, "has an empty index of call frame information"),
        // Without their lengths, by which damage is found first.
        (place.common.start + 4..place.common.end, "has unusable call frame information"),
        (place.own.start + 8..place.own.end, "has unusable call frame information"),
    ] {
        let note = zeroed(range.clone());
        assert!(note.contains(expected), "{range:?}: {note}");
    }
}

/// Each byte of the records of each call, one at a time. Records that lead to another call of the same stack are
/// not known to be wrong: such a stack has the thread's first call, as the right one has.
#[test]
fn a_byte_of_the_records_that_is_changed_ends_no_stack_in_silence() {
    let copied = Copied::create("byte");
    let whole = copied.unwind();
    let file = File::options().write(true).open(&copied.path).unwrap();
    let places = copied.places(&whole);
    let bytes: BTreeSet<_> = places.into_iter().flat_map(|place| place.common.chain(place.own)).collect();
    let mut shortened = 0;
    for at in bytes {
        for change in [0xff, 0x01] {
            file.write_all_at(&[copied.original[at] ^ change], at as u64).unwrap();
            let unwound = copied.unwind();
            let [calls, all] = [&unwound, &whole].map(|it| &it.threads[0].calls);
            if calls.last() != all.last() {
                shortened += 1;
                note(&copied, &unwound);
            }
        }
        file.write_all_at(&copied.original[at..=at], at as u64).unwrap();
    }
    assert!(shortened > 0);
}
