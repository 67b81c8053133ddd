//! Lines of log that workers write: in the server's log with level, worker and job.

use procpool_protocol::log::LogLevel;
use procpool_tests::served;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStderr;

/// A server's log, being read.
struct Log(Lines<BufReader<ChildStderr>>);

impl Log {
    async fn of(config: &str) -> (Server, Self) {
        let (server, logs) = Server::with_logs(config).await;
        (server, Self(BufReader::new(logs).lines()))
    }

    /// Returns the next line that has this in it.
    async fn line(&mut self, text: &str) -> String {
        let found = async {
            loop {
                let line = self.0.next_line().await.expect("text").expect("the log goes on");
                if line.contains(text) {
                    return line;
                }
            }
        };
        tokio::time::timeout(procpool_tests::PATIENCE, found).await.expect("the line comes")
    }
}

#[tokio::test]
async fn a_line_is_logged_with_its_level_its_worker_and_its_job() {
    let (server, mut log) = Log::of(&served::verbs(1, "")).await;
    for (level, word) in [(LogLevel::Error, "ERROR"), (LogLevel::Warn, " WARN"), (LogLevel::Info, " INFO")] {
        let answer = server.perform(&Verb::Say(level, "the cache is cold".into())).await;
        assert_eq!(answer.text(), "\"the cache is cold\"");
        let line = log.line("the cache is cold").await;
        let job = answer.header("job-id").unwrap();
        for part in [word, "procpool::worker", "pool=\"verbs\"", "worker=\"verbs-", &format!("job={job}")] {
            assert!(line.contains(part), "{part} is missing in {line}");
        }
    }
}

#[tokio::test]
async fn a_line_cannot_forge_another_or_drive_a_terminal() {
    let (server, mut log) = Log::of(&served::verbs(1, "")).await;
    let evil = "first\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{202e}\u{2028}\u{85}\u{feff}";
    let shown = r"first\n2026-01-01T00:00:00Z ERROR forged\u{1b}[2J\u{202e}\u{2028}\u{85}\u{feff}";
    assert_eq!(server.perform(&Verb::Say(LogLevel::Warn, evil.into())).await.status, 200);
    let line = log.line("first").await;
    assert!(line.contains(shown), "{line}");
    let words = vec![evil.replace("first\n", "last")];
    assert_eq!(server.perform(&Verb::LastWords(words)).await.status, 502);
    for source in ["procpool::stderr", "ended with signal 6"] {
        let line = log.line(source).await;
        assert!(line.contains(&shown.replace(r"first\n", "last")), "{line}");
    }
}

#[tokio::test]
async fn the_last_line_before_a_crash_is_logged() {
    let (server, mut log) = Log::of(&served::verbs(1, "")).await;
    assert_eq!(server.perform(&Verb::SayThenAbort(LogLevel::Info, "about to".into())).await.status, 502);
    assert!(log.line("about to").await.contains("job="));
}

#[tokio::test]
async fn a_worker_may_log_while_it_starts() {
    let (server, mut log) = Log::of(&served::misbehaving(&["log_at_start"], "")).await;
    server.perform(&Verb::Pid).await;
    assert_eq!(server.pool("verbs").await["jobs"]["ok"], 1);
    let line = log.line("loading").await;
    assert!(line.contains("logger=\"model\"") && !line.contains("job="), "{line}");
}

#[tokio::test]
async fn a_line_about_a_job_that_the_worker_does_not_have_is_logged_without_it() {
    let (server, mut log) = Log::of(&served::misbehaving(&["log_of_another_job"], "")).await;
    server.perform(&Verb::Pid).await;
    assert_eq!(server.pool("verbs").await["jobs"]["ok"], 1);
    let line = log.line("late").await;
    assert!(line.contains("procpool::worker") && !line.contains("job="), "{line}");
}

#[tokio::test]
async fn a_record_that_is_none_is_a_breach_of_the_protocol() {
    let server = Server::with_config(&served::misbehaving(&["log_badly"], "")).await;
    let answer = server.perform(&Verb::Pid).await;
    assert_eq!((answer.status, &answer.problem()["outcome"]), (502, &"protocol_error".into()));
}
