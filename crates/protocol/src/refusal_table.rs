//! The table of refusals: the HTTP status of each, and whether and when to try again.

use crate::refusal::Refusal;
use std::time::Duration;

/// Time after which to try again where nothing better is known.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// Time after which there may be space again. Somebody has to make it.
const SPACE: Duration = Duration::from_secs(10);

impl Refusal {
    /// Returns whether the same job may be accepted later.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self, Self::NoSlotInTime { .. }) || self.retry_after().is_some()
    }

    /// Returns the time after which to try again, if that makes sense.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull { .. }
            | Self::QueueBytesFull { .. }
            | Self::KeyStoreFull { .. }
            | Self::LargeInputsFull { .. }
            | Self::RegistryFull { .. }
            | Self::StoreBusy { .. }
            | Self::StoreBroken { .. }
            | Self::Starting
            | Self::Draining
            | Self::ShuttingDown => Some(SOON),
            // A job that was sent may run: the same again would run twice.
            Self::EngineUnreachable { sent, .. } => (!sent).then_some(SOON),
            Self::StoreFull => Some(SPACE),
            Self::BreakerOpen { retry, .. }
            | Self::ClientQuarantined { retry, .. }
            | Self::DeadlineUnreachable { retry, .. } => Some((*retry).max(SOON)),
            _ => None,
        }
    }

    /// Returns the HTTP status of a job that was refused for this reason.
    pub(crate) fn http_status(&self) -> u16 {
        match self {
            Self::UnknownPool { .. } => 404,
            Self::QueueFull { .. }
            | Self::QueueBytesFull { .. }
            | Self::BreakerOpen { .. }
            | Self::KeyStoreFull { .. }
            | Self::LargeInputsFull { .. }
            | Self::RegistryFull { .. }
            | Self::StoreBusy { .. }
            | Self::StoreFull
            | Self::StoreBroken { .. }
            | Self::EngineUnreachable { .. }
            | Self::Starting
            | Self::DeadlineUnreachable { .. }
            | Self::Draining
            | Self::ShuttingDown
            | Self::RuntimeEnded
            | Self::Forked => 503,
            Self::ClientQuarantined { .. } => 429,
            Self::NoSlotInTime { .. } => 504,
            Self::InputTooLarge { .. } => 413,
            Self::NotDurable => 422,
            Self::NotSupported { .. } => 501,
            // Only typed callers encode; inputs from HTTP are encoded already.
            Self::InputEncoding(_) => 500,
        }
    }
}
