//! Clients that have closed their sending side: those that wait for their answer, and those that are gone.

use crate::client::{Connection, soon};
use crate::fake::Fake;
use crate::lifetimes::{Event, JOBS, holding};
use crate::server::{Server, post_text};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

/// A client that has closed its sending side while its job runs.
struct Waiting {
    server: Server,
    connection: Connection,
    events: mpsc::UnboundedReceiver<Event>,
    release: Arc<Semaphore>,
}

impl Waiting {
    async fn begin() -> Self {
        let (engine, mut events, release) = holding();
        let server = Server::of(engine).await;
        let mut connection = server.connect().await;
        connection.send(post_text(JOBS, "", "40")).await;
        connection.finish_sending().await;
        assert_eq!(soon(events.recv()).await, Some(Event::Started));
        Self { server, connection, events, release }
    }
}

#[tokio::test]
async fn a_client_that_is_done_sending_gets_its_answer() {
    let Waiting { mut connection, mut events, server: _server, release } = Waiting::begin().await;
    release.add_permits(1);
    assert_eq!(connection.reply().await.text(), "40");
    assert_eq!(soon(events.recv()).await, Some(Event::Finished));
    assert_eq!(connection.rest().await, "", "nothing more can be asked, so the connection is closed");
}

#[tokio::test]
async fn every_request_from_before_the_sending_side_was_closed_is_answered() {
    let (engine, _events, release) = holding();
    let server = Server::of(engine).await;
    let mut connection = server.connect().await;
    connection.send([post_text(JOBS, "", "1"), post_text(JOBS, "", "2")].concat()).await;
    connection.finish_sending().await;
    release.add_permits(2);
    assert_eq!(connection.reply().await.text(), "1");
    assert_eq!(connection.reply().await.text(), "2");
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn an_answer_that_began_early_goes_on_where_it_was() {
    let Waiting { mut connection, server: _server, release, .. } = Waiting::begin().await;
    assert_eq!(connection.byte().await, b'H');
    assert_eq!(connection.byte().await, b'T');
    release.add_permits(1);
    let rest = connection.rest().await;
    assert!(rest.starts_with("TP/1.1 200 OK\r\n") && rest.ends_with("\r\n\r\n40"), "{rest}");
}

#[tokio::test]
async fn a_client_that_cuts_its_body_short_reads_why_it_is_refused() {
    let server = Server::of(Fake::echo()).await;
    let mut connection = server.connect().await;
    connection.send(format!("POST {JOBS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n4")).await;
    connection.finish_sending().await;
    assert_eq!(connection.reply().await.kind(), "incomplete_body");
}

#[tokio::test]
async fn a_client_that_goes_after_it_is_done_sending_cancels_its_job() {
    let Waiting { mut connection, mut events, server: _server, release: _release } = Waiting::begin().await;
    assert_eq!(connection.byte().await, b'H', "so far it is there");
    drop(connection);
    assert_eq!(soon(events.recv()).await, Some(Event::Dropped));
}

#[tokio::test]
async fn a_client_that_resets_its_connection_cancels_its_job() {
    for is_done_sending in [false, true] {
        let (engine, mut events, _release) = holding();
        let server = Server::of(engine).await;
        let mut connection = server.connect().await;
        connection.send(post_text(JOBS, "", "40")).await;
        assert_eq!(soon(events.recv()).await, Some(Event::Started));
        if is_done_sending {
            connection.finish_sending().await;
        }
        connection.reset();
        assert_eq!(soon(events.recv()).await, Some(Event::Dropped));
    }
}
