//! One job as a client sends it, with all that its answer has to be measured by.

use super::effects::Tag;
use super::outcome::Outcome;
use super::random::Random;
use crate::verbs::Verb;
use std::time::Duration;

/// A kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Answers a text.
    Echo,
    /// The same text each time: a payload that a pool may come to know, and that does no harm.
    SameEcho,
    /// Takes some milliseconds and no processor.
    Nap,
    /// Leaves a line in the log of side effects, and sometimes takes its time after that.
    Log,
    /// Leaves a line in the log of side effects, and kills its worker before it can answer.
    LogAndAbort,
    /// Takes some processor.
    Fib,
    /// Fails for what it is asked.
    FibTooLarge,
    /// Fails for a folder that is not there.
    Failed,
    /// Breaks, as a function that throws does.
    Break,
    /// Does not decode.
    BadInput,
    /// Kills its worker; no two payloads are the same.
    Abort,
    /// The same, with one and the same payload.
    SameAbort,
    /// Ends its worker, sometimes with 0.
    Exit,
    /// Panics.
    Panic,
    /// Never ends and listens to nobody.
    Spin,
    /// Never ends and listens.
    Obey,
    /// Answers much.
    Large,
    /// Emits chunks, for which HTTP has no room: the answer says how many.
    Count,
    /// Is given much, and answers it.
    LargeEcho,
    /// Answers more than the pool takes.
    TooLarge,
    /// Writes to standard output without a newline.
    Flood,
    /// Leaves a process behind that holds what its worker held.
    Grandchild,
}

impl Kind {
    /// Returns whether its worker dies of it.
    pub(crate) fn kills(self) -> bool {
        matches!(self, Self::Abort | Self::SameAbort | Self::LogAndAbort | Self::Exit)
    }
}

/// A job and what may become of it.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) kind: Kind,
    /// The input, as JSON.
    pub(crate) body: String,
    /// Queue and run together.
    pub(crate) timeout: Duration,
    /// The run alone.
    pub(crate) run_timeout: Option<Duration>,
    /// Its output if it is ok, or `None` if it never is.
    pub(crate) output: Option<String>,
    /// How many chunks it emits if it is ok.
    pub(crate) chunks: u32,
    /// The outcomes it may have beside that and those that any job may meet with.
    pub(crate) endings: &'static [Outcome],
    /// Its line in the log of side effects.
    pub(crate) tag: Option<Tag>,
    /// When the client hangs up.
    pub(crate) hang_up: Option<Duration>,
    /// Its chunks reach somebody.
    pub(crate) is_watched: bool,
}

/// The other outcomes of a job that kills its worker.
const KILLS: [Outcome; 2] = [Outcome::Crashed, Outcome::Poisoned];

/// Longer than anything here waits for a worker, unless that worker was stopped.
const TIMEOUT: Duration = Duration::from_secs(2);

/// For what is large and comes when all is quiet.
const LONG: Duration = Duration::from_secs(60);

/// The largest output of [`Kind::Flood`], in bytes.
const FLOOD: u64 = 256 * 1024;

/// The largest payload that is meant to be large, in bytes: twice what goes through a socket.
const LARGE: u64 = 512 * 1024;

/// Two times the `max_payload` of the pool that is asked for it.
const TOO_LARGE: usize = 128 * 1024;

impl Task {
    /// Returns a job of this kind. One with a side effect needs a file, and its line there.
    pub(crate) fn draw(kind: Kind, random: &mut Random, effect: Option<(&str, Tag)>) -> Self {
        let nonce = random.next();
        match kind {
            Kind::Echo => Self::echo(nonce),
            Kind::SameEcho => {
                let text = "innocent".to_owned();
                Self::verb(kind, &Verb::Echo(text.clone())).answers(text)
            }
            Kind::Nap => {
                let micros = 1000 + random.below(8000);
                Self::verb(kind, &Verb::Nap(micros)).answers("awake".to_owned())
            }
            Kind::Log => {
                let (file, tag) = effect.expect("a job with a side effect has a line in a file");
                if nonce.is_multiple_of(2) {
                    Self::log(file, tag)
                } else {
                    Self::log_slowly(file, tag, nonce)
                }
            }
            Kind::LogAndAbort => {
                let (file, tag) = effect.expect("a job with a side effect has a line in a file");
                let verb = Verb::LogThenAbort(file.to_owned(), tag.line());
                let task = Self { tag: Some(tag), ..Self::verb(kind, &verb) };
                // So little time that it may be over between two attempts.
                if nonce.is_multiple_of(2) { task.within(random.millis(5, 30)) } else { task }
            }
            Kind::Fib => {
                let n = 5 + random.below(18);
                Self::new(kind, n.to_string()).answers_json(fib(n).to_string())
            }
            Kind::FibTooLarge => Self::new(kind, "94".into()).may_end(&[Outcome::Failed]),
            Kind::Failed => Self::verb(kind, &Verb::Log("/nowhere/at/all".into(), String::new()))
                .may_end(&[Outcome::Failed]),
            Kind::Break => Self::verb(kind, &Verb::Break(format!("{nonce:x}"))).may_end(&[Outcome::Broke]),
            Kind::BadInput => Self::new(kind, "{\"sing\":1}".into()).may_end(&[Outcome::BadInput]),
            Kind::Abort => Self::verb(kind, &Verb::LastWords(vec![format!("{nonce:x}")])),
            Kind::SameAbort => Self::verb(kind, &Verb::Abort),
            Kind::Exit => Self::verb(kind, &Verb::Exit(i32::from(nonce.is_multiple_of(2)))),
            Kind::Panic => Self::verb(kind, &Verb::Panic(format!("{nonce:x}"))).may_end(&[Outcome::Panicked]),
            Kind::Spin => Self::verb(kind, &Verb::Spin).within(random.millis(5, 30)),
            Kind::Obey => {
                let task = Self::obey();
                let limit = random.millis(5, 30);
                if nonce.is_multiple_of(2) { task.within(limit) } else { task.runs_within(limit) }
            }
            Kind::Large => {
                let bytes = usize::try_from(random.below(LARGE)).unwrap_or(0);
                Self::verb(kind, &Verb::Large(bytes)).answers("x".repeat(bytes))
            }
            Kind::Count => {
                let chunks = u32::try_from(1 + random.below(40)).unwrap_or(1);
                let task = Self::verb(kind, &Verb::Count(chunks)).answers(chunks.to_string());
                Self { chunks, ..task }
            }
            Kind::LargeEcho => {
                let bytes = usize::try_from(random.below(LARGE)).unwrap_or(0);
                let text = format!("{nonce:016x}").repeat(bytes / 16);
                Self::verb(kind, &Verb::Echo(text.clone())).answers(text)
            }
            Kind::TooLarge => Self::verb(kind, &Verb::Large(TOO_LARGE)).may_end(&[Outcome::OutputTooLarge]),
            Kind::Flood => {
                let bytes = usize::try_from(random.below(FLOOD)).unwrap_or(0);
                Self::verb(kind, &Verb::Flood(bytes)).answers(bytes.to_string())
            }
            // Its answer is a process id, which nobody can foretell.
            Kind::Grandchild => Self::verb(kind, &Verb::Grandchild).may_end(&[Outcome::Ok]),
        }
    }

    /// Leaves a line in the log of side effects.
    pub(crate) fn log(file: &str, tag: Tag) -> Self {
        let line = tag.line();
        let task = Self::verb(Kind::Log, &Verb::Log(file.to_owned(), line.clone()));
        Self { tag: Some(tag), ..task.answers(line) }
    }

    fn log_slowly(file: &str, tag: Tag, nonce: u64) -> Self {
        let (line, micros) = (tag.line(), nonce % 10_000);
        let verb = Verb::LogThenNap(file.to_owned(), line.clone(), micros);
        Self { tag: Some(tag), ..Self::verb(Kind::Log, &verb).answers(line) }
    }

    /// Takes all of its time, unless it is cancelled.
    pub(crate) fn obey() -> Self {
        Self::verb(Kind::Obey, &Verb::Obey)
    }

    /// Is given a text of this length and answers it, and may take its time.
    pub(crate) fn echo_of(length: usize) -> Self {
        let text = "x".repeat(length);
        Self::verb(Kind::LargeEcho, &Verb::Echo(text.clone())).answers(text).within(LONG)
    }

    fn echo(nonce: u64) -> Self {
        let text = format!("{nonce:x}");
        Self::verb(Kind::Echo, &Verb::Echo(text.clone())).answers(text)
    }

    fn verb(kind: Kind, verb: &Verb) -> Self {
        Self::new(kind, serde_json::to_string(verb).expect("a verb is JSON"))
    }

    fn new(kind: Kind, body: String) -> Self {
        Self {
            kind,
            body,
            timeout: TIMEOUT,
            run_timeout: None,
            output: None,
            chunks: 0,
            endings: &[],
            tag: None,
            hang_up: None,
            is_watched: false,
        }
    }

    fn answers(self, text: String) -> Self {
        self.answers_json(serde_json::Value::from(text).to_string())
    }

    fn answers_json(self, output: String) -> Self {
        Self { output: Some(output), ..self }
    }

    fn may_end(self, endings: &'static [Outcome]) -> Self {
        Self { endings, ..self }
    }

    pub(crate) fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn runs_within(self, timeout: Duration) -> Self {
        Self { run_timeout: Some(timeout), ..self }
    }

    /// Returns the path and query of its request.
    pub(crate) fn path(&self, pool: &str) -> String {
        let mut path = format!("/v1/pools/{pool}/jobs?timeout={}us", self.timeout.as_micros());
        if let Some(limit) = self.run_timeout {
            path += &format!("&run_timeout={}us", limit.as_micros());
        }
        path
    }

    /// The same job, whose request says nothing of the side effects of those before it: one of them may still arrive.
    pub(crate) fn without_tag(&self) -> Self {
        Self { tag: None, ..self.clone() }
    }

    /// The client hangs up after so long: before the job is read, in the queue, amid its run or after its end.
    pub(crate) fn hangs_up(self, after: Duration) -> Self {
        Self { hang_up: Some(after), ..self }
    }

    /// Returns whether it may have this outcome, where all jobs may meet with this weather.
    pub(crate) fn may_be(&self, outcome: Outcome, weather: &[Outcome]) -> bool {
        let ok = outcome == Outcome::Ok && self.output.is_some();
        let killed = self.kind.kills() && KILLS.contains(&outcome);
        ok || killed || weather.contains(&outcome) || self.endings.contains(&outcome)
    }
}

fn fib(n: u64) -> u64 {
    (0..n).fold((0, 1), |(this, next), _| (next, this + next)).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::scenario::{CALM, STORM};

    fn draw(kind: Kind) -> Task {
        Task::draw(kind, &mut Random::new(1, 1), Some(("/log", Tag::first())))
    }

    #[test]
    fn a_job_that_kills_is_never_ok() {
        for kind in [Kind::Abort, Kind::SameAbort, Kind::Exit, Kind::Panic, Kind::Spin, Kind::Obey] {
            assert!(!draw(kind).may_be(Outcome::Ok, STORM), "{kind:?}");
            assert!(draw(kind).may_be(Outcome::Crashed, STORM), "{kind:?}");
        }
    }

    #[test]
    fn nobody_is_told_of_a_cancel_but_those_who_hung_up() {
        for kind in [Kind::Echo, Kind::Log, Kind::Obey, Kind::Fib] {
            assert!(!draw(kind).may_be(Outcome::Cancelled, STORM), "{kind:?}");
        }
    }

    #[test]
    fn nobody_is_poisoned_or_crashes_where_nobody_is_killed_but_those_who_kill() {
        for (kind, may) in [(Kind::Echo, false), (Kind::SameEcho, false), (Kind::SameAbort, true)] {
            assert_eq!(draw(kind).may_be(Outcome::Poisoned, STORM), may, "{kind:?}");
            assert_eq!(draw(kind).may_be(Outcome::Crashed, CALM), may, "{kind:?}");
        }
    }

    #[test]
    fn the_limits_stand_in_the_query_with_their_unit() {
        let task = Task { timeout: Duration::from_millis(5), ..draw(Kind::Spin) };
        assert_eq!(task.path("tight"), "/v1/pools/tight/jobs?timeout=5000us");
        let task = task.runs_within(Duration::from_millis(1));
        assert_eq!(task.path("tight"), "/v1/pools/tight/jobs?timeout=5000us&run_timeout=1000us");
    }

    #[test]
    fn a_log_answers_its_line_and_an_echo_its_text() {
        let log = draw(Kind::Log);
        assert!(log.tag.is_some());
        assert_eq!(log.output.as_deref(), Some("\"0\""));
        assert!(log.body.contains("\"/log\""));
    }
}
