//! More clients than may be connected: who is answered, and what the others are told.

use crate::client::{Connection, soon};
use crate::fake::Fake;
use crate::lifetimes::{Event, JOBS, holding};
use crate::server::{Server, post_text};

/// Returns a connection whose job runs.
async fn busy(server: &Server, events: &mut tokio::sync::mpsc::UnboundedReceiver<Event>) -> Connection {
    let mut connection = server.connect().await;
    connection.send(post_text(JOBS, "", "40")).await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    connection
}

#[tokio::test]
async fn probes_are_answered_while_every_connection_waits_for_a_job() {
    let (engine, mut events, _release) = holding();
    let server = Server::with(engine, |config| config.max_connections = 2).await;
    server.health.serving();
    let _clients = [busy(&server, &mut events).await, busy(&server, &mut events).await];
    for _ in 0..200 {
        assert_eq!(server.get("/livez").await.text(), "OK");
        assert_eq!(server.get("/readyz").await.text(), "OK");
    }
}

#[tokio::test]
async fn what_is_no_probe_is_told_to_come_back_while_every_connection_waits_for_a_job() {
    let (engine, mut events, release) = holding();
    let server = Server::with(engine.clone(), |config| config.max_connections = 1).await;
    let mut first = busy(&server, &mut events).await;
    let mut second = server.connect().await;
    second.send(post_text(JOBS, "", "40")).await;
    let reply = second.reply().await;
    assert_eq!((reply.status, reply.kind().as_str()), (503, "overloaded"));
    assert_eq!(reply.problem()["reason"], "connections_full");
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(reply.problem()["may_have_run"], false);
    assert_eq!(second.rest().await, "");
    assert_eq!(engine.jobs_seen(), 1);
    release.add_permits(1);
    assert_eq!(first.reply().await.status, 200);
}

#[tokio::test]
async fn probes_are_answered_while_every_connection_is_silent_or_sends_half_a_head() {
    let server = Server::with(Fake::echo(), |config| config.max_connections = 2).await;
    let mut crowd = Vec::new();
    for beginning in ["", "GET /livez HT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"].into_iter().cycle().take(300) {
        let mut connection = server.connect().await;
        connection.send(beginning).await;
        crowd.push(connection);
    }
    assert_eq!(server.get("/livez").await.text(), "OK");
    let mut prober = server.connect().await;
    assert_eq!(prober.get("/livez").await.header("connection"), Some("close"));
    assert_eq!(prober.rest().await, "", "places for probes are not kept");
}

#[tokio::test]
async fn the_connection_that_has_idled_for_longest_makes_room() {
    let server = Server::with(Fake::echo(), |config| config.max_connections = 2).await;
    let (mut older, mut newer) = (server.connect().await, server.connect().await);
    assert_eq!(newer.get("/").await.status, 200);
    assert_eq!(older.get("/").await.status, 200);
    assert_eq!(newer.get("/").await.status, 200);
    assert_eq!(server.connect().await.get("/").await.status, 200);
    assert_eq!(older.rest().await, "");
    assert_eq!(newer.get("/").await.status, 200);
}

#[tokio::test]
async fn an_idle_http_2_connection_makes_room_too() {
    let server = Server::with(Fake::echo(), |config| config.max_connections = 1).await;
    let (mut client, ended) = server.http2().await;
    let request = || http::Request::get("http://localhost/").body(http_body_util::Full::default()).unwrap();
    assert_eq!(soon(client.send_request(request())).await.unwrap().status(), 200);
    assert_eq!(server.get("/").await.status, 200);
    soon(ended).await.unwrap();
}

#[tokio::test]
async fn http_2_probes_are_answered_above_the_cap_and_their_connection_closed() {
    let (engine, mut events, _release) = holding();
    let server = Server::with(engine, |config| config.max_connections = 1).await;
    let _first = busy(&server, &mut events).await;
    let (mut client, ended) = server.http2().await;
    let request = |path: &str| {
        http::Request::get(format!("http://localhost{path}")).body(http_body_util::Full::default()).unwrap()
    };
    assert_eq!(soon(client.send_request(request("/livez"))).await.unwrap().status(), 200);
    soon(ended).await.unwrap();
    let (mut client, ended) = server.http2().await;
    assert_eq!(soon(client.send_request(request("/"))).await.unwrap().status(), 503);
    soon(ended).await.unwrap();
}

#[tokio::test]
async fn connections_from_this_machine_are_not_capped_by_their_address() {
    let server = Server::with(Fake::echo(), |config| config.max_connections_per_peer = 1).await;
    let mut kept = Vec::new();
    for _ in 0..5 {
        let mut connection = server.connect().await;
        assert_eq!(connection.get("/").await.status, 200);
        kept.push(connection);
    }
    for connection in &mut kept {
        assert_eq!(connection.get("/").await.status, 200);
    }
}
