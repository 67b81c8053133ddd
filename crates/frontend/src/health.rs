//! Whether the server is starting, serving or draining: a handle that the server moves forward and
//! `/readyz` reads. Knows nothing of pools.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

/// A shared handle on the server's phase. Phases only go forward: a server that drains never serves
/// again.
///
/// [`run`](crate::run) moves it to draining when its shutdown begins; a server that wants load
/// balancers to look away first calls [`draining`](Self::draining) earlier.
#[derive(Clone, Debug)]
pub struct Health(Arc<AtomicU8>);

impl Health {
    /// A server that is not ready yet: `/readyz` is 503.
    pub fn starting() -> Self {
        Self(Arc::new(AtomicU8::new(STARTING)))
    }

    /// From now on `/readyz` is 200, unless the server drains already.
    pub fn serving(&self) {
        self.0.fetch_max(SERVING, Ordering::Relaxed);
    }

    /// From now on `/readyz` is 503.
    pub fn draining(&self) {
        self.0.fetch_max(DRAINING, Ordering::Relaxed);
    }

    /// Whether `/readyz` is 200.
    pub fn is_serving(&self) -> bool {
        self.phase() == "serving"
    }

    /// `starting`, `serving` or `draining`.
    pub fn phase(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            STARTING => "starting",
            SERVING => "serving",
            _ => "draining",
        }
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
