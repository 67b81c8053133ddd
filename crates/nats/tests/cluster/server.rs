//! A nats-server of one test, with its own port and directory.

use procpool_nats::{Cluster, ClusterError, LinkError, PoolSettings, Settings, Timings};
use procpool_needs::{Need, nats_server, skip};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Times as the real ones, and five times as fast.
pub(crate) fn fast() -> Timings {
    let mut timings = Timings::default();
    (timings.renew, timings.fence, timings.lease) =
        (Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(3));
    timings
}

/// The disk that a server gives to streams, in megabytes: else, it is a share of the disk of this machine.
const ROOM: u32 = 64_000;

/// The longest time in which JetStream begins and creates what is wanted.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    binary: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) port: u16,
    more: String,
    /// The disk that it gives to streams, in megabytes.
    room: u32,
    process: Option<Child>,
}

impl Server {
    /// Starts a server, or records that this test is skipped.
    pub(crate) fn start(more: &str) -> Option<Self> {
        let binary = match nats_server() {
            Ok(binary) => binary,
            Err(why) => {
                skip(Need::Nats, why);
                return None;
            }
        };
        let dir = std::env::temp_dir().join(format!("procpool-nats-{:016x}", rand::random::<u64>()));
        std::fs::create_dir_all(&dir).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { binary, dir, port, more: more.to_owned(), room: ROOM, process: None };
        server.restart();
        Some(server)
    }

    pub(crate) fn restart(&mut self) {
        let (config, store) = (self.dir.join("nats.conf"), self.dir.join("store"));
        let text = format!(
            "listen: \"127.0.0.1:{}\"\njetstream {{ store_dir: \"{}\", max_file_store: {}MB }}\n{}\n",
            self.port,
            store.display(),
            self.room,
            self.more
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::options().create(true).append(true).open(self.dir.join("log")).unwrap();
        let mut command = Command::new(&self.binary);
        command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().expect("nats-server starts"));
    }

    /// Restarts with this room for streams, in megabytes.
    pub(crate) fn restart_with(&mut self, room: u32) {
        self.kill();
        self.room = room;
        self.restart();
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::new(format!("127.0.0.1:{}", self.port), "test");
        (settings.replicas, settings.accept_loss_on_power_failure) = (1, true);
        settings.timings = fast();
        settings.pools = vec![PoolSettings::new("once"), PoolSettings::new("again").idempotent(3)];
        settings
    }

    /// Connects as soon as the server listens, and creates the streams.
    pub(crate) async fn cluster(&self) -> Cluster {
        let cluster = connect(self.settings()).await;
        init(&cluster).await.expect("the streams");
        cluster
    }
}

/// Creates the streams as soon as JetStream runs, which is a moment after the listener does.
pub(crate) async fn init(cluster: &Cluster) -> Result<Vec<String>, ClusterError> {
    let tries = async {
        loop {
            match cluster.init().await {
                Err(ClusterError::Link(LinkError::NoResponders(_) | LinkError::NoAnswer(_))) => {
                    tokio::task::yield_now().await;
                }
                other => return other,
            }
        }
    };
    tokio::time::timeout(PATIENCE, tries).await.expect("JetStream runs")
}

/// Connects as soon as the server listens.
pub(crate) async fn connect(settings: Settings) -> Cluster {
    loop {
        match Cluster::connect(settings.clone()).await {
            Ok(cluster) => return cluster,
            Err(ClusterError::Connect { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            println!("the server's files are in {}", self.dir.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}
