//! `procpool store`: looks into a state directory, without a server.

use crate::cli::store::{Place, StoreCommand};
use crate::config::Config;
use crate::error::Error;
use procpool_protocol::printable::printable;
use procpool_protocol::size;
use procpool_store::{Checked, Compacted, Stats};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the command.
pub(crate) fn store(command: &StoreCommand) -> Result<ExitCode, Error> {
    match command {
        StoreCommand::Check(place) => {
            let checked = procpool_store::check(directory(place)?)?;
            say(&whole(&checked))?;
            Ok(if checked.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        StoreCommand::Stats(place) => {
            say(&counted(&procpool_store::stats(directory(place)?)?))?;
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Export(place) => {
            let mut out = BufWriter::new(io::stdout().lock());
            procpool_store::export(directory(place)?, &mut out)?;
            Ok(ExitCode::SUCCESS)
        }
        StoreCommand::Compact(place) => {
            let Compacted { before, after, .. } = procpool_store::compact(directory(place)?)?;
            say(&format!("{} before, {} after\n", size(before), size(after)))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Returns the directory that the arguments name.
fn directory(place: &Place) -> Result<PathBuf, Error> {
    if let Some(directory) = &place.directory {
        return Ok(directory.clone());
    }
    let Some(file) = &place.config else { return Err(Error::NoStateDir { of: None }) };
    let durable = Config::load(Some(file))?.durable;
    durable.map(|durable| durable.state_dir).ok_or_else(|| Error::NoStateDir { of: Some(file.clone()) })
}

fn whole(checked: &Checked) -> String {
    let mut text =
        format!("{} records and {} inputs and results are whole\n", checked.records, checked.bodies);
    for problem in &checked.problems {
        text += &format!("damaged: {}\n", printable(problem));
    }
    text
}

fn counted(stats: &Stats) -> String {
    let usage = &stats.usage;
    let rows = [
        ("jobs", usage.records.to_string()),
        ("unfinished", usage.unfinished.to_string()),
        ("with a key", usage.keys.to_string()),
        ("damaged", stats.damaged.to_string()),
        ("inputs", size(usage.input_bytes)),
        ("results", size(usage.result_bytes)),
        ("database", size(stats.database_bytes)),
        ("free in it", size(stats.free_bytes)),
        ("log", size(stats.log_bytes)),
        ("files", format!("{} ({})", stats.files, size(stats.file_bytes))),
        ("reserve", if stats.has_reserve { "yes" } else { "no" }.to_owned()),
    ];
    rows.map(|(name, value)| format!("{name:<12}{value}\n")).concat()
}

fn say(text: &str) -> Result<(), Error> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(Error::Output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_listed_below_the_count() {
        let mut checked = Checked::default();
        (checked.records, checked.bodies) = (2, 1);
        checked.problems.push("record 3\n: bad".into());
        let text = whole(&checked);
        assert!(
            text.starts_with("2 records and 1 inputs and results are whole\ndamaged: record 3"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 2, "{text}");
    }

    #[test]
    fn a_configuration_without_a_durable_pool_has_no_directory() {
        let none = directory(&Place { directory: None, config: None }).unwrap_err().to_string();
        assert!(none.contains("none was named; name the directory"), "{none}");
    }
}
