//! A nats-server of one row, with its own port and directory.

use crate::contestant::Result;
use procpool_needs::nats_server;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;

/// A server, killed when dropped.
#[derive(Debug)]
pub struct Nats {
    pub port: u16,
    process: Child,
}

impl Nats {
    /// Starts one that syncs by its own default, and waits until it listens.
    ///
    /// # Errors
    /// When there is none of 2.12 or later, or it cannot be started.
    pub async fn start(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (file, store) = (directory.join("nats.conf"), directory.join("store"));
        let jetstream = format!("jetstream {{ store_dir: {store:?}, max_file_store: 64GB }}");
        std::fs::write(&file, format!("listen: \"127.0.0.1:{port}\"\n{jetstream}\n"))?;
        let mut command = Command::new(nats_server()?);
        command.arg("-c").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self { port, process: command.spawn()? };
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(server)
    }

    /// Returns its address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
