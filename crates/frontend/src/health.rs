//! Whether the server is starting, serving or draining: a handle that the server moves forward and `/readyz`
//! reads. Does not: know pools.

use std::sync::Arc;
use tokio::sync::watch;

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

/// A shared handle on the server's phase. Phases only go forward: a server that drains never serves
/// again.
///
/// [`run`](crate::run) moves it to draining when its shutdown begins; a server that wants load
/// balancers to look away first calls [`draining`](Self::draining) earlier.
#[derive(Clone, Debug)]
pub struct Health(Arc<watch::Sender<u8>>);

impl Health {
    /// Returns a server that is not ready yet: `/readyz` is 503.
    pub fn starting() -> Self {
        Self(Arc::new(watch::Sender::new(STARTING)))
    }

    /// Makes `/readyz` 200 from now on, unless the server drains already.
    pub fn serving(&self) {
        self.reach(SERVING);
    }

    /// Makes `/readyz` 503 from now on.
    pub fn draining(&self) {
        self.reach(DRAINING);
    }

    /// Returns whether `/readyz` is 200.
    pub fn is_serving(&self) -> bool {
        self.phase() == "serving"
    }

    /// Returns `starting`, `serving` or `draining`.
    pub fn phase(&self) -> &'static str {
        match *self.0.borrow() {
            STARTING => "starting",
            SERVING => "serving",
            _ => "draining",
        }
    }

    /// Waits until the server drains.
    pub(crate) async fn until_draining(&self) {
        // The sender is this handle's own: it cannot be gone.
        let _ = self.0.subscribe().wait_for(|&phase| phase == DRAINING).await;
    }

    fn reach(&self, phase: u8) {
        self.0.send_if_modified(|now| {
            let is_forward = *now < phase;
            *now = phase.max(*now);
            is_forward
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draining_server_never_serves_again() {
        let health = Health::starting();
        assert_eq!(health.phase(), "starting");
        health.serving();
        assert!(health.is_serving());
        health.draining();
        health.serving();
        assert_eq!(health.phase(), "draining");
    }
}
