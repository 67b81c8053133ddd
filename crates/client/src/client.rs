//! Sends requests over HTTP/1.1: the one module of this crate that does I/O.
//!
//! A connection serves one command, which has one request or asks again and again.

use crate::address::Address;
use crate::answer::Answer;
use crate::error::ClientError;
use crate::problem::Problem;
use crate::request::Request;
use crate::tls::Trust;
use crate::upload::{SourceError, Upload};
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::error::Error as _;
use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Maximum size of an answer that is held as a whole, in bytes. A list of 4,096 workers has less than a MiB.
const LARGEST: usize = 64 << 20;

/// The name of this client in requests.
const AGENT: &str = concat!("procpool/", env!("CARGO_PKG_VERSION"));

/// The secret of a client, as the header that carries it.
#[derive(Clone)]
pub struct Token(HeaderValue);

impl Token {
    /// Returns the token in this text, without the white space around it. `None` if it is no token: empty, or with
    /// characters that a header cannot carry.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut value = HeaderValue::from_str(&format!("Bearer {text}")).ok().filter(|_| is_token)?;
        value.set_sensitive(true);
        Some(Self(value))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token")
    }
}

/// A client of one server.
#[derive(Debug)]
pub struct Client {
    server: Address,
    token: Option<Token>,
    trust: Option<Trust>,
    connection: Option<SendRequest<Upload>>,
}

impl Client {
    /// Returns a client, not yet connected.
    #[must_use]
    pub fn new(server: Address, token: Option<Token>) -> Self {
        Self { server, token, trust: None, connection: None }
    }

    /// Adds whom the client trusts, which TLS needs.
    #[must_use]
    pub fn trusting(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Returns the server.
    #[must_use]
    pub fn server(&self) -> &Address {
        &self.server
    }

    /// Sends a request, and returns the whole of a good answer.
    ///
    /// # Errors
    /// When there is none. A problem of the server is an error, too.
    pub async fn fetch(&mut self, request: Request) -> Result<Answer, ClientError> {
        self.open(request).await?.collect().await
    }

    /// The same, and reads the body as JSON.
    ///
    /// # Errors
    /// When there is no good answer, or it has another shape.
    pub async fn fetch_json<T: DeserializeOwned>(&mut self, request: Request) -> Result<T, ClientError> {
        let answer = self.fetch(request).await?;
        answer.json().map_err(|error| self.unreadable(error))
    }

    /// Sends a request, and returns a good answer whose body is still on its way. The body of the request may be, too.
    ///
    /// # Errors
    /// When there is no good answer. A problem of the server is an error, too.
    pub async fn open(&mut self, request: Request) -> Result<Streaming, ClientError> {
        let mut sender = self.connected().await?;
        let request = self.complete(request);
        let (head, body) =
            sender.send_request(request).await.map_err(|error| self.broken(&error))?.into_parts();
        let answer =
            Streaming { server: self.server.clone(), status: head.status, headers: head.headers, body };
        // The next request waits until this answer has been read.
        self.connection = Some(sender);
        if answer.status.is_client_error() || answer.status.is_server_error() {
            return Err(answer.into_problem().await);
        }
        Ok(answer)
    }

    /// Returns the error of an answer that does not have the shape that was asked for.
    pub fn unreadable(&self, reason: impl fmt::Display) -> ClientError {
        ClientError::Unreadable { server: self.server.clone(), reason: reason.to_string() }
    }

    fn complete(&self, request: Request) -> http::Request<Upload> {
        let mut complete = http::Request::new(request.body);
        *complete.method_mut() = request.method;
        // A target has only what a URI may have.
        *complete.uri_mut() = request.target.as_str().parse().unwrap_or_default();
        let headers = complete.headers_mut();
        headers.extend(request.headers);
        headers
            .insert(HOST, HeaderValue::from_str(&self.server.host()).unwrap_or(HeaderValue::from_static("")));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(Token(token)) = &self.token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        complete
    }

    /// Returns the connection that there is, if the server holds it open, or else makes one.
    async fn connected(&mut self) -> Result<SendRequest<Upload>, ClientError> {
        if let Some(mut sender) = self.connection.take()
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let connecting = async {
            match &self.server {
                Address::Tcp { host, port, is_tls } => {
                    let stream = TcpStream::connect((host.as_str(), *port)).await?;
                    stream.set_nodelay(true)?;
                    match &self.trust {
                        Some(trust) if *is_tls => begin(trust.shake(host, stream).await?).await,
                        None if *is_tls => Err(io::Error::other("nobody is trusted to certify it")),
                        _ => begin(stream).await,
                    }
                }
                Address::Unix(path) => begin(UnixStream::connect(path).await?).await,
            }
        };
        let connected = tokio::time::timeout(CONNECT, connecting).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let server = self.server.clone();
        connected.map_err(|reason| match reason.kind() {
            // An error of TLS, and not of the connection.
            io::ErrorKind::InvalidData => ClientError::Untrusted { server, reason },
            _ => ClientError::Connect { server, reason },
        })
    }

    fn broken(&self, error: &hyper::Error) -> ClientError {
        broken(&self.server, error)
    }
}

async fn begin(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> io::Result<SendRequest<Upload>> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Its error reaches the request and the answer that it concerns.
    tokio::spawn(connection);
    Ok(sender)
}

/// Returns the error of a connection, or that of the request's source, which has then broken it.
fn broken(server: &Address, error: &hyper::Error) -> ClientError {
    let mut cause = error.source();
    let mut reason = error.to_string();
    while let Some(inner) = cause {
        if let Some(SourceError(source)) = inner.downcast_ref() {
            return ClientError::Source(io::Error::new(source.kind(), source.to_string()));
        }
        if let Some(error) =
            inner.downcast_ref::<io::Error>().filter(|it| it.kind() == io::ErrorKind::InvalidData)
        {
            // A server that asks for a certificate says so after the client's first words, and reads none of them.
            let reason = io::Error::new(error.kind(), error.to_string());
            return ClientError::Untrusted { server: server.clone(), reason };
        }
        reason = inner.to_string();
        cause = inner.source();
    }
    ClientError::Broken { server: server.clone(), reason }
}

/// A good answer whose body is still on its way.
#[derive(Debug)]
pub struct Streaming {
    server: Address,
    /// The status, below 400.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
}

impl Streaming {
    /// Returns the next piece of the body. `None` is its end, which the server has declared.
    ///
    /// # Errors
    /// When the connection breaks before that.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(broken(&self.server, &error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Returns the whole answer.
    ///
    /// # Errors
    /// When the connection breaks, or the answer is too large to hold.
    pub async fn collect(mut self) -> Result<Answer, ClientError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if whole.len() + piece.len() > LARGEST {
                let reason = format!("it is longer than {LARGEST} bytes");
                return Err(ClientError::Unreadable { server: self.server, reason });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(Answer { status: self.status, headers: self.headers, body: whole.freeze() })
    }

    async fn into_problem(self) -> ClientError {
        let server = self.server.clone();
        let answer = match self.collect().await {
            Ok(answer) => answer,
            Err(error) => return error,
        };
        let is_problem = answer.header(&CONTENT_TYPE) == Some("application/problem+json");
        let problem = is_problem.then(|| Problem::read(&answer.body)).flatten();
        let retry_after = answer.header(&RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
        match problem {
            Some(problem) => ClientError::Problem(Box::new(Problem { retry_after, ..problem })),
            None => ClientError::Foreign { server, status: answer.status },
        }
    }
}

/// Returns what `work` gives, or an error once `limit` has passed.
///
/// # Errors
/// Those of the work, and the end of its time.
pub async fn within<T>(
    limit: Duration,
    server: &Address,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let timed = tokio::time::timeout(limit, work).await;
    timed.unwrap_or_else(|_| Err(ClientError::Silent { server: server.clone(), limit }))
}
