//! The settings of a pool as JSON: written for a reader, and changed by a merge patch (RFC 7396). Does not: know which
//! settings fit together; the engine does.

use crate::kind::Kind;
use crate::problem::Problem;
use http::StatusCode;
use procpool_protocol::engine::PoolSettings;
use serde_json::{Map, Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// How one setting is written in JSON.
enum Field<'a> {
    Flag(&'a mut bool),
    Count(&'a mut usize),
    Span(&'a mut Duration),
    Bound(&'a mut Option<Duration>),
    /// A bound whose default depends on other settings.
    MaxTimeout(&'a mut Option<Duration>),
}

/// Returns each setting by its name.
fn fields(settings: &mut PoolSettings) -> [(&'static str, Field<'_>); 12] {
    [
        ("min_workers", Field::Count(&mut settings.min_workers)),
        ("max_workers", Field::Count(&mut settings.max_workers)),
        ("queue", Field::Count(&mut settings.queue)),
        ("queue_bytes", Field::Count(&mut settings.queue_bytes)),
        ("spares", Field::Count(&mut settings.spares)),
        ("idle_timeout", Field::Bound(&mut settings.idle_timeout)),
        ("timeout", Field::Bound(&mut settings.timeout)),
        ("run_timeout", Field::Bound(&mut settings.run_timeout)),
        ("max_timeout", Field::MaxTimeout(&mut settings.max_timeout)),
        ("grace", Field::Span(&mut settings.grace)),
        ("stop_timeout", Field::Span(&mut settings.stop_timeout)),
        ("admission", Field::Flag(&mut settings.admission)),
    ]
}

/// Returns the settings as a JSON object. `null` is a default that depends on other settings.
pub(crate) fn written(settings: &PoolSettings) -> Value {
    let mut settings = *settings;
    let written = fields(&mut settings).map(|(name, field)| (name.to_owned(), value(&field)));
    Value::Object(written.into_iter().collect())
}

/// Returns the entity tag of settings. It depends on their values alone, so that it outlives the server.
pub(crate) fn etag(settings: &PoolSettings) -> String {
    let mut hasher = DefaultHasher::new();
    written(settings).to_string().hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// Returns `current` with the changes of a merge patch. `null` stands for the value that is `configured`.
///
/// # Errors
/// A 400 problem that names the setting.
pub(crate) fn patched(
    current: &PoolSettings,
    configured: &PoolSettings,
    patch: &[u8],
) -> Result<PoolSettings, Problem> {
    let patch: Map<String, Value> = serde_json::from_slice(patch)
        .map_err(|error| bad(format!("the body is no JSON object of settings: {error}")))?;
    let (mut settings, mut configured) = (*current, *configured);
    let mut fields = fields(&mut settings);
    let mut defaults = self::fields(&mut configured);
    for (name, new) in &patch {
        let Some(at) = fields.iter().position(|(known, _)| known == name) else {
            let known = fields.map(|(name, _)| name);
            let name: String = name.chars().take(64).collect();
            let detail = format!(
                "there is no setting `{name}` that may change while a pool runs; there are: {}",
                known.join(", ")
            );
            return Err(bad(detail).with("setting", &name).with("known", &known));
        };
        let (field, default) = (&mut fields[at].1, &mut defaults[at].1);
        if new.is_null() {
            field.copy(default);
        } else {
            field
                .read(new)
                .map_err(|needed| bad(format!("`{name}` needs {needed}")).with("setting", name))?;
        }
    }
    Ok(settings)
}

fn value(field: &Field<'_>) -> Value {
    match field {
        Field::Flag(flag) => json!(flag),
        Field::Count(count) => json!(count),
        Field::Span(span) => text(**span),
        Field::MaxTimeout(None) => Value::Null,
        Field::Bound(None) | Field::MaxTimeout(Some(Duration::MAX)) => json!("none"),
        Field::Bound(Some(span)) | Field::MaxTimeout(Some(span)) => text(*span),
    }
}

fn text(span: Duration) -> Value {
    json!(humantime::format_duration(span).to_string())
}

impl Field<'_> {
    /// Takes the value of the same setting.
    fn copy(&mut self, other: &Field<'_>) {
        match (self, other) {
            (Field::Flag(one), Field::Flag(other)) => **one = **other,
            (Field::Count(one), Field::Count(other)) => **one = **other,
            (Field::Span(one), Field::Span(other)) => **one = **other,
            (Field::Bound(one), Field::Bound(other)) | (Field::MaxTimeout(one), Field::MaxTimeout(other)) => {
                **one = **other;
            }
            _ => {}
        }
    }

    /// Takes a value that is not `null`. Otherwise returns what is needed.
    fn read(&mut self, new: &Value) -> Result<(), &'static str> {
        const SPAN: &str = "a duration as a text with a unit, such as \"30s\"";
        const BOUND: &str = "a duration as a text with a unit, such as \"30s\", or \"none\"";
        let span = || new.as_str().and_then(|text| humantime::parse_duration(text).ok());
        let is_none = new == "none";
        match self {
            Field::Flag(flag) => **flag = new.as_bool().ok_or("`true` or `false`")?,
            Field::Count(count) => {
                let number = new.as_u64().and_then(|number| usize::try_from(number).ok());
                **count = number.ok_or("a whole number that is not negative")?;
            }
            Field::Span(it) => **it = span().ok_or(SPAN)?,
            Field::Bound(it) => **it = if is_none { None } else { Some(span().ok_or(BOUND)?) },
            Field::MaxTimeout(it) => {
                **it = Some(if is_none { Duration::MAX } else { span().ok_or(BOUND)? });
            }
        }
        Ok(())
    }
}

/// Returns the problem of a patch that cannot be applied.
pub(crate) fn bad(reason: impl std::fmt::Display) -> Problem {
    let detail = format!("failed to change the settings: {reason}");
    Problem::new(Kind::BadSetting, StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> PoolSettings {
        let mut settings = PoolSettings::default();
        (settings.min_workers, settings.max_workers, settings.queue) = (1, 4, 1024);
        (settings.timeout, settings.grace) = (Some(Duration::from_secs(90)), Duration::from_millis(100));
        settings
    }

    fn patch(patch: &str) -> Result<PoolSettings, String> {
        let mut configured = settings();
        configured.queue = 7;
        let patched = patched(&settings(), &configured, patch.as_bytes());
        patched.map_err(|problem| serde_json::to_string(&problem).unwrap())
    }

    #[test]
    fn what_is_written_is_read_and_changes_nothing() {
        let written = written(&settings());
        assert_eq!((&written["timeout"], &written["run_timeout"]), (&json!("1m 30s"), &json!("none")));
        assert_eq!(patch(&written.to_string()), Ok(settings()));
        assert_eq!(patch("{}"), Ok(settings()));
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_is_what_is_configured() {
        let patched = patch(r#"{"max_workers": 8, "queue": null, "timeout": "none", "max_timeout": "none"}"#);
        let patched = patched.unwrap();
        assert_eq!((patched.max_workers, patched.queue, patched.timeout), (8, 7, None));
        assert_eq!((patched.max_timeout, patched.grace), (Some(Duration::MAX), settings().grace));
        assert_eq!(written(&patched)["max_timeout"], "none");
        assert_eq!(patch(r#"{"max_timeout": null}"#).unwrap().max_timeout, None);
    }

    #[test]
    fn a_tag_is_of_the_values() {
        let mut other = settings();
        assert_eq!(etag(&settings()), etag(&other));
        other.queue += 1;
        assert_ne!(etag(&settings()), etag(&other));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needed) in [
            ("[]", "no JSON object"),
            ("{", "no JSON object"),
            (r#"{"qeue": 1}"#, "min_workers, max_workers, queue"),
            (r#"{"queue": -1}"#, "`queue` needs a whole number"),
            (r#"{"queue": "7"}"#, "`queue` needs a whole number"),
            (r#"{"timeout": 7}"#, "`timeout` needs a duration"),
            (r#"{"grace": "none"}"#, "`grace` needs a duration"),
        ] {
            let problem = patch(text).unwrap_err();
            assert!(problem.contains(needed), "{text}: {problem}");
        }
    }
}
