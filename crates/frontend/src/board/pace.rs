//! Decides how often viewers get a frame: four times a second, or once where the machine's processors have little time
//! left. Pure, except for the one function that reads the kernel's counts.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

/// Time between two frames.
const QUICK: Duration = Duration::from_millis(250);

/// Time between two frames on a busy machine.
const SLOW: Duration = Duration::from_secs(1);

/// The part of the processors' time in use, in percent, above which frames become fewer.
const BUSY: u64 = 90;

/// The part below which they become more again. The distance keeps the pace from changing back and forth.
const CALM: u64 = 80;

/// The time of all processors since the machine's start, in ticks of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Processors {
    pub(super) idle: u64,
    pub(super) total: u64,
}

impl Processors {
    /// Reads `/proc/stat`. Returns `None` where there is none.
    pub(super) fn read() -> Option<Self> {
        // The sums are the first line: ten numbers.
        let mut start = [0; 512];
        let length = File::open("/proc/stat").ok()?.read(&mut start).ok()?;
        Self::of(std::str::from_utf8(&start[..length]).ok()?)
    }

    /// Reads the first line of `/proc/stat` (proc(5)).
    fn of(text: &str) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        // user, nice, system, idle, iowait, irq, softirq, steal. What follows is part of user and nice.
        let times = line.split_ascii_whitespace().take(8).map(|time| time.parse().ok());
        let times: Vec<u64> = times.collect::<Option<_>>()?;
        let idle = times.get(3)?.saturating_add(times.get(4).copied().unwrap_or_default());
        Some(Self { idle, total: times.iter().fold(0, |sum, time| sum.saturating_add(*time)) })
    }
}

/// The pace of the frames.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Processors>,
    is_slow: bool,
}

impl Pace {
    /// Returns the time from one frame to the next.
    pub(super) fn interval(&self) -> Duration {
        if self.is_slow { SLOW } else { QUICK }
    }

    /// Takes in the counts of now, about a second after the last ones. Without counts, frames come quickly.
    pub(super) fn take(&mut self, now: Option<Processors>) {
        let before = std::mem::replace(&mut self.last, now);
        self.is_slow = match before.zip(now) {
            Some((before, now)) => {
                let total = now.total.saturating_sub(before.total);
                let idle = now.idle.saturating_sub(before.idle).min(total);
                let bound = if self.is_slow { CALM } else { BUSY };
                (total - idle).saturating_mul(100) > total.saturating_mul(bound)
            }
            None => false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read_and_nonsense_is_not() {
        let text = "cpu  100 20 30 400 50 6 7 8 99 99\ncpu0 1 2 3 4\n";
        assert_eq!(Processors::of(text), Some(Processors { idle: 450, total: 621 }));
        for text in ["", "cpu", "cpu  1 2", "cpu  1 2 3 many", "intr 1 2 3 4 5"] {
            assert_eq!(Processors::of(text), None, "{text}");
        }
        let huge = format!("cpu  {0} {0} {0} {0} {0}", u64::MAX);
        assert_eq!(Processors::of(&huge).map(|it| it.total), Some(u64::MAX));
    }

    #[test]
    fn a_busy_machine_gets_fewer_frames_until_it_is_calm() {
        let (mut pace, mut now) = (Pace::default(), Processors::default());
        let mut after = |busy: u64| {
            now = Processors { idle: now.idle + 100 - busy, total: now.total + 100 };
            pace.take(Some(now));
            pace.interval()
        };
        assert_eq!(after(100), QUICK, "one count alone says nothing");
        assert_eq!([90, 91, 85, 81, 80, 85].map(&mut after), [QUICK, SLOW, SLOW, SLOW, QUICK, QUICK]);
        after(100);
        pace.take(None);
        assert_eq!(pace.interval(), QUICK);
        pace.take(Some(Processors { idle: 9, total: 9 }));
        pace.take(Some(Processors::default()));
        assert_eq!(pace.interval(), QUICK, "the counts ran back");
    }
}
