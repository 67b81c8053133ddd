//! `procpool check`: reads a configuration as `serve` would, or as `node` would, and starts nothing unless it is asked to.

use crate::cli::CheckArgs;
use crate::cluster;
use crate::config::schedules::now;
use crate::config::{ClusterConfig, Config, Durability, DurableConfig, PoolSpec, ScheduleSpec};
use crate::error::Error;
use crate::jobs;
use crate::keys::Keys;
use crate::signals::Signals;
use procpool_coordinator::{Executable, PoolConfig, RawPool, memory_count, preflight};
use procpool_frontend::schema_faults;
use procpool_protocol::printable::{Escaping, printable};
use procpool_protocol::{MemoryCount, size};
use procpool_schedules::Wall;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

/// How long a worker that was started for the check may take to describe its job, and to exit.
const EXIT: Duration = Duration::from_secs(2);

/// Time between two looks whether the worker has described its job.
const LOOK: Duration = Duration::from_millis(2);

/// Prints what would be served, after it has looked for everything that would prevent it. A setting that is
/// probably a mistake is a warning on standard error.
pub(crate) fn check(args: &CheckArgs) -> Result<ExitCode, Error> {
    let (config, pools) = inspected(args)?;
    tell(&whole(&config, &pools))
}

/// The same, after it has started one worker of each pool and stopped it again. Only a worker knows its jobs.
pub(crate) async fn check_starts(args: CheckArgs) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?;
    let (config, mut pools) = inspected(&args)?;
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
    tell(&whole(&config, &pools))
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

/// Returns the pools that would be started here, after a look for everything that would prevent that.
fn inspected(args: &CheckArgs) -> Result<(Config, Vec<PoolConfig>), Error> {
    let config = Config::load(args.config.as_deref())?;
    let settings = config.server.clone().resolve()?;
    Keys::load(settings.tokens, settings.tls)?;
    config.cluster.as_ref().map(ClusterConfig::resolve).transpose()?;
    let specs: Vec<_> = match (args.node, &args.config, &config.cluster) {
        (true, Some(file), None) => return Err(cluster::no_cluster(file)),
        (true, ..) => config.pools.iter().filter(|pool| config.is_in_cluster(pool)).collect(),
        (false, ..) => config.own_pools().collect(),
    };
    let pools = specs.iter().map(|spec| checked(spec)).collect::<Result<Vec<_>, _>>()?;
    let warnings = specs.iter().zip(&pools).flat_map(|(spec, pool)| spec.warnings(pool));
    warn(warnings.map(|warning| warning.to_string()));
    // Their inputs are in files, too.
    jobs::scheduled(&config.schedules)?;
    Ok((config, pools))
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

/// Returns what a configuration serves.
fn whole(config: &Config, pools: &[PoolConfig]) -> String {
    let mut text = report(pools, memory_count);
    for (pool, retry) in config.pools.iter().filter_map(|pool| Some((&pool.name, pool.durable?))) {
        // The executable of a pool that runs elsewhere need not be here.
        let elsewhere = match pools.iter().any(|own| own.name == *pool) || config.cluster.is_none() {
            true => "",
            false => "; runs on the nodes of the cluster, where `procpool check --node` looks at it",
        };
        let _ = writeln!(text, "  {pool}: {retry}{elsewhere}");
    }
    text.extend(config.durable.as_ref().map(state));
    if let Some(cluster) = &config.cluster {
        let _ = write!(Escaping(&mut text), "jobs are in the cluster at {}", cluster.servers());
        text.push('\n');
    }
    text.extend(config.schedules.iter().map(schedule));
    text
}

/// Returns the line about the place of durable jobs.
fn state(durable: &DurableConfig) -> String {
    let survives = match durable.durability {
        Durability::Fsync => "the end of the process and of power",
        Durability::Process => "the end of the process, not of power",
    };
    let mut text = String::new();
    let _ = write!(Escaping(&mut text), "jobs in {} survive {survives}", durable.state_dir.display());
    text + "\n"
}

/// Returns the line about a schedule, with its next run.
fn schedule(spec: &ScheduleSpec) -> String {
    let next = spec.schedule.step(None, now(), false).next;
    let next = next.map_or_else(|| "never".into(), date);
    let ScheduleSpec { name, cron, timezone, pool, .. } = spec;
    let mut text = String::new();
    let _ =
        write!(Escaping(&mut text), "schedule {name}: {cron} in {timezone}, pool {pool}, next run {next}");
    text + "\n"
}

/// Returns a time as RFC 3339 writes it, in UTC.
fn date(wall: Wall) -> String {
    let secs = u64::try_from(wall.as_secs()).unwrap_or_default();
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(secs)).to_string()
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

    #[test]
    fn durable_pools_and_schedules_have_lines_of_their_own() {
        let path = std::env::temp_dir().join(format!("pp-check-{}.toml", std::process::id()));
        let text = "[jobs]\nstate_dir = \"/var/lib/x\"\n[pools.fib]\ncommand = \"sh\"\ndurable = true\n\
                    retry = { max_attempts = 3 }\n[schedules.leap]\ncron = \"0 0 29 2 *\"\npool = \"fib\"\n";
        std::fs::write(&path, text).unwrap();
        let config = Config::load(Some(&path)).unwrap();
        std::fs::remove_file(&path).unwrap();
        let text = whole(&config, &[]);
        let retry = "  fib: durable, 3 attempts: the second after 1s, each further one after 2 times as long, at most 1h\n";
        let state = "jobs in /var/lib/x survive the end of the process and of power\n";
        assert!(text.contains(retry) && text.contains(state), "{text}");
        let (_, next) =
            text.split_once("schedule leap: 0 0 29 2 * in UTC, pool fib, next run ").expect(&text);
        assert!(next.ends_with("-02-29T00:00:00Z\n"), "{next}");
    }
}
