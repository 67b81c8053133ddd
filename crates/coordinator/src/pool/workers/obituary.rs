//! Which deaths are remembered, and what of them. Does not: remember them.

use super::burial::Buried;
use crate::pool::core::Core;
use procpool_process::StartError;
use procpool_protocol::deaths::{DeadPayload, Death};
use procpool_protocol::status::SuspectPayload;
use procpool_protocol::{Exit, ExitReport, JobId};
use procpool_scheduler::{Cause, Death as Blame};
use std::time::SystemTime;

const SIGKILL: i32 = 9;

/// The job with which a worker died.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) id: JobId,
    /// The length of its input, in bytes.
    pub(crate) length: usize,
    /// The record of that input, if deaths are held against it.
    pub(crate) suspected: Option<SuspectPayload>,
    /// Its fingerprint, if deaths are not.
    pub(crate) fingerprint: Option<String>,
}

/// Remembers the death of a worker that was ready.
pub(super) fn remember(core: &Core, buried: &Buried) {
    let cause = buried.reason.unwrap_or(match buried.blame {
        Blame::Own => Cause::Crashed,
        Blame::HungUp => Cause::HungUp,
        Blame::Killed => Cause::Killed,
        Blame::OutOfMemory => Cause::OutOfMemory,
    });
    keep(core, cause, &buried.report, None, buried.lost.as_ref());
}

/// Remembers that the worker of this name did not get ready, unless the pool itself has ended its start.
pub(super) fn remember_unready(core: &Core, killed_for: Option<Cause>, worker: &str, error: &StartError) {
    match error {
        StartError::Died { report, .. } => keep(core, killed_for.unwrap_or(Cause::Start), report, None, None),
        StartError::Withdrawn { .. } => {}
        _ if killed_for.is_some() => {}
        _ => {
            let nobody = || ExitReport::new(worker, 0, Exit::Unknown);
            let report = error.report().cloned().unwrap_or_else(nobody);
            keep(core, Cause::Start, &report, Some(error), None);
        }
    }
}

fn keep(core: &Core, cause: Cause, report: &ExitReport, error: Option<&StartError>, lost: Option<&Lost>) {
    let Some(log) = core.deaths.get().filter(|_| is_of_note(cause, report.exit)) else { return };
    let mut death = Death::new(0, SystemTime::now(), &core.name, cause.name(), report.clone());
    death.error = error.map(StartError::to_string);
    if let Some(Lost { id, length, suspected, fingerprint }) = lost {
        let mut payload = DeadPayload::default();
        payload.bytes = *length as u64;
        payload.fingerprint.clone_from(fingerprint);
        if let Some(suspected) = suspected {
            payload.fingerprint = Some(suspected.fingerprint.clone());
            (payload.deaths, payload.quarantined) = (suspected.deaths, suspected.quarantined);
        }
        (death.job, death.payload) = (Some(*id), Some(payload));
    }
    log.record(death);
}

/// Returns whether a death is more than the end of a worker that is no longer needed: with a process per job, those
/// would leave no room for others.
fn is_of_note(cause: Cause, exit: Exit) -> bool {
    let is_quiet = exit.is_success() || exit == Exit::Unknown;
    match cause {
        Cause::Recycled | Cause::Reloaded | Cause::Idle | Cause::Ordered => !is_quiet,
        Cause::ShutDown => !is_quiet && exit.signal() != Some(SIGKILL),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_that_end_as_they_are_asked_are_not_remembered() {
        let segfault = Exit::by_signal(11, false);
        for cause in Cause::ALL {
            assert!(is_of_note(cause, segfault), "{cause:?}: it crashed on its way out");
            let is_asked = matches!(
                cause,
                Cause::Recycled | Cause::Reloaded | Cause::Idle | Cause::Ordered | Cause::ShutDown
            );
            assert_eq!(is_of_note(cause, Exit::Code(0)), !is_asked, "{cause:?}");
        }
        assert!(is_of_note(Cause::Ordered, Exit::by_signal(SIGKILL, false)));
        assert!(!is_of_note(Cause::ShutDown, Exit::by_signal(SIGKILL, false)));
    }
}
