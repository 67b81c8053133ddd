//! A server process that says where it listens: ours, a peer's, or one that only says OK.

use crate::contestant::Result;
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A server, killed when dropped.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    _child: Child,
}

impl Server {
    /// Starts it, and waits for a line that ends with its address, or with its port alone.
    ///
    /// # Errors
    /// When it ends before.
    pub async fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdout = child.stdout.take().ok_or("no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await? {
            let word = line.rsplit([' ', '/']).next().unwrap_or_default();
            let local = || word.parse().ok().map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)));
            if let Some(address) = word.parse().ok().or_else(local) {
                // Its later output is not read, and must not stop it.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Ok(Self { address, _child: child });
            }
        }
        Err("the server ended before it listened".into())
    }
}
