//! Lines of log as JSON, one object a line, for programs that read them. As in `fields`, nothing in a value starts a line or
//! drives a terminal.

use procpool_protocol::printable::printable_json;
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt::{self, Debug, Write};
use std::iter::successors;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes `{"timestamp":…,"level":…,"target":…,"message":…,"fields":{…}}`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = line(metadata.level().as_str(), metadata.target(), fields);
        writeln!(writer, "{line}")
    }
}

/// Returns a line of the program that writes the log.
pub(super) fn notice(message: &str) -> String {
    let fields = Fields { message: message.to_owned(), others: Map::new() };
    line("WARN", "procpool::logs", fields)
}

fn line(level: &str, target: &str, fields: Fields) -> String {
    let mut timestamp = String::new();
    // A String takes everything.
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    let mut line = format!(
        "{{\"timestamp\":{},\"level\":{},\"target\":{},\"message\":{}",
        Value::from(timestamp),
        Value::from(level),
        Value::from(target),
        Value::from(fields.message)
    );
    if !fields.others.is_empty() {
        let _ = write!(line, ",\"fields\":{}", Value::from(fields.others));
    }
    line.push('}');
    printable_json(&line).into_owned()
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn insert(&mut self, field: &Field, value: impl Into<Value>) {
        self.others.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            _ => self.insert(field, format!("{value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            _ => self.insert(field, value),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let causes = successors(value.source(), |&error| error.source());
        let text = causes.fold(value.to_string(), |text, cause| format!("{text}: {cause}"));
        self.insert(field, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::sink::Sink;
    use std::io;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{fmt, registry};

    #[test]
    fn a_line_is_one_object_whatever_is_in_it() {
        let sink = Sink::default();
        let writer = sink.clone();
        let lines = fmt::layer().event_format(Json).with_writer(move || writer.clone());
        let evil = "a\n{\"b\":\"c\u{1b}[2J\u{202e}\u{2028}";
        tracing::subscriber::with_default(registry().with(lines), || {
            let error = io::Error::other("inside");
            tracing::warn!(target: "t", pid = 7, is_it = true, text = evil, shown = %evil, %error, "{evil}");
            tracing::info!(target: "t", "plain");
        });
        let text = sink.text();
        let [first, second] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{2028}']), "{text}");
        let first: Value = serde_json::from_str(first).unwrap();
        assert_eq!((&first["level"], &first["target"]), (&"WARN".into(), &"t".into()));
        let fields = &first["fields"];
        assert_eq!((&fields["pid"], &fields["is_it"]), (&7.into(), &true.into()));
        assert_eq!(
            (&fields["text"], &fields["shown"], &first["message"]),
            (&evil.into(), &evil.into(), &evil.into())
        );
        assert!(first["timestamp"].as_str().unwrap().ends_with('Z'));
        let second: Value = serde_json::from_str(second).unwrap();
        assert_eq!((&second["message"], second.get("fields")), (&"plain".into(), None));
        let notice: Value = serde_json::from_str(&notice("3 lines")).unwrap();
        assert_eq!(notice["message"], "3 lines");
    }
}
