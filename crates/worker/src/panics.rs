//! Panics of the user's code: caught, and reported with message and place.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// The place where this thread panicked last.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic's message and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PanicReport {
    pub(crate) message: String,
    /// `file:line:column`. `None` for a panic that was resumed from another thread.
    pub(crate) location: Option<String>,
}

impl fmt::Display for PanicReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(out, "panicked at {location}: {}", self.message),
            None => write!(out, "panicked: {}", self.message),
        }
    }
}

/// Runs `f`. State that a panic leaves broken must not be used again: the worker exits.
pub(crate) fn caught<T>(f: impl FnOnce() -> T) -> Result<T, PanicReport> {
    note_places();
    PLACE.take();
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let message = message_of(&*payload);
        // Its destructor is the user's code, which has just panicked and may panic again.
        std::mem::forget(payload);
        PanicReport { message, location: PLACE.take() }
    })
}

/// Makes every panic record its place, and then print itself as before.
fn note_places() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let printing = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PLACE.set(info.location().map(ToString::to_string));
            printing(info);
        }));
    });
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_message_and_place() {
        let report = caught(|| panic!("no {}", 7)).unwrap_err();
        assert_eq!(report.message, "no 7");
        let location = report.location.unwrap();
        assert!(location.contains("panics.rs:"), "{location}");
    }

    #[test]
    fn a_panic_carried_over_from_another_thread_has_no_place_of_its_own() {
        let _ = caught(|| panic!("it has the place noted"));
        // A panic that the user's code caught itself.
        let _ = panic::catch_unwind(|| panic!("an earlier one"));
        let report = caught(|| panic::resume_unwind(Box::new("carried"))).unwrap_err();
        assert_eq!(report, PanicReport { message: "carried".into(), location: None });
        assert_eq!(report.to_string(), "panicked: carried");
    }

    #[test]
    fn a_panic_without_a_message_is_still_told() {
        let report = caught(|| panic::resume_unwind(Box::new(7))).unwrap_err();
        assert_eq!(report.message, "a panic without a message");
    }
}
