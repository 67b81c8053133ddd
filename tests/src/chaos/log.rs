//! The server's log, line by line: what it tells of jobs and workers, and what it complains of.

use super::clock::Clock;
use std::time::Duration;

/// The server's log filter: every accepted job and every worker's life, beside warnings.
pub(crate) const FILTER: &str =
    "warn,procpool_frontend::answer=debug,procpool_frontend::handover=debug,procpool_coordinator=debug";

/// Errors that a run may bring about, by a part of their text: the first worker of a reload may be killed like any other.
const ALLOWED: &[&str] = &["failed to reload pool `"];

/// The content of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A job was accepted.
    Accepted(u128),
    /// An accepted job was given back.
    GivenBack(u128),
    /// A worker takes jobs.
    Ready { pool: String, pid: u32, at: Duration },
    /// A worker that was ready is dead.
    Died {
        worker: String,
        pid: u32,
        /// Whether nobody had asked it to exit, or it was killed.
        is_told: bool,
        at: Duration,
    },
    /// Something that must not happen: an error, a panic, or what is no line of the log at all.
    Bad,
    /// The number of lines that were not written, because we read too slowly or there were too many.
    Lost(u64),
    /// Anything else.
    Other,
}

impl Line {
    pub(crate) fn parse(text: &str, clock: &Clock) -> Self {
        let (stamp, rest) = text.split_once(' ').unwrap_or((text, ""));
        let Some(at) = clock.read(stamp) else {
            return lost(text).or_else(|| left_out(text)).map_or(Self::Bad, Self::Lost);
        };
        let rest = rest.trim_start();
        if rest.starts_with("ERROR ") {
            let allowed = ALLOWED.iter().any(|part| rest.contains(part));
            return if allowed { Self::Other } else { Self::Bad };
        }
        message(rest, at).unwrap_or(Self::Other)
    }
}

/// `LEVEL target: message key=value …`
fn message(rest: &str, at: Duration) -> Option<Line> {
    let (level, rest) = rest.split_once(' ')?;
    let (target, message) = rest.trim_start().split_once(": ")?;
    let id = |what| u128::from_str_radix(message.strip_prefix(what)?, 16).ok();
    if matches!(target, "procpool_frontend::answer" | "procpool_frontend::handover") {
        return id("accepted job=").map(Line::Accepted);
    }
    if let Some(id) = id("given back job=") {
        return Some(Line::GivenBack(id));
    }
    if message.starts_with("ready ") {
        let pool = value(message, "pool")?.trim_matches('"').to_owned();
        return Some(Line::Ready { pool, pid: value(message, "pid")?.parse().ok()?, at });
    }
    // A worker's last words may stand at the end, so only the beginning is believed.
    let (worker, rest) = message.strip_prefix("worker ")?.split_once(" (pid ")?;
    let (pid, rest) = rest.split_once(')')?;
    rest.starts_with(" ended ").then_some(())?;
    let is_told = level == "WARN" || rest.starts_with(" ended with signal 9 ");
    Some(Line::Died { worker: worker.to_owned(), pid: pid.parse().ok()?, is_told, at })
}

fn value<'a>(message: &'a str, key: &str) -> Option<&'a str> {
    message.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn lost(text: &str) -> Option<u64> {
    text.strip_prefix('(')?
        .strip_suffix(" lines of log were dropped: they were read too slowly)")?
        .parse()
        .ok()
}

fn left_out(text: &str) -> Option<u64> {
    let (lines, rest) = text.strip_prefix('(')?.split_once(" more lines of ")?;
    rest.strip_suffix(" were left out)")?;
    lines.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Line {
        Line::parse(text, &Clock::start())
    }

    fn at(rest: &str) -> Line {
        // Before any clock was started, so that the time is 0.
        parse(&format!("2020-01-01T00:00:00.000000Z {rest}"))
    }

    #[test]
    fn an_accepted_job_is_read() {
        let line = at("DEBUG procpool_frontend::answer: accepted job=000000000000000000000000000000ff");
        assert_eq!(line, Line::Accepted(0xff));
        let line = at(
            "DEBUG procpool_coordinator::pool::core::perform: given back job=000000000000000000000000000000ff",
        );
        assert_eq!(line, Line::GivenBack(0xff));
    }

    #[test]
    fn a_workers_life_is_read() {
        let ready =
            at(" INFO procpool_coordinator::pool::member: ready pool=\"plain\" worker=\"plain-1\" pid=7");
        assert_eq!(ready, Line::Ready { pool: "plain".into(), pid: 7, at: Duration::ZERO });
        let died = " WARN procpool_coordinator::pool::member: worker plain-1 (pid 7) ended with signal 9 \
                    (SIGKILL) after 1.0s and 3 jobs pool=\"plain\"";
        let line = |is_told| Line::Died { worker: "plain-1".into(), pid: 7, is_told, at: Duration::ZERO };
        assert_eq!(at(died), line(true));
        let quiet = died.replace(" WARN", "DEBUG");
        assert_eq!(at(&quiet), line(true), "it was to exit, but it was killed");
        assert_eq!(at(&quiet.replace("signal 9 (SIGKILL)", "exit code 0")), line(false));
    }

    #[test]
    fn an_error_and_a_panic_are_bad_and_a_warning_is_not() {
        assert_eq!(at("ERROR procpool_coordinator::pool: a worker's task ended in a bug"), Line::Bad);
        assert_eq!(parse("thread 'main' panicked at src/main.rs:1:1:"), Line::Bad);
        assert_eq!(at(" WARN procpool_process::attach::door: turned a process away"), Line::Other);
    }

    #[test]
    fn the_last_words_of_a_worker_are_not_believed() {
        let line = at(" WARN m: failed to start; its last words: ready pool=\"plain\" pid=7");
        assert_eq!(line, Line::Other);
        assert_eq!(at(" WARN m: its last words: ERROR procpool: boom"), Line::Other);
    }

    #[test]
    fn lines_that_were_lost_are_counted() {
        assert_eq!(parse("(12 lines of log were dropped: they were read too slowly)"), Line::Lost(12));
        let left_out = "(7 more lines of procpool_coordinator::pool::member at WARN were left out)";
        assert_eq!(parse(left_out), Line::Lost(7));
    }
}
