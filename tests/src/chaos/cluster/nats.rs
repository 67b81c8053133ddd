//! The servers of NATS: each with its port and its directory, killed and started again in place.

use super::super::client::Client;
use crate::process;
use crate::server::Scratch;
use procpool_needs::nats_server;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// For a server to listen. One with much on its disk takes some seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server.
#[derive(Debug)]
pub(super) struct Nats {
    binary: PathBuf,
    config: PathBuf,
    address: SocketAddr,
    /// Where it tells of its streams.
    monitor: SocketAddr,
    process: Option<Child>,
}

/// A stream's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) messages: u64,
    /// Messages that were handed out and not acknowledged.
    pub(super) unacknowledged: u64,
}

/// Makes this number of servers, and starts them.
///
/// # Errors
/// When there is no nats-server, with the sentence about it.
pub(super) fn start(scratch: &Scratch, count: usize) -> io::Result<Vec<Nats>> {
    let binary = nats_server()
        .map_err(|why| io::Error::other(format!("chaos --cluster cannot run without nats-server: {why}")))?;
    let addresses = (0..3 * count).map(|_| free()).collect::<io::Result<Vec<_>>>()?;
    let routes: Vec<_> = addresses[2 * count..].iter().map(|route| format!("nats://{route}")).collect();
    let make = |nth: usize| {
        let (address, monitor, route) = (addresses[nth], addresses[count + nth], addresses[2 * count + nth]);
        let store = scratch.path().join(format!("nats-{nth}"));
        let cluster = match count {
            1 => String::new(),
            _ => format!(
                "cluster {{ name: \"procpool\", listen: \"{route}\", routes: [{}] }}\n",
                routes.join(", ")
            ),
        };
        // It reserves the sizes of streams, and by default has three quarters of what the disk has free.
        let text = format!(
            "server_name: \"n{nth}\"\nlisten: \"{address}\"\nhttp: \"{monitor}\"\n\
             jetstream {{ store_dir: {store:?}, max_file_store: 64GB }}\n{cluster}"
        );
        let config = scratch.write(&format!("nats-{nth}.conf"), &text);
        let mut server = Nats { binary: binary.clone(), config, address, monitor, process: None };
        server.resume().map(|()| server)
    };
    (0..count).map(make).collect()
}

impl Nats {
    pub(super) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Starts it where it was.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        let mut command = Command::new("setsid");
        command.arg(&self.binary).arg("-c").arg(&self.config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.kill_on_drop(true).spawn()?);
        Ok(())
    }

    /// Waits until it listens.
    pub(super) async fn listens(&self) -> io::Result<()> {
        let listening = async {
            while TcpStream::connect(self.address).await.is_err() {
                // sleep: between two looks.
                sleep(Duration::from_millis(20)).await;
            }
        };
        let listening = tokio::time::timeout(PATIENCE, listening).await;
        listening.map_err(|_| io::Error::other(format!("nats-server does not listen within {PATIENCE:?}")))
    }

    /// SIGKILL.
    pub(super) async fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Of a child that is killed, the status is known.
            let _ = process.kill().await;
        }
    }

    /// Sends a signal, if it runs.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            process::signal(pid, signal);
        }
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// Returns the streams as this server tells of them. A copy may be a moment old.
    pub(super) async fn streams(&self) -> io::Result<BTreeMap<String, Stream>> {
        let answer = Client::new(self.monitor).get("/jsz?streams=true&consumers=true").await?;
        let told: Value = serde_json::from_slice(&answer.body)?;
        let list = |of: &Value, key: &str| of[key].as_array().cloned().unwrap_or_default();
        let streams = list(&told, "account_details").into_iter().flat_map(|it| list(&it, "stream_detail"));
        Ok(streams
            .map(|it| {
                let consumers = list(&it, "consumer_detail");
                let unacknowledged = consumers.iter().filter_map(|it| it["num_ack_pending"].as_u64()).sum();
                let messages = it["state"]["messages"].as_u64().unwrap_or_default();
                (it["name"].as_str().unwrap_or_default().to_owned(), Stream { messages, unacknowledged })
            })
            .collect())
    }
}

fn free() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
