//! How far a job had come when it ended, as the scheduler says.

use procpool_protocol::Stage;
use procpool_scheduler::{Stage as SchedulerStage, Verdict};

/// Returns whether no worker has begun the job that ended so.
pub(super) fn is_unbegun(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Crashed { handed_over, .. } => !handed_over,
        Verdict::Poisoned { stage, .. }
        | Verdict::TimedOut { stage, .. }
        | Verdict::Cancelled { stage }
        | Verdict::ShutDown { stage } => stage == SchedulerStage::Queued,
        Verdict::GivenBack { .. } | Verdict::Unreachable { .. } => true,
        Verdict::Finished | Verdict::Protocol => false,
    }
}

/// Returns the stage as callers see it.
pub(super) fn public(stage: SchedulerStage) -> Stage {
    match stage {
        SchedulerStage::Queued => Stage::Queued,
        SchedulerStage::Running => Stage::Running,
    }
}
