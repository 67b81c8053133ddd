//! Feeds the unwinder of stacks: an executable file, registers and a stack that may say anything. The walk
//! ends, within its bounds, and says the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use procpool_protocol::stack::MOST_FRAMES;
use procpool_stacks::{Mapping, Registers, Snapshot, ThreadSnapshot, Unwinder};
use std::path::PathBuf;
use std::sync::LazyLock;

/// Where the file is mapped.
const BASE: u64 = 0x10000;

/// Where the stack is.
const STACK: u64 = 0x8000_0000;

/// Length of the stack, in bytes.
const STACK_LEN: usize = 256;

/// The file, which each input replaces.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("procpool-fuzz-stacks-{}", std::process::id())));

fuzz_target!(|input: &[u8]| {
    // The instruction pointer and the frame pointer, as positions, then the stack, then the file.
    let Some((&[a, b, c, d], rest)) = input.split_first_chunk::<4>() else { return };
    let Some((stack, file)) = rest.split_at_checked(STACK_LEN) else { return };
    std::fs::write(&*FILE, file).expect("the file can be written");
    let ip = BASE + u64::from(u16::from_le_bytes([a, b]));
    let fp = STACK + u64::from(u16::from_le_bytes([c, d]));
    let thread = ThreadSnapshot::new(1, Registers::new(ip, STACK, fp, 0), stack.into(), STACK);
    let mapping = Mapping::new(BASE, BASE + 0x10000, FILE.to_str().expect("the path is text"));
    let snapshot = Snapshot::new(vec![thread], vec![mapping]).confirmed();
    let unwinder = Unwinder::new();
    let unwound = unwinder.unwind(&snapshot);
    assert!((1..=MOST_FRAMES).contains(&unwound.threads[0].calls.len()));
    assert_eq!(unwinder.unwind(&snapshot), unwound, "from what was kept of the file");
});
