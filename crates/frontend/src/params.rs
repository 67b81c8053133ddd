//! Reads the request's path and query, and checks them once. An unknown or malformed parameter is an error
//! that names it: a misspelt `timout=1s` that is ignored would be a job without a deadline.

use crate::handover;
use crate::kind::Kind;
use crate::problem::Problem;
use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use http::{StatusCode, Uri};
use procpool_protocol::JobId;
use procpool_protocol::engine::{
    ClientName, JobLimits, Priority, UnknownOrder, UnknownPriority, WorkerOrder,
};
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

/// The parameters of [`Parameters::job_limits`].
pub(crate) const JOB_LIMITS: [&str; 2] = ["timeout", "run_timeout"];

/// The parameters of [`Parameters::not_before`].
pub(crate) const TIMES: [&str; 2] = ["delay", "run_at"];

/// The parameters of [`Parameters::priority`] and [`Parameters::tenant`].
pub(crate) const SHARE: [&str; 2] = ["priority", "tenant"];

/// Maximum length of a tenant's name, in bytes.
const LONGEST_TENANT: usize = 64;

/// Maximum timeout that is accepted, one year: far beyond any use, and far below the overflow of clocks.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A query whose every parameter is known to its route and stands there once.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Returns the query of `uri`.
    ///
    /// # Errors
    /// A problem that names the first parameter that is unknown or repeated.
    pub(crate) fn of(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        if uri.query().is_none() {
            return Ok(Self(Vec::new()));
        }
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|rejection| bad("query", rejection.body_text()))?;
        for (index, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let reason = match known {
                    [] => "it is unknown here; this route has no parameters".into(),
                    _ => format!("it is unknown here; this route knows `{}`", known.join("`, `")),
                };
                return Err(bad(name, reason));
            }
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(bad(name, "it stands there more than once"));
            }
        }
        Ok(Self(pairs))
    }

    /// Returns the text of one parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(given, _)| given == name)?;
        Some(value)
    }

    /// Returns a whole number within a range.
    pub(crate) fn number(&self, name: &str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let parse = |text: &str| {
            text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
                let reason = match (range.start(), range.end()) {
                    (least, &u64::MAX) => format!("a whole number from {least} on is needed"),
                    (least, most) => format!("a whole number from {least} to {most} is needed"),
                };
                bad(name, reason)
            })
        };
        self.text(name).map(parse).transpose()
    }

    /// Returns whether the flag is set. An absent flag is not.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(bad(name, "`true` or `false` is needed")),
        }
    }

    /// Returns the limits that the client sets for its job.
    pub(crate) fn job_limits(&self) -> Result<JobLimits, Problem> {
        let [timeout, run_timeout] = JOB_LIMITS;
        Ok(JobLimits::new().timeout(self.duration(timeout)?).run_timeout(self.duration(run_timeout)?))
    }

    /// Returns the time after which the client wants its job to run. A time of day that has passed is no time at all.
    pub(crate) fn not_before(&self) -> Result<Option<Duration>, Problem> {
        let [delay, run_at] = TIMES;
        match (self.duration(delay)?, self.text(run_at)) {
            (Some(_), Some(_)) => Err(bad(run_at, "`delay` is set, too; leave one of them out")),
            (delay, None) => Ok(delay),
            (None, Some(text)) => {
                let time = humantime::parse_rfc3339_weak(text).map_err(|_| {
                    bad(run_at, "a time is needed, such as `2026-11-30T21:06:43Z` (RFC 3339, in UTC)")
                })?;
                let left = time.duration_since(SystemTime::now()).unwrap_or_default();
                if left > LONGEST_TIMEOUT {
                    return Err(bad(run_at, "it must not be more than a year from now"));
                }
                Ok(Some(left))
            }
        }
    }

    /// Returns the rank that the client gives its job.
    pub(crate) fn priority(&self) -> Result<Option<Priority>, Problem> {
        let [name, _] = SHARE;
        let parse = |text: &str| text.parse().map_err(|unknown: UnknownPriority| bad(name, unknown));
        self.text(name).map(parse).transpose()
    }

    /// Returns the tenant that the client names.
    pub(crate) fn tenant(&self) -> Result<Option<ClientName>, Problem> {
        let [_, name] = SHARE;
        let Some(tenant) = self.text(name) else { return Ok(None) };
        if !(1..=LONGEST_TENANT).contains(&tenant.len())
            || !tenant.bytes().all(|byte| byte.is_ascii_graphic())
        {
            let reason = format!("1 to {LONGEST_TENANT} visible ASCII characters are needed");
            return Err(bad(name, reason));
        }
        Ok(Some(tenant.into()))
    }

    /// Returns how a worker is sent away.
    pub(crate) fn worker_order(&self, name: &str) -> Result<Option<WorkerOrder>, Problem> {
        let parse = |text: &str| text.parse().map_err(|unknown: UnknownOrder| bad(name, unknown));
        self.text(name).map(parse).transpose()
    }

    /// Returns the problem of a value that its route does not take.
    pub(crate) fn bad(&self, name: &str, reason: &str) -> Problem {
        bad(name, reason)
    }

    fn duration(&self, name: &str) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let duration = humantime::parse_duration(text).map_err(|error| {
            bad(name, format!("{error}; write for example `{name}=2s` or `{name}=500ms`"))
        })?;
        if duration.is_zero() {
            return Err(bad(name, "it must be longer than nothing"));
        }
        if duration > LONGEST_TIMEOUT {
            return Err(bad(name, "it must not be longer than a year"));
        }
        Ok(Some(duration))
    }
}

/// The `{pool}` of the path, decoded.
pub(crate) struct PoolName(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PoolName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(bad("pool", rejection.body_text())),
        }
    }
}

/// That a query is empty. An order with a parameter that is not known, such as `dry_run`, is refused.
pub(crate) struct NoParameters;

impl<S: Send + Sync> FromRequestParts<S> for NoParameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Parameters::of(&parts.uri, &[]).map(|_| Self)
    }
}

/// The `{worker}` of the path, decoded.
pub(crate) struct WorkerName(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for WorkerName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(bad("worker", rejection.body_text())),
        }
    }
}

/// The `{death}` of the path, decoded.
pub(crate) struct DeathNumber(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for DeathNumber {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(number)) => Ok(Self(number)),
            Err(rejection) => Err(bad("death", rejection.body_text())),
        }
    }
}

/// The `{schedule}` of the path, decoded.
pub(crate) struct ScheduleName(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for ScheduleName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(rejection) => Err(bad("schedule", rejection.body_text())),
        }
    }
}

/// The `{id}` of the path: a job's.
pub(crate) struct JobName(pub(crate) JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => id.parse().map(Self).map_err(|_| handover::gone(id)),
            Err(rejection) => Err(bad("id", rejection.body_text())),
        }
    }
}

/// The `{pool}` and the `{fingerprint}` of the path, decoded.
pub(crate) struct PoolAndFingerprint(pub(crate) String, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PoolAndFingerprint {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<(String, String)>::from_request_parts(parts, state).await {
            Ok(Path((pool, fingerprint))) => Ok(Self(pool, fingerprint)),
            Err(rejection) => Err(bad("fingerprint", rejection.body_text())),
        }
    }
}

pub(crate) fn bad(name: &str, reason: impl std::fmt::Display) -> Problem {
    // A client that sends a name of 10,000 letters need not get them back.
    let name: String = name.chars().take(64).collect();
    let detail = format!("failed to read the parameter `{name}`: {reason}");
    Problem::new(Kind::BadParameter, StatusCode::BAD_REQUEST, detail)
        .outcome("bad_input")
        .with("parameter", &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(query: &str) -> Result<JobLimits, String> {
        let uri: Uri = format!("/jobs{query}").parse().unwrap();
        Parameters::of(&uri, &JOB_LIMITS)
            .and_then(|parameters| parameters.job_limits())
            .map_err(|problem| serde_json::to_string(&problem).unwrap())
    }

    #[test]
    fn timeouts_have_units() {
        let both = limits("?timeout=1m%2030s&run_timeout=500ms").unwrap();
        assert_eq!(both.timeout, Some(Duration::from_secs(90)));
        assert_eq!(both.run_timeout, Some(Duration::from_millis(500)));
        assert_eq!(limits("").unwrap(), JobLimits::default());
        assert_eq!(limits("?").unwrap(), JobLimits::default());
        assert_eq!(limits("?timeout=365days").unwrap().timeout, Some(LONGEST_TIMEOUT));
    }

    #[test]
    fn a_bad_timeout_is_refused_by_name_and_with_an_example() {
        for query in ["?run_timeout=2", "?run_timeout=", "?run_timeout=soon", "?run_timeout=-2s"] {
            let problem = limits(query).unwrap_err();
            assert!(problem.contains(r#""parameter":"run_timeout""#), "{problem}");
            assert!(problem.contains("`run_timeout=2s`"), "{problem}");
        }
        for query in ["?timeout=0s", "?timeout=0", "?timeout=366days", "?timeout=99999999999999years"] {
            let problem = limits(query).unwrap_err();
            assert!(problem.contains(r#""parameter":"timeout""#), "{query}: {problem}");
        }
    }

    #[test]
    fn a_job_runs_after_a_delay_or_at_a_time() {
        let not_before = |query: &str| {
            let uri: Uri = format!("/jobs{query}").parse().unwrap();
            let parameters = Parameters::of(&uri, &TIMES).unwrap();
            parameters.not_before().map_err(|problem| serde_json::to_string(&problem).unwrap())
        };
        assert_eq!(not_before(""), Ok(None));
        assert_eq!(not_before("?delay=1h"), Ok(Some(Duration::from_secs(3600))));
        assert_eq!(not_before("?run_at=2020-01-01T00:00:00Z"), Ok(Some(Duration::ZERO)), "it runs now");
        let at = SystemTime::now() + Duration::from_secs(7200);
        let left = not_before(&format!("?run_at={}", humantime::format_rfc3339(at))).unwrap().unwrap();
        assert!(left <= Duration::from_secs(7200) && left > Duration::from_secs(3600), "{left:?}");
        for (query, words) in [
            ("?delay=5", "`delay=2s`"),
            ("?delay=400days", "longer than a year"),
            ("?run_at=tomorrow", "RFC 3339"),
            ("?run_at=2999-01-01T00:00:00Z", "more than a year from now"),
            ("?delay=1s&run_at=2020-01-01T00:00:00Z", "leave one of them out"),
        ] {
            let problem = not_before(query).unwrap_err();
            assert!(problem.contains(words), "{problem}");
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused_by_name() {
        let problem = limits("?timout=1s").unwrap_err();
        assert!(problem.contains("`timout`"), "{problem}");
        assert!(problem.contains("`timeout`, `run_timeout`"), "{problem}");
        let problem = limits("?timeout=1s&timeout=2s").unwrap_err();
        assert!(problem.contains("more than once"), "{problem}");
        let endless = limits(&format!("?{}=1", "x".repeat(5000))).unwrap_err();
        assert!(endless.len() < 1000, "{endless}");
    }

    #[test]
    fn priorities_and_tenants_are_names_of_their_own() {
        let share = |query: &str| {
            let uri: Uri = format!("/jobs{query}").parse().unwrap();
            let parameters = Parameters::of(&uri, &SHARE).unwrap();
            let share = parameters.priority().and_then(|it| Ok((it, parameters.tenant()?)));
            let share = share.map(|(priority, tenant)| (priority, tenant.map(|it| it.to_string())));
            share.map_err(|problem| serde_json::to_string(&problem).unwrap())
        };
        assert_eq!(share(""), Ok((None, None)));
        assert_eq!(share("?priority=low&tenant=a%26b"), Ok((Some(Priority::Low), Some("a&b".into()))));
        for query in ["?priority=", "?priority=High", "?priority=1"] {
            let problem = share(query).unwrap_err();
            assert!(problem.contains("`high`, `normal` or `low`"), "{problem}");
        }
        for tenant in ["", "a%20b", "%C3%A4", &"x".repeat(65)] {
            let problem = share(&format!("?tenant={tenant}")).unwrap_err();
            assert!(problem.contains(r#""parameter":"tenant""#) && problem.contains("64"), "{problem}");
        }
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        let number = |query: &str| {
            let parameters = Parameters::of(&format!("/{query}").parse().unwrap(), &["n"]).unwrap();
            parameters.number("n", 0..=u64::MAX).ok()
        };
        assert_eq!(number("?n=18446744073709551615"), Some(Some(u64::MAX)));
        assert_eq!(number(""), Some(None));
        for bad in ["?n=", "?n=-1", "?n=1.5", "?n=18446744073709551616", "?n=1e3"] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }
}
