//! How a line of log shows its message and its values: as `tracing_subscriber` does, but with nothing in them that would
//! start a line, drive the terminal or turn the text around it. It is one place for whatever is logged, by whatever crate.

use procpool_protocol::printable::Escaping;
use std::error::Error;
use std::fmt::{self, Debug, Write};
use std::iter::successors;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Formats fields as the module says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printable;

impl<'writer> FormatFields<'writer> for Printable {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_empty: true, written: Ok(()) };
        fields.record(&mut line);
        line.written
    }
}

struct Line<'writer> {
    writer: Writer<'writer>,
    is_empty: bool,
    written: fmt::Result,
}

impl Line<'_> {
    fn write(&mut self, field: &Field, value: &dyn Debug) -> fmt::Result {
        if !std::mem::take(&mut self.is_empty) {
            self.writer.write_char(' ')?;
        }
        match field.name() {
            "message" => {}
            // Names are of the program. On a terminal they are italic, and what follows is dim.
            name if self.writer.has_ansi_escapes() => {
                write!(self.writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m")?;
            }
            name => write!(self.writer, "{name}=")?,
        }
        write!(Escaping(&mut self.writer), "{value:?}")
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.written.is_ok() {
            self.written = self.write(field, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        for source in successors(value.source(), |&error| error.source()) {
            // A String takes everything.
            let _ = write!(text, ": {source}");
        }
        self.record_debug(field, &format_args!("{text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::sink::Sink;
    use std::io;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::{fmt, registry};

    /// Returns the text that is logged, without the time.
    fn logged(colours: bool, log: impl FnOnce()) -> String {
        let sink = Sink::default();
        let lines = fmt::layer().with_ansi(colours).without_time().fmt_fields(Printable);
        let writer = sink.clone();
        let subscriber = registry().with(lines.with_writer(move || writer.clone()));
        tracing::subscriber::with_default(subscriber, log);
        sink.text()
    }

    const EVIL: &str = "a\n2026 ERROR b\u{1b}[2J\u{202e}\u{2028}\u{85}\u{200b}c";
    const SHOWN: &str = r"a\n2026 ERROR b\u{1b}[2J\u{202e}\u{2028}\u{85}\u{200b}c";

    #[test]
    fn nothing_that_is_logged_starts_a_line_or_turns_the_text() {
        let error = io::Error::other(EVIL);
        let line = logged(false, || {
            tracing::info!(target: "t", text = EVIL, shown = %EVIL, debug = ?Some(EVIL), %error, "{EVIL}");
        });
        let quoted = format!("\"{SHOWN}\"");
        let expected =
            format!(" INFO t: {SHOWN} text={quoted} shown={SHOWN} debug=Some({quoted}) error={SHOWN}\n");
        assert_eq!(line, expected);
    }

    #[test]
    fn values_and_errors_with_their_causes_are_shown_as_before() {
        #[derive(Debug)]
        struct Outside(io::Error);
        impl std::fmt::Display for Outside {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("outside")
            }
        }
        impl Error for Outside {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        let error = Outside(io::Error::other("inside"));
        let error: &(dyn Error + 'static) = &error;
        let line = logged(false, || tracing::warn!(target: "t", pid = 7, is_it = true, error, "an end"));
        assert_eq!(line, " WARN t: an end pid=7 is_it=true error=outside: inside\n");
    }

    #[test]
    fn on_a_terminal_names_are_italic_and_values_drive_nothing() {
        let line = logged(true, || tracing::info!(target: "t", shown = %"\u{1b}[2J", "hello"));
        assert!(line.ends_with("hello \u{1b}[3mshown\u{1b}[0m\u{1b}[2m=\u{1b}[0m\\u{1b}[2J\n"), "{line:?}");
    }
}
