//! `[schedules.NAME]`: jobs that the server submits by itself, at the times of a cron line.

use super::error::{ConfigError, Mistake};
use super::file::ScheduleTable;
use super::place::{Place, Source};
use super::pool::{PoolSpec, directory_of, is_name};
use procpool_schedules::{Calendar, CalendarError, Missed, Overlap, Schedule, Wall};
use serde::Deserialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Maximum length of an input in a file, in bytes: 1 MiB.
const LONGEST_INPUT: u64 = 1 << 20;

/// The zone of a schedule that names none.
const DEFAULT_ZONE: &str = "UTC";

/// `overlap`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OverlapRule {
    Skip,
    Queue,
}

/// `missed`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MissedRule {
    Skip,
    Once,
    All,
}

/// A schedule whose times are known. Its input is read by [`resolve`](Self::resolve).
#[derive(Clone, Debug)]
pub(crate) struct ScheduleSpec {
    pub(crate) name: String,
    pub(crate) pool: String,
    pub(crate) cron: String,
    pub(crate) timezone: String,
    pub(crate) schedule: Schedule,
    input: InputFrom,
}

/// Where the input is.
#[derive(Clone, Debug)]
enum InputFrom {
    Json(String),
    File(PathBuf, Place),
}

impl ScheduleSpec {
    /// Checks a table.
    pub(super) fn new(
        name: String,
        table: ScheduleTable,
        pools: &[PoolSpec],
        source: Source<'_>,
    ) -> Result<Self, ConfigError> {
        let place = |key: &str| source.place_of(&["schedules", &name, key]);
        if !is_name(&name) {
            let place = source.place_of_key(&["schedules"], &name);
            return Err(ConfigError::at(place, Mistake::ScheduleName(name)));
        }
        if !pools.iter().any(|pool| pool.name == table.pool) {
            let known = pools.iter().map(|pool| pool.name.clone()).collect();
            return Err(ConfigError::at(place("pool"), Mistake::UnknownPool { name: table.pool, known }));
        }
        let timezone = table.timezone.unwrap_or_else(|| DEFAULT_ZONE.into());
        let calendar = Calendar::parse(&table.cron, &timezone, now()).map_err(|error| {
            let key = if matches!(error, CalendarError::NoZone { .. }) { "timezone" } else { "cron" };
            ConfigError::at(place(key), Mistake::Calendar(error))
        })?;
        let schedule = Schedule::new(calendar)
            .overlap(match table.overlap {
                None | Some(OverlapRule::Skip) => Overlap::Skip,
                Some(OverlapRule::Queue) => Overlap::Queue,
            })
            .missed(match table.missed {
                Some(MissedRule::Skip) => Missed::Skip,
                None | Some(MissedRule::Once) => Missed::Once,
                Some(MissedRule::All) => Missed::All,
            });
        let input = match (table.input, table.input_file) {
            (Some(_), Some(_)) => return Err(ConfigError::at(place("input_file"), Mistake::TwoInputs)),
            (None, Some(file)) => InputFrom::File(directory_of(source.path).join(file), place("input_file")),
            (value, None) => {
                let json = value.map_or_else(|| Ok("null".into()), |value| json(&value));
                InputFrom::Json(json.map_err(|mistake| ConfigError::at(place("input"), mistake))?)
            }
        };
        Ok(Self { name, pool: table.pool, cron: table.cron, timezone, schedule, input })
    }

    /// Returns the input of each of its jobs, as JSON.
    ///
    /// # Errors
    /// When its file cannot be read, is longer than 1 MiB, or holds no JSON.
    pub(crate) fn resolve(&self) -> Result<String, ConfigError> {
        match &self.input {
            InputFrom::Json(json) => Ok(json.clone()),
            InputFrom::File(path, place) => read(path).map_err(|reason| {
                ConfigError::at(place.clone(), Mistake::InputFile { path: path.clone(), reason })
            }),
        }
    }
}

/// Returns the time by the wall clock.
pub(crate) fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall::from_secs(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(LONGEST_INPUT + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > LONGEST_INPUT {
        return Err(format!("it is longer than {LONGEST_INPUT} bytes"));
    }
    serde_json::from_str::<serde::de::IgnoredAny>(&text)
        .map_err(|error| format!("it holds no JSON: {error}"))?;
    Ok(text)
}

/// Returns a TOML value as JSON. Dates and times are texts there.
fn json(value: &toml::Value) -> Result<String, Mistake> {
    use toml::Value;
    fn converted(value: &Value) -> Option<serde_json::Value> {
        Some(match value {
            Value::String(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            // JSON has neither infinity nor NaN.
            Value::Float(number) => serde_json::Number::from_f64(*number)?.into(),
            Value::Boolean(truth) => (*truth).into(),
            Value::Datetime(time) => time.to_string().into(),
            Value::Array(values) => values.iter().map(converted).collect::<Option<Vec<_>>>()?.into(),
            Value::Table(table) => {
                let entries = table.iter().map(|(key, value)| Some((key.clone(), converted(value)?)));
                serde_json::Value::Object(entries.collect::<Option<_>>()?)
            }
        })
    }
    converted(value).map(|json| json.to_string()).ok_or(Mistake::NoJson)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    const POOLS: &str = "[pools.fib]\ncommand = \"sh\"\n[pools.ping]\ncommand = \"sh\"\n";
    const CRON: &str = "cron = \"30 2 * * *\"";

    fn parsed(table: &str) -> Result<ScheduleSpec, String> {
        let text = format!("[schedules.nightly]\n{table}\n{POOLS}");
        let parsed = Config::parse(Source { path: Path::new("/nowhere/p.toml"), text: &text });
        let first = |error: ConfigError| error.to_string().lines().next().unwrap_or_default().to_owned();
        parsed.map(|config| config.schedules[0].clone()).map_err(first)
    }

    #[test]
    fn a_schedule_has_defaults_and_its_input_is_json() {
        let plain = parsed(&format!("pool = \"fib\"\n{CRON}")).unwrap();
        assert_eq!((&plain.name[..], &plain.pool[..], &plain.timezone[..]), ("nightly", "fib", "UTC"));
        assert_eq!(plain.resolve().unwrap(), "null");
        let input = "input = { days = 7, since = 2026-01-02, all = [true, 1.5] }\noverlap = \"queue\"\nmissed = \"all\"";
        let full = parsed(&format!("pool = \"fib\"\n{CRON}\ntimezone = \"Europe/Berlin\"\n{input}")).unwrap();
        let found: serde_json::Value = serde_json::from_str(&full.resolve().unwrap()).unwrap();
        assert_eq!(found, serde_json::json!({ "days": 7, "since": "2026-01-02", "all": [true, 1.5] }));
    }

    #[test]
    fn each_mistake_is_a_sentence_at_its_key() {
        for (table, word) in [
            ("pool = \"fob\"\ncron = \"* * * * *\"", "2:8: there is no pool `fob`; there are: fib, ping"),
            ("pool = \"fib\"\ncron = \"0 0 30 2 *\"", "3:8: \"0 0 30 2 *\" never fires"),
            ("pool = \"fib\"\ncron = \"* *\"", "3:8: \"* *\" is no cron line"),
            (
                "pool = \"fib\"\ncron = \"@daily\"\ntimezone = \"Mars/Base\"",
                "4:12: there is no time zone \"Mars/Base\"",
            ),
            ("pool = \"fib\"", "1:1: missing key `cron`"),
            ("cron = \"@daily\"", "missing key `pool`"),
            ("pool = \"fib\"\ncron = \"@daily\"\ninput = inf", "4:9: JSON has no such number"),
            (
                "pool = \"fib\"\ncron = \"@daily\"\ninput = 1\ninput_file = \"a\"",
                "5:14: input and input_file",
            ),
            ("pool = \"fib\"\ncron = \"@daily\"\nmissed = \"never\"", "4:10: unknown variant `never`"),
            ("pool = \"fib\"\ncron = \"@daily\"\nzone = \"UTC\"", "4:1: unknown key `zone`"),
        ] {
            let error = parsed(table).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        let named = format!("[schedules.\"Every Night\"]\npool = \"fib\"\n{CRON}\n{POOLS}");
        let error =
            Config::parse(Source { path: Path::new("p.toml"), text: &named }).unwrap_err().to_string();
        assert!(error.starts_with("p.toml:1:12: `Every Night` cannot be a schedule's name"), "{error}");
    }

    #[test]
    fn an_input_file_is_read_when_the_server_starts() {
        let path = std::env::temp_dir().join(format!("pp-input-{}.json", std::process::id()));
        let spec = parsed(&format!("pool = \"fib\"\n{CRON}\ninput_file = {path:?}")).unwrap();
        let missing = spec.resolve().unwrap_err().to_string();
        assert!(
            missing.contains("failed to read the input") && missing.contains("No such file"),
            "{missing}"
        );
        std::fs::write(&path, "{\"days\": 7").unwrap();
        let broken = spec.resolve().unwrap_err().to_string();
        assert!(broken.contains("it holds no JSON: EOF"), "{broken}");
        std::fs::write(&path, "{\"days\": 7}").unwrap();
        assert_eq!(spec.resolve().unwrap(), "{\"days\": 7}");
        std::fs::remove_file(&path).unwrap();
    }
}
