//! Follows a job's events to its end, over as many connections as it takes.

use crate::client::Client;
use crate::ending::Ending;
use crate::error::ClientError;
use crate::events::{Decoder, Event};
use crate::jobs;
use crate::pools;
use crate::request::Request;
use crate::view::Job;
use http::StatusCode;
use std::time::Duration;

/// How a stream that breaks is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Pause before each attempt.
    pub pause: Duration,
    /// Number of attempts that may fail in a row.
    pub attempts: u32,
}

impl Default for Retry {
    /// Half a minute: as long as a server takes that is started anew.
    fn default() -> Self {
        Self { pause: Duration::from_secs(2), attempts: 15 }
    }
}

/// Passes on the events of a job, each once, until it has ended.
///
/// # Errors
/// Those of `each`, and when the server refuses or was missed too often. A server that was never there is not asked again.
pub async fn follow<E: From<ClientError>>(
    client: &mut Client,
    id: &str,
    retry: Retry,
    each: impl FnMut(&Event) -> Result<(), E>,
) -> Result<(), E> {
    follow_all(client, |last| jobs::events(id, last), is_last, retry, each).await
}

/// Passes on the lines of a worker, each once, until it has died.
///
/// # Errors
/// As [`follow`].
pub async fn follow_logs<E: From<ClientError>>(
    client: &mut Client,
    worker: &str,
    retry: Retry,
    each: impl FnMut(&Event) -> Result<(), E>,
) -> Result<(), E> {
    let is_last = |event: &Event| event.name == "end";
    follow_all(client, |last| pools::follow_logs(worker, last), is_last, retry, each).await
}

async fn follow_all<E: From<ClientError>>(
    client: &mut Client,
    request: impl Fn(Option<&str>) -> Request,
    is_last: impl Fn(&Event) -> bool,
    retry: Retry,
    mut each: impl FnMut(&Event) -> Result<(), E>,
) -> Result<(), E> {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    let mut missed = None;
    loop {
        let broken = match client.open(request(decoder.last_id())).await {
            // The job has ended, and all of its events have been seen.
            Ok(stream) if stream.status == StatusCode::NO_CONTENT => return Ok(()),
            Ok(mut stream) => {
                missed = Some(0);
                loop {
                    match stream.next().await {
                        Ok(Some(bytes)) => {
                            decoder.take(&bytes, &mut events).map_err(|error| client.unreadable(error))?;
                        }
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                    for event in events.drain(..) {
                        each(&event)?;
                        if is_last(&event) {
                            return Ok(());
                        }
                    }
                }
            }
            Err(error) => Some(error),
        };
        decoder.begin_again();
        // A stream that ended in order has more to come, or nothing: the next answer says which.
        if let Some(error) = broken {
            missed = Some(again(missed, retry, error)?);
        }
        tokio::time::sleep(retry.pause).await;
    }
}

/// Returns the number of attempts that have failed, or the error if it is final.
fn again(missed: Option<u32>, retry: Retry, error: ClientError) -> Result<u32, ClientError> {
    let passes = match &error {
        // A server that has too many who follow jobs says when there is room again.
        ClientError::Problem(problem) => problem.retry_after.is_some(),
        error => error.ending() == Ending::NoServer,
    };
    match missed {
        Some(count) if count < retry.attempts && passes => Ok(count + 1),
        _ => Err(error),
    }
}

/// Returns whether the job has ended with this event.
fn is_last(event: &Event) -> bool {
    match event.name.as_str() {
        "outcome" => true,
        "reset" | "state" => serde_json::from_str::<Job>(&event.data).is_ok_and(|job| job.is_finished()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn a_job_ends_with_its_outcome_or_with_a_state_that_says_so() {
        assert!(is_last(&event("outcome", "{}")));
        assert!(is_last(&event("reset", r#"{"id":"8f3a","state":"finished"}"#)));
        assert!(!is_last(&event("state", r#"{"state":"running"}"#)));
        assert!(!is_last(&event("bye", "{}")));
    }
}
