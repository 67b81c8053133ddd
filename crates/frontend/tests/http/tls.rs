//! HTTP inside TLS: what is inside is as before, and who does not shake hands costs others nothing.

use crate::certified::{Ca, ask, connect};
use crate::client::{Connection, soon};
use crate::fake::Fake;
use crate::lifetimes::{Event, JOBS, holding};
use crate::server::{Server, post_text};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use procpool_frontend::{Scope, Token, Tokens};
use procpool_protocol::Payload;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

const CLOSE: &str = "connection: close";
const LIVE: &[u8] = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Returns the certificate that a server shows.
async fn shown(client: &TlsConnector, server: &Server) -> Vec<u8> {
    let stream = connect(client, server.address).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn jobs_run_over_both_protocols_and_the_client_chooses() {
    let ca = Ca::new();
    let server = Server::with_tls(Fake::echo(), ca.server(None), |_| {}).await.0;
    let stream = connect(&ca.client(&[], None), server.address).await.unwrap();
    let answer = ask(stream, &post_text(JOBS, CLOSE, "40")).await.unwrap();
    assert!(answer.ends_with("\r\n\r\n40"), "{answer}");

    let stream = connect(&ca.client(&["h2", "http/1.1"], None), server.address).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("https://localhost{JOBS}")).body(Full::new(Bytes::from("41")));
    let response = soon(client.send_request(request.unwrap())).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "41");
    let stream = connect(&ca.client(&["http/1.1"], None), server.address).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_large_input_comes_back_whole() {
    let ca = Ca::new();
    let server = Server::with_tls(Fake::echo(), ca.server(None), |_| {}).await.0;
    let large = "0123456789abcdef".repeat(512 * 1024);
    let headers = format!("content-type: application/octet-stream\r\n{CLOSE}");
    let stream = connect(&ca.client(&[], None), server.address).await.unwrap();
    let answer = ask(stream, &post_text(JOBS, &headers, &large)).await.unwrap();
    assert!(answer.split_once("\r\n\r\n").unwrap().1 == large);
}

#[tokio::test]
async fn what_is_not_tls_is_closed_and_a_client_that_says_nothing_after_a_while() {
    let ca = Ca::new();
    let short =
        |config: &mut procpool_frontend::HttpConfig| config.header_timeout = Duration::from_millis(50);
    let server = Server::with_tls(Fake::echo(), ca.server(None), short).await.0;
    for beginning in [&b""[..], LIVE, &[0x16, 0x03, 0x01], &[0x16; 1000]] {
        let mut connection = Connection::to(server.address).await;
        connection.send(beginning).await;
        connection.end().await;
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_given_up() {
    let ca = Ca::new();
    let engine = Fake::ending(|_| Ok(Payload::raw(vec![7; 32 << 20])));
    let impatient = |config: &mut procpool_frontend::HttpConfig| {
        config.write_timeout = Duration::from_millis(100);
    };
    let server = Server::with_tls(engine, ca.server(None), impatient).await.0;
    let mut stream = connect(&ca.client(&[], None), server.address).await.unwrap();
    stream.write_all(&post_text(JOBS, "", "40")).await.unwrap();
    soon(stream.read_u8()).await.unwrap();
    // The drain has no limit, so it ends with the connection.
    assert_eq!(soon(server.stop()).await.unwrap().cut_off, 0);
}

#[tokio::test]
async fn a_replaced_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let (old, new) = (Ca::new(), Ca::new());
    let (server, tls) = Server::with_tls(Fake::echo(), old.server(None), |_| {}).await;
    let kept = connect(&old.client(&[], None), server.address).await.unwrap();
    let before = shown(&old.client(&[], None), &server).await;
    tls.replace(new.server(None));
    assert_ne!(shown(&new.client(&[], None), &server).await, before);
    assert!(connect(&old.client(&[], None), server.address).await.is_err());
    assert!(ask(kept, LIVE).await.unwrap().ends_with("OK"));
}

#[tokio::test]
async fn a_certificates_name_is_that_of_its_scopes() {
    let (ca, clients) = (Ca::new(), Ca::new());
    let mut alice = Token::new("alice").unwrap();
    alice.scopes = [Scope::Submit].into_iter().collect();
    let tokens = Tokens::new(vec![alice]);
    let identity = ca.server(Some(&clients));
    let engine = Fake::echo();
    let server = Server::with_tls_and_tokens(engine.clone(), identity, &tokens).await;
    let job = post_text(JOBS, CLOSE, "40");
    for is_alternative in [true, false] {
        let own = clients.certify("alice", is_alternative);
        let client = ca.client(&[], Some(&own));
        let answer = ask(connect(&client, server.address).await.unwrap(), &job).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let status = b"GET /v1/pools HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let answer = ask(connect(&client, server.address).await.unwrap(), status).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 403 ") && answer.contains(r#""missing_scope":"read""#),
            "{answer}"
        );
    }
    assert!(engine.seen.lock().unwrap().iter().all(|job| job.principal.as_deref() == Some("alice")));

    let stranger = ca.client(&[], Some(&clients.certify("mallory", true)));
    let answer = ask(connect(&stranger, server.address).await.unwrap(), &job).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("no name of its certificate"), "{answer}");
    let probe = ask(connect(&stranger, server.address).await.unwrap(), LIVE).await.unwrap();
    assert!(probe.ends_with("OK"), "{probe}");

    for no_client in [ca.client(&[], None), ca.client(&[], Some(&Ca::new().certify("alice", true)))] {
        // With TLS 1.3 the client hears of it at its first read.
        let refused = match connect(&no_client, server.address).await {
            Ok(stream) => ask(stream, &job).await,
            Err(error) => Err(error),
        };
        assert!(refused.is_err(), "{refused:?}");
    }
    assert_eq!(engine.jobs_seen(), 2);
}

#[tokio::test]
async fn a_client_that_closes_cancels_its_job() {
    let ca = Ca::new();
    let (engine, mut events, _release) = holding();
    let server = Server::with_tls(engine, ca.server(None), |_| {}).await.0;
    let mut stream = connect(&ca.client(&[], None), server.address).await.unwrap();
    stream.write_all(&post_text(JOBS, "", "40")).await.unwrap();
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    stream.shutdown().await.unwrap();
    assert_eq!(soon(events.recv()).await, Some(Event::Dropped));
}

#[tokio::test]
async fn probes_are_answered_while_every_connection_hangs_in_its_handshake() {
    let ca = Ca::new();
    let server = Server::with_tls(Fake::echo(), ca.server(None), |config| config.max_connections = 2).await.0;
    let mut crowd = Vec::new();
    for beginning in [&b""[..], &[0x16, 0x03, 0x01, 0x02]].into_iter().cycle().take(300) {
        let mut connection = server.connect().await;
        connection.send(beginning).await;
        crowd.push(connection);
    }
    let client = ca.client(&[], None);
    let answer = ask(connect(&client, server.address).await.unwrap(), LIVE).await.unwrap();
    assert!(answer.ends_with("OK"), "{answer}");
    // And so is a job, once the silent ones have had their second.
    let answer = async {
        loop {
            let stream = connect(&client, server.address).await.unwrap();
            if ask(stream, &post_text(JOBS, CLOSE, "40")).await.unwrap().starts_with("HTTP/1.1 200 ") {
                return;
            }
        }
    };
    soon(answer).await;
}
