//! The threads that spawn: as many as there are executables being started at one time.
//!
//! `posix_spawn` returns when the new program runs, which may take long with a network disk or a scanner. One
//! executable that hangs must not delay the others, so each has a lane of its own. In a lane, a few spawns
//! run in parallel and the rest wait for their turn.
//!
//! The kernel treats the *thread* that spawned a worker as its parent, and signals the worker when that
//! thread ends. Therefore these threads live as long as the process. Does not: know what is spawned.

use super::birthplace::Birthplace;
use super::fork::PerProcess;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Maximum number of threads. If executables that hang take all of them, the starts of all others
/// wait.
const MAX_THREADS: usize = 64;

/// Maximum number of spawns of one executable at a time. While one waits for its `exec`, another can be prepared.
const ABREAST: usize = 2;

/// Size of a thread's stack, in bytes: it builds strings and makes system calls.
const STACK: usize = 256 * 1024;

/// A process to spawn.
pub(super) trait Task: Send {
    /// Returns whether no task waits for the process any longer.
    fn is_given_up(&self) -> bool;

    /// Spawns the process.
    fn run(self: Box<Self>, birthplace: &Birthplace);
}

#[derive(Default)]
struct Spawners {
    state: Mutex<State>,
    work: Condvar,
    /// Signalled when the last lane has ended.
    rest: Condvar,
}

#[derive(Default)]
struct State {
    lanes: HashMap<PathBuf, Lane>,
    /// Lanes that wait for a thread, or for another one.
    waiting: VecDeque<PathBuf>,
    threads: usize,
    idle: usize,
}

/// The waiting spawns of one executable.
#[derive(Default)]
struct Lane {
    /// Bounded: a pool waits for at most one per worker that it may start. Abandoned spawns are removed when
    /// another one is added.
    tasks: VecDeque<Box<dyn Task>>,
    /// Number of threads that serve the lane or are about to.
    threads: usize,
}

static SPAWNERS: PerProcess<Spawners> = PerProcess::new();

/// Runs `task` on a thread that lives as long as this process. Earlier tasks of `executable` begin before it.
///
/// # Errors
/// When there is no such thread, and none can be started.
pub(super) fn run(executable: &Path, task: Box<dyn Task>) -> io::Result<()> {
    let spawners = SPAWNERS.get(Spawners::default);
    let mut state = spawners.lock();
    let needs_thread = state.lanes.get(executable).is_none_or(|lane| lane.threads < ABREAST);
    if needs_thread && state.idle <= state.waiting.len() && state.threads < MAX_THREADS {
        match spawners.start() {
            Ok(()) => state.threads += 1,
            Err(error) if state.threads == 0 => return Err(error),
            // One of the existing threads takes the task when it can.
            Err(_) => {}
        }
    }
    let lane = state.lanes.entry(executable.to_owned()).or_default();
    lane.tasks.retain(|task| !task.is_given_up());
    lane.tasks.push_back(task);
    if needs_thread {
        lane.threads += 1;
        state.waiting.push_back(executable.to_owned());
    }
    // A woken thread may run on this one's processor at once, and would wait for the lock.
    drop(state);
    if needs_thread {
        spawners.work.notify_one();
    }
    Ok(())
}

/// Waits until no spawn is in progress, or `limit` is over. Returns whether all spawns are done. Call it at
/// the end of a program, when no task waits for a worker any longer. The thread that spawned a process and
/// has not handed it over kills it, and that thread ends with the program.
pub fn finish_spawns(limit: Duration) -> bool {
    let spawners = SPAWNERS.get(Spawners::default);
    let are_busy = |state: &mut State| !state.lanes.is_empty();
    let waited = spawners.rest.wait_timeout_while(spawners.lock(), limit, are_busy);
    !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
}

impl Spawners {
    fn start(&'static self) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("procpool-spawner".into()).stack_size(STACK);
        thread.spawn(move || self.serve()).map(drop)
    }

    fn serve(&self) {
        let birthplace = Birthplace::default();
        let mut state = self.lock();
        loop {
            let Some(executable) = state.waiting.pop_front() else {
                state.idle += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            while let Some(task) = state.lanes.get_mut(&executable).and_then(|lane| lane.tasks.pop_front()) {
                drop(state);
                // A panic must not end a lane, for example one in the subscriber of the logs.
                let _ = catch_unwind(AssertUnwindSafe(|| task.run(&birthplace)));
                state = self.lock();
            }
            if let Some(lane) = state.lanes.get_mut(&executable) {
                lane.threads -= 1;
                if lane.threads == 0 {
                    state.lanes.remove(&executable);
                }
                if state.lanes.is_empty() {
                    self.rest.notify_all();
                }
            }
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

    struct Call<F> {
        call: F,
        is_given_up: bool,
    }

    impl<F: FnOnce() + Send> Task for Call<F> {
        fn is_given_up(&self) -> bool {
            self.is_given_up
        }

        fn run(self: Box<Self>, _: &Birthplace) {
            (self.call)();
        }
    }

    fn wanted(call: impl FnOnce() + Send + 'static) -> Box<dyn Task> {
        Box::new(Call { call, is_given_up: false })
    }

    /// Occupies all threads of a lane until the result is dropped.
    fn hang(lane: &Path) -> Vec<mpsc::Sender<()>> {
        let hang = || {
            let (release, hangs) = mpsc::channel();
            run(lane, wanted(move || hangs.recv().unwrap_or_default())).unwrap();
            release
        };
        (0..ABREAST).map(|_| hang()).collect()
    }

    #[test]
    fn an_executable_that_hangs_holds_up_its_own_lane_only() {
        let release = hang(Path::new("/test/slow"));
        let (done, order) = mpsc::channel();
        let tell = |what: &'static str| {
            let done = done.clone();
            wanted(move || done.send(what).unwrap_or_default())
        };
        run(Path::new("/test/slow"), tell("after the one that hangs")).unwrap();
        for _ in 0..3 {
            run(Path::new("/test/quick"), tell("quick")).unwrap();
            assert_eq!(order.recv(), Ok("quick"));
        }
        drop(release);
        assert_eq!(order.recv(), Ok("after the one that hangs"));
    }

    #[test]
    fn what_nobody_waits_for_does_not_pile_up_behind_one_that_hangs() {
        let (ran, order) = mpsc::channel();
        let lane = Path::new("/test/abandoned");
        let release = hang(lane);
        for _ in 0..100 {
            let ran = ran.clone();
            let call = move || ran.send("given up").unwrap_or_default();
            run(lane, Box::new(Call { call, is_given_up: true })).unwrap();
        }
        let waiting = SPAWNERS.get(Spawners::default).lock().lanes[lane].tasks.len();
        assert!(waiting <= 1 + ABREAST, "{waiting} wait");
        let last = ran.clone();
        run(lane, wanted(move || last.send("wanted").unwrap_or_default())).unwrap();
        drop((release, ran));
        assert_eq!(order.into_iter().collect::<Vec<_>>(), ["wanted"]);
    }

    #[test]
    fn the_end_of_a_program_waits_for_what_is_being_spawned_and_not_for_ever() {
        let release = hang(Path::new("/test/last"));
        assert!(!finish_spawns(Duration::from_millis(1)));
        let waits = std::thread::spawn(|| finish_spawns(Duration::from_secs(60)));
        drop(release);
        assert!(waits.join().unwrap());
    }

    #[test]
    fn a_panic_does_not_end_a_lane() {
        let (ran, order) = mpsc::channel();
        let lane = Path::new("/test/panics");
        run(lane, wanted(|| panic!("a subscriber of log lines"))).unwrap();
        run(lane, wanted(move || ran.send(()).unwrap_or_default())).unwrap();
        assert_eq!(order.recv(), Ok(()));
    }
}
