//! How requests, connections and the server end.

use crate::client::soon;
use crate::fake::{Fake, Reaction};
use crate::server::{Server, post_text};
use http::Request;
use http_body_util::Full;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

pub(crate) const JOBS: &str = "/v1/pools/fib/jobs";

/// The fate of a job's outcome.
#[derive(Debug, PartialEq)]
pub(crate) enum Event {
    Started,
    Finished,
    Dropped,
}

/// Says at its drop whether the outcome was awaited to its end.
struct Witness(mpsc::UnboundedSender<Event>, bool);

impl Drop for Witness {
    fn drop(&mut self) {
        let event = if self.1 { Event::Finished } else { Event::Dropped };
        let _ = self.0.send(event);
    }
}

/// Returns an engine whose jobs run until they are released. (The channel is bounded by the test's few jobs.)
pub(crate) fn holding() -> (Arc<Fake>, mpsc::UnboundedReceiver<Event>, Arc<Semaphore>) {
    let (events, seen) = mpsc::unbounded_channel();
    let release = Arc::new(Semaphore::new(0));
    let released = release.clone();
    let engine = Fake::new(move |job| {
        let (events, released) = (events.clone(), released.clone());
        Reaction::Run(Box::pin(async move {
            events.send(Event::Started).unwrap();
            let mut witness = Witness(events, false);
            released.acquire().await.unwrap().forget();
            witness.1 = true;
            Ok(job.input)
        }))
    });
    (engine, seen, release)
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_its_job() {
    let (engine, mut events, _release) = holding();
    let server = Server::of(engine).await;
    let mut connection = server.connect().await;
    connection.send(post_text(JOBS, "", "40")).await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    drop(connection);
    assert_eq!(soon(events.recv()).await, Some(Event::Dropped));
}

#[tokio::test]
async fn an_http_2_client_that_resets_its_stream_cancels_only_that_job() {
    let (engine, mut events, release) = holding();
    let server = Server::of(engine).await;
    let (mut client, _) = server.http2().await;
    let mut job = || {
        let request = Request::post(format!("http://localhost{JOBS}")).body(Full::new("40".into()));
        tokio::spawn(client.send_request(request.unwrap()))
    };
    let (staying, leaving) = (job(), job());
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    leaving.abort();
    assert_eq!(soon(events.recv()).await, Some(Event::Dropped));
    release.add_permits(1);
    assert_eq!(soon(staying).await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_shutdown_refuses_new_connections_and_lets_requests_in_flight_finish() {
    let (engine, mut events, release) = holding();
    let server = Server::of(engine).await;
    let (address, health) = (server.address, server.health.clone());
    health.serving();
    let mut connection = server.connect().await;
    let mut idle = server.connect().await;
    assert_eq!(idle.get("/").await.status, 200);
    connection.send(post_text(JOBS, "", "40")).await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));

    let drained = server.stop();
    assert_eq!(idle.rest().await, "", "an idle connection is closed at once");
    assert_eq!(health.phase(), "draining");
    assert!(TcpStream::connect(address).await.is_err(), "the listener is closed");
    assert!(!drained.is_finished());

    release.add_permits(1);
    let reply = connection.reply().await;
    assert_eq!((reply.status, reply.text()), (200, "40"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(soon(drained).await.unwrap().cut_off, 0);
    assert_eq!(soon(events.recv()).await, Some(Event::Finished));
}

#[tokio::test]
async fn what_still_runs_at_the_drain_limit_is_cut_off_and_cancelled() {
    let (engine, mut events, _release) = holding();
    let limit = Some(Duration::from_millis(100));
    let server = Server::with(engine, |config| config.drain_limit = limit).await;
    let mut connection = server.connect().await;
    connection.send(post_text(JOBS, "", "40")).await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    assert_eq!(soon(server.stop()).await.unwrap().cut_off, 1);
    assert_eq!(soon(events.recv()).await, Some(Event::Dropped));
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn clients_that_have_not_asked_yet_do_not_hold_up_a_shutdown() {
    let hour = Duration::from_secs(3600);
    let server = Server::with(Fake::echo(), |config| config.header_timeout = hour).await;
    let mut silent = server.connect().await;
    let mut halfway = server.connect().await;
    halfway.send("GET / HT").await;
    // An answer on a third connection: by then the first two were accepted, as they came before it.
    assert_eq!(server.get("/").await.status, 200);
    assert_eq!(soon(server.stop()).await.unwrap().cut_off, 0);
    assert_eq!(silent.rest().await, "");
    assert_eq!(halfway.rest().await, "");
}

#[tokio::test]
async fn health_is_answered_while_every_job_hangs() {
    let (engine, mut events, _release) = holding();
    let server = Server::of(engine).await;
    let mut busy = Vec::new();
    for _ in 0..20 {
        let mut connection = server.connect().await;
        connection.send(post_text(JOBS, "", "40")).await;
        assert_eq!(soon(events.recv()).await, Some(Event::Started));
        busy.push(connection);
    }
    assert_eq!(server.get("/livez").await.text(), "OK");
}
