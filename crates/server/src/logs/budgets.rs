//! How many lines of log each source may write. A line that a client or a worker can provoke a million times
//! is written some hundred times, and counted. Does not: read a clock, or write.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};
use tracing::Level;

/// Maximum number of sources with a budget of their own. Sources are parts of the program, so there are never as many;
/// further ones share one.
const SOURCES: usize = 256;

/// How long lines are left out before a line says how many there were.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Whose lines are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    pub(super) target: &'static str,
    pub(super) level: Level,
}

/// How many lines at once, and how many a second for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Budget {
    at_once: u32,
    a_second: u32,
}

/// For lines that clients can provoke, and those of libraries below that.
const SPARSE: Budget = Budget { at_once: 200, a_second: 10 };

/// The life of workers, and what they say: thousands may die in a minute, and each is worth its lines.
const GENEROUS: Budget = Budget { at_once: 10_000, a_second: 1_000 };

/// Returns the budget of a source, or `None` if none of its lines may be left out.
fn budget(Source { target, level }: Source) -> Option<Budget> {
    // The streams and log frames of workers; our own crates are called procpool_….
    let is_of_worker = target.starts_with("procpool::");
    let is_ours = target.starts_with("procpool_");
    match level {
        // A user who turns the access log on wants all of it. It is one line a request.
        _ if target == "procpool::access" => None,
        // A user who asks for these wants all of them.
        Level::DEBUG | Level::TRACE if !is_of_worker => None,
        Level::ERROR if is_ours => None,
        _ if is_of_worker || (is_ours && !target.starts_with("procpool_frontend")) => Some(GENEROUS),
        _ => Some(SPARSE),
    }
}

/// Whether a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    Written,
    LeftOut,
    /// It is the first one that is left out since somebody was told of such.
    FirstLeftOut,
}

/// The number of lines of a source that were not written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    source: Source,
    lines: u64,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source: Source { target, level }, lines } = self;
        write!(out, "({lines} more lines of {target} at {level} were left out)")
    }
}

/// The used part of each source's budget.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    buckets: HashMap<Source, Bucket>,
    /// Buckets with lines that were left out and not told of.
    owing: usize,
}

#[derive(Debug)]
struct Bucket {
    /// When all of the budget is there again.
    full_at: Instant,
    left_out: u64,
    /// When the first of them came.
    since: Instant,
}

impl Budgets {
    /// Takes a line of this source from its budget.
    pub(super) fn take(&mut self, source: Source, now: Instant) -> Pass {
        let Some(budget) = budget(source) else { return Pass::Written };
        let bucket = self.bucket(source, now);
        let each = Duration::from_secs(1) / budget.a_second;
        let full_at = bucket.full_at.max(now) + each;
        if full_at <= now + each * budget.at_once {
            bucket.full_at = full_at;
            return Pass::Written;
        }
        bucket.left_out += 1;
        if bucket.left_out > 1 {
            return Pass::LeftOut;
        }
        bucket.since = now;
        self.owing += 1;
        Pass::FirstLeftOut
    }

    fn bucket(&mut self, source: Source, now: Instant) -> &mut Bucket {
        let has_room = self.buckets.len() < SOURCES || self.buckets.contains_key(&source);
        let source = if has_room { source } else { Source { target: "other targets", ..source } };
        self.buckets.entry(source).or_insert(Bucket { full_at: now, left_out: 0, since: now })
    }

    /// Returns the time until [`due`](Self::due) has a notice, or `None` if nothing was left out.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        if self.owing == 0 {
            return None;
        }
        let owing = self.buckets.values().filter(|bucket| bucket.left_out > 0);
        owing.map(|bucket| (bucket.since + TELL_EVERY).saturating_duration_since(now)).min()
    }

    /// Returns the notices that are due by now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<LeftOut> {
        self.told(|bucket| bucket.since + TELL_EVERY <= now)
    }

    /// Returns all notices that were not written yet.
    pub(super) fn rest(&mut self) -> Vec<LeftOut> {
        self.told(|_| true)
    }

    fn told(&mut self, is_due: impl Fn(&Bucket) -> bool) -> Vec<LeftOut> {
        if self.owing == 0 {
            return Vec::new();
        }
        let owing = self.buckets.iter_mut().filter(|(_, bucket)| bucket.left_out > 0 && is_due(bucket));
        let told: Vec<_> = owing
            .map(|(source, bucket)| LeftOut { source: *source, lines: std::mem::take(&mut bucket.left_out) })
            .collect();
        self.owing -= told.len();
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const H2: Source = Source { target: "h2::proto::ping_pong", level: Level::WARN };

    fn ours(target: &'static str, level: Level) -> Source {
        Source { target, level }
    }

    /// Returns the number of lines that are written, of `lines` that come at once.
    fn written(budgets: &mut Budgets, source: Source, lines: usize, now: Instant) -> usize {
        (0..lines).filter(|_| budgets.take(source, now) == Pass::Written).count()
    }

    #[test]
    fn a_flood_is_cut_to_its_budget_and_what_is_left_out_is_told() {
        let (mut budgets, start) = (Budgets::default(), Instant::now());
        assert_eq!(written(&mut budgets, H2, 200, start), 200);
        assert_eq!(budgets.due_in(start), None);
        assert_eq!(budgets.take(H2, start), Pass::FirstLeftOut);
        assert_eq!(budgets.take(H2, start), Pass::LeftOut);
        assert_eq!(budgets.due_in(start), Some(TELL_EVERY));
        assert_eq!(budgets.due(start), []);

        let later = start + TELL_EVERY;
        let told: Vec<_> = budgets.due(later).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["(2 more lines of h2::proto::ping_pong at WARN were left out)"]);
        assert_eq!((budgets.due(later), budgets.due_in(later)), (Vec::new(), None));
        assert_eq!(written(&mut budgets, H2, 1_000, later), 50, "ten a second came back");
        assert_eq!(budgets.rest().len(), 1);
    }

    #[test]
    fn a_flood_that_goes_on_for_a_day_writes_what_a_day_may() {
        let (mut budgets, start) = (Budgets::default(), Instant::now());
        let seconds = 24 * 60 * 60;
        let all: usize =
            (0..seconds).map(|s| written(&mut budgets, H2, 20, start + Duration::from_secs(s))).sum();
        assert_eq!(all as u64, 200 + 10 * (seconds - 1));
        let [LeftOut { lines, .. }] = budgets.rest()[..] else { panic!("one source") };
        assert_eq!(lines + all as u64, 20 * seconds);
    }

    #[test]
    fn one_source_has_nothing_of_anothers_and_a_warning_nothing_of_an_information() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        let orders = "procpool_frontend::local";
        written(&mut budgets, ours(orders, Level::WARN), 100_000, now);
        assert_eq!(budgets.take(ours(orders, Level::INFO), now), Pass::Written);
        assert_eq!(budgets.take(H2, now), Pass::Written);
    }

    #[test]
    fn errors_of_ours_and_what_was_asked_for_are_never_left_out() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        for (target, level) in [
            ("procpool_coordinator::pool", Level::ERROR),
            ("procpool_frontend::dispatch", Level::ERROR),
            ("procpool_frontend::answer", Level::DEBUG),
            ("h2::codec", Level::TRACE),
        ] {
            assert_eq!(written(&mut budgets, ours(target, level), 100_000, now), 100_000, "{target} {level}");
        }
    }

    #[test]
    fn workers_may_die_by_the_thousands_and_say_much_but_not_without_end() {
        for (target, level) in [
            ("procpool_coordinator::pool::member", Level::WARN),
            ("procpool::stderr", Level::INFO),
            ("procpool::worker", Level::ERROR),
            ("procpool::worker", Level::DEBUG),
        ] {
            let (mut budgets, now) = (Budgets::default(), Instant::now());
            assert_eq!(written(&mut budgets, ours(target, level), 100_000, now), 10_000, "{target} {level}");
            // 12,000 deaths a minute, each of them with three lines.
            let minute = (1..=60)
                .map(|s| written(&mut budgets, ours(target, level), 600, now + Duration::from_secs(s)));
            assert_eq!(minute.sum::<usize>(), 36_000);
        }
    }

    #[test]
    fn the_number_of_sources_is_bounded() {
        let (mut budgets, now) = (Budgets::default(), Instant::now());
        for number in 0..10 * SOURCES {
            let target: &'static str = Box::leak(number.to_string().into_boxed_str());
            budgets.take(ours(target, Level::WARN), now);
        }
        assert_eq!(budgets.buckets.len(), SOURCES + 1);
        written(&mut budgets, ours("one more", Level::WARN), 1_000, now);
        assert!(budgets.rest()[0].to_string().contains("of other targets at WARN"));
    }
}
