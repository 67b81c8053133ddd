//! Logs on standard error: warnings only, unless `-v` or `RUST_LOG` asks for more.
//!
//! A line passes `limit`, is formatted with `fields`, and waits in `lossy` for the thread that writes it.

mod budgets;
mod fields;
mod json;
mod limit;
mod lossy;
#[cfg(test)]
mod sink;

pub(crate) use lossy::Flush;

use clap::ValueEnum;
use fields::Printable;
use json::Json;
use limit::{Limit, Limits};
use std::io::{IsTerminal, stderr};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

const VARIABLE: &str = "RUST_LOG";

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    /// `RUST_LOG` does not parse.
    #[error(
        "failed to read {VARIABLE}={text:?}: {reason}; write something like {VARIABLE}=info or {VARIABLE}=procpool_coordinator=debug"
    )]
    Filter {
        /// Its value.
        text: String,
        /// The parser's error.
        reason: ParseError,
    },
    /// No thread for the logs.
    #[error("failed to start the thread that writes logs: {0}")]
    Thread(std::io::Error),
    /// `RUST_LOG` is not UTF-8.
    #[error("failed to read {VARIABLE}: it is not UTF-8")]
    Encoding,
}

/// Logs from here on; what is returned, dropped, writes what is left. `quiet` leaves warnings out where
/// nobody asks for them.
pub(crate) fn start(verbose: u8, quiet: bool, format: LogFormat) -> Result<Flush, LogError> {
    let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let filter = filter(verbose, quiet)?;
    let limits = Limits::default();
    let (writer, flush) = lossy::start(limits.clone(), format).map_err(LogError::Thread)?;
    let thread = writer.clone();
    let lines = fmt::layer().with_ansi(colours).with_writer(writer).log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.fmt_fields(Printable).boxed(),
        LogFormat::Json => lines.event_format(Json).boxed(),
    };
    let limit = Limit { limits, begins: move || thread.leaves_out() };
    registry().with(lines).with(limit).with(filter).init();
    Ok(flush)
}

/// Returns the filter. `RUST_LOG` says more than a number of `v`s, so it decides where it is set.
fn filter(verbose: u8, quiet: bool) -> Result<EnvFilter, LogError> {
    match std::env::var(VARIABLE) {
        Ok(text) if !text.trim().is_empty() => {
            EnvFilter::builder().parse(&text).map_err(|reason| LogError::Filter { text, reason })
        }
        Err(std::env::VarError::NotUnicode(_)) => Err(LogError::Encoding),
        _ => Ok(EnvFilter::new(directives(verbose, quiet))),
    }
}

/// Returns the default directives. Our own crates, and the workers' standard streams, are louder than the
/// libraries below. Libraries for HTTP warn of their clients' errors, which a client can make a million times
/// a second.
fn directives(verbose: u8, quiet: bool) -> &'static str {
    match verbose {
        0 if quiet => "error",
        0 => "warn,h2=error,hyper=error,procpool::access=info,procpool::audit=info",
        1 => {
            "warn,h2=error,hyper=error,procpool=info,procpool_server=info,procpool_coordinator=info,\
             procpool_process=info,procpool_frontend=info"
        }
        2 => {
            "info,h2=error,hyper=error,procpool=debug,procpool_server=debug,procpool_coordinator=debug,\
             procpool_process=debug,procpool_frontend=debug"
        }
        _ => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_parses() {
        for verbose in 0..=4 {
            for quiet in [false, true] {
                assert!(directives(verbose, quiet).parse::<EnvFilter>().is_ok());
            }
        }
    }
}
