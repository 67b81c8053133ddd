//! Watches the coordinator while a template loads its state, which may take long or never end.
//!
//! The watch is a thread, and a template must have one thread when it forks. So the watch ends with the loading.

use crate::ending::WorkerError;
use crate::os::{self, Socket};
use std::sync::mpsc;
use std::thread;

/// The stack of the watch, in bytes. It only waits.
const STACK: usize = 64 * 1024;

/// Does the `work`. If the coordinator is gone before it is done, runs `on_lost` on another thread.
pub(crate) fn watched<T>(
    control: &Socket,
    on_lost: impl FnOnce() + Send + 'static,
    work: impl FnOnce() -> T,
) -> Result<T, WorkerError> {
    let (stop, stopper) = std::io::pipe().map_err(WorkerError::Guard)?;
    let control = control.clone();
    let (tell, told) = mpsc::channel();
    let watch = move || {
        // Nobody listens if this process is about to end.
        let _ = tell.send(os::thread_id());
        if os::hangs_up(&control, &stop) {
            on_lost();
        }
    };
    let thread = thread::Builder::new().name("guard".into()).stack_size(STACK);
    let thread = thread.spawn(watch).map_err(WorkerError::Guard)?;
    let id = told.recv();
    let done = work();
    drop(stopper);
    // It does not panic.
    let _ = thread.join();
    // The kernel lists a thread for a moment after its end.
    while id.is_ok_and(os::is_thread) {
        thread::yield_now();
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    /// No test waits for this; it turns a hang into a failure.
    const HANG: Duration = Duration::from_secs(60);

    #[test]
    fn a_coordinator_that_dies_during_the_work_is_noticed_and_what_it_sends_is_left_alone() {
        let (theirs, ours) = UnixStream::pair().unwrap();
        std::io::Write::write_all(&mut &theirs, b"early").unwrap();
        let (lose, lost) = mpsc::channel();
        let work = move || {
            drop(theirs);
            lost.recv_timeout(HANG)
        };
        watched(&ours.into(), move || lose.send(()).unwrap(), work).unwrap().expect("it is noticed");
    }

    #[test]
    fn the_watch_ends_with_the_work() {
        let (_theirs, ours) = UnixStream::pair().unwrap();
        let alive = std::sync::Arc::new(());
        let theirs = alive.clone();
        watched(&ours.into(), move || drop(theirs), || ()).unwrap();
        assert_eq!(std::sync::Arc::strong_count(&alive), 1);
    }
}
