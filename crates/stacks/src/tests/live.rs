//! The stacks of a thread that runs.

use super::{Waiting, innermost, middle};
use crate::unwound::Unwound;
use crate::{Mapping, Snapshot, Unwinder};

/// Returns the positions in the test's own file of the functions' first bytes.
fn position(snapshot: &Snapshot, function: *const ()) -> u64 {
    let address = function.addr() as u64;
    let mapping = snapshot.mappings.iter().find(|it| (it.start..it.end).contains(&address)).unwrap();
    address - mapping.start + mapping.offset
}

/// Returns the index of the first call that is in a function of the test's own file.
fn call_in(unwound: &Unwound, start: u64) -> Option<usize> {
    let own = std::env::current_exe().unwrap();
    let own = unwound.modules.iter().position(|module| module.path == own.to_str().unwrap());
    let calls = &unwound.threads[0].calls;
    calls.iter().position(|call| call.module == own && (start..start + 1024).contains(&call.offset))
}

#[test]
fn the_calls_of_a_waiting_thread_are_found_from_the_innermost_to_its_first() {
    let waiting = Waiting::begin();
    let snapshot = waiting.snapshot();
    let unwinder = Unwinder::new();
    let unwound = unwinder.unwind(&snapshot);
    assert_eq!(unwound.note, None);
    let functions = [innermost as *const (), middle as *const ()].map(|it| position(&snapshot, it));
    let [inner, outer] = functions.map(|start| call_in(&unwound, start).expect("the call is there"));
    assert!(0 < inner && inner < outer, "{unwound:?}");
    let thread = &unwound.threads[0];
    assert!(thread.calls.iter().all(|call| call.address.is_some()), "{thread:?}");
    assert!(!thread.truncated && (thread.id, &*thread.name) == (waiting.id, "test"), "{thread:?}");
    assert_eq!(unwinder.unwind(&snapshot), unwound, "what was kept of the files says the same");
    let shown = unwound.unnamed();
    let own = std::env::current_exe().unwrap();
    let name = own.file_name().and_then(|name| name.to_str());
    assert_eq!(shown.frames()[inner].module.as_deref(), name);
}

#[test]
fn a_stack_that_was_not_copied_whole_is_marked() {
    let mut snapshot = Waiting::begin().snapshot();
    snapshot.threads[0].stack.truncate(200);
    let unwound = Unwinder::new().unwind(&snapshot);
    assert!(unwound.threads[0].truncated && !unwound.threads[0].calls.is_empty(), "{unwound:?}");
    let note = unwound.note.unwrap_or_default();
    assert!(note.starts_with("the calls cannot be followed beyond /"), "{note}");
}

#[test]
fn a_call_through_a_null_pointer_has_its_caller() {
    let mut snapshot = Waiting::begin().snapshot();
    let thread = &mut snapshot.threads[0];
    let innermost = thread.registers.ip;
    // As a call does: the address to return to, at the top of the stack.
    (thread.registers.ip, thread.registers.sp, thread.stack_start) =
        (0, thread.registers.sp - 8, thread.stack_start - 8);
    thread.registers.lr = innermost;
    thread.stack.splice(0..0, innermost.to_le_bytes());
    let unwound = Unwinder::new().unwind(&snapshot);
    let calls = &unwound.threads[0].calls;
    assert!(calls.len() > 3 && (calls[0].offset, calls[0].module) == (0, None), "{unwound:?}");
}

#[test]
fn a_file_that_is_gone_or_another_one_gives_positions_and_a_note() {
    let snapshot = Waiting::begin().snapshot();
    let other = |path: &str| {
        let path = path.to_owned();
        move |it: &Mapping| Mapping { path: path.clone(), inode: 0, ..it.clone() }
    };
    type Change<'a> = &'a dyn Fn(&Mapping) -> Mapping;
    let cases: [(Change<'_>, &str); 5] = [
        (&|it| Mapping { path: format!("{} (deleted)", it.path), ..it.clone() }, "was deleted or replaced"),
        (&|it| Mapping { inode: it.inode + 1, ..it.clone() }, "was deleted or replaced"),
        (&other("/nowhere"), "cannot be read"),
        (&other("/dev/zero"), "is not a regular file"),
        (&other("/proc/self/status"), "is not a 64-bit ELF file"),
    ];
    for (change, word) in cases {
        let mut changed = snapshot.clone();
        for mapping in changed.mappings.iter_mut().filter(|it| it.path.starts_with('/')) {
            *mapping = change(mapping);
        }
        let unwound = Unwinder::new().unwind(&changed);
        let note = unwound.note.unwrap_or_default();
        assert!(note.contains(word), "{word}: {note}");
        let call = unwound.threads[0].calls[0];
        assert!(call.offset > 0 && call.module.is_some_and(|at| !unwound.modules[at].usable));
    }
}
