//! A death as clients see it: the JSON of one, and of a group. Does not: ask the engine.

use procpool_protocol::crash::signal_name;
use procpool_protocol::engine::{Death, DeathGroup};
use procpool_protocol::stack::Stack;
use procpool_protocol::{JobId, LimitHit};
use serde::{Serialize, Serializer};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The JSON of a death.
#[derive(Serialize)]
pub(crate) struct DeathView<'a> {
    id: u64,
    time: Date,
    pool: &'a str,
    worker: &'a str,
    pid: u32,
    cause: &'static str,
    group: &'a str,
    signature: &'a str,
    /// Why the worker did not get ready, if that is not how it ended.
    error: Option<&'a str>,
    /// The whole report in a sentence.
    summary: String,
    signal: Option<i32>,
    signal_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault_address: Option<String>,
    exit_code: Option<i32>,
    limit_hit: Option<LimitHit>,
    oom_killed: bool,
    ordered: bool,
    job: Option<JobId>,
    payload: Option<PayloadView<'a>>,
    stderr: &'a [String],
    stderr_may_be_older: bool,
    stack: Option<&'a Stack>,
    peak_memory_bytes: Option<u64>,
    cpu_ms: u64,
    uptime_ms: u64,
    jobs_done: u64,
    replay: Option<String>,
    /// The commands that have the job die again, by its file and by this server.
    commands: Vec<String>,
}

#[derive(Serialize)]
struct PayloadView<'a> {
    bytes: u64,
    fingerprint: Option<&'a str>,
    deaths: u32,
    quarantined: bool,
}

impl<'a> From<&'a Death> for DeathView<'a> {
    fn from(death: &'a Death) -> Self {
        let report = &*death.report;
        Self {
            id: death.id,
            time: Date(death.time),
            pool: &death.pool,
            worker: &report.worker,
            pid: report.pid,
            cause: death.cause,
            group: &death.group,
            signature: &death.signature,
            error: death.error.as_deref(),
            summary: death.error.clone().unwrap_or_else(|| report.to_string()),
            signal: report.exit.signal(),
            signal_name: report.exit.signal().and_then(signal_name),
            fault_address: report.fault.map(|address| format!("{address:#x}")),
            exit_code: report.exit.code(),
            limit_hit: report.limit,
            oom_killed: report.oom_killed,
            ordered: report.ordered,
            job: death.job,
            payload: death.payload.as_ref().map(|payload| PayloadView {
                bytes: payload.bytes,
                fingerprint: payload.fingerprint.as_deref(),
                deaths: payload.deaths,
                quarantined: payload.quarantined,
            }),
            stderr: &report.stderr,
            stderr_may_be_older: report.stderr_may_be_older,
            stack: report.stack.as_deref(),
            peak_memory_bytes: report.peak_memory,
            cpu_ms: millis(report.cpu_time),
            uptime_ms: millis(report.uptime),
            jobs_done: report.jobs_done,
            replay: death.replay.as_deref().map(|file| file.to_string_lossy().into_owned()),
            commands: death.replay.as_deref().map(commands).unwrap_or_default(),
        }
    }
}

/// The JSON of a group.
#[derive(Serialize)]
pub(crate) struct GroupView<'a> {
    group: &'a str,
    pool: &'a str,
    cause: &'static str,
    signature: &'a str,
    count: u64,
    first: Date,
    last: Date,
    payloads: usize,
    newest: u64,
}

impl<'a> GroupView<'a> {
    /// Returns all of a group.
    pub(crate) fn whole(group: &'a DeathGroup) -> Self {
        let DeathGroup { id, pool, cause, signature, count, first, last, payloads, newest, .. } = group;
        Self {
            group: id,
            pool,
            cause,
            signature,
            count: *count,
            first: Date(*first),
            last: Date(*last),
            payloads: *payloads,
            newest: *newest,
        }
    }

    /// Returns a group without what its workers said, and where they were.
    pub(crate) fn counted(group: &'a DeathGroup) -> Self {
        Self { signature: &group.end, ..Self::whole(group) }
    }
}

impl DeathView<'_> {
    /// Adds the command that sends the job again, if there is one.
    pub(crate) fn with_rerun(mut self, command: Option<String>) -> Self {
        self.commands.extend(command);
        self
    }
}

/// Returns the commands that run a saved job again.
fn commands(file: &Path) -> Vec<String> {
    let file = quoted(&file.to_string_lossy());
    vec![format!("procpool replay {file}"), format!("procpool replay --wrap 'gdb --args' {file}")]
}

/// Returns a word as a shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if !word.is_empty() && !word.starts_with('-') && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let word = if word.starts_with('-') { format!("./{word}") } else { word.to_owned() };
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// An instant in RFC 3339.
pub(crate) struct Date(pub(crate) SystemTime);

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_millis(self.0))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::engine::DeadPayload;
    use procpool_protocol::{Exit, ExitReport};
    use serde_json::{Value, json};
    use std::time::UNIX_EPOCH;

    fn death() -> Death {
        let mut report = ExitReport::new("fib-3", 4711, Exit::by_signal(11, false));
        report.stderr = vec!["out of cheese".into()];
        report.cpu_time = Duration::from_millis(20);
        let mut death = Death::new(17, UNIX_EPOCH + Duration::from_secs(9), "fib", "crashed", report);
        (death.group, death.end) = ("a91f".into(), "SIGSEGV".into());
        death.signature = "SIGSEGV in spin".into();
        death
    }

    #[test]
    fn a_death_has_all_that_is_known_and_the_commands_to_have_it_again() {
        let mut death = death();
        death.job = Some(JobId::from_bits(0xfeed));
        death.replay = Some("/srv/failed jobs/it's.job".into());
        let mut payload = DeadPayload::default();
        (payload.bytes, payload.fingerprint, payload.deaths) = (2, Some("00".into()), 1);
        death.payload = Some(payload);
        let view = serde_json::to_value(DeathView::from(&death)).unwrap();
        let file = r"'/srv/failed jobs/it'\''s.job'";
        let expected = json!({
            "id": 17, "time": "1970-01-01T00:00:09.000Z", "pool": "fib", "worker": "fib-3", "pid": 4711,
            "cause": "crashed", "group": "a91f", "signature": "SIGSEGV in spin", "error": null,
            "summary": death.report.to_string(), "signal": 11, "signal_name": "SIGSEGV", "exit_code": null,
            "limit_hit": null, "oom_killed": false, "ordered": false, "job": "0000000000000000000000000000feed",
            "payload": { "bytes": 2, "fingerprint": "00", "deaths": 1, "quarantined": false },
            "stderr": ["out of cheese"], "stderr_may_be_older": false, "stack": null, "peak_memory_bytes": null,
            "cpu_ms": 20, "uptime_ms": 0, "jobs_done": 0, "replay": "/srv/failed jobs/it's.job",
            "commands": [format!("procpool replay {file}"), format!("procpool replay --wrap 'gdb --args' {file}")],
        });
        assert_eq!(view, expected);
    }

    #[test]
    fn a_worker_that_never_got_ready_is_summed_up_by_the_reason() {
        let mut death = Death::new(1, UNIX_EPOCH, "fib", "start", ExitReport::new("fib-3", 0, Exit::Unknown));
        death.error = Some("failed to spawn /srv/fib".into());
        let view = serde_json::to_value(DeathView::from(&death)).unwrap();
        assert_eq!(
            (&view["error"], &view["summary"]),
            (&view["summary"], &json!("failed to spawn /srv/fib"))
        );
    }

    #[test]
    fn a_group_that_is_only_counted_says_nothing_of_what_workers_said() {
        let group = DeathGroup::new(&death());
        let [whole, counted] = [GroupView::whole(&group), GroupView::counted(&group)]
            .map(|view| serde_json::to_value(view).unwrap()["signature"].clone());
        assert_eq!((whole, counted), (Value::from("SIGSEGV in spin"), Value::from("SIGSEGV")));
    }

    #[test]
    fn a_file_is_one_word_of_a_shell() {
        assert_eq!(quoted("/srv/fib-4f.job"), "/srv/fib-4f.job");
        assert_eq!(quoted("-x"), "'./-x'");
        assert_eq!(quoted("a;b"), "'a;b'");
    }
}
