//! Checks that the scripts cover everything. Without a step for one of the scheduler's events, the
//! promises are not tested against it.

use std::collections::BTreeMap;

use procpool_scheduler::{Action, Event};

/// Names every variant. A variant that is missing here does not compile. Every variant named here
/// must occur.
macro_rules! variants {
    ($all:ident, $name:ident, $type:ident: $($variant:ident)*) => {
        pub(crate) const $all: &[&str] = &[$(concat!(stringify!($type), "::", stringify!($variant))),*];

        fn $name(of: &$type) -> &'static str {
            match of {
                $($type::$variant { .. } => concat!(stringify!($type), "::", stringify!($variant)),)*
            }
        }
    };
}

variants! { EVENTS, event, Event:
    Start Submit Identified Cancel Committed Ready Recalled Unbegun PassedOver Done Died Violated HungUp Stalled Outgrown
    Reload Resize Reconfigure Pause Close Resume Pardon PardonClient Retire Kill Tick Drain Stop
}

variants! { ACTIONS, action, Action:
    Refuse Start Identify Assign Recall Cancel Kill Retire Resolve Reloaded Drained
}

/// The outcomes of jobs sent ahead, which the scripts must also cover.
pub(crate) const AHEAD: &[&str] = &[
    "sent ahead",
    "blamed among several",
    "died with answers that nobody had read",
    "given back by a recall",
    "given back by a death",
    "given up ahead of its turn",
    "passed over",
];

/// Number of occurrences of each.
#[derive(Debug, Default)]
pub(crate) struct Coverage(BTreeMap<&'static str, usize>);

impl Coverage {
    pub(crate) fn event(&mut self, of: &Event) {
        self.count(event(of), 1);
    }

    pub(crate) fn action(&mut self, of: &Action) {
        self.count(action(of), 1);
    }

    pub(crate) fn met(&mut self, what: &'static str) {
        assert!(AHEAD.contains(&what), "`{what}` is not listed");
        self.count(what, 1);
    }

    pub(crate) fn add(&mut self, other: Self) {
        other.0.into_iter().for_each(|(what, times)| self.count(what, times));
    }

    /// Returns the elements of `all` that did not occur.
    pub(crate) fn lacks(&self, all: &[&'static str]) -> Vec<&'static str> {
        all.iter().copied().filter(|what| !self.0.contains_key(what)).collect()
    }

    fn count(&mut self, what: &'static str, times: usize) {
        *self.0.entry(what).or_default() += times;
    }
}
