//! The size of a remembered death, and its bound: a worker writes some of it.

use procpool_protocol::ExitReport;
use procpool_protocol::deaths::Death;
use procpool_protocol::stack::{Stack, StackFrame, ThreadStack};
use std::sync::Arc;

/// Maximum size of one death, in bytes. Of a larger one, lines and stack are cut.
pub(super) const MOST: usize = 64 << 10;

/// Of a death that is cut: maximum number and length of lines, and of frames and their names.
const LINES: usize = 20;
const LINE: usize = 1024;
const FRAMES: usize = 32;
const NAME: usize = 256;

/// Returns the size of a death in memory, in bytes.
pub(super) fn of(death: &Death) -> usize {
    let payload = death.payload.as_ref().and_then(|payload| payload.fingerprint.as_ref());
    size_of::<Death>()
        + death.pool.len()
        + death.group.len()
        + death.end.len()
        + death.signature.len()
        + death.error.as_ref().map_or(0, String::len)
        + payload.map_or(0, String::len)
        + death.replay.as_ref().map_or(0, |file| file.as_os_str().len())
        + of_report(&death.report)
}

/// Cuts what is too large to be remembered.
pub(super) fn bound(death: &mut Death) {
    if of(death) <= MOST {
        return;
    }
    if let Some(error) = &mut death.error {
        cut(error, LINE);
    }
    let report = Arc::make_mut(&mut death.report);
    report.stderr.truncate(LINES);
    report.stderr.iter_mut().for_each(|line| cut(line, LINE));
    report.stack = report.stack.as_deref().map(|stack| Arc::new(cut_stack(stack)));
}

/// Cuts a text to at most this number of bytes.
pub(super) fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.shrink_to_fit();
    }
}

fn of_report(report: &ExitReport) -> usize {
    size_of::<ExitReport>()
        + report.worker.len()
        + report.stderr.iter().map(|line| size_of::<String>() + line.len()).sum::<usize>()
        + report.stack.as_deref().map_or(0, of_stack)
}

fn of_stack(stack: &Stack) -> usize {
    let note = stack.note.as_ref().map_or(0, String::len);
    size_of::<Stack>() + note + stack.threads.iter().map(of_thread).sum::<usize>()
}

fn of_thread(thread: &ThreadStack) -> usize {
    let of_frame = |frame: &StackFrame| {
        let names = [&frame.function, &frame.file, &frame.module];
        size_of::<StackFrame>() + names.into_iter().flatten().map(String::len).sum::<usize>()
    };
    size_of::<ThreadStack>() + thread.name.len() + thread.frames.iter().map(of_frame).sum::<usize>()
}

/// Keeps the innermost calls of the first thread.
fn cut_stack(stack: &Stack) -> Stack {
    let mut stack = stack.clone();
    stack.threads.truncate(1);
    for thread in &mut stack.threads {
        thread.truncated |= thread.frames.len() > FRAMES;
        thread.frames.truncate(FRAMES);
        cut(&mut thread.name, NAME);
        for frame in &mut thread.frames {
            let names = [&mut frame.function, &mut frame.file, &mut frame.module];
            names.into_iter().flatten().for_each(|name| cut(name, NAME));
        }
    }
    if let Some(note) = &mut stack.note {
        cut(note, LINE);
    }
    stack
}
