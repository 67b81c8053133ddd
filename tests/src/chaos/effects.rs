//! The log of side effects: a file to which jobs append their line, against what the answers said about them.

use super::ledger::Oddities;
use super::outcome::Outcome;
use std::io::{self, BufRead};

/// Maximum number of jobs with a side effect that are recorded, 2 bytes each. Beyond it, none are sent.
const MOST: usize = 8 << 20;

/// Names a line, once in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(usize);

impl Tag {
    #[cfg(test)]
    pub(crate) fn first() -> Self {
        Self(0)
    }

    pub(crate) fn line(self) -> String {
        self.0.to_string()
    }
}

/// How often each line may stand in the log.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    bounds: Vec<Bounds>,
    /// Jobs of which is known that they were cancelled in the queue.
    cancelled_in_queue: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    least: u8,
    most: u8,
    /// How often it may be handed out.
    attempts: u8,
    told: Option<Outcome>,
    cancelled_in_queue: bool,
}

impl Effects {
    /// Returns a line for a job that may be handed out `attempts` times, or `None` when there have been too
    /// many.
    pub(crate) fn tag(&mut self, attempts: u8) -> Option<Tag> {
        let tag = Tag(self.bounds.len());
        (tag.0 < MOST).then(|| {
            let most = attempts;
            self.bounds.push(Bounds { least: 0, most, attempts, told: None, cancelled_in_queue: false });
            tag
        })
    }

    /// Takes in what the job's client was told.
    pub(crate) fn told(&mut self, tag: Tag, outcome: Outcome, may_have_run: bool) {
        let bounds = &mut self.bounds[tag.0];
        bounds.told = Some(outcome);
        if outcome == Outcome::Ok {
            bounds.least = 1;
        }
        if !may_have_run {
            bounds.most = 0;
        }
    }

    /// The job was cancelled while it waited, for certain.
    pub(crate) fn cancelled_in_queue(&mut self, tag: Tag) {
        let bounds = &mut self.bounds[tag.0];
        (bounds.most, bounds.cancelled_in_queue) = (0, true);
        self.cancelled_in_queue += 1;
    }

    /// The job may have begun this many times more than was counted. One that certainly did not run has not.
    pub(crate) fn uncounted(&mut self, tag: Tag, times: u64) {
        let bounds = &mut self.bounds[tag.0];
        if bounds.most > 0 {
            bounds.most = bounds.most.saturating_add(u8::try_from(times).unwrap_or(u8::MAX));
        }
    }

    /// Compares with the log itself.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn compare(&self, log: impl BufRead) -> io::Result<Comparison> {
        let mut counts = vec![0_u8; self.bounds.len()];
        let mut seen = Comparison { cancelled_in_queue: self.cancelled_in_queue, ..Comparison::default() };
        for line in log.lines() {
            seen.lines += 1;
            match line?.parse().ok().and_then(|tag: usize| counts.get_mut(tag)) {
                Some(count) => *count = count.saturating_add(1),
                None => seen.strange += 1,
            }
        }
        for (bounds, count) in self.bounds.iter().zip(counts) {
            seen.take(bounds, count);
        }
        Ok(seen)
    }
}

/// The log's content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) lines: u64,
    /// Lines that no job was to write.
    pub(crate) strange: u64,
    /// Jobs that ended well without their line.
    pub(crate) missing: u64,
    /// Jobs that ran more often than they may.
    pub(crate) too_often: u64,
    /// Jobs that are to have not one line.
    pub(crate) never: u64,
    /// Those of them that ran although their client was told that they certainly had not.
    pub(crate) never_run: u64,
    /// Jobs that were certainly cancelled in the queue.
    pub(crate) cancelled_in_queue: u64,
    /// Those of them that ran.
    pub(crate) run_after_cancel: u64,
    /// Jobs that did what they should not, in words.
    pub(crate) culprits: Oddities,
}

impl Comparison {
    /// Takes in a job with this number of lines.
    fn take(&mut self, bounds: &Bounds, count: u8) {
        let &Bounds { least, most, attempts, told, cancelled_in_queue } = bounds;
        self.never += u64::from(most == 0);
        self.missing += u64::from(count < least);
        self.too_often += u64::from(count > most && most > 0);
        self.never_run += u64::from(count > 0 && most == 0 && !cancelled_in_queue);
        self.run_after_cancel += u64::from(count > 0 && cancelled_in_queue);
        if !(least..=most).contains(&count) {
            let told = told.map_or("nothing", Outcome::name);
            self.culprits.note(|| {
                format!("ran {count} times, should {least} to {most}; was told {told}; may be handed out {attempts} times")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two jobs, the first of which may be repeated once.
    fn effects() -> (Effects, [Tag; 2]) {
        let mut effects = Effects::default();
        let tags = [2, 1].map(|attempts| effects.tag(attempts).unwrap());
        (effects, tags)
    }

    fn compare(effects: &Effects, log: &str) -> Comparison {
        effects.compare(log.as_bytes()).unwrap()
    }

    #[test]
    fn a_job_may_run_as_often_as_it_may_be_handed_out() {
        let (effects, _) = effects();
        assert_eq!(compare(&effects, "0\n1\n0\n").too_often, 0);
        assert_eq!(compare(&effects, "0\n0\n0\n").too_often, 1);
        assert_eq!(compare(&effects, "1\n1\n").too_often, 1);
    }

    #[test]
    fn starts_that_were_not_counted_are_allowed_unless_the_job_did_not_run() {
        let (mut effects, [first, second]) = effects();
        effects.uncounted(first, 1);
        effects.told(second, Outcome::Cancelled, false);
        effects.uncounted(second, 1);
        assert_eq!(compare(&effects, "0\n0\n0\n").too_often, 0);
        assert_eq!(compare(&effects, "0\n0\n0\n0\n").too_often, 1);
        assert_eq!(compare(&effects, "1\n").never_run, 1);
    }

    #[test]
    fn a_job_that_was_ok_has_its_line() {
        let (mut effects, [first, _]) = effects();
        effects.told(first, Outcome::Ok, true);
        assert_eq!(compare(&effects, "").missing, 1);
        assert_eq!(compare(&effects, "0\n").missing, 0);
    }

    #[test]
    fn a_job_that_cannot_have_run_has_none() {
        let (mut effects, [first, second]) = effects();
        effects.told(first, Outcome::TimedOut, false);
        effects.told(second, Outcome::Crashed, true);
        let seen = compare(&effects, "0\n1\n");
        assert_eq!((seen.never, seen.never_run, seen.too_often), (1, 1, 0));
    }

    #[test]
    fn a_job_that_was_cancelled_in_the_queue_has_none_either() {
        let (mut effects, [first, _]) = effects();
        effects.cancelled_in_queue(first);
        assert_eq!(compare(&effects, "1\n").run_after_cancel, 0);
        let seen = compare(&effects, "0\n");
        assert_eq!((seen.cancelled_in_queue, seen.run_after_cancel, seen.never_run), (1, 1, 0));
    }

    #[test]
    fn lines_of_nobody_are_counted() {
        let (effects, _) = effects();
        assert_eq!(compare(&effects, "2\nfoo\n\n1\n").strange, 3);
    }
}
