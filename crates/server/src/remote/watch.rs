//! The events of a job, followed to its end over as many connections as it takes.

use super::RemoteError;
use crate::cli::remote::Form;
use http::StatusCode;
use procpool_client::events::{Decoder, Event};
use procpool_client::view::{Job, Progress};
use procpool_client::{Client, ClientError, Ending, jobs};
use procpool_protocol::printable::{printable, printable_json};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::Duration;

/// Pause before a stream that broke is asked for again.
const RETRY: Duration = Duration::from_secs(2);

/// Number of times that a server may be missed in a row.
const RETRIES: u32 = 15;

/// Passes on the events of a job, until it has ended.
pub(super) async fn follow(
    client: &mut Client,
    id: &str,
    mut each: impl FnMut(&Event) -> Result<(), RemoteError>,
) -> Result<(), RemoteError> {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    let mut missed = None;
    loop {
        let opened = client.open(jobs::events(id, decoder.last_id())).await;
        let mut stream = match opened {
            Ok(stream) if stream.status == StatusCode::NO_CONTENT => return Ok(()),
            Ok(stream) => stream,
            Err(error) => {
                pause(&mut missed, error).await?;
                continue;
            }
        };
        missed = Some(0);
        let broken = loop {
            match stream.next().await {
                Ok(Some(bytes)) => {
                    decoder.take(&bytes, &mut events).map_err(|error| client.unreadable(error))?;
                }
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
            for event in events.drain(..) {
                each(&event)?;
                if is_last(&event) {
                    return Ok(());
                }
            }
        };
        decoder.begin_again();
        // A stream that ended in order has more to come, or nothing: the next answer says which.
        match broken {
            Some(error) => pause(&mut missed, error).await?,
            None => tokio::time::sleep(RETRY).await,
        }
    }
}

/// Waits before the next attempt, unless the error is final: a server that was never there, one that refuses, or too many
/// attempts.
async fn pause(missed: &mut Option<u32>, error: ClientError) -> Result<(), RemoteError> {
    match missed {
        Some(count) if *count < RETRIES && error.ending() == Ending::NoServer => {
            *count += 1;
            tokio::time::sleep(RETRY).await;
            Ok(())
        }
        _ => Err(error.into()),
    }
}

/// Returns whether the job has ended with this event.
fn is_last(event: &Event) -> bool {
    match event.name.as_str() {
        "outcome" => true,
        "reset" | "state" => serde_json::from_str::<Job>(&event.data).is_ok_and(|job| job.is_finished()),
        _ => false,
    }
}

/// Returns an event as a line.
pub(super) fn shown(event: &Event, form: Form) -> String {
    match form {
        Form::Json | Form::Jsonl => match serde_json::from_str::<Box<RawValue>>(&event.data) {
            // A line break in it stands between two tokens.
            Ok(data) => {
                let (name, data) = (json!(event.name), data.get().replace(['\n', '\r'], " "));
                format!("{{\"event\":{name},\"data\":{data}}}")
            }
            Err(_) => json!({ "event": event.name, "data": event.data }).to_string(),
        },
        Form::Name => printable(&event.name).into_owned(),
        Form::Table => format!("{:<10} {}", printable(&event.name), told(event)),
    }
}

fn told(event: &Event) -> String {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    let told = match event.name.as_str() {
        "progress" => serde_json::from_value(data.clone()).ok().map(|progress: Progress| progress.shown()),
        "state" | "reset" => text("state").map(|state| match text("worker") {
            Some(worker) => format!("{state} on {worker}"),
            None => state.to_owned(),
        }),
        "log" => text("message").map(|message| match text("level") {
            Some(level) => format!("{level}: {message}"),
            None => message.to_owned(),
        }),
        "outcome" => text("outcome").map(str::to_owned),
        _ => None,
    };
    match told {
        Some(told) => printable(&told).into_owned(),
        None => printable_json(&event.data).replace(['\n', '\r'], " "),
    }
}

/// Writes a line to standard error. A standard error that nobody reads is no reason to fail.
pub(super) fn note(text: &str) -> Result<(), RemoteError> {
    let _ = writeln!(io::stderr(), "{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_lines_for_people_and_for_programs() {
        let progress = event("progress", "{\"done\":37,\n\"total\":100}");
        assert_eq!(shown(&progress, Form::Table), "progress   37/100");
        assert_eq!(shown(&progress, Form::Jsonl), r#"{"event":"progress","data":{"done":37, "total":100}}"#);
        let state = event("state", r#"{"state":"running","worker":"fib-8"}"#);
        assert_eq!(shown(&state, Form::Table), "state      running on fib-8");
        let log = event("log", "{\"level\":\"warn\",\"message\":\"a\\u001b[2Jb\"}");
        assert_eq!(shown(&log, Form::Table), r"log        warn: a\u{1b}[2Jb");
        assert_eq!(shown(&event("chunk", r#"{"json":[1]}"#), Form::Table), r#"chunk      {"json":[1]}"#);
        assert_eq!(shown(&event("bye", ""), Form::Jsonl), r#"{"data":"","event":"bye"}"#);
    }

    #[test]
    fn a_job_ends_with_its_outcome_or_with_a_state_that_says_so() {
        assert!(is_last(&event("outcome", "{}")));
        assert!(is_last(&event("reset", r#"{"id":"8f3a","state":"finished"}"#)));
        assert!(!is_last(&event("state", r#"{"state":"running"}"#)));
        assert!(!is_last(&event("bye", "{}")));
    }
}
