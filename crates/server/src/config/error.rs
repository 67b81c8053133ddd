//! The mistakes of a configuration. The message is one line that begins with the place, with the line of the
//! file below it.

use super::place::{Place, Source, printable};
use super::secret::NoSecret;
use procpool_coordinator::{ExecutableError, InvalidLimits};
use procpool_frontend::{InvalidName, InvalidToken, JobSettingsError};
use procpool_schedules::CalendarError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("failed to read the configuration {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// The file is too long to be a configuration.
    #[error("failed to read the configuration {}: it is longer than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The bound, in bytes.
        limit: u64,
    },
    /// Something in the file is wrong.
    #[error("{place}: {}{}", printable(&mistake.to_string()), place.quoted())]
    Mistake {
        /// Where.
        place: Box<Place>,
        /// The mistake itself.
        mistake: Box<Mistake>,
    },
    /// Everybody could run jobs.
    #[error(
        "failed to listen on {0}: there are no tokens, so everybody who reaches it could run jobs. Make a token with \
         `procpool token new NAME --scope submit,read --file tokens.toml` and write tokens = \"tokens.toml\" in [server]; \
         or listen on 127.0.0.1 or unix:/PATH; or insist with --allow-anonymous, or allow_anonymous = true in [server]"
    )]
    Anonymous(SocketAddr),
    /// A worker executable of the built-in configuration is missing.
    #[error("{0}; build the workers, or name your own with --config")]
    BuiltIn(ExecutableError),
}

impl From<ExecutableError> for ConfigError {
    fn from(error: ExecutableError) -> Self {
        Self::BuiltIn(error)
    }
}

/// Something in a configuration file that is wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Mistake {
    /// It is not TOML, or a value has the wrong type.
    #[error("{0}")]
    Toml(String),
    /// There is no such key.
    #[error("unknown key `{key}`; {}", expected(suggestion.as_deref(), known))]
    UnknownKey {
        /// The key.
        key: String,
        /// The known one that it resembles.
        suggestion: Option<String>,
        /// The keys that there are.
        known: Vec<String>,
    },
    /// A key has to be there.
    #[error("missing key `{0}`")]
    MissingKey(String),
    /// A key for pools whose workers somebody else starts.
    #[error("attach_users is for a pool with attach = true")]
    NotAttached,
    /// A key for pools that start their workers.
    #[error("`{0}` means nothing with attach = true: somebody else starts the workers; leave it out")]
    OfSpawnedWorkers(&'static str),
    /// There is no usual directory for sockets.
    #[error("there is no XDG_RUNTIME_DIR for the socket; name a directory: attach_dir in [server]")]
    NoAttachDir,
    /// Nothing to serve.
    #[error("there is no pool; add one: [pools.NAME] with command = [\"an-executable\"]")]
    NoPools,
    /// A name that does not fit into an address.
    #[error("`{0}` cannot be a pool's name; a name has 1 to 64 of the characters a-z, 0-9, _ and -")]
    PoolName(String),
    /// A name that does not fit into an address.
    #[error("`{0}` cannot be a schedule's name; a name has 1 to 64 of the characters a-z, 0-9, _ and -")]
    ScheduleName(String),
    /// A schedule of no pool.
    #[error("there is no pool `{name}`; there are: {}", known.join(", "))]
    UnknownPool {
        /// The name.
        name: String,
        /// The pools that there are.
        known: Vec<String>,
    },
    /// The times of a schedule.
    #[error(transparent)]
    Calendar(CalendarError),
    /// One of them would be ignored.
    #[error("input and input_file are both set; leave one of them out")]
    TwoInputs,
    /// A number that JSON does not have.
    #[error("JSON has no such number: an input holds neither inf nor nan")]
    NoJson,
    /// The input of a schedule cannot be read.
    #[error("failed to read the input {}: {reason}", path.display())]
    InputFile {
        /// The file.
        path: PathBuf,
        /// The obstacle.
        reason: String,
    },
    /// A state directory that would depend on where the server is started.
    #[error("state_dir is `{}`, a relative path; write an absolute one, such as /var/lib/procpool", .0.display())]
    RelativeStateDir(PathBuf),
    /// There is no usual directory for state.
    #[error("a pool is durable, and there is no home directory for its jobs; name one: state_dir in [jobs]")]
    NoStateDir,
    /// A setting of durable pools.
    #[error("retry is for a pool with durable = true: only there, a job waits for its next attempt")]
    RetryInMemory,
    /// Values of `retry` that do not fit.
    #[error("retry: {0}")]
    Retry(String),
    /// Settings of the store on disk, beside a cluster.
    #[error("{0} means nothing with [cluster]: its servers hold the jobs; leave it out")]
    DiskInCluster(&'static str),
    /// Nothing is in the cluster.
    #[error(
        "no pool has durable = true, so that the cluster has no job; set it for the pools of the cluster"
    )]
    NoClusterPools,
    /// Several ways to log in.
    #[error("more than one of credentials, nkey and user is set; leave one of them")]
    ManyCredentials,
    /// A password where everybody reads it.
    #[error("an address holds no password, because logs and errors name it; use user and password_file")]
    SecretInAddress,
    /// A user without a password, or the reverse.
    #[error("user and password_file belong together; set both or none")]
    HalfPassword,
    /// A worker could outlive the lease of its job.
    #[error(
        "grace has to be shorter than {0:?}, a third of the cluster's lease: a job whose host is cut off has to be dead \
         before another host gets it"
    )]
    GraceInCluster(std::time::Duration),
    /// Busy hosts would be taken for dead ones.
    #[error("lease is at least {0:?}: with less, a busy host is taken for one that is gone")]
    ShortLease(std::time::Duration),
    /// A few outcomes would fill the stream.
    #[error("max_record_bytes is at least {0} bytes: with less, a few outcomes fill it, and no job is taken")]
    SmallRecords(u64),
    #[error(
        "max_payload_bytes is at least {0} bytes: with less, no large input or output fits beside another"
    )]
    SmallPayloads(u64),
    /// A job could outlive its record.
    #[error(
        "a pool of the cluster needs a bound on its jobs' time; set timeout, or a max_timeout other than `none`"
    )]
    NoTimeoutInCluster,
    /// Settings of a cluster that do not fit together.
    #[error(transparent)]
    Cluster(procpool_nats::SettingsError),
    /// Settings of remembered jobs that contradict each other.
    #[error("{0}")]
    Jobs(JobSettingsError),
    /// Limits that contradict each other.
    #[error(transparent)]
    Limits(#[from] InvalidLimits),
    /// The largest payload does not fit the wire.
    #[error("max_payload is {0} bytes; the most that the wire carries is {max}", max = u32::MAX)]
    PayloadTooLarge(u64),
    /// The name of an environment variable that the system does not take.
    #[error(
        "`{0}` cannot be set in an environment: a name is not empty and holds no `=`, and there is no NUL"
    )]
    Env(String),
    /// Not the name of one environment variable.
    #[error("`{0}` cannot be inherited: inherit_env takes whole names of variables, one by one")]
    InheritEnv(String),
    /// The directory to start in is none.
    #[error("failed to use {} as current_dir: {reason}", path.display())]
    CurrentDir {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// A file of secrets cannot be used.
    #[error(transparent)]
    Secret(#[from] NoSecret),
    /// A certificate or a key cannot be used.
    #[error("failed to use {what} {}: {reason}", path.display())]
    Tls {
        /// The purpose of the file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The obstacle.
        reason: String,
    },
    /// A certificate gives a name, and nothing says what that name may do.
    #[error(
        "client_ca needs tokens = \"…\" in [server]: the file of tokens says what the names of certificates may do"
    )]
    ClientCaWithoutTokens,
    /// A name that stands in logs.
    #[error(transparent)]
    Name(InvalidName),
    /// Two names for one secret.
    #[error(
        "this digest is that of `{0}`, too; each token has a secret of its own (`procpool token new NAME`)"
    )]
    SameToken(String),
    /// An empty list could be taken for none or for all.
    #[error("the list names no pool; leave it out for a token that is good for all, or remove the token")]
    NoPoolsOfToken,
    /// A burst of nothing.
    #[error("burst is for a token with `jobs_per_second`, which it exceeds for a moment")]
    BurstWithoutRate,
    /// More than are compared with each request.
    #[error("there are more than {0} tokens; put clients that share a service into one")]
    TooManyTokens(usize),
    /// The token is none.
    #[error(
        "the token in {} cannot be used: {invalid}; write one line there, such as `openssl rand -hex 16` gives",
        path.display()
    )]
    Token {
        /// The file.
        path: PathBuf,
        /// Why not.
        invalid: InvalidToken,
    },
    /// The worker executable cannot be had.
    #[error(transparent)]
    Executable(#[from] ExecutableError),
}

impl ConfigError {
    pub(crate) fn at(place: Place, mistake: impl Into<Mistake>) -> Self {
        Self::Mistake { place: Box::new(place), mistake: Box::new(mistake.into()) }
    }

    /// Translates the parser's error into the words of this project.
    pub(crate) fn of_toml(error: &toml::de::Error, source: Source<'_>) -> Self {
        let mut place = source.place(error.span());
        let mistake = Mistake::of_message(error.message());
        if let Mistake::MissingKey(_) = mistake {
            place = place.first_character();
        }
        Self::at(place, mistake)
    }
}

impl Mistake {
    /// Reads serde's message. serde tells an unknown or missing field only in a sentence: "unknown field `x`,
    /// expected one of `a`, `b`".
    fn of_message(message: &str) -> Self {
        let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
        if message.starts_with("unknown field `")
            && let Some(key) = quoted.next()
        {
            let known: Vec<_> = quoted.collect();
            return Self::UnknownKey { suggestion: similar(&key, &known), key, known };
        }
        match (message.strip_prefix("missing field `"), quoted.next()) {
            (Some(_), Some(key)) => Self::MissingKey(key),
            _ => Self::Toml(message.trim_end().replace('\n', "; ")),
        }
    }
}

/// Returns the known key that is at most two typing errors away.
fn similar(key: &str, known: &[String]) -> Option<String> {
    let distance = |known: &String| strsim::osa_distance(key, known);
    known.iter().min_by_key(|known| distance(known)).filter(|known| distance(known) <= 2).cloned()
}

fn expected(suggestion: Option<&str>, known: &[String]) -> String {
    match suggestion {
        Some(suggestion) => format!("did you mean `{suggestion}`?"),
        None => format!("expected one of {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_slip_of_the_pen_gets_a_suggestion_and_anything_else_the_list() {
        let say = |key: &str| {
            Mistake::of_message(&format!("unknown field `{key}`, expected one of `queue`, `grace`"))
        };
        assert_eq!(say("qeue").to_string(), "unknown key `qeue`; did you mean `queue`?");
        assert_eq!(say("size").to_string(), "unknown key `size`; expected one of queue, grace");
    }

    /// TOML writes any character as an escape in ASCII, and mistakes repeat what was written.
    #[test]
    fn no_value_of_the_file_moves_the_terminal_or_adds_a_line() {
        for (before, after) in [("[server]\nlisten = \"", "\""), ("[pools.\"", "\"]\ncommand = [\"a\"]\n")] {
            let text = format!("{before}x\\u001b[2J\\nok: \\u202e1 pool{after}");
            let source = Source { path: Path::new("p.toml"), text: &text };
            let error = super::super::Config::parse(source).unwrap_err().to_string();
            let (mistake, _) = error.split_once("\n  |").expect("a quoted line");
            assert!(mistake.contains("`x [2J") && mistake.contains(" 1 pool`"), "{mistake:?}");
            assert!(!mistake.contains(|c: char| c.is_control() || c == '\u{202e}'), "{mistake:?}");
        }
    }

    #[test]
    fn other_messages_stay_on_one_line() {
        let mistake = Mistake::of_message("invalid string\nexpected `\"`\n");
        assert_eq!(mistake.to_string(), "invalid string; expected `\"`");
    }
}
