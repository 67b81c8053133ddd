//! The states of a pool's workers as a short text: a letter for each state, and after it the number of
//! places that have it, if that is not one.

use procpool_protocol::engine::{WorkerSample, WorkerState};
use std::fmt::Write;

/// Returns the letter of a place.
const fn letter(place: Option<&WorkerSample>) -> char {
    match place {
        None => '.',
        Some(worker) => match worker.state {
            WorkerState::Starting => 's',
            WorkerState::Idle => 'i',
            WorkerState::Busy => 'b',
            WorkerState::Stopping => 'x',
            WorkerState::Retiring => 'r',
            // A state that this version does not know.
            _ => '?',
        },
    }
}

/// Appends the states of these places: `b57i3x` is 57 busy workers, 3 idle ones, and one that is stopping.
pub(super) fn write(places: &[Option<WorkerSample>], text: &mut String) {
    let mut letters = places.iter().map(|place| letter(place.as_ref())).peekable();
    while let Some(first) = letters.next() {
        let mut count = 1;
        while letters.next_if_eq(&first).is_some() {
            count += 1;
        }
        text.push(first);
        if count > 1 {
            // Writing to a string never fails.
            let _ = write!(text, "{count}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_neighbours_are_counted() {
        let worker = |state| Some(WorkerSample::new(0, state));
        let (busy, idle) = (worker(WorkerState::Busy), worker(WorkerState::Idle));
        let written = |places: &[Option<WorkerSample>]| {
            let mut text = String::new();
            write(places, &mut text);
            text
        };
        assert_eq!(written(&[]), "");
        assert_eq!(written(&[busy, busy, idle, None, None, None]), "b2i.3");
        let all = [WorkerState::Starting, WorkerState::Stopping, WorkerState::Retiring].map(worker);
        assert_eq!(written(&all), "sxr");
        assert_eq!(written(&vec![busy; 4096]), "b4096");
    }
}
