//! `procpool check`: reads a configuration as `serve` would, and starts nothing unless it is asked to.

use crate::config::{Config, PoolSpec};
use crate::error::Error;
use crate::keys::Keys;
use crate::signals::Signals;
use procpool_coordinator::{Executable, PoolConfig, RawPool, memory_count, preflight};
use procpool_frontend::schema_faults;
use procpool_protocol::printable::{Escaping, printable};
use procpool_protocol::{MemoryCount, size};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// How long a worker that was started for the check may take to describe its job, and to exit.
const EXIT: Duration = Duration::from_secs(2);

/// Time between two looks whether the worker has described its job.
const LOOK: Duration = Duration::from_millis(2);

/// Prints what would be served, after it has looked for everything that would prevent it. A setting that is
/// probably a mistake is a warning on standard error.
pub(crate) fn check(path: Option<&Path>) -> Result<ExitCode, Error> {
    tell(&report(&inspected(path)?, memory_count))
}

/// The same, after it has started one worker of each pool and stopped it again. Only a worker knows its jobs.
pub(crate) async fn check_starts(path: Option<&Path>) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?;
    let mut pools = inspected(path)?;
    let started = async {
        for pool in &mut pools {
            start(pool).await?;
        }
        Ok::<_, Error>(())
    };
    tokio::select! {
        started = started => started?,
        // Dropping the start kills its worker.
        stop = signals.stop() => return Ok(stop.exit_code()),
    }
    tell(&report(&pools, memory_count))
}

/// Starts one worker without a job, stops it, and notes the job that it serves. Workers that attach are somebody else's.
async fn start(pool: &mut PoolConfig) -> Result<(), Error> {
    if pool.workers.executable().is_none() {
        return Ok(());
    }
    let mut one = pool.clone();
    one.limits.min_workers = 1;
    one.limits.max_workers = 1;
    // A server may be at work in the directory.
    one.save_failed_jobs = None;
    one.limits.save_history = 0;
    let started = RawPool::start(one).await?;
    pool.job = started.job().map(str::to_owned);
    let described = async {
        while started.awaits_schemas() {
            // sleep: between two looks. A pool has no event for that.
            tokio::time::sleep(LOOK).await;
        }
    };
    // A worker that does not answer is no reason to fail.
    let _ = tokio::time::timeout(EXIT, described).await;
    let schemas = started.schemas();
    started.shutdown(EXIT).await;
    let faults = schemas.map(|schemas| schema_faults(&pool.name, &schemas)).unwrap_or_default();
    warn(faults.iter().map(|fault| format!("pool `{}`: /openapi.json: {fault}", pool.name)));
    Ok(())
}

fn tell(report: &str) -> Result<ExitCode, Error> {
    std::io::stdout().lock().write_all(report.as_bytes()).map_err(Error::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the pools, after a look for everything that would keep them from being started.
fn inspected(path: Option<&Path>) -> Result<Vec<PoolConfig>, Error> {
    let config = Config::load(path)?;
    let settings = config.server.clone().resolve()?;
    Keys::load(settings.tokens, settings.tls)?;
    let pools = config.pools.iter().map(checked).collect::<Result<Vec<_>, _>>()?;
    let warnings = config.pools.iter().zip(&pools).flat_map(|(spec, pool)| spec.warnings(pool));
    warn(warnings.map(|warning| warning.to_string()));
    Ok(pools)
}

fn warn(warnings: impl Iterator<Item = String>) {
    let mut stderr = std::io::stderr().lock();
    for warning in warnings {
        // A standard error that nobody reads is no reason to fail.
        let _ = writeln!(stderr, "warning: {}", printable(&warning));
    }
}

fn checked(spec: &PoolSpec) -> Result<PoolConfig, Error> {
    let pool = spec.resolve()?;
    spec.inspect(&pool)?;
    preflight(&pool.limits.worker)
        .map_err(|reason| Error::Surroundings { pool: pool.name.clone(), reason })?;
    Ok(pool)
}

fn report(pools: &[PoolConfig], count: impl Fn() -> MemoryCount) -> String {
    let noun = if pools.len() == 1 { "pool" } else { "pools" };
    let mut text = format!("ok: {} {noun}\n", pools.len());
    for pool in pools {
        let limits = &pool.limits;
        let _ = write!(Escaping(&mut text), "  {}: {}", pool.name, pool.workers);
        for arg in pool.workers.executable().map_or(&[][..], Executable::args) {
            let _ = write!(Escaping(&mut text), " {}", arg.display());
        }
        let job = pool.job.as_ref().map(|job| format!("job {job}, ")).unwrap_or_default();
        let _ = write!(Escaping(&mut text), " ({job}");
        let (min, max, queue) = (limits.min_workers, limits.max_workers, limits.queue);
        let timeout = written(limits.timeout);
        let memory = limits.worker.memory_limit.map(|limit| memory(limit, count()));
        let memory = memory.unwrap_or_default();
        let _ = writeln!(text, "{min} to {max} workers, queue {queue}, timeout {timeout}{memory})");
    }
    text
}

/// Returns a limit of memory, with the way in which it is counted here.
fn memory(limit: u64, count: MemoryCount) -> String {
    format!(", memory {}, {count}", size(limit))
}

/// Returns the value as it would stand in a configuration.
fn written(bound: Option<Duration>) -> String {
    bound.map_or_else(|| "none".into(), |timeout| humantime::format_duration(timeout).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pool_has_a_line_with_what_matters_of_it() {
        let one = |pool: &PoolConfig| report(std::slice::from_ref(pool), || MemoryCount::Resident);
        let mut pool =
            PoolConfig::new("shell", Executable::path("/bin/sh").unwrap().with_args(["-c", "exit"]));
        pool.limits.max_workers = 3;
        pool.limits.timeout = Some(Duration::from_secs(90));
        let line = "  shell: /bin/sh -c exit (1 to 3 workers, queue 1024, timeout 1m 30s)\n";
        assert_eq!(one(&pool), format!("ok: 1 pool\n{line}"));

        let turned =
            PoolConfig::new("turned", Executable::path("/bin/sh").unwrap().with_args(["\u{202e}\n"]));
        assert!(one(&turned).contains(r"/bin/sh \u{202e}\n ("));
        pool.job = Some("turn".into());
        assert!(one(&pool).contains("(job turn, 1 to 3 workers, "));
        pool.limits.timeout = None;
        assert!(one(&pool).ends_with("timeout none)\n"));
        pool.limits.worker.memory_limit = Some(200 << 20);
        assert!(one(&pool).ends_with("timeout none, memory 200 MiB, counted by its resident memory)\n"));
    }
}
