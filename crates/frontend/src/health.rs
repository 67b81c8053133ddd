//! Whether the server is opening, starting, serving or draining: a handle that the server moves forward and `/readyz`
//! reads. Does not: know pools.

use std::sync::Arc;
use tokio::sync::watch;

const OPENING: u8 = 0;
const STARTING: u8 = 1;
const SERVING: u8 = 2;
const DRAINING: u8 = 3;

/// A shared handle on the server's phase. Phases only go forward: a server that drains never serves
/// again.
///
/// [`run`](crate::run) moves it to draining when its shutdown begins; a server that wants load
/// balancers to look away first calls [`draining`](Self::draining) earlier.
#[derive(Clone, Debug)]
pub struct Health(Arc<watch::Sender<u8>>);

impl Health {
    /// Returns a server that still opens what it needs for its answers, such as a store of jobs: every route but `/livez` is
    /// 503, until [`opened`](Self::opened).
    pub fn opening() -> Self {
        Self(Arc::new(watch::Sender::new(OPENING)))
    }

    /// Returns a server that is not ready yet: `/readyz` is 503.
    pub fn starting() -> Self {
        Self(Arc::new(watch::Sender::new(STARTING)))
    }

    /// Makes the routes answer from now on. The server is starting.
    pub fn opened(&self) {
        self.reach(STARTING);
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

    /// Returns whether only `/livez` answers as always.
    pub(crate) fn is_opening(&self) -> bool {
        *self.0.borrow() == OPENING
    }

    /// Returns `opening`, `starting`, `serving` or `draining`.
    pub fn phase(&self) -> &'static str {
        match *self.0.borrow() {
            OPENING => "opening",
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
        let health = Health::opening();
        assert!(health.is_opening() && !health.is_serving());
        health.opened();
        assert_eq!(health.phase(), "starting");
        health.serving();
        assert!(health.is_serving());
        health.draining();
        health.serving();
        assert_eq!(health.phase(), "draining");
    }
}
