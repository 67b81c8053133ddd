//! Checks that the scripts bring everything about. Without a step that leads to a scheduler's event, the
//! promises are not held against it.

use std::collections::BTreeMap;

use procpool_scheduler::{Action, Event};

/// Names every variant. One that is not listed here does not compile; one that is has to be met.
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
    Reload Resize Pardon PardonClient Kill Tick Drain Stop
}

variants! { ACTIONS, action, Action:
    Refuse Start Identify Assign Recall Cancel Kill Retire Resolve Reloaded Drained
}

/// The ways of jobs that are sent ahead, which the scripts have to meet, too.
pub(crate) const AHEAD: &[&str] = &[
    "sent ahead",
    "blamed among several",
    "died with answers that nobody had read",
    "given back by a recall",
    "given back by a death",
    "given up ahead of its turn",
    "passed over",
];

/// Number of times that each was met.
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

    /// Those of `all` that were not met.
    pub(crate) fn lacks(&self, all: &[&'static str]) -> Vec<&'static str> {
        all.iter().copied().filter(|what| !self.0.contains_key(what)).collect()
    }

    fn count(&mut self, what: &'static str, times: usize) {
        *self.0.entry(what).or_default() += times;
    }
}
