//! Stacks of a thread of the test itself, whose registers the kernel tells while it waits for something.

mod damage;
mod files;
mod hostile;
mod live;
mod records;

use crate::{Registers, Snapshot, ThreadSnapshot, Unwinder, mappings};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{PipeReader, PipeWriter, Read};
use std::os::unix::fs::FileExt;
use std::sync::mpsc;
use std::thread::JoinHandle;

/// A thread that waits in [`innermost`], called by [`middle`], until the writer is dropped.
pub(crate) struct Waiting {
    pub(crate) id: u32,
    end: Option<(PipeWriter, JoinHandle<()>)>,
}

impl Waiting {
    pub(crate) fn begin() -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        let (told, id) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let me = fs::read_link("/proc/thread-self").unwrap();
            told.send(me.file_name().unwrap().to_str().unwrap().parse().unwrap()).unwrap();
            middle(reader);
        });
        Self { id: id.recv().unwrap(), end: Some((writer, thread)) }
    }

    /// Waits until the thread waits, and returns its state.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let told = format!("/proc/self/task/{}/syscall", self.id);
        let (sp, ip) = loop {
            let line = fs::read_to_string(&told).unwrap();
            // `read` on x86-64 and on aarch64, with what it reads.
            if ["0 0x", "63 0x"].iter().any(|call| line.starts_with(call)) {
                let mut numbers = line.split_whitespace().rev();
                let mut number = || u64::from_str_radix(&numbers.next().unwrap()[2..], 16).unwrap();
                let ip = number();
                break (number(), ip);
            }
            std::thread::yield_now();
        };
        let mut stack = vec![0; 64 * 1024];
        let read = File::open("/proc/self/mem").unwrap().read_at(&mut stack, sp).unwrap();
        stack.truncate(read);
        let mappings = mappings(&fs::read("/proc/self/maps").unwrap());
        // The kernel does not tell the frame pointer: it is the one with which the walk reaches the end.
        let with = |fp| {
            let registers = Registers { ip, sp, fp, lr: 0 };
            let (name, stack) = ("test".into(), stack.clone());
            let thread = ThreadSnapshot { id: self.id, name, registers, stack, stack_start: sp };
            Snapshot::new(vec![thread], mappings.clone()).confirmed()
        };
        let unwinder = Unwinder::new();
        let reaches_the_end = |snapshot: &Snapshot| {
            let thread = &unwinder.unwind(snapshot).threads[0];
            !thread.truncated && thread.calls.len() > 5
        };
        (0..256).map(|word| with(sp + 8 * word)).find(reaches_the_end).expect("the stack has an end")
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((writer, thread)) = self.end.take() {
            drop(writer);
            thread.join().unwrap();
        }
    }
}

#[inline(never)]
pub(crate) fn middle(reader: PipeReader) {
    innermost(reader);
    black_box(());
}

#[inline(never)]
pub(crate) fn innermost(mut reader: PipeReader) {
    let read = reader.read(&mut [0]).unwrap();
    black_box(read);
}
