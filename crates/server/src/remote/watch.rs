//! The events of a job as lines, for people and for programs.

use super::RemoteError;
use crate::cli::remote::Form;
use procpool_client::events::Event;
use procpool_client::view::Progress;
use procpool_protocol::printable::{printable, printable_json};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::io::{self, Write};

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
}
