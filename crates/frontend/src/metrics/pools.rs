//! The families of pools. All values of a label are written from the start, so that rates begin at zero.

use super::page::{JOB_TIMES, Page, START_TIMES};
use procpool_protocol::OutcomeKind;
use procpool_protocol::engine::{PoolFigures, PoolStatus, PoolUsage, Priority};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Reasons that no client of a server is given: they belong to users of the library.
const NOT_OF_SERVERS: [&str; 3] = ["forked", "input_encoding", "runtime_ended"];

pub(super) fn write(page: &mut Page<'_>, pools: &[PoolFigures]) -> fmt::Result {
    jobs(page, pools)?;
    queue(page, pools)?;
    workers(page, pools)?;
    state(page, pools)
}

fn jobs(page: &mut Page<'_>, pools: &[PoolFigures]) -> fmt::Result {
    let outcomes = each(pools, |status| {
        let jobs = status.jobs.iter().filter(|&(&kind, _)| kind != OutcomeKind::Refused);
        jobs.map(|(kind, &count)| (kind.name(), count))
    });
    let help = "Number of jobs that have ended, by outcome, without refused ones";
    page.counters("procpool_jobs", help, labelled("outcome", outcomes))?;

    let refusals = each(pools, |status| {
        let refusals = status.refusals.iter().map(|(&reason, &count)| (reason, count));
        refusals.filter(|&(reason, count)| count > 0 || !NOT_OF_SERVERS.contains(&reason))
    });
    page.counters(
        "procpool_jobs_refused",
        "Number of refused jobs, by reason",
        labelled("reason", refusals),
    )?;

    let attempts = pools.iter().map(|it| (of(it), it.run.count() + it.status.counters.retried));
    let help = "Number of runs of jobs that have ended, those that were tried again among them";
    page.counters("procpool_job_attempts", help, attempts)?;

    let wait = pools.iter().map(|it| (of(it), &it.wait));
    page.histograms(
        "procpool_job_wait_seconds",
        "Time of ended jobs in the queue, in seconds",
        JOB_TIMES,
        wait,
    )?;
    let run = pools.iter().map(|it| (of(it), &it.run));
    page.histograms(
        "procpool_job_run_seconds",
        "Time of ended jobs with a worker, in seconds",
        JOB_TIMES,
        run,
    )?;

    let help = "Highest peak of resident memory at the end of a job that was asked for its usage, in bytes";
    gauge(page, pools, "procpool_job_peak_resident_bytes", help, |it| it.peak_resident_bytes as f64)?;

    let bytes = pools.iter().flat_map(|it| {
        let bytes = it.payloads;
        let ways = [
            ("in", "socket", bytes.input_by_socket),
            ("in", "memory", bytes.input_by_memory),
            ("out", "socket", bytes.output_by_socket),
            ("out", "memory", bytes.output_by_memory),
        ];
        let pool = name(it);
        ways.map(|(direction, via, bytes)| ([("pool", pool), ("direction", direction), ("via", via)], bytes))
    });
    let help = "Bytes of payloads to workers (in) and from them (out), by the way that they took";
    page.counters("procpool_payload_bytes", help, bytes)
}

fn queue(page: &mut Page<'_>, pools: &[PoolFigures]) -> fmt::Result {
    let queued = pools.iter().flat_map(|it| {
        let pool = name(it);
        let by_priority = Priority::ALL.into_iter().zip(it.queued);
        by_priority
            .map(move |(priority, count)| ([("pool", pool), ("priority", priority.as_str())], count as f64))
    });
    page.gauges("procpool_jobs_queued", "Number of waiting jobs, by priority", queued)?;
    gauge(page, pools, "procpool_queue_limit", "Maximum number of waiting jobs", |it| {
        it.status.queue_limit as f64
    })?;
    let help = "Time since the oldest waiting job was accepted, in seconds";
    gauge(page, pools, "procpool_queue_oldest_seconds", help, |it| {
        it.status.oldest_ms.unwrap_or_default() as f64 / 1_000.0
    })?;
    let help = "Time that a job which joins the queue now is likely to wait, in seconds";
    gauge(page, pools, "procpool_predicted_wait_seconds", help, |it| it.predicted_wait.as_secs_f64())
}

fn workers(page: &mut Page<'_>, pools: &[PoolFigures]) -> fmt::Result {
    let states = pools.iter().flat_map(|it| {
        let (pool, counts) = (name(it), it.status.workers);
        let states = [
            ("starting", counts.starting),
            ("idle", counts.idle),
            ("busy", counts.busy),
            ("stopping", counts.stopping),
            ("retiring", counts.retiring),
        ];
        states.map(|(state, count)| ([("pool", pool), ("state", state)], count as f64))
    });
    page.gauges("procpool_workers", "Number of workers, by state", states)?;
    let help = "Minimum number of workers that the pool maintains";
    gauge(page, pools, "procpool_workers_min", help, |it| it.status.min_workers as f64)?;
    let help = "Maximum number of workers that the pool starts";
    gauge(page, pools, "procpool_workers_max", help, |it| it.status.max_workers as f64)?;

    let starts = each(pools, |status| status.starts.iter().map(|(&result, &count)| (result, count)));
    let help = "Number of starts of workers that have come to their end, by result";
    page.counters("procpool_worker_starts", help, labelled("result", starts))?;
    let start = pools.iter().map(|it| (of(it), &it.start));
    let help = "Time from the start of a worker until it is ready, in seconds";
    page.histograms("procpool_worker_start_seconds", help, START_TIMES, start)?;

    let exits = each(pools, |status| status.deaths_by_cause.iter().map(|(&cause, &count)| (cause, count)));
    page.counters("procpool_worker_exits", "Number of ended workers, by cause", labelled("cause", exits))
}

fn state(page: &mut Page<'_>, pools: &[PoolFigures]) -> fmt::Result {
    let help = "1 while starts fail so often that one worker is tried at a time";
    gauge(page, pools, "procpool_breaker_open", help, |it| f64::from(u8::from(it.status.breaker_open)))?;
    let help = "Time until the next start of a worker is tried, if starts have been failing, in seconds";
    gauge(page, pools, "procpool_backoff_seconds", help, |it| {
        it.status.backoff_ms.unwrap_or_default() as f64 / 1_000.0
    })?;
    let help = "Number of payloads that are not run because they have killed workers";
    gauge(page, pools, "procpool_poisoned_payloads", help, |it| it.poisoned as f64)?;
    let help = "Generation of the executable from which workers are started";
    gauge(page, pools, "procpool_pool_generation", help, |it| it.status.generation as f64)?;
    let reloads = pools.iter().flat_map(|it| {
        let (pool, reloads) = (name(it), it.reloads);
        let results =
            [("done", reloads.done), ("failed", reloads.failed), ("superseded", reloads.superseded)];
        results.map(|(result, count)| ([("pool", pool), ("result", result)], count))
    });
    page.counters("procpool_reloads", "Number of reloads of the executable, by result", reloads)
}

/// Writes what the workers of each pool used.
pub(super) fn write_usages(
    page: &mut Page<'_>,
    pools: &[PoolFigures],
    usages: &BTreeMap<String, Arc<PoolUsage>>,
) -> fmt::Result {
    let used = || pools.iter().filter_map(|it| Some((of(it), usages.get(name(it))?)));
    let help = "Resident memory of all workers together, in bytes";
    let resident = used().map(|(labels, usage)| (labels, usage.resident_bytes as f64));
    page.gauges("procpool_worker_resident_bytes", help, resident)?;
    let help = "Resident memory of the largest worker, in bytes";
    let largest = used().map(|(labels, usage)| (labels, usage.resident_max_bytes as f64));
    page.gauges("procpool_worker_resident_max_bytes", help, largest)?;
    let help = "Maximum memory of a worker, in bytes, of pools that have a limit";
    let limits = pools.iter().filter_map(|it| Some((of(it), it.memory_limit? as f64)));
    page.gauges("procpool_worker_memory_limit_bytes", help, limits)?;
    let help = "Processor time of all workers, the dead ones included, in seconds";
    let cpu = used().map(|(labels, usage)| (labels, usage.cpu_time.as_secs_f64()));
    page.counters("procpool_worker_cpu_seconds", help, cpu)
}

fn gauge(
    page: &mut Page<'_>,
    pools: &[PoolFigures],
    family: &str,
    help: &str,
    value: impl Fn(&PoolFigures) -> f64,
) -> fmt::Result {
    page.gauges(family, help, pools.iter().map(|it| (of(it), value(it))))
}

fn name(pool: &PoolFigures) -> &str {
    &pool.status.name
}

fn of(pool: &PoolFigures) -> [(&'static str, &str); 1] {
    [("pool", name(pool))]
}

/// Returns the counts of every pool, each with the pool's name.
fn each<'a, I>(
    pools: &'a [PoolFigures],
    counts: impl Fn(&'a PoolStatus) -> I,
) -> impl Iterator<Item = (&'a str, &'static str, u64)>
where
    I: Iterator<Item = (&'static str, u64)>,
{
    pools.iter().flat_map(move |it| counts(&it.status).map(|(label, count)| (name(it), label, count)))
}

/// Returns counts with their labels.
fn labelled<'a>(
    label: &'static str,
    counts: impl Iterator<Item = (&'a str, &'static str, u64)>,
) -> impl Iterator<Item = ([(&'static str, &'a str); 2], u64)> {
    counts.map(move |(pool, value, count)| ([("pool", pool), (label, value)], count))
}
