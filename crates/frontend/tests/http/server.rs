//! A frontend on a port of its own, and both ends of its life.

use crate::client::{Connection, Reply};
use crate::fake::Fake;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use procpool_frontend::{App, Drained, Health, HttpConfig, Identity, Tls, Tokens, run};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) health: Health,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Drained>,
}

impl Server {
    pub(crate) async fn of(engine: Arc<Fake>) -> Self {
        Self::with(engine, |_| {}).await
    }

    pub(crate) async fn with(engine: Arc<Fake>, configure: impl FnOnce(&mut HttpConfig)) -> Self {
        Self::bound_to("127.0.0.1:0", engine, configure).await
    }

    pub(crate) async fn bound_to(
        place: &str,
        engine: Arc<Fake>,
        configure: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        let mut config = HttpConfig::default();
        configure(&mut config);
        let health = Health::starting();
        Self::of_app(place, App::new(engine, config, health.clone()), health).await
    }

    /// Two listeners of one server.
    pub(crate) async fn twice(engine: Arc<Fake>, configure: impl FnOnce(&mut HttpConfig)) -> [Self; 2] {
        let (mut config, health) = (HttpConfig::default(), Health::starting());
        configure(&mut config);
        let app = App::new(engine, config, health.clone());
        let first = Self::of_app("127.0.0.1:0", app.clone(), health.clone()).await;
        [first, Self::of_app("127.0.0.1:0", app, health).await]
    }

    /// A server that asks for one of these tokens.
    pub(crate) async fn with_tokens(engine: Arc<Fake>, tokens: &Tokens) -> Self {
        Self::with_tokens_and(engine, tokens, |_| {}).await
    }

    /// The same, with other limits.
    pub(crate) async fn with_tokens_and(
        engine: Arc<Fake>,
        tokens: &Tokens,
        configure: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        let (mut config, health) = (HttpConfig::default(), Health::starting());
        configure(&mut config);
        let app = App::new(engine, config, health.clone()).with_tokens(tokens.clone());
        Self::of_app("127.0.0.1:0", app, health).await
    }

    /// A server that speaks TLS, and the handle of its identity.
    pub(crate) async fn with_tls(
        engine: Arc<Fake>,
        identity: Identity,
        configure: impl FnOnce(&mut HttpConfig),
    ) -> (Self, Tls) {
        let (mut config, health, tls) = (HttpConfig::default(), Health::starting(), Tls::new(identity));
        configure(&mut config);
        let app = App::new(engine, config, health.clone()).with_tls(tls.clone());
        (Self::of_app("127.0.0.1:0", app, health).await, tls)
    }

    /// A server that speaks TLS and asks for one of these tokens, or for a certificate.
    pub(crate) async fn with_tls_and_tokens(engine: Arc<Fake>, identity: Identity, tokens: &Tokens) -> Self {
        let health = Health::starting();
        let app = App::new(engine, HttpConfig::default(), health.clone());
        let app = app.with_tls(Tls::new(identity)).with_tokens(tokens.clone());
        Self::of_app("127.0.0.1:0", app, health).await
    }

    pub(crate) async fn of_app(place: &str, app: App, health: Health) -> Self {
        let listener = TcpListener::bind(place).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(run(listener, app, async {
            let _ = stopped.await;
        }));
        Self { address, health, stop, running }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::to(self.address).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut connection = self.connect().await;
        connection.send(request).await;
        connection.reply().await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
    }

    /// Returns a POST as `curl -d BODY` sends it.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        self.post_as(path, "content-type: application/x-www-form-urlencoded", body).await
    }

    /// Returns a POST with these further header lines.
    pub(crate) async fn post_as(&self, path: &str, headers: &str, body: impl AsRef<[u8]>) -> Reply {
        self.ask(post_text(path, headers, body)).await
    }

    /// Returns a client that knows beforehand that the server speaks HTTP/2, and the end of its connection.
    pub(crate) async fn http2(&self) -> (http2::SendRequest<Full<Bytes>>, JoinHandle<()>) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (client, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let ended = tokio::spawn(async {
            let _ = connection.await;
        });
        (client, ended)
    }

    /// Begins the shutdown; the handle tells how it went.
    pub(crate) fn stop(self) -> JoinHandle<Drained> {
        self.stop.send(()).unwrap();
        self.running
    }
}

pub(crate) fn post_text(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    let length = body.len();
    let mut text =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n")
            .into_bytes();
    text.extend_from_slice(body);
    text
}
