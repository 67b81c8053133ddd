//! Whether this machine gives anybody a processor in time. A thread that does nothing else asks to be woken, and
//! notes when that came late, and how long the server's threads waited: what the server does late meanwhile may not
//! be its own doing.

use super::run::Run;
use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

/// Between two wake-ups.
const NAP: Duration = Duration::from_millis(5);

/// The delay of a wake-up that counts as normal on a busy machine.
const USUAL: Duration = Duration::from_millis(10);

/// A wait of a thread that works, between two wake-ups, that is not worth noting.
const SHORT: Duration = Duration::from_millis(1);

/// Watches the machine, and the server of this process id, until the load is told to end.
pub(crate) fn watch(run: Arc<Run>, server: u32) -> std::io::Result<()> {
    let watching = move || {
        let end = run.end.subscribe();
        let mut waits = Waits::default();
        while !*end.borrow() {
            let due = run.clock.now() + NAP;
            // sleep: how late this ends is what is measured.
            std::thread::sleep(NAP);
            let now = run.clock.now();
            let (woken, waited) = (now.saturating_sub(due), waits.longest_since(server));
            // Short waits add up where many share the processors.
            if woken > USUAL || waited > SHORT {
                let late = woken.max(waited);
                let mut starvation = run.starvation.open();
                starvation.begin(now.saturating_sub(late));
                starvation.end(now);
            }
        }
    };
    std::thread::Builder::new().name("starvation".into()).spawn(watching).map(drop)
}

/// How long each thread of a process has waited for a processor, by its number. A thread that sleeps gets one sooner
/// than one that works, so that our own wake-ups tell too little.
#[derive(Default)]
struct Waits(HashMap<u32, Duration>);

impl Waits {
    /// Returns the longest of what each thread has waited since the last call.
    fn longest_since(&mut self, process: u32) -> Duration {
        let now = waits(process);
        let since = |(thread, wait): (&u32, &Duration)| wait.saturating_sub(*self.0.get(thread)?).into();
        let longest = now.iter().filter_map(since).max().unwrap_or_default();
        self.0 = now;
        longest
    }
}

fn waits(process: u32) -> HashMap<u32, Duration> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let wait = |thread: fs::DirEntry| {
        let number = thread.file_name().to_str()?.parse().ok()?;
        Some((number, wait_of(&fs::read_to_string(thread.path().join("schedstat")).ok()?)?))
    };
    threads.filter_map(wait).collect()
}

/// `time on a processor, time that it waited for one, number of turns`, in nanoseconds.
fn wait_of(schedstat: &str) -> Option<Duration> {
    schedstat.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_is_the_second_number() {
        assert_eq!(wait_of("7 19000 1\n"), Some(Duration::from_micros(19)));
        assert_eq!(wait_of("7"), None);
    }

    #[test]
    fn a_thread_that_was_not_there_before_has_not_waited() {
        let mut known = Waits::default();
        assert_eq!(known.longest_since(std::process::id()), Duration::ZERO);
        assert!(!known.0.is_empty());
    }
}
