//! Counts everything that happens in a run, so that a run of many seeds can show that everything
//! happened.

use procpool_scheduler::{Cause, Counters, ReloadEnd, Scheduler, Verdict};

#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage(std::collections::BTreeMap<&'static str, u64>);

/// The cases that must occur within ten thousand seeds.
pub(crate) const EVERYTHING: &[&str] = &[
    "finished",
    "crashed",
    "poisoned",
    "given back",
    "given back as late",
    "refused for its deadline",
    "refused for its client",
    "protocol",
    "timed out",
    "cancelled",
    "shut down",
    "refused",
    "returned",
    "retried",
    "late results",
    "late cancels",
    "kills",
    "breaker opened",
    "set apart",
    "reload done",
    "reload canary died",
    "reload superseded",
    "reload shut down",
    "duplicate ids",
    "jobs committed",
    "held up",
    "hung up idle",
    "hung up busy",
    "given to the dead",
    "races won by the answer",
    "races won by the deadline",
    "refused by the breaker",
    "refused for its bytes",
    "refused as a suspect",
    "identified",
    "identified late",
    "sent ahead",
    "recalled",
    "recalled the first",
    "pardoned",
    "recalled too early",
    "passed over",
    "taken back",
    "resized",
    "paused",
    "refused by order",
    "reconfigured",
    "retired by order",
];

impl Coverage {
    pub(crate) fn met(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    fn add(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }

    pub(crate) fn verdict(&mut self, verdict: Verdict) {
        let what = match verdict {
            Verdict::Finished => "finished",
            Verdict::Crashed { handed_over: true, .. } => "crashed",
            Verdict::Crashed { handed_over: false, .. } => "crashed unread",
            Verdict::Poisoned { .. } => "poisoned",
            Verdict::GivenBack { .. } => "given back",
            Verdict::Unreachable { .. } => "given back as late",
            Verdict::Protocol => "protocol",
            Verdict::TimedOut { .. } => "timed out",
            Verdict::Cancelled { .. } => "cancelled",
            Verdict::ShutDown { .. } => "shut down",
        };
        self.add(what, 1);
    }

    pub(crate) fn reload(&mut self, end: ReloadEnd) {
        let what = match end {
            ReloadEnd::Done => "reload done",
            ReloadEnd::CanaryDied => "reload canary died",
            ReloadEnd::Superseded => "reload superseded",
            ReloadEnd::ShutDown => "reload shut down",
        };
        self.add(what, 1);
    }

    pub(crate) fn counters(&mut self, counters: Counters) {
        for (what, times) in [
            ("returned", counters.returned),
            ("taken back", counters.taken_back),
            ("retried", counters.retried),
            ("late results", counters.late_results),
            ("late cancels", counters.late_cancels),
            ("kills", counters.kills),
            ("breaker opened", counters.breaker_opened),
        ] {
            self.add(what, times);
        }
    }

    /// Counts workers that are gone, by cause. Every cause must occur.
    pub(crate) fn gone(&mut self, scheduler: &Scheduler) {
        for cause in Cause::ALL {
            self.add(cause_met(cause), scheduler.gone(cause));
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (what, times) in other.0 {
            self.add(what, times);
        }
    }

    /// Returns the number of answers that won, and that lost, a race: they came within two
    /// milliseconds of the end of their job's time.
    pub(crate) fn races(&self) -> (u64, u64) {
        let times = |what| self.0.get(what).copied().unwrap_or_default();
        (times("races won by the answer"), times("races won by the deadline"))
    }

    /// Returns the cases that never occurred.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let met = |what: &&'static str| self.0.get(*what).is_some_and(|&times| times > 0);
        EVERYTHING.iter().copied().chain(Cause::ALL.map(cause_met)).filter(|what| !met(what)).collect()
    }
}

fn cause_met(cause: Cause) -> &'static str {
    match cause {
        Cause::Crashed => "gone: crashed",
        Cause::HungUp => "gone: hung up",
        Cause::OutOfMemory => "gone: out of memory",
        Cause::Killed => "gone: killed",
        Cause::Start => "gone: start",
        Cause::Protocol => "gone: protocol",
        Cause::Cancelled => "gone: cancelled",
        Cause::TimedOut => "gone: timed out",
        Cause::Panicked => "gone: panicked",
        Cause::Stopped => "gone: stopped",
        Cause::Recycled => "gone: recycled",
        Cause::Reloaded => "gone: reloaded",
        Cause::Idle => "gone: idle",
        Cause::ShutDown => "gone: shut down",
        Cause::Ordered => "gone: ordered",
    }
}
