//! `[pools.NAME]`: from a table to a pool's checked limits, and from those to a pool whose executable
//! and directory exist.

use super::attach::{self, WorkersFrom};
use super::command::Command;
use super::durable::{self, Retry};
use super::error::{ConfigError, Mistake};
use super::file::PoolTable;
use super::lost;
use super::node;
use super::place::{Place, Source};
use crate::names;
use procpool_coordinator::{
    Executable, InvalidLimits, PoolConfig, PoolLimits, Supervision, WorkerLimits, absolute,
};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A pool as it was configured. Its limits are consistent; whether its executable exists is found out
/// by [`resolve`](Self::resolve).
#[derive(Clone, Debug)]
pub(crate) struct PoolSpec {
    pub(crate) name: String,
    pub(crate) limits: PoolLimits,
    /// How jobs are tried again, if they outlive the server.
    pub(crate) durable: Option<Retry>,
    source: WorkersFrom,
    job: Option<String>,
    inherit_env: Vec<String>,
    env: Vec<(OsString, OsString)>,
    current_dir: Option<PathBuf>,
    save_failed_jobs: Option<PathBuf>,
    origin: Option<Origin>,
}

/// Where a pool stands in a file.
#[derive(Clone, Debug)]
struct Origin {
    /// Relative paths count from here.
    directory: PathBuf,
    command: Place,
    current_dir: Place,
    address_space_limit: Place,
}

impl PoolSpec {
    /// Returns a pool of the built-in configuration.
    pub(super) fn built_in(name: &str) -> Self {
        let mut limits = PoolLimits::default();
        limits.stack_at_deadline = true;
        Self {
            name: name.into(),
            limits,
            durable: None,
            source: WorkersFrom::Command(Command::program(&format!("procpool-{name}"))),
            job: None,
            inherit_env: Vec::new(),
            env: Vec::new(),
            current_dir: None,
            save_failed_jobs: None,
            origin: None,
        }
    }

    /// Returns a pool of a file.
    pub(super) fn new(
        name: String,
        table: PoolTable,
        attach_dir: Option<&Path>,
        source: Source<'_>,
    ) -> Result<Self, ConfigError> {
        let keys = ["pools", name.as_str()];
        check_name(&name)
            .map_err(|mistake| ConfigError::at(source.place_of_key(&keys[..1], &name), mistake))?;
        let limits = limits(&table).map_err(|(key, mistake)| {
            let place = source.place_of(&[keys[0], keys[1], key]);
            ConfigError::at(place, mistake)
        })?;
        check_inherited(&table).map_err(|mistake| {
            let place = source.place_of(&[keys[0], keys[1], "inherit_env"]);
            ConfigError::at(place, mistake)
        })?;
        check_env(&table).map_err(|(key, mistake)| {
            let place = source.place_of_key(&[keys[0], keys[1], "env"], key);
            ConfigError::at(place, mistake)
        })?;
        let durable = durable::retry(&table).map_err(|(key, mistake)| {
            let place = source.place_of(&[keys[0], keys[1], key]);
            ConfigError::at(place, mistake)
        })?;
        let origin = Origin {
            directory: directory_of(source.path),
            command: source.place_of(&[keys[0], keys[1], "command"]),
            current_dir: source.place_of(&[keys[0], keys[1], "current_dir"]),
            address_space_limit: source.place_of(&[keys[0], keys[1], "address_space_limit"]),
        };
        let workers = attach::workers(&name, &table, attach_dir.map(|dir| origin.directory.join(dir)))
            .map_err(|(key, mistake)| {
                let place = source.place_of(&[keys[0], keys[1], key]);
                let is_missing = matches!(mistake, Mistake::MissingKey(_));
                ConfigError::at(if is_missing { place.line_start() } else { place }, mistake)
            })?;
        let env = table.env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Ok(Self {
            limits,
            durable,
            source: workers,
            job: table.job,
            inherit_env: table.inherit_env,
            env,
            current_dir: table.current_dir,
            save_failed_jobs: table.save_failed_jobs,
            origin: Some(origin),
            name,
        })
    }

    /// Returns the pool, ready to be started.
    ///
    /// # Errors
    /// When its executable or its directory cannot be had.
    pub(crate) fn resolve(&self) -> Result<PoolConfig, ConfigError> {
        let mut config = match &self.source {
            WorkersFrom::Command(command) => PoolConfig::new(&self.name, self.executable(command)?),
            WorkersFrom::Socket(socket) => PoolConfig::attached(&self.name, socket.clone()),
        };
        config.job = self.job.clone();
        config.limits = self.limits.clone();
        config.inherit_env = self.inherit_env.clone();
        config.env = self.env.clone();
        config.current_dir = self.directory()?;
        config.save_failed_jobs = self.place_for_jobs();
        config.names = Some(names::of_calls());
        Ok(config)
    }

    /// Looks for everything that would keep the workers of this pool, which `resolve` has given, from being started.
    ///
    /// # Errors
    /// With what is missing.
    pub(crate) fn inspect(&self, config: &PoolConfig) -> Result<(), ConfigError> {
        let Some(executable) = config.workers.executable() else { return Ok(()) };
        let inspected = executable.inspect(config.current_dir.as_deref(), &config.env);
        inspected.map_err(|error| match &self.origin {
            Some(origin) => ConfigError::at(origin.command.clone(), error),
            None => error.into(),
        })
    }

    /// Returns the settings that are probably mistakes, each with its place.
    pub(crate) fn warnings(&self, config: &PoolConfig) -> Vec<String> {
        let Some(origin) = &self.origin else { return Vec::new() };
        let here = PathBuf::from(".");
        let start = config.current_dir.as_ref().unwrap_or(&here);
        let Some(executable) = config.workers.executable() else { return Vec::new() };
        let lost = executable.args().iter().filter_map(|arg| lost::argument(arg, start, &origin.directory));
        let lost = lost.map(|lost| format!("{}: {lost}", origin.command));
        let starved = node::starved(executable.as_path(), self.limits.worker.address_space_limit);
        lost.chain(starved.map(|starved| format!("{}: {starved}", origin.address_space_limit))).collect()
    }

    fn executable(&self, command: &Command) -> Result<Executable, ConfigError> {
        let Some(origin) = &self.origin else {
            return Ok(command.resolve(Path::new(""))?);
        };
        let place = || origin.command.clone();
        command.resolve(&origin.directory).map_err(|error| ConfigError::at(place(), error))
    }

    fn directory(&self) -> Result<Option<PathBuf>, ConfigError> {
        let (Some(current_dir), Some(origin)) = (&self.current_dir, &self.origin) else {
            return Ok(None);
        };
        let path = origin.directory.join(current_dir);
        let found = std::path::absolute(&path).and_then(|path| {
            let is_directory = std::fs::metadata(&path)?.is_dir();
            is_directory.then_some(path).ok_or_else(|| io::Error::from(io::ErrorKind::NotADirectory))
        });
        found.map(Some).map_err(|reason| {
            ConfigError::at(origin.current_dir.clone(), Mistake::CurrentDir { path, reason })
        })
    }

    /// Returns the directory for saved jobs. It is created when the pool starts, and may be missing until
    /// then.
    fn place_for_jobs(&self) -> Option<PathBuf> {
        let directory = self.origin.as_ref().map(|origin| origin.directory.as_path());
        self.save_failed_jobs.as_ref().map(|path| directory.unwrap_or(Path::new("")).join(path))
    }
}

/// Returns the directory of a configuration file, by the name under which it was given: a release may be a
/// symbolic link.
pub(super) fn directory_of(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Without a working directory, a relative path fails at its use, with a better message.
    absolute(parent).unwrap_or_else(|_| parent.to_owned())
}

/// Checks a name, which stands in addresses, logs and thread names.
fn check_name(name: &str) -> Result<(), Mistake> {
    is_name(name).then_some(()).ok_or_else(|| Mistake::PoolName(name.into()))
}

/// Returns whether this can be the name of a pool or a schedule.
pub(super) fn is_name(name: &str) -> bool {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// Names that no variable has: a pattern, or a value along with the name.
fn check_inherited(table: &PoolTable) -> Result<(), Mistake> {
    let bad = table.inherit_env.iter().find(|name| !is_variable(name) || name.contains('*'));
    bad.map_or(Ok(()), |name| Err(Mistake::InheritEnv(name.clone())))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Variables that the system would refuse at every spawn.
fn check_env(table: &PoolTable) -> Result<(), (&str, Mistake)> {
    let bad = |name: &str, value: &str| !is_variable(name) || value.contains('\0');
    match table.env.iter().find(|(name, value)| bad(name, value)) {
        Some((name, _)) => Err((name, Mistake::Env(name.clone()))),
        None => Ok(()),
    }
}

/// Returns the limits, or the key that is to blame.
fn limits(table: &PoolTable) -> Result<PoolLimits, (&'static str, Mistake)> {
    let mut limits = PoolLimits::default();
    limits.min_workers = table.min_workers.unwrap_or(limits.min_workers);
    // Who asks for more workers than there are processors, and names no maximum, means just that.
    limits.max_workers = table.max_workers.unwrap_or(limits.max_workers.max(limits.min_workers));
    limits.queue = table.queue.unwrap_or(limits.queue);
    let queue_bytes = table.queue_bytes.map(|size| usize::try_from(size.0).unwrap_or(usize::MAX));
    limits.queue_bytes = queue_bytes.unwrap_or(limits.queue_bytes);
    limits.timeout = table.timeout.map_or(limits.timeout, |bound| bound.0);
    limits.run_timeout = table.run_timeout.map_or(limits.run_timeout, |bound| bound.0);
    let max_timeout = table.max_timeout.map(|bound| bound.0.unwrap_or(Duration::MAX));
    limits.max_timeout = max_timeout.or(limits.max_timeout);
    limits.admission = table.admission.unwrap_or(limits.admission);
    limits.grace = table.grace.map_or(limits.grace, |span| span.0);
    // A program that has a pool decides whether its callers wait for a stack. A client of a server sees nothing else.
    limits.stack_at_deadline = table.stack_at_deadline.unwrap_or(true);
    limits.stop_timeout = table.stop_timeout.map_or(limits.stop_timeout, |span| span.0);
    limits.start_timeout = table.start_timeout.map_or(limits.start_timeout, |span| span.0);
    limits.max_attempts = table.max_attempts.unwrap_or(limits.max_attempts);
    limits.idempotent = table.idempotent.or(limits.idempotent);
    limits.saved_jobs = table.saved_jobs.unwrap_or(limits.saved_jobs);
    limits.save_history = table.save_history.unwrap_or(limits.save_history);
    limits.worker = worker_limits(table, limits.worker);
    limits.supervision = supervision(table, limits.supervision);
    if let Some(size) = table.max_payload {
        let too_large = |_| ("max_payload", Mistake::PayloadTooLarge(size.0));
        limits.max_payload = u32::try_from(size.0).map_err(too_large)?;
    }
    limits.check().map_err(|error| (blamed(&error, table), error.into()))?;
    if limits.save_history > 0 && table.save_failed_jobs.is_none() {
        return Err(("save_history", InvalidLimits::HistoryAlone.into()));
    }
    Ok(limits)
}

fn worker_limits(table: &PoolTable, mut limits: WorkerLimits) -> WorkerLimits {
    limits.memory_limit = table.memory_limit.map(|size| size.0);
    limits.address_space_limit = table.address_space_limit.map(|size| size.0);
    limits.cpu_limit = table.cpu_limit.map(|span| span.0);
    limits.open_files_limit = table.open_files_limit;
    limits.process_limit = table.process_limit;
    limits.file_size_limit = table.file_size_limit.map(|size| size.0);
    limits.nice = table.nice.unwrap_or(limits.nice);
    limits
}

fn supervision(table: &PoolTable, mut rules: Supervision) -> Supervision {
    rules.spares = table.spares.unwrap_or(rules.spares);
    rules.idle_timeout = table.idle_timeout.map_or(rules.idle_timeout, |bound| bound.0);
    rules.process_per_job = table.process_per_job.unwrap_or(rules.process_per_job);
    rules.fork = table.fork.unwrap_or(rules.fork);
    rules.crash_stacks = table.crash_stacks.unwrap_or(rules.crash_stacks);
    rules.recycle_jobs = table.recycle_jobs;
    rules.recycle_lifetime = table.recycle_lifetime.map(|span| span.0);
    rules.recycle_memory = table.recycle_memory.map(|size| size.0);
    rules.breaker_failures = table.breaker_failures.unwrap_or(rules.breaker_failures);
    rules.breaker_window = table.breaker_window.map_or(rules.breaker_window, |span| span.0);
    rules.poison_deaths = table.poison_deaths;
    rules.poison_window = table.poison_window.map_or(rules.poison_window, |span| span.0);
    rules.client_deaths = table.client_deaths.unwrap_or(rules.client_deaths);
    rules.retry_out_of_memory = table.retry_out_of_memory.unwrap_or(rules.retry_out_of_memory);
    rules
}

/// Returns the key at which to point.
fn blamed(error: &InvalidLimits, table: &PoolTable) -> &'static str {
    match error {
        InvalidLimits::TooManyWorkers { .. } => "max_workers",
        InvalidLimits::Workers { .. } if table.max_workers.is_some() => "max_workers",
        InvalidLimits::Workers { .. } => "min_workers",
        InvalidLimits::Zero { key, .. } | InvalidLimits::NoRoom { key, .. } => key,
        InvalidLimits::Worker(invalid) => invalid.key(),
        InvalidLimits::NoPayload => "max_payload",
        InvalidLimits::NoQueueBytes => "queue_bytes",
        InvalidLimits::NoSavedJobs => "saved_jobs",
        InvalidLimits::History { .. } | InvalidLimits::HistoryAlone => "save_history",
        InvalidLimits::Attempts { .. } => "max_attempts",
        _ => "command",
    }
}
