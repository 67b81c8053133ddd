//! `procpool worker logs`: what a worker wrote, and what it writes.

use super::RemoteError;
use super::screen::Screen;
use crate::cli::pool::LogsArgs;
use crate::cli::remote::Form;
use procpool_client::events::Event;
use procpool_client::follow::{Retry, follow_logs};
use procpool_client::view::{LogLine, Logs};
use procpool_client::{Client, pools};
use procpool_protocol::printable::printable;
use serde_json::{Value, json};

/// Runs the command.
pub(super) async fn logs(client: &mut Client, screen: Screen, args: &LogsArgs) -> Result<(), RemoteError> {
    if args.follow {
        return follow_logs(client, &args.id, Retry::default(), |event| screen.event(event)).await;
    }
    let answer = client.fetch(pools::logs(&args.id)).await?;
    if screen.form == Form::Json {
        return screen.json(&answer.body);
    }
    let Logs { lines, .. } = answer.json().map_err(|error| client.unreadable(error))?;
    match screen.form {
        Form::Jsonl => {
            let texts = std::iter::empty();
            screen.list(&answer.body, "lines", texts, || procpool_client::table::Table::<1>::new([""]))
        }
        _ => lines.iter().try_for_each(|line| screen.line(&shown(line, screen.form))),
    }
}

impl Screen {
    fn event(self, event: &Event) -> Result<(), RemoteError> {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        match (event.name.as_str(), self.form) {
            ("line", Form::Json | Form::Jsonl) => self.json(data.to_string().as_bytes()),
            (name @ ("reset" | "end"), Form::Json | Form::Jsonl) => {
                self.json(json!({ "event": name, "data": data }).to_string().as_bytes())
            }
            ("line", form) => {
                let line: LogLine = serde_json::from_value(data).unwrap_or_default();
                self.line(&shown(&line, form))
            }
            ("reset", Form::Table) => {
                super::watch::note(&format!("{} lines are missing here", data["missed"]))
            }
            ("end", Form::Table) => match data["death"].as_str() {
                Some(death) => super::watch::note(&format!("the worker is dead: GET {death}")),
                None => super::watch::note("the worker has ended"),
            },
            _ => Ok(()),
        }
    }
}

/// Returns a line with its time of day, its output and its job; or the text alone.
fn shown(line: &LogLine, form: Form) -> String {
    let text = printable(&line.text);
    if form == Form::Name {
        return text.into_owned();
    }
    let time = line.time.split_once('T').map_or(line.time.as_str(), |(_, time)| time);
    let job: String = line.job.as_deref().unwrap_or("-").chars().take(8).collect();
    format!("{} {:<6} {job:<8} {text}", printable(time), printable(&line.stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_time_its_output_and_the_start_of_its_job() {
        let line: LogLine = serde_json::from_str(
            r#"{"number":7,"time":"2026-11-29T21:06:43.120Z","stream":"stderr","job":"8f3a00d1cafe","text":"a\u001bb"}"#,
        )
        .unwrap();
        assert_eq!(shown(&line, Form::Table), "21:06:43.120Z stderr 8f3a00d1 a\\u{1b}b");
        assert_eq!(shown(&line, Form::Name), "a\\u{1b}b");
        let idle = LogLine::default();
        assert_eq!(shown(&idle, Form::Table), "        -        ");
    }
}
