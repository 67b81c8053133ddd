//! The streams and consumers of a pool, as they are created and compared. Nobody but [`init`] creates them.

use crate::link::{Link, LinkError};
use crate::settings::{PoolSettings, Settings};
use crate::subjects::{Namespace, PoolNames};
use procpool_protocol::engine::Priority;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Time for which a dead letter is kept, at most.
pub(crate) const DEAD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Maximum number of idempotency keys of a cluster. The server needs half a kilobyte of memory for each.
pub(crate) const MAX_KEYS: usize = 1_000_000;

/// A stream or consumer that is not as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The stream or consumer.
    pub of: String,
    /// The setting. `None` if all of it is missing.
    pub setting: Option<String>,
    /// The value on the server.
    pub there: String,
    /// The configured value.
    pub configured: String,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.setting {
            None => write!(out, "{} is missing", self.of),
            Some(setting) => {
                write!(out, "{}: {setting} is {} there, and {} here", self.of, self.there, self.configured)
            }
        }
    }
}

#[derive(Deserialize)]
struct Info {
    config: Value,
    #[serde(default)]
    ts: Option<String>,
}

/// A stream or consumer, with the subjects of the API about it.
pub(crate) struct Wanted {
    of: String,
    info: String,
    create: String,
    config: Value,
    body: Value,
}

fn stream(name: String, config: Value) -> Wanted {
    Wanted {
        info: format!("STREAM.INFO.{name}"),
        create: format!("STREAM.CREATE.{name}"),
        of: name,
        body: config.clone(),
        config,
    }
}

/// Returns the stream in which nodes tell of themselves: the last word of each, for a day.
pub(crate) fn of_hosts(settings: &Settings, namespace: &Namespace) -> Wanted {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let name = namespace.hosts();
    let config = json!({
        "name": name, "subjects": [namespace.all_hosts()], "retention": "limits", "storage": "file",
        "discard": "old", "max_msgs": 10_000, "max_age": nanos(DAY), "num_replicas": settings.replicas,
        "max_msgs_per_subject": 1, "allow_direct": true,
    });
    stream(name, config)
}

/// Returns the stream of the pools' contracts: the last of each, for ever.
pub(crate) fn of_contracts(settings: &Settings, namespace: &Namespace) -> Wanted {
    of_notes(settings, namespace.contracts(), &namespace.all_contracts())
}

/// Returns the stream of the notes about schedules: the last of each, for ever. Two fronts that run the same schedule would
/// submit its job twice if one of them could not read how far the other is.
pub(crate) fn of_schedules(settings: &Settings, namespace: &Namespace) -> Wanted {
    of_notes(settings, namespace.schedules(), &namespace.all_schedules())
}

fn of_notes(settings: &Settings, name: String, subjects: &str) -> Wanted {
    let config = json!({
        "name": name, "subjects": [subjects], "retention": "limits", "storage": "file", "discard": "new",
        "max_msgs": 10_000, "num_replicas": settings.replicas, "max_msgs_per_subject": 1, "allow_direct": true,
    });
    stream(name, config)
}

/// Returns the stream of idempotency keys, each of which expires by itself. A full one refuses further keys.
pub(crate) fn of_keys(settings: &Settings, namespace: &Namespace) -> Wanted {
    let name = namespace.keys();
    let config = json!({
        "name": name, "subjects": [namespace.all_keys()], "retention": "limits", "storage": "file",
        "discard": "new", "max_msgs": MAX_KEYS, "max_bytes": 512_u64 << 20, "num_replicas": settings.replicas,
        "max_msgs_per_subject": 1, "allow_direct": true, "allow_msg_ttl": true,
    });
    stream(name, config)
}

/// Returns the stream of dead letters: the last 100,000 or the last gigabyte, for a week.
pub(crate) fn of_dead(settings: &Settings, namespace: &Namespace) -> Wanted {
    let name = namespace.dead();
    let config = json!({
        "name": name, "subjects": [namespace.all_dead()], "retention": "limits", "storage": "file",
        "discard": "old", "max_msgs": 100_000, "max_bytes": 1_u64 << 30, "max_age": nanos(DEAD),
        "num_replicas": settings.replicas, "max_msgs_per_subject": 1, "allow_direct": true,
    });
    stream(name, config)
}

/// Returns the streams and consumers of a pool.
pub(crate) fn of_pool(settings: &Settings, pool: &PoolSettings, names: &PoolNames) -> Vec<Wanted> {
    let queue = json!({
        "name": names.queue(), "subjects": [names.all_jobs()], "retention": "workqueue", "storage": "file",
        "discard": "new", "max_msgs": pool.queue, "max_bytes": pool.queue_bytes, "num_replicas": settings.replicas,
        "allow_direct": true,
    });
    // A record is never pushed out by another. A full stream of one copy refuses claims alone, as an outcome takes the place
    // of its claim; with more copies it refuses outcomes, too. So nodes stop before, see `room`.
    let records = json!({
        "name": names.records(), "subjects": [names.all_records()], "retention": "limits", "storage": "file",
        "discard": "new", "max_msgs": pool.records, "max_bytes": pool.record_bytes, "num_replicas": settings.replicas,
        "max_msgs_per_subject": 1, "allow_direct": true, "allow_msg_ttl": true,
    });
    let consumers = Priority::ALL.map(|priority| {
        let (stream, name) = (names.queue(), names.consumer(priority));
        let config = json!({
            "durable_name": name, "ack_policy": "explicit", "max_deliver": -1, "max_ack_pending": pool.queue,
            "ack_wait": nanos(settings.timings.lease), "filter_subject": names.jobs_of(priority),
        });
        Wanted {
            of: format!("{stream}/{name}"),
            info: format!("CONSUMER.INFO.{stream}.{name}"),
            create: format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"),
            body: json!({ "stream_name": stream, "config": config }),
            config,
        }
    });
    // Each chunk expires by itself. Inputs have room of their own: outputs that fill theirs keep no input out, and the
    // other way round.
    let payloads = |name: String, subjects: String| {
        let config = json!({
            "name": name, "subjects": [subjects], "retention": "limits", "storage": "file", "discard": "new",
            "max_bytes": pool.payload_bytes, "num_replicas": settings.replicas, "max_msgs_per_subject": 1,
            "allow_direct": true, "allow_msg_ttl": true,
        });
        stream(name, config)
    };
    let inputs = payloads(names.inputs(), names.all_inputs());
    let outputs = payloads(names.outputs(), names.all_outputs());
    let streams = [stream(names.queue(), queue), stream(names.records(), records), inputs, outputs];
    streams.into_iter().chain(consumers).collect()
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Creates what is missing. Returns the names of what it has created.
pub(crate) async fn init(link: &Link, wanted: Vec<Wanted>) -> Result<Vec<String>, LinkError> {
    let mut created = Vec::new();
    for wanted in wanted {
        match link.api::<Info>(&wanted.info, &Value::Null).await {
            Ok(_) => continue,
            // 10014: there is no such consumer.
            Err(error)
                if error.is_no_stream() || matches!(error, LinkError::Refused { code: 10_014, .. }) => {}
            Err(error) => return Err(error),
        }
        match link.api::<Value>(&wanted.create, &wanted.body).await {
            Ok(_) => created.push(wanted.of),
            // Another process was faster. The comparison tells whether it made the same.
            Err(error) if error.is_other_stream() => {}
            Err(error) if error.is_no_room() => {
                let bytes = wanted.config.get("max_bytes").and_then(Value::as_u64).unwrap_or_default();
                return Err(LinkError::NoRoom { stream: wanted.of, bytes, reason: error.to_string() });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(created)
}

/// Compares what is there with what is configured.
pub(crate) async fn compare(link: &Link, wanted: Vec<Wanted>) -> Result<Vec<Difference>, LinkError> {
    let mut differences = Vec::new();
    for wanted in wanted {
        match link.api::<Info>(&wanted.info, &Value::Null).await {
            Ok(info) => differences.extend(differ(&wanted.of, &wanted.config, &info.config)),
            Err(LinkError::Refused { .. }) => differences.push(Difference {
                of: wanted.of,
                setting: None,
                there: String::new(),
                configured: String::new(),
            }),
            Err(error) => return Err(error),
        }
    }
    Ok(differences)
}

fn differ(of: &str, configured: &Value, there: &Value) -> Vec<Difference> {
    let settings = configured.as_object().into_iter().flatten();
    let differs = settings.filter(|(key, value)| there.get(key) != Some(value));
    let text = |value: Option<&Value>| value.map_or_else(|| "not set".to_owned(), Value::to_string);
    differs
        .map(|(key, value)| Difference {
            of: of.to_owned(),
            setting: Some(key.clone()),
            there: text(there.get(key)),
            configured: value.to_string(),
        })
        .collect()
}

/// Returns the time of the server that leads a stream, in nanoseconds since 1970.
pub(crate) async fn leader_time(link: &Link, stream: &str) -> Result<u64, LinkError> {
    let info: Info = link.api(&format!("STREAM.INFO.{stream}"), &Value::Null).await?;
    let text = info.ts.ok_or_else(|| LinkError::Unreadable("the stream's info has no time".into()))?;
    parse_time(&text).ok_or_else(|| LinkError::Unreadable(format!("`{text}` is no time")))
}

/// Reads `2026-11-30T08:16:52.123456789Z`, always in UTC.
pub(crate) fn parse_time(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<u64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut clock = clock.splitn(3, ':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    let is_sane = (1970..2500).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_sane || hour > 23 || minute > 59 || second > 60 || fraction.len() > 9 {
        return None;
    }
    let nanos = fraction.parse::<u64>().ok()? * 10_u64.pow(9 - u32::try_from(fraction.len()).ok()?);
    // Years that begin in March: a leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000_000 + nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_server_are_read() {
        assert_eq!(parse_time("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_time("2000-02-29T12:00:00.5Z"), Some(951_825_600_500_000_000));
        assert_eq!(parse_time("2026-11-30T08:16:52.123456789Z"), Some(1_796_026_612_123_456_789));
        for bad in
            ["", "2026-11-30", "2026-13-30T08:16:52Z", "2026-11-30T08:16:52+01:00", "1900-01-01T00:00:00Z"]
        {
            assert_eq!(parse_time(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_difference_names_the_setting_and_both_values() {
        let configured = json!({ "max_msgs": 5, "storage": "file", "allow_msg_ttl": true });
        let there = json!({ "max_msgs": 4, "storage": "file", "more": 1 });
        let all: Vec<_> = differ("S", &configured, &there).iter().map(ToString::to_string).collect();
        assert_eq!(
            all,
            ["S: allow_msg_ttl is not set there, and true here", "S: max_msgs is 4 there, and 5 here"]
        );
    }
}
