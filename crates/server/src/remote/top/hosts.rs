//! Asks for the hosts of the server's cluster now and then, on a connection of its own.

use procpool_client::hosts::{self, Hosts};
use procpool_client::{Client, ClientError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Time between two questions.
const PAUSE: Duration = Duration::from_secs(2);

/// Returns the hosts each time that the server has answered. Ends at once if it has no cluster, or does not show it.
pub(super) fn hosts(mut client: Client) -> mpsc::Receiver<Hosts> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            match client.fetch_json(hosts::list()).await {
                Ok(hosts) => {
                    if sender.send(hosts).await.is_err() {
                        return;
                    }
                }
                Err(ClientError::Problem(problem)) if (400..500).contains(&problem.status) => return,
                // The stream of the pools says whether the server is gone.
                Err(_) => {}
            }
            // sleep: between two questions. The server has no event for that.
            sleep(PAUSE).await;
        }
    });
    receiver
}
