//! `procpool serve`: binds, starts the pools, serves, and ends all of it in order.

use crate::cli::ServeArgs;
use crate::cluster;
use crate::config::{Config, ConfigError, Overrides, PoolSpec};
use crate::error::Error;
use crate::front::{self, Bound, Front};
use crate::jobs::{self, OnDisk, Remembered};
use crate::keys::Keys;
use crate::late::Late;
use crate::reload::{Configuration, Loaded};
use crate::signals::{Order, Signals};
use crate::spans::{self, Exporting};
use procpool_coordinator::{Coordinator, CoordinatorConfig, PoolConfig, ShutdownReport};
use procpool_frontend::{App, Drained, Health, HttpConfig};
use procpool_jobs::{LateJobs, Scheduled, Schedules};
use procpool_nats::Node;
use std::future::Future;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

/// From the drain limit, which ends jobs as shut down, to closing connections that have not taken
/// their answers.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How long a second signal waits for the workers, which it kills, to be reaped.
const REAP: Duration = Duration::from_secs(1);

/// Serves until told to stop.
pub(crate) async fn serve(args: ServeArgs) -> Result<ExitCode, Error> {
    let mut signals = Signals::catch()?.and_hang_up()?.and_unasked()?;
    if args.exit_with_parent {
        signals = signals.and_parents_end()?;
    }
    if let Err(error) = procpool_coordinator::raise_open_files_limit() {
        tracing::warn!(%error, "failed to raise the limit of open files");
    }
    let config = tokio::select! {
        config = load(args.config.clone()) => config?,
        _ = signals.stop() => return Ok(ExitCode::SUCCESS),
    };
    let pools = config.own_pools().map(PoolSpec::resolve).collect::<Result<Vec<_>, ConfigError>>()?;
    let overrides = Overrides { listen: args.listen, allow_anonymous: args.allow_anonymous };
    let scheduled = jobs::scheduled(&config.schedules)?;
    let loaded = Loaded::of(&config, pools.clone(), scheduled.clone());
    let durable = loaded.durable_part(&config);
    let settings = config.server.clone().overridden(&overrides).resolve()?;
    let keys = Keys::load(settings.tokens, settings.tls)?;
    let configuration = Configuration::new(args.config, overrides, loaded).with_keys(keys.clone());
    // Before any worker is started: a taken port is the likeliest failure, and the cheapest to find.
    let Bound { front, name: _name, address } = Front::bind(settings.listen, keys.has_tls()).await?;
    let orders = settings
        .orders
        .map(|path| front::bind_socket(&path).map_err(|reason| Error::Orders { path, reason }));
    let (orders, _orders_name) = orders.transpose()?.unzip();

    let limit = settings.drain_limit;
    let joined = if config.cluster.as_ref().is_some_and(|cluster| cluster.is_node) {
        cluster::pools(&config)?
    } else {
        Vec::new()
    };
    let mut coordinator = CoordinatorConfig::new(pools);
    coordinator.deaths = settings.deaths;
    let (spans, exporting) = spans::start();
    let late = Late::with_spans(spans);
    let http = settings.http;
    let behind = Behind { coordinator: late.clone(), exporting };
    let of_memory = http.jobs;
    // Before the store is open, which may take a while: who supervises this process sees that it lives.
    let mut server = Server::answer(front, address, orders, http, keys, limit, behind);
    let opening = async {
        let engine = Arc::new(late.here());
        let Some(cluster) = cluster::connect(&config).await? else {
            return jobs::open(engine, of_memory, durable).await;
        };
        let cluster = cluster::front(cluster).await?;
        late.join(cluster.clone());
        jobs::beside(cluster, engine, of_memory)
    };
    tokio::select! {
        opened = opening => server.open(opened?, scheduled).await,
        _ = signals.stop() => return Ok(ExitCode::SUCCESS),
        error = server.broken() => return Err(error),
    }
    let configuration = configuration.with_jobs(server.on_disk.clone(), server.schedules.clone());
    tokio::select! {
        started = Coordinator::start(coordinator) => {
            let was_told = server.serve(started?, configuration, &joined).await?;
            // Who started this server may have been the only one to read.
            if args.exit_with_parent && !was_told {
                tracing::info!("nobody reads standard output, so the process that started this one has ended");
                server.drain(limit).await?;
                return Ok(ExitCode::SUCCESS);
            }
        }
        // No job was accepted yet; dropping the start kills what there is of workers.
        _ = signals.stop() => return Ok(ExitCode::SUCCESS),
        error = server.broken() => return Err(error),
    }
    loop {
        tokio::select! {
            order = signals.next() => match order {
                Order::Reload => server.reload(),
                Order::Stop(stop) => {
                    tracing::info!(?stop, ?limit, "draining; a second signal is immediate");
                    break;
                }
            },
            error = server.broken() => {
                server.end().await;
                return Err(error);
            }
        }
    }
    tokio::select! {
        drained = server.drain(limit) => drained.map(|()| ExitCode::SUCCESS),
        stop = signals.stop_at_once() => {
            server.end().await;
            Ok(stop.exit_code())
        }
    }
}

/// Reads the configuration, for which the other end of a pipe may take its time.
async fn load(path: Option<PathBuf>) -> Result<Config, Error> {
    let loaded = tokio::task::spawn_blocking(move || Config::load(path.as_deref())).await;
    Ok(loaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?)
}

/// Everything to which the frontend leads.
struct Behind {
    coordinator: Late,
    exporting: Exporting,
}

/// Pools with a frontend before them.
struct Server {
    coordinator: Late,
    health: Health,
    /// The text under which clients find it.
    address: String,
    keys: Keys,
    /// Dropped or used, it stops the frontend.
    stop: Option<watch::Sender<()>>,
    frontend: JoinHandle<Drained>,
    exporting: Exporting,
    /// Every job that is remembered, once they are there.
    jobs: LateJobs,
    /// The store of durable jobs.
    on_disk: Option<OnDisk>,
    schedules: Schedules,
    /// Submits their jobs.
    scheduling: Option<AbortHandle>,
    /// Runs jobs of the cluster here.
    node: Option<Node>,
}

impl Server {
    /// Answers from now on, if only that it is opening.
    fn answer(
        front: Front,
        address: String,
        orders: Option<UnixListener>,
        mut http: HttpConfig,
        keys: Keys,
        limit: Duration,
        behind: Behind,
    ) -> Self {
        let Behind { coordinator, exporting } = behind;
        http.drain_limit = Some(limit.saturating_add(LAST_ANSWERS));
        let health = Health::opening();
        let jobs = LateJobs::default();
        let schedules = jobs::schedules(&jobs);
        let app = App::new(Arc::new(coordinator.clone()), http, health.clone());
        let app = keys.before(app.with_jobs(Arc::new(jobs.clone())).with_schedules(schedules.clone()));
        let (stop, stopped) = watch::channel(());
        let frontend = tokio::spawn(async move {
            let operators = answer_operators(orders, app.clone(), until(stopped.clone()));
            tokio::join!(front.serve(app, until(stopped)), operators).0
        });
        Self {
            coordinator,
            health,
            address,
            keys,
            stop: Some(stop),
            frontend,
            exporting,
            jobs,
            on_disk: None,
            schedules,
            scheduling: None,
            node: None,
        }
    }

    /// Remembers jobs here from now on. Its schedules are there before anybody may ask for them.
    async fn open(&mut self, remembered: Remembered, scheduled: Vec<Scheduled>) {
        remembered.arrive(&self.jobs);
        self.on_disk = remembered.on_disk;
        // There were none before, so nothing is waited for but a lock.
        self.schedules.replace(scheduled).await;
        self.health.opened();
    }

    /// Runs jobs from now on, of the cluster those of the pools that have `joined` it, and says so. Returns whether anybody
    /// may have heard it.
    ///
    /// # Errors
    /// When the cluster does not answer.
    async fn serve(
        &mut self,
        coordinator: Coordinator,
        configuration: Configuration,
        joined: &[PoolConfig],
    ) -> Result<bool, Error> {
        self.coordinator.arrive(coordinator.clone(), configuration);
        if let Some(cluster) = self.coordinator.cluster().filter(|_| !joined.is_empty()) {
            let cluster = cluster.front().cluster().clone();
            let engine = Arc::new(self.coordinator.here());
            self.node = Some(cluster::node(cluster, engine, &coordinator, joined).await?);
        }
        let schedules = self.schedules.clone();
        let scheduling = tokio::spawn(async move { schedules.run(jobs::log).await });
        self.scheduling = Some(scheduling.abort_handle());
        self.health.serving();
        Ok(announce(&self.address))
    }

    /// Reads the configuration and tokens again, and puts the executables that the workers' names now stand for into
    /// service. None waits for the other: a mistake in the configuration keeps no executable from its pool. All log their
    /// results.
    fn reload(&self) {
        tracing::info!(target: "procpool::audit", principal = "a signal", order = "SIGHUP", "an order");
        let keys = self.keys.clone();
        tokio::task::spawn_blocking(move || keys.reload());
        if let Some(coordinator) = self.coordinator.get().cloned() {
            tokio::spawn(async move { coordinator.reload().await });
        }
        if self.coordinator.configuration().is_some_and(Configuration::has_file) {
            let coordinator = self.coordinator.clone();
            tokio::spawn(async move { coordinator.reload_config(false).await });
        }
    }

    /// Returns the error if the frontend ends though nobody stopped it, or the store has failed.
    async fn broken(&mut self) -> Error {
        let on_disk = self.on_disk.as_ref();
        let store = async {
            match on_disk {
                Some(on_disk) => on_disk.broken().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = &mut self.frontend => match ended {
                Err(error) => Error::Frontend(error),
                // It returns only once it is stopped.
                Ok(_) => std::future::pending().await,
            },
            error = store => error,
        }
    }

    /// Lets requests in flight finish, their jobs with them, for up to `limit`; what still runs then
    /// ends as shut down, and is answered so. Durable jobs that wait stay on disk. Returns when every worker is gone.
    ///
    /// # Errors
    /// When the store of jobs has failed.
    async fn drain(&mut self, limit: Duration) -> Result<(), Error> {
        let begun = tokio::time::Instant::now();
        self.stop_schedules();
        self.stop = None;
        let in_time = tokio::time::timeout(limit, &mut self.frontend).await;
        if let Some(on_disk) = &self.on_disk {
            on_disk.drain(limit.saturating_sub(begun.elapsed())).await;
        }
        if let Some(node) = self.node.take() {
            node.drain(limit.saturating_sub(begun.elapsed())).await;
        }
        let report = self.shut_down(limit.saturating_sub(begun.elapsed())).await;
        if report.shut_down > 0 {
            tracing::warn!(jobs = report.shut_down, ?limit, "the drain limit ended jobs as shut down");
        }
        if in_time.is_err() {
            // It answers the jobs that were ended, or cuts off clients that do not take the answer.
            let _ = (&mut self.frontend).await;
        }
        let closed = match &self.on_disk {
            // The outcomes of jobs that the end of the pools has ended are on their way.
            Some(on_disk) => on_disk.close(LAST_ANSWERS).await,
            None => Ok(()),
        };
        std::mem::take(&mut self.exporting).end().await;
        closed
    }

    /// Closes every connection, kills every worker and waits a moment for their deaths.
    async fn end(&mut self) {
        self.stop_schedules();
        self.frontend.abort();
        // Its jobs are left to other nodes.
        self.node = None;
        let _ = tokio::time::timeout(REAP, self.shut_down(Duration::ZERO)).await;
        if let Some(on_disk) = &self.on_disk {
            let _ = tokio::time::timeout(REAP, on_disk.close(REAP)).await;
        }
    }

    /// Submits no further job of a schedule.
    fn stop_schedules(&mut self) {
        if let Some(scheduling) = self.scheduling.take() {
            scheduling.abort();
        }
    }

    async fn shut_down(&self, drain: Duration) -> ShutdownReport {
        let report = match self.coordinator.get() {
            Some(coordinator) => coordinator.shutdown(drain).await,
            None => ShutdownReport::default(),
        };
        if let Some(configuration) = self.coordinator.configuration() {
            configuration.forget_jobs();
        }
        report
    }
}

/// Takes orders until it is told to stop, if there is a socket for them.
async fn answer_operators(orders: Option<UnixListener>, app: App, stopped: impl Future<Output = ()>) {
    if let Some(orders) = orders {
        procpool_frontend::run_orders(orders, front::this_user(), app, stopped).await;
    }
}

/// Ends with the sender.
async fn until(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

/// Prints the line that scripts wait for. Returns whether standard output has a reader.
fn announce(address: &str) -> bool {
    let mut stdout = std::io::stdout().lock();
    let told = writeln!(stdout, "listening on {address}").and_then(|()| stdout.flush());
    // A server whose standard output is closed can still serve.
    told.inspect_err(|error| tracing::debug!(%error, "failed to write the address to standard output"))
        .map_or_else(|error| error.kind() != ErrorKind::BrokenPipe, |()| true)
}
