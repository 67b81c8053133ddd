//! The program of `streams.rs` beside the server: started with the load, ended with it, and asked what it has seen.

use super::options::Options;
use super::streams::Streams;
use super::subject::beside;
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// For its last round and its pool's end, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Percentage of the kills asked for that hit its workers.
const SHARE: u64 = 10;

/// The program while it runs.
#[derive(Debug)]
pub(crate) struct Counting(Child);

impl Counting {
    pub(crate) fn start(options: &Options) -> io::Result<Self> {
        let kills = u64::from(options.kills_per_minute) * SHARE / 100;
        let every = 60_000_u64.checked_div(kills).unwrap_or(u64::from(u32::MAX));
        let mut command = Command::new(beside("streams")?);
        command.args([options.seed.to_string(), every.to_string()]);
        // A Ctrl-C is for us.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0).kill_on_drop(true);
        Ok(Self(command.spawn()?))
    }

    /// Ends it. The error says why it has told nothing.
    pub(crate) async fn finish(mut self) -> Result<Streams, String> {
        drop(self.0.stdin.take());
        let output = timeout(PATIENCE, self.0.wait_with_output()).await;
        let output = output.map_err(|_| "it did not end".to_owned())?.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text).map_err(|error| format!("{}, and said `{text}`: {error}", output.status))
    }
}
