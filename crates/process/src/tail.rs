//! The lines of standard error for a report: the first of the job, the last ones, and the causes. A long
//! backtrace does not displace the causes. Bounded.

use crate::evidence;
use std::collections::VecDeque;

/// Maximum number of recorded lines.
const LINES: usize = 20;

/// Number of lines that are recorded from the beginning of a job: a library complains about its input early,
/// and then at length.
const OPENING: usize = 5;

/// Number of causes that are recorded, the newest. Each has one or two lines.
const CAUSES: usize = 3;

/// The beginnings of lines that runtimes write before they end the process, and whether the next line says
/// more.
const CAUSE_STARTS: &[(&str, bool)] = &[
    ("terminate called ", true),
    ("libc++abi: terminating", false),
    ("Fatal glibc error: ", false),
    ("free(): ", false),
    ("malloc(): ", false),
    ("realloc(): ", false),
    ("calloc(): ", false),
    ("munmap_chunk(): ", false),
    ("malloc_consolidate(): ", false),
    ("double free or corruption", false),
    ("corrupted ", false),
    ("*** ", false),
    ("fatal runtime error: ", false),
    ("fatal error: ", false),
    ("FATAL ERROR: ", false),
    ("panic: ", false),
];

/// The recorded lines.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    lines: VecDeque<Line>,
    /// The next line belongs to the cause before it.
    continues: bool,
    /// The latest job that may have written a line, and the number of its first lines that are recorded.
    latest: u64,
    opening: usize,
}

#[derive(Debug)]
struct Line {
    text: String,
    author: Author,
    role: Role,
    /// Its job began with this line.
    is_opening: bool,
}

/// The jobs that may have written a line, by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Author {
    /// All earlier jobs had ended, and everything that they wrote was read.
    pub(crate) earliest: u64,
    /// No later job had begun.
    pub(crate) latest: u64,
}

impl Author {
    /// Returns the number of the job that ran last. `None` between two jobs.
    pub(crate) fn job(self) -> Option<u64> {
        (self.latest > 0 && self.earliest <= self.latest).then_some(self.latest)
    }
}

/// The lines that were recorded of one job.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LastWords {
    /// Oldest first.
    pub(crate) lines: Vec<String>,
    /// An earlier job may have written some of them.
    pub(crate) may_be_older: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The first line of a cause.
    Cause,
    /// The second line of a cause.
    Continued,
    Other,
}

impl Tail {
    pub(crate) fn push(&mut self, text: String, author: Author) {
        let role = match begins_cause(&text) {
            _ if self.continues => Role::Continued,
            Some(_) => Role::Cause,
            None => Role::Other,
        };
        self.continues = role == Role::Cause && begins_cause(&text) == Some(true);
        if role == Role::Cause {
            self.forget_oldest_cause();
        }
        let is_opening = self.is_opening(author.latest);
        if self.lines.len() == LINES {
            // There always is one: there are fewer causes and first lines than lines.
            let may_go = |line: &Line| line.role == Role::Other && !line.is_opening;
            let oldest = self.lines.iter().position(may_go).unwrap_or(0);
            self.lines.remove(oldest);
        }
        self.lines.push_back(Line { text, author, role, is_opening });
    }

    /// Returns whether the next line is one of the first lines of this job. The first of them makes the
    /// earlier job's lines ordinary ones.
    fn is_opening(&mut self, job: u64) -> bool {
        if job > self.latest {
            (self.latest, self.opening) = (job, 0);
            self.lines.iter_mut().for_each(|line| line.is_opening = false);
        }
        let is_one = self.opening < OPENING;
        self.opening += usize::from(is_one);
        is_one
    }

    /// Removes all lines, and returns those that `job` may have written, or all for `None`.
    pub(crate) fn take(&mut self, job: Option<u64>) -> LastWords {
        let mut words = LastWords::default();
        self.opening = 0;
        for Line { text, author, .. } in self.lines.drain(..) {
            match job {
                Some(job) if author.latest < job => continue,
                Some(job) => words.may_be_older |= author.earliest < job,
                None => {}
            }
            words.lines.push(text);
        }
        words
    }

    /// Makes room for one more cause.
    fn forget_oldest_cause(&mut self) {
        let causes = self.lines.iter().filter(|line| line.role == Role::Cause).count();
        if causes < CAUSES {
            return;
        }
        let mut is_oldest = false;
        for line in &mut self.lines {
            match line.role {
                Role::Cause if is_oldest => return,
                Role::Cause => is_oldest = true,
                Role::Continued if is_oldest => {}
                _ => continue,
            }
            line.role = Role::Other;
        }
    }
}

/// Returns whether the next line belongs to the cause of a death, too, if this line begins one. Returns
/// `None` if it does not.
fn begins_cause(line: &str) -> Option<bool> {
    if line.contains(" panicked at ") {
        return Some(true);
    }
    if evidence::is_failed_allocation(line) || line.contains("Sanitizer: ") || is_failed_assertion(line) {
        return Some(false);
    }
    CAUSE_STARTS.iter().find(|(start, _)| line.starts_with(start)).map(|&(_, continues)| continues)
}

/// Matches the message of `assert` in C.
fn is_failed_assertion(line: &str) -> bool {
    line.contains(": Assertion `") && line.ends_with("' failed.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(lines: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut tail = Tail::default();
        lines.into_iter().for_each(|line| tail.push(line, Author::default()));
        tail.take(None).lines
    }

    fn words_of(job: Option<u64>, lines: &[(&str, u64, u64)]) -> (String, bool) {
        let mut tail = Tail::default();
        for &(line, earliest, latest) in lines {
            tail.push(line.to_owned(), Author { earliest, latest });
        }
        let words = tail.take(job);
        (words.lines.join(" "), words.may_be_older)
    }

    #[test]
    fn a_jobs_words_are_those_that_no_job_before_it_wrote() {
        let lines = [("first", 1, 1), ("second", 2, 2), ("third", 3, 3)];
        assert_eq!(words_of(Some(3), &lines), ("third".into(), false));
        assert_eq!(words_of(Some(4), &lines), (String::new(), false));
        assert_eq!(words_of(None, &lines), ("first second third".into(), false));
    }

    #[test]
    fn words_that_an_earlier_job_may_have_written_are_told_as_such() {
        let lines = [("first", 1, 1), ("unclear", 2, 3), ("third", 3, 3)];
        assert_eq!(words_of(Some(3), &lines), ("unclear third".into(), true));
    }

    fn with_backtrace(cause: &[&str]) -> Vec<String> {
        let frames = (0..100).map(|number| format!("  {number}: frame"));
        kept(cause.iter().map(|&line| line.to_owned()).chain(frames))
    }

    #[test]
    fn only_the_first_and_the_last_lines_are_kept() {
        let kept = kept((0..100).map(|number| number.to_string()));
        let expected = (0..5).chain(85..100).map(|number: u32| number.to_string());
        assert_eq!(kept, expected.collect::<Vec<_>>());
    }

    #[test]
    fn the_first_lines_are_those_of_the_last_job() {
        let mut tail = Tail::default();
        for job in 1..=3 {
            for number in 0..50 {
                tail.push(format!("{job}.{number}"), Author { earliest: job, latest: job });
            }
        }
        let words = tail.take(Some(3)).lines;
        assert_eq!(words.len(), LINES);
        assert_eq!(
            (&words[0], &words[4], &words[5], &words[LINES - 1]),
            (&"3.0".to_owned(), &"3.4".to_owned(), &"3.35".to_owned(), &"3.49".to_owned())
        );
    }

    #[test]
    fn a_job_that_wrote_little_has_the_lines_before_it_only_as_long_as_nobody_asks_for_its_own() {
        let mut tail = Tail::default();
        for number in 0..50 {
            tail.push(number.to_string(), Author { earliest: 1, latest: 1 });
        }
        tail.push("own".into(), Author { earliest: 2, latest: 2 });
        assert_eq!(tail.lines.len(), LINES);
        assert_eq!(tail.take(Some(2)).lines, ["own"]);
    }

    #[test]
    fn what_a_process_dies_of_is_kept_before_its_backtrace() {
        let panic = ["thread 'main' (7) panicked at src/main.rs:3:5:", "row 7 has no price"];
        let thrown =
            ["terminate called after throwing an instance of 'std::logic_error'", "  what():  cheese"];
        for cause in [panic, thrown] {
            let kept = with_backtrace(&cause);
            assert_eq!(kept.len(), LINES);
            assert_eq!((&kept[..2], kept[5].as_str()), (&cause.map(str::to_owned)[..], "  85: frame"));
        }
        for cause in [
            "memory allocation of 64 bytes failed",
            "free(): invalid next size (normal)",
            "==7==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010",
            "w: a.c:3: main: Assertion `n > 0' failed.",
            "*** stack smashing detected ***: terminated",
        ] {
            let kept = with_backtrace(&[cause]);
            assert_eq!((kept.len(), kept[0].as_str(), kept[5].as_str()), (LINES, cause, "  85: frame"));
        }
    }

    #[test]
    fn the_newest_causes_are_kept_and_no_more_of_them_than_there_is_room_for() {
        let panics = (0..50).flat_map(|number| {
            let head = format!("thread 'main' panicked at src/main.rs:{number}:5:");
            [head, format!("message {number}")].into_iter().chain((0..30).map(|it| format!("  {it}: frame")))
        });
        let kept = kept(panics);
        assert_eq!(kept.len(), LINES);
        let messages: Vec<_> = kept.iter().filter(|line| line.starts_with("message")).collect();
        assert_eq!(
            messages,
            ["message 0", "message 47", "message 48", "message 49"],
            "and that of the first lines"
        );
        assert_eq!(kept[LINES - 1], "  29: frame");
    }
}
