//! The threads that spawn: as many as there are executables being started at one time.
//!
//! `posix_spawn` returns when the new program runs, and that may take long: a network disk, a scanner. One
//! executable that hangs must not hold up the others, so each has a lane of its own, and its spawns
//! follow each other.
//!
//! The kernel takes the *thread* that spawned a worker for its parent, and signals the worker when that
//! one ends. So these threads live as long as the process. Does not: know what is spawned.

use super::fork::PerProcess;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Maximum number of threads. If so many executables hang at one time, the starts of all others wait.
const MAX_THREADS: usize = 64;

/// Bytes of a thread's stack: it makes strings and system calls.
const STACK: usize = 256 * 1024;

type Task = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Spawners {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    /// What is to be spawned of an executable. Bounded: a pool has one request under way for each worker
    /// that it may start.
    lanes: HashMap<PathBuf, VecDeque<Task>>,
    /// Lanes that no thread has taken up yet.
    waiting: VecDeque<PathBuf>,
    threads: usize,
    idle: usize,
}

static SPAWNERS: PerProcess<Spawners> = PerProcess::new();

/// Runs `task` on a thread that lives as long as this process, after all earlier ones of `executable`.
///
/// # Errors
/// When there is no such thread, and none can be started.
pub(super) fn run(executable: &Path, task: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let spawners = SPAWNERS.get(Spawners::default);
    let mut state = spawners.lock();
    if let Some(lane) = state.lanes.get_mut(executable) {
        lane.push_back(Box::new(task));
        return Ok(());
    }
    if state.idle <= state.waiting.len() && state.threads < MAX_THREADS {
        match spawners.start() {
            Ok(()) => state.threads += 1,
            Err(error) if state.threads == 0 => return Err(error),
            // One of those that there are takes it up when it can.
            Err(_) => {}
        }
    }
    state.lanes.insert(executable.to_owned(), VecDeque::from([Box::new(task) as Task]));
    state.waiting.push_back(executable.to_owned());
    drop(state);
    spawners.work.notify_one();
    Ok(())
}

impl Spawners {
    fn start(&'static self) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("procpool-spawner".into()).stack_size(STACK);
        thread.spawn(move || self.serve()).map(drop)
    }

    fn serve(&self) {
        let mut state = self.lock();
        loop {
            let Some(executable) = state.waiting.pop_front() else {
                state.idle += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            while let Some(task) = state.lanes.get_mut(&executable).and_then(VecDeque::pop_front) {
                drop(state);
                task();
                state = self.lock();
            }
            state.lanes.remove(&executable);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn an_executable_that_hangs_holds_up_its_own_lane_only() {
        let (release, hangs) = mpsc::channel::<()>();
        let (done, order) = mpsc::channel();
        let tell = |what: &'static str| {
            let done = done.clone();
            move || done.send(what).unwrap_or_default()
        };
        run(Path::new("/test/slow"), move || hangs.recv().unwrap_or_default()).unwrap();
        run(Path::new("/test/slow"), tell("after the one that hangs")).unwrap();
        for _ in 0..3 {
            run(Path::new("/test/quick"), tell("quick")).unwrap();
            assert_eq!(order.recv(), Ok("quick"));
        }
        drop(release);
        assert_eq!(order.recv(), Ok("after the one that hangs"));
    }
}
