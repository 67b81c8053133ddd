//! Where jobs that outlive their requests are remembered: opens it, and submits those of schedules.

mod notes;
mod on_disk;
mod options;

pub(crate) use on_disk::OnDisk;
pub(crate) use options::options;

use crate::config::schedules::now;
use crate::config::{ConfigError, Durability, DurableConfig, ScheduleSpec};
use crate::error::Error;
use notes::{ClusterNotes, StoreNotes};
use procpool_frontend::{JobSettings, Jobs};
use procpool_jobs::{
    DurableJobs, DurableOptions, DurablePools, LateJobs, LocalJobs, MemoryNotes, Notes, RoutedJobs,
    ScheduleReport as Report, Scheduled, Schedules,
};
use procpool_nats::ClusterJobs;
use procpool_protocol::engine::{Engine, Submission};
use procpool_protocol::{Encoding, Payload};
use procpool_store::Store;
use std::sync::Arc;

/// The part of a configuration about durable jobs.
#[derive(Clone, Debug, Default)]
pub(crate) struct DurablePart {
    /// Where they are. `None` without a durable pool.
    pub(crate) config: Option<DurableConfig>,
    /// The rules of their pools.
    pub(crate) options: DurableOptions,
    /// The names of these pools.
    pub(crate) names: DurablePools,
}

/// Everything that remembers jobs.
#[derive(Clone)]
pub(crate) struct Remembered {
    pub(crate) jobs: Arc<dyn Jobs>,
    /// The part of it that is on disk. `None` without a durable pool.
    pub(crate) on_disk: Option<OnDisk>,
    /// The part of it that is in a cluster.
    cluster: Option<ClusterJobs>,
}

/// Returns the jobs of a cluster beside those in memory.
///
/// # Errors
/// When the settings do not fit together.
pub(crate) fn beside(
    cluster: ClusterJobs,
    engine: Arc<dyn Engine>,
    settings: JobSettings,
) -> Result<Remembered, Error> {
    let memory = Arc::new(LocalJobs::new(engine, settings)?);
    let pools = cluster.front().cluster().settings().pools.iter();
    let names = DurablePools::new(pools.map(|pool| pool.name.as_str()));
    let both = RoutedJobs::new(Arc::new(cluster.clone()), memory, names);
    Ok(Remembered { jobs: Arc::new(both), on_disk: None, cluster: Some(cluster) })
}

/// Opens the store of jobs. Reads every durable job once, on a thread that may block.
///
/// # Errors
/// When it cannot be opened.
pub(crate) async fn open(
    engine: Arc<dyn Engine>,
    settings: JobSettings,
    durable: DurablePart,
) -> Result<Remembered, Error> {
    let opened = tokio::task::spawn_blocking(move || open_here(engine, settings, durable)).await;
    opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn open_here(
    engine: Arc<dyn Engine>,
    settings: JobSettings,
    durable: DurablePart,
) -> Result<Remembered, Error> {
    let memory = Arc::new(LocalJobs::new(engine.clone(), settings)?);
    let DurablePart { config: Some(DurableConfig { state_dir, durability, max_dead }), options, names } =
        durable
    else {
        return Ok(Remembered { jobs: memory, on_disk: None, cluster: None });
    };
    let durability = match durability {
        Durability::Fsync => procpool_store::Durability::Fsync,
        Durability::Process => procpool_store::Durability::Process,
    };
    let opened = Store::open(&state_dir, durability)?;
    for damage in &opened.damage {
        tracing::error!(state_dir = %state_dir.display(), "the store of jobs is damaged: {damage}");
    }
    let mut bounds = JobSettings::on_disk();
    bounds.max_dead = max_dead;
    let jobs = DurableJobs::open(engine, bounds, opened.store, options)
        .map_err(|reason| Error::Recovery { state_dir: state_dir.clone(), reason })?;
    let both = RoutedJobs::new(Arc::new(jobs.clone()), memory, names.clone());
    let on_disk = Some(OnDisk { jobs, state_dir, names });
    Ok(Remembered { jobs: Arc::new(both), on_disk, cluster: None })
}

/// Returns the schedules over jobs that may come later, none yet.
pub(crate) fn schedules(late: &LateJobs) -> Schedules {
    Schedules::new(Arc::new(late.clone()), Arc::new(late.clone()), now)
}

impl Remembered {
    /// Lets the jobs arrive. The notes of schedules are beside them if they are on disk or in a cluster.
    pub(crate) fn arrive(&self, late: &LateJobs) {
        let notes: Arc<dyn Notes> = match (&self.on_disk, &self.cluster) {
            (Some(store), _) => Arc::new(StoreNotes(store.jobs.clone())),
            (None, Some(cluster)) => Arc::new(ClusterNotes::new(cluster.clone())),
            (None, None) => Arc::new(MemoryNotes::default()),
        };
        late.arrive(self.jobs.clone(), notes);
    }
}

/// Returns the schedules of a configuration, with their inputs.
///
/// # Errors
/// When an input cannot be read.
pub(crate) fn scheduled(specs: &[ScheduleSpec]) -> Result<Vec<Scheduled>, ConfigError> {
    let resolve = |spec: &ScheduleSpec| {
        let job = Submission::new(&spec.pool, Payload::json(spec.resolve()?), Encoding::Json);
        let written = (spec.cron.clone(), spec.timezone.clone());
        Ok(Scheduled { name: spec.name.as_str().into(), written, schedule: spec.schedule.clone(), job })
    };
    specs.iter().map(resolve).collect()
}

/// Logs what becomes of the runs of a schedule.
pub(crate) fn log(schedule: &str, report: Report) {
    match report {
        Report::Submitted(_, job) => tracing::info!(schedule, %job, "submitted the job of a schedule"),
        Report::LeftOut(runs) => {
            tracing::warn!(schedule, runs, "left out runs of a schedule, which were missed or overlap");
        }
        Report::Postponed(_, error) => {
            tracing::warn!(schedule, %error, "failed to submit the job of a schedule; trying again");
        }
        Report::Refused(_, error) => {
            tracing::error!(schedule, %error, "failed to submit the job of a schedule");
        }
        Report::Away(reason) => {
            tracing::warn!(%reason, "schedules of the cluster wait until its servers answer");
        }
        Report::Back => tracing::info!("schedules of the cluster go on: its servers answer"),
        _ => {}
    }
}
