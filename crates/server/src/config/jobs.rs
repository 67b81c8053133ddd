//! `[jobs]`: how many jobs that outlive their requests are remembered, and for how long. And what a client that hangs
//! up means for its job.

use super::error::{ConfigError, Mistake};
use super::file::JobsTable;
use super::place::Source;
use procpool_frontend::{JobSettings, JobSettingsError, OnDisconnect};
use serde::Deserialize;

/// `on_disconnect`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Disconnect {
    Cancel,
    Detach,
}

impl From<Disconnect> for OnDisconnect {
    fn from(written: Disconnect) -> Self {
        match written {
            Disconnect::Cancel => Self::Cancel,
            Disconnect::Detach => Self::Detach,
        }
    }
}

/// Checks the table.
///
/// # Errors
/// When the settings do not fit together.
pub(super) fn settings(table: &JobsTable, source: Source<'_>) -> Result<JobSettings, ConfigError> {
    let mut settings = JobSettings::default();
    settings.max_records = table.max_records.unwrap_or(settings.max_records);
    settings.max_record_bytes = table.max_record_bytes.map_or(settings.max_record_bytes, |size| size.0);
    // Who lowers the number of records alone means that of the keys, too.
    settings.max_keys = table.max_keys.unwrap_or(settings.max_keys.min(settings.max_records));
    settings.max_result_bytes = table.max_result_bytes.map_or(settings.max_result_bytes, |size| size.0);
    settings.max_input_bytes = table.max_input_bytes.map_or(settings.max_input_bytes, |size| size.0);
    settings.max_event_bytes = table.max_event_bytes.map_or(settings.max_event_bytes, |size| size.0);
    settings.max_events_per_job = table.max_events_per_job.unwrap_or(settings.max_events_per_job);
    let of_one = settings.max_event_bytes_per_job.min(settings.max_event_bytes);
    settings.max_event_bytes_per_job = table.max_event_bytes_per_job.map_or(of_one, |size| size.0);
    settings.retention.results = table.keep_results.map_or(settings.retention.results, |span| span.0);
    settings.retention.records = table.keep_records.map_or(settings.retention.records, |span| span.0);
    settings.retention.keys = table.keep_keys.map_or(settings.retention.keys, |span| span.0);
    let blamed = |error: &JobSettingsError| source.place_of(&["jobs", key_of(error)]);
    settings.check().map_err(|error| ConfigError::at(blamed(&error), Mistake::Jobs(error)))?;
    Ok(settings)
}

/// Returns the key at which to point.
fn key_of(error: &JobSettingsError) -> &'static str {
    match error {
        JobSettingsError::TooManyKeys { .. } | JobSettingsError::NoRoomForKeys { .. } => "max_keys",
        JobSettingsError::NoRoom { .. } => "max_record_bytes",
        JobSettingsError::NoEvents => "max_events_per_job",
        JobSettingsError::EventsOfOneJob { .. } => "max_event_bytes_per_job",
        _ => "max_records",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;
    use std::path::Path;
    use std::time::Duration;

    const POOL: &str = "[pools.fib]\ncommand = [\"fib\"]\n";

    fn parsed(text: &str) -> Result<Config, String> {
        let text = format!("{text}\n{POOL}");
        Config::parse(Source { path: Path::new("p.toml"), text: &text }).map_err(|error| error.to_string())
    }

    #[test]
    fn each_key_has_its_setting_and_the_defaults_are_those_of_the_registry() {
        assert_eq!(parsed("").unwrap().server.http.jobs, JobSettings::default());
        let text = "[jobs]\nmax_records = 10\nmax_record_bytes = \"1 MiB\"\nmax_result_bytes = 0\nkeep_keys = \"1h\"\n\
                    keep_results = \"1m\"\nmax_event_bytes = \"64 KiB\"\n[server]\non_disconnect = \"detach\"";
        let http = parsed(text).unwrap().server.http;
        assert_eq!((http.jobs.max_records, http.jobs.max_keys), (10, 10));
        assert_eq!((http.jobs.max_record_bytes, http.jobs.max_result_bytes), (1 << 20, 0));
        assert_eq!((http.jobs.max_event_bytes, http.jobs.max_event_bytes_per_job), (65536, 65536));
        let (keys, results) = (http.jobs.retention.keys, http.jobs.retention.results);
        assert_eq!((keys, results), (Duration::from_secs(3600), Duration::from_secs(60)));
        assert_eq!(http.on_disconnect, OnDisconnect::Detach);
    }

    #[test]
    fn what_does_not_fit_is_an_error_at_its_key() {
        for (text, word) in [
            ("[jobs]\nmax_records = 0", "2:15: max_records is 0"),
            ("[jobs]\nmax_keys = 200000", "2:12: max_keys is 200000"),
            ("[jobs]\nmax_record_bytes = 10", "2:20: max_record_bytes is 10"),
            ("[jobs]\nmax_events_per_job = 0", "2:22: max_events_per_job is 0"),
            ("[jobs]\nmax_event_bytes_per_job = \"1 GiB\"", "2:27: max_event_bytes_per_job"),
            ("[jobs]\nkeep_results = 5", "a duration"),
            ("[server]\non_disconnect = \"kill\"", "kill"),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
