//! An engine that does as a test says, and remembers what it was asked.

use crate::lines::Lines;
use procpool_protocol::engine::{
    Accepted, Activity, Admin, BoxFuture, Death, DeathGroup, DeathPage, DeathQuery, Engine, Hosts, JobEvent,
    JobEvents, JobLimit, OutputOf, PoolSample, PoolSchemas, PoolSettings, PoolStatus, PoolUsage, Quarantine,
    ReconfigureError, ReloadError, ReloadReport, Reloaded, Submission, SuspectClient, SuspectPayload,
    Watched, WorkerDetail, WorkerOrder, WorkerState, WorkerStatus, WorkerUsage,
};
use procpool_protocol::extras::JobReport;
use procpool_protocol::inspection::{InspectionError, Profile, Sample, StackOptions};
use procpool_protocol::message::Progress;
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::stack::{Stack, StackFrame, ThreadStack};
use procpool_protocol::{Exit, ExitReport, JobError, JobId, Payload};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::mpsc;

/// The engine's reaction to a job.
pub(crate) enum Reaction {
    Refuse(JobError),
    Run(BoxFuture<'static, Result<Payload, JobError>>),
}

pub(crate) struct Fake {
    react: Box<dyn Fn(Submission) -> Reaction + Send + Sync>,
    /// The report of every worker beside the outcome.
    report: Option<JobReport>,
    /// Whether a reload never ends.
    reloads_forever: bool,
    /// The events of the next watched job.
    events: Mutex<JobEvents>,
    /// The jobs that were cancelled by their ids. It knows only jobs that nobody watches.
    pub(crate) cancelled: Mutex<Vec<JobId>>,
    pub(crate) is_paused: Mutex<bool>,
    /// The settings of `fib`, once a test has made it have some.
    pub(crate) settings: Mutex<Option<PoolSettings>>,
    pub(crate) seen: Mutex<Vec<Submission>>,
    /// The last job that was submitted under an id.
    watched: Mutex<Option<JobId>>,
    /// The lines of `fib-1`.
    pub(crate) output: Arc<Lines>,
    /// The pools as those see them who watch.
    pub(crate) samples: Mutex<Vec<PoolSample>>,
    /// The hosts of its cluster, once a test has made it have some.
    pub(crate) hosts: Mutex<Option<Hosts>>,
}

/// The id of every job, in bits and in digits.
const ID: u128 = 0xfeed;
/// The payload and the client that `fib` suspects.
pub(crate) const SUSPECT_CLIENT: &str = "00000000cafef00d";
pub(crate) const SUSPECT: &str = "00000000deadbeef";
pub(crate) const ID_TEXT: &str = "0000000000000000000000000000feed";

impl Fake {
    pub(crate) fn new(react: impl Fn(Submission) -> Reaction + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            react: Box::new(react),
            report: None,
            reloads_forever: false,
            events: Mutex::new(JobEvents::none()),
            cancelled: Mutex::default(),
            is_paused: Mutex::default(),
            settings: Mutex::default(),
            seen: Mutex::default(),
            watched: Mutex::default(),
            output: Arc::default(),
            samples: Mutex::default(),
            hosts: Mutex::default(),
        })
    }

    /// The next watched job reports these events.
    pub(crate) fn reporting_events(self: &Arc<Self>) -> mpsc::UnboundedSender<JobEvent> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        *self.events.lock().unwrap() = JobEvents::new(move |context| receiver.poll_recv(context));
        sender
    }

    /// Every job ends with this output, and its worker tells this of it.
    pub(crate) fn reporting(output: Payload, report: JobReport) -> Arc<Self> {
        let react = move |_| {
            let output = output.clone();
            Reaction::Run(Box::pin(async { Ok(output) }))
        };
        let mut fake = Self::new(react);
        Arc::get_mut(&mut fake).expect("the only one").report = Some(report);
        fake
    }

    /// Every job is accepted and ends at once as `result` says.
    pub(crate) fn ending(
        result: impl Fn(Submission) -> Result<Payload, JobError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::new(move |job| {
            let result = result(job);
            Reaction::Run(Box::pin(async { result }))
        })
    }

    /// Every job gives its input back, and no reload ends.
    pub(crate) fn never_reloading() -> Arc<Self> {
        let mut fake = Self::echo();
        Arc::get_mut(&mut fake).expect("the only one").reloads_forever = true;
        fake
    }

    /// Every job gives its input back.
    pub(crate) fn echo() -> Arc<Self> {
        Self::ending(|job| Ok(job.input))
    }

    /// Returns the only job that was submitted.
    pub(crate) fn only_job(&self) -> Submission {
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    pub(crate) fn jobs_seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

impl Engine for Fake {
    fn submit(&self, job: Submission) -> Result<Accepted, JobError> {
        self.seen.lock().unwrap().push(job.clone());
        let reaction = (self.react)(job);
        let report = self.report.clone().map(Box::new);
        match reaction {
            Reaction::Refuse(error) => Err(error),
            Reaction::Run(running) => Ok(accepted(running, report)),
        }
    }

    fn submit_watched(&self, id: JobId, job: Submission) -> Result<Watched, JobError> {
        *self.watched.lock().unwrap() = Some(id);
        let mut accepted = self.submit(job)?;
        let outcome = accepted.outcome;
        accepted.id = id;
        accepted.outcome = Box::pin(async move {
            let mut finished = outcome.await;
            finished.id = id;
            finished
        });
        let events = std::mem::replace(&mut *self.events.lock().unwrap(), JobEvents::none());
        Ok(Watched::new(accepted, events))
    }

    /// Jobs that end with their request are those of `fib`.
    fn pool_of(&self, job: JobId) -> Option<String> {
        (job == JobId::from_bits(ID)).then(|| "fib".into())
    }

    fn cancel(&self, job: JobId) -> bool {
        self.cancelled.lock().unwrap().push(job);
        job == JobId::from_bits(ID)
    }
}

fn accepted(
    running: BoxFuture<'static, Result<Payload, JobError>>,
    report: Option<Box<JobReport>>,
) -> Accepted {
    let id = JobId::from_bits(ID);
    let timing = Timing::new(Duration::from_micros(1_500), Duration::from_millis(20));
    Accepted::new(id, async move {
        let result = running.await.map_err(Box::new);
        let mut finished = Finished::new(id, timing, result);
        finished.report = report;
        finished
    })
}

/// Number of deaths that it remembers.
pub(crate) const DEATHS: u64 = 4;

/// Returns the deaths, the newest first: in turns of `fib` and of a pool that was removed. The third one had the job.
fn deaths(job: Option<JobId>) -> Vec<Arc<Death>> {
    let death = |id: u64| {
        let pool = if id % 2 == 1 { "fib" } else { "gone" };
        let mut report = ExitReport::new(format!("{pool}-{id}"), 7, Exit::by_signal(11, false));
        report.stderr = vec!["out of cheese".into()];
        let mut death = Death::new(id, UNIX_EPOCH + Duration::from_secs(id), pool, "crashed", report);
        (death.group, death.end) = (format!("g-{pool}"), "SIGSEGV".into());
        death.signature = "SIGSEGV: out of cheese".into();
        death.job = job.filter(|_| id == 3);
        Arc::new(death)
    };
    (1..=DEATHS).rev().map(death).collect()
}

/// Two pools: `fib` has an idle worker and a busy one, `down` has none that is ready.
impl Admin for Fake {
    fn pools(&self) -> Vec<PoolStatus> {
        let mut fib = PoolStatus::new("fib", "/bin/procpool-fib");
        fib.running = 1;
        (fib.queue_limit, fib.max_workers) = (1024, 2);
        (fib.workers.idle, fib.workers.busy) = (1, 1);
        let mut down = PoolStatus::new("down", "/bin/procpool-down");
        down.workers.starting = 1;
        vec![down, fib]
    }

    fn hosts(&self) -> Option<BoxFuture<'_, Hosts>> {
        let hosts = self.hosts.lock().unwrap().clone()?;
        Some(Box::pin(async { hosts }))
    }

    fn workers(&self, pool: &str) -> Option<Vec<WorkerStatus>> {
        (pool == "fib").then(|| {
            let mut busy = WorkerStatus::new("fib-1", WorkerState::Busy);
            busy.pid = Some(1234);
            busy.job = Some(JobId::from_bits(ID));
            vec![busy, WorkerStatus::new("fib-2", WorkerState::Idle)]
        })
    }

    /// `fib-1` uses a page and half a second, and a worker before it used a second.
    fn usage(&self, pool: &str) -> BoxFuture<'_, Option<Arc<PoolUsage>>> {
        let usage = (pool == "fib").then(|| {
            let mut worker = WorkerUsage::new("fib-1");
            (worker.resident_bytes, worker.cpu_time) = (Some(4096), Some(Duration::from_millis(500)));
            Arc::new(PoolUsage::of(vec![worker], Duration::from_secs(1)))
        });
        Box::pin(async { usage })
    }

    fn sample(&self, samples: &mut Vec<PoolSample>) {
        samples.clone_from(&self.samples.lock().unwrap());
    }

    /// `fib` takes and gives integers, `down` says nothing.
    fn schemas(&self, pool: &str) -> Option<Arc<PoolSchemas>> {
        (pool == "fib").then(|| {
            let mut schemas = PoolSchemas::default();
            schemas.input = Some(serde_json::json!({"type": "integer"}));
            schemas.hash = Some("0123456789abcdef".into());
            Arc::new(schemas)
        })
    }

    /// `down` cannot be mended.
    fn reload(&self, pool: &str) -> BoxFuture<'_, Reloaded> {
        if self.reloads_forever {
            return Box::pin(std::future::pending());
        }
        let reloaded = match pool {
            "fib" => Some(Ok(ReloadReport::new("fib", 3))),
            "down" => Some(Err(ReloadError::canary("down", "it ended with exit code 1"))),
            _ => None,
        };
        Box::pin(async { reloaded })
    }

    fn set_paused(&self, pool: &str, paused: bool) -> Option<()> {
        (pool == "fib").then(|| *self.is_paused.lock().unwrap() = paused)
    }

    fn drain(&self, pool: &str) -> Option<()> {
        (pool == "fib").then_some(())
    }

    fn order_worker(&self, worker: &str, order: WorkerOrder) -> Option<String> {
        (worker == "fib-1").then(|| if order == WorkerOrder::Kill { "fib".into() } else { "retires".into() })
    }

    /// `fib-0` was there.
    fn pool_of_worker(&self, worker: &str) -> Option<String> {
        ["fib-0", "fib-1", "fib-2", "fib-3"].contains(&worker).then(|| "fib".into())
    }

    /// `fib-1` is half done, `fib-0` has ended.
    fn worker(&self, worker: &str) -> BoxFuture<'_, Result<WorkerDetail, InspectionError>> {
        let found = self.workers("fib").into_iter().flatten().find(|it| it.id == worker);
        let detail = match found {
            Some(status) => {
                let mut detail = WorkerDetail::new("fib", status);
                if worker == "fib-1" {
                    detail.activity = Some(Activity::Running);
                    (detail.status.resident_bytes, detail.status.cpu_ms) = (Some(4096), Some(500));
                    detail.progress = Some(Progress { done: 1, total: Some(2) }.into());
                    detail.limit = Some(JobLimit::new(30_000, 12_000));
                }
                Ok(detail)
            }
            None if worker == "fib-0" => Err(InspectionError::gone(worker)),
            None => Err(InspectionError::unknown(worker)),
        };
        Box::pin(async { detail })
    }

    /// `fib-1` spins, `fib-2` may not be traced, `fib-3` not now, and `fib-0` has ended.
    fn stack(&self, worker: &str, options: StackOptions) -> BoxFuture<'_, Result<Stack, InspectionError>> {
        let mut spin = StackFrame::new(Some("fib".into()), 0x10);
        (spin.function, spin.line) = (Some("spin_forever".into()), Some(7));
        let threads = if options.all_threads { 2 } else { 1 };
        let thread = |id| ThreadStack::new(id, "fib", vec![spin.clone()]);
        let stack = match worker {
            "fib-1" => Ok(Stack::new((1..=threads).map(thread).collect())),
            "fib-2" => Err(InspectionError::forbidden(worker, "kernel.yama.ptrace_scope is 3")),
            "fib-3" => Err(InspectionError::busy(worker)),
            "fib-0" => Err(InspectionError::gone(worker)),
            _ => Err(InspectionError::unknown(worker)),
        };
        Box::pin(async { stack })
    }

    /// Another profile of `fib-2` is being taken.
    fn profile(&self, worker: &str, time: Duration) -> BoxFuture<'_, Result<Profile, InspectionError>> {
        let mut profile = Profile::new(worker, 1234, std::time::SystemTime::UNIX_EPOCH);
        profile.frames.push(StackFrame::new(Some("fib".into()), 0x10));
        profile.samples =
            vec![Sample::new(Duration::ZERO, vec![0]); usize::try_from(time.as_secs()).unwrap()];
        let profile = match worker {
            "fib-1" => Ok(profile),
            "fib-2" => Err(InspectionError::profiled(worker)),
            _ => Err(InspectionError::unknown(worker)),
        };
        Box::pin(async { profile })
    }

    fn settings(&self, pool: &str) -> Option<(PoolSettings, PoolSettings)> {
        let settings = (*self.settings.lock().unwrap()).filter(|_| pool == "fib")?;
        Some((settings, PoolSettings::default()))
    }

    /// As many workers as jobs may wait are too many.
    fn reconfigure(
        &self,
        pool: &str,
        from: &PoolSettings,
        to: &PoolSettings,
    ) -> Option<Result<(), ReconfigureError>> {
        let mut settings = self.settings.lock().unwrap();
        if settings.as_ref() != Some(from) {
            return Some(Err(ReconfigureError::changed(pool)));
        }
        if to.max_workers >= to.queue {
            return Some(Err(ReconfigureError::invalid(pool, "max_workers is too large")));
        }
        *settings = Some(*to);
        Some(Ok(()))
    }

    /// `fib-1` writes as a test makes it.
    fn output(&self, worker: &str) -> Option<OutputOf> {
        (worker == "fib-1").then(|| OutputOf::new("fib", self.output.clone()))
    }

    fn deaths(&self, query: &DeathQuery) -> DeathPage {
        let found = deaths(*self.watched.lock().unwrap()).into_iter();
        let mut found: Vec<_> = found.filter(|death| query.matches(death)).collect();
        let limit = query.limit.unwrap_or(usize::MAX);
        let next = found.get(limit.saturating_sub(1)).filter(|_| found.len() > limit).map(|death| death.id);
        found.truncate(limit);
        DeathPage::new(found, next)
    }

    fn death(&self, id: u64) -> Option<Arc<Death>> {
        deaths(*self.watched.lock().unwrap()).into_iter().find(|death| death.id == id)
    }

    fn death_groups(&self) -> Vec<DeathGroup> {
        let group = |newest: &Arc<Death>| {
            let mut group = DeathGroup::new(newest);
            group.count = 2;
            group
        };
        deaths(None).iter().take(2).map(group).collect()
    }

    /// `fib` knows one payload and one client, `down` none.
    fn quarantine(&self, pool: &str) -> Option<Quarantine> {
        let mut quarantine = Quarantine::default();
        match pool {
            "fib" => {
                quarantine.payloads.push(SuspectPayload::new(SUSPECT));
                quarantine.clients.push(SuspectClient::new(SUSPECT_CLIENT, "192.0.2.7"));
            }
            "down" => {}
            _ => return None,
        }
        Some(quarantine)
    }

    fn clear_quarantine(&self, pool: &str, fingerprint: Option<&str>) -> Option<usize> {
        let Quarantine { payloads, clients, .. } = self.quarantine(pool)?;
        let payloads = payloads.into_iter().map(|it| it.fingerprint);
        let known = payloads.chain(clients.into_iter().map(|it| it.fingerprint));
        Some(known.filter(|it| fingerprint.is_none_or(|one| one == it)).count())
    }
}
