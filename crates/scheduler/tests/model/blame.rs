//! The payloads that are blamed for deaths: only the payload of the job that ran.

use std::collections::BTreeMap;

use procpool_scheduler::{Scheduler, Time};

/// The deaths of each payload before an event, and the time until which the pool remembers each.
#[derive(Debug)]
pub(crate) struct Blame(BTreeMap<u64, (u32, Time)>);

impl Blame {
    /// Records the deaths before an event. `told` is the latest time that the scheduler knows.
    pub(crate) fn before(scheduler: &Scheduler, told: Time) -> Self {
        let suspects = scheduler.suspects(told);
        Self(suspects.map(|it| (it.payload.0, (it.deaths, told + it.remaining))).collect())
    }

    /// Checks after the event that only the `earned` payload, if any, has one more death.
    pub(crate) fn check(&self, scheduler: &Scheduler, now: Time, earned: Option<u64>) {
        let after: BTreeMap<_, _> = scheduler.suspects(now).map(|it| (it.payload.0, it.deaths)).collect();
        let before = |payload: &u64| self.0.get(payload).filter(|&&(_, end)| now < end).map_or(0, |it| it.0);
        for (payload, &deaths) in &after {
            let most = before(payload) + u32::from(earned == Some(*payload));
            assert!(deaths <= most, "payload {payload} is blamed for a death that was not its doing");
        }
        if let Some(payload) = earned {
            let deaths = after.get(&payload).copied().unwrap_or(0);
            assert_eq!(
                deaths,
                before(&payload) + 1,
                "payload {payload} is not blamed for what it has killed"
            );
        }
    }
}
