//! Whether this machine gives anybody a processor in time. A thread that does nothing else asks to be woken, and
//! notes when that came late: what the server does late meanwhile may not be its own doing.

use super::run::Run;
use std::sync::Arc;
use std::time::Duration;

/// Between two wake-ups.
const NAP: Duration = Duration::from_millis(5);

/// The delay of a wake-up that counts as normal on a busy machine.
const USUAL: Duration = Duration::from_millis(10);

/// Watches until the load is told to end.
pub(crate) fn watch(run: Arc<Run>) -> std::io::Result<()> {
    let watching = move || {
        let end = run.end.subscribe();
        while !*end.borrow() {
            let due = run.clock.now() + NAP;
            // sleep: how late this ends is what is measured.
            std::thread::sleep(NAP);
            let now = run.clock.now();
            if now > due + USUAL {
                let mut starvation = run.starvation.open();
                starvation.begin(due);
                starvation.end(now);
            }
        }
    };
    std::thread::Builder::new().name("starvation".into()).spawn(watching).map(drop)
}
