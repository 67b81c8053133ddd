//! The one listener of a coordinator: it greets whoever connects and hands each connection to the
//! launch that expects it.
//!
//! The listener is bound before anything is spawned. A connection proves itself by the peer's user
//! and a one-time token here, and by the peer's process id where the launch takes it.

use crate::os::socket::{Listener, Peer, Socket, own_uid};
use crate::os::socket_dir::SocketDir;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::Kind;
use procpool_protocol::handshake::{Connection, Hello, Refused};
use procpool_protocol::message::{json_frame, json_of};
use procpool_protocol::preamble::Preamble;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// How long a connection may take to say hello.
const GREETING: Duration = Duration::from_secs(5);

/// Connections that may be saying hello at once; more wait in the listener's backlog.
const GREETINGS: usize = 64;

/// How long accepting rests after it failed, for lack of file descriptors for example.
const REST: Duration = Duration::from_millis(50);

/// A listener and the launches that wait for a connection.
#[derive(Debug)]
pub struct Hub {
    socket: PathBuf,
    expected: Arc<Expected>,
    accepting: JoinHandle<()>,
    _dir: SocketDir,
}

type Expected = Mutex<HashMap<Token, Waiting>>;

/// 128 random bits as 32 hexadecimal digits. Known to the coordinator and, by its standard input, to
/// one worker; never in arguments, environment or logs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Token(String);

impl Token {
    fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }

    /// The line without the token: a program that is no worker may complain of its input word by word.
    pub(crate) fn redact(&self, line: String) -> String {
        if line.contains(&self.0) { line.replace(&self.0, "[token]") } else { line }
    }

    /// What is written to the worker's standard input.
    pub(crate) fn line(&self) -> Vec<u8> {
        format!("{}\n", self.0).into_bytes()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Token(..)")
    }
}

#[derive(Debug)]
struct Waiting {
    arrivals: mpsc::Sender<Arrival>,
    jobs: bool,
    control: bool,
}

impl Waiting {
    /// Takes the token once for each of the two connections.
    fn consume(&mut self, connection: Connection) -> bool {
        let unused = match connection {
            Connection::Jobs => &mut self.jobs,
            Connection::Control => &mut self.control,
        };
        std::mem::take(unused)
    }
}

/// A connection that said hello with a token that is expected.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) hello: Hello,
    pub(crate) socket: Socket,
    /// What the peer sent after its hello, if anything.
    pub(crate) decoder: Decoder,
    pub(crate) peer: Peer,
    /// The version that was agreed on, to be sent back.
    pub(crate) preamble: Preamble,
}

/// A place in the hub for one worker's two connections.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) token: Token,
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    expected: Arc<Expected>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.expected).remove(&self.token);
    }
}

impl Hub {
    /// Binds a socket in a directory of its own and greets until dropped. Needs a tokio runtime.
    ///
    /// # Errors
    /// When no place can be found for the socket.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open() -> io::Result<Arc<Self>> {
        let dir = SocketDir::create()?;
        let socket = dir.socket();
        let listener = Listener::bind(&socket)?;
        let expected = Arc::<Expected>::default();
        let accepting = tokio::spawn(accept(listener, expected.clone()));
        Ok(Arc::new(Self { socket, expected, accepting, _dir: dir }))
    }

    /// The file name that a worker connects to.
    pub(crate) fn socket(&self) -> &PathBuf {
        &self.socket
    }

    /// Expects one worker.
    pub(crate) fn expect(&self) -> Ticket {
        let token = Token::random();
        // Room for both connections, so that greeting never waits for the launch.
        let (sender, arrivals) = mpsc::channel(2);
        lock(&self.expected).insert(token.clone(), Waiting { arrivals: sender, jobs: true, control: true });
        Ticket { token, arrivals, expected: self.expected.clone() }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(expected: &Expected) -> MutexGuard<'_, HashMap<Token, Waiting>> {
    expected.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: Listener, expected: Arc<Expected>) {
    let greetings = Arc::new(Semaphore::new(GREETINGS));
    loop {
        let Ok(permit) = greetings.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok(socket) => {
                let expected = expected.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    match tokio::time::timeout(GREETING, greet(socket, &expected)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(reason)) => tracing::warn!(reason, "turned a connection away"),
                        Err(_) => tracing::warn!("turned a connection away: it did not say hello in time"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a worker's connection; trying again");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Reads preamble and hello and delivers the connection; the error says why it was turned away.
async fn greet(socket: Socket, expected: &Expected) -> Result<(), String> {
    let peer = socket.peer().map_err(|error| error.to_string())?;
    if peer.uid != own_uid() {
        // Nothing is said to a stranger.
        return Err(format!("process {} belongs to user {}", peer.pid, peer.uid));
    }
    let mut decoder = Decoder::with_max_payload(0);
    let theirs = loop {
        match decoder.poll_preamble().map_err(|error| error.to_string())? {
            Some(preamble) => break preamble,
            None => fill(&socket, &mut decoder).await?,
        }
    };
    let preamble = match Preamble::choose(theirs) {
        Ok(preamble) => preamble,
        Err(error) => {
            send(&socket, &Preamble::ours().to_bytes());
            return Err(format!("process {}: {error}", peer.pid));
        }
    };
    let frame = loop {
        match decoder.poll_frame().map_err(|error| error.to_string())? {
            Some(frame) => break frame,
            None => fill(&socket, &mut decoder).await?,
        }
    };
    if frame.kind != Kind::Hello {
        return Err(format!("process {} said {:?} instead of Hello", peer.pid, frame.kind));
    }
    let hello: Hello = json_of(&frame).map_err(|error| error.to_string())?;
    let arrival = Arrival { hello, socket, decoder, peer, preamble };
    let token = Token(arrival.hello.token.clone());
    let verdict = match lock(expected).get_mut(&token) {
        None => Err("token"),
        Some(waiting) => match waiting.consume(arrival.hello.connection) {
            true => Ok(waiting.arrivals.clone()),
            false => Err("repeated"),
        },
    };
    match verdict {
        // The launch may have given up just now; then nobody wants the connection.
        Ok(arrivals) => arrivals.try_send(arrival).map_err(|_| format!("process {} came too late", peer.pid)),
        Err(reason) => {
            let detail = match reason {
                "token" => "this token is not expected, or not any more",
                _ => "this token was used for such a connection already",
            };
            refuse(&arrival.socket, arrival.preamble, reason, detail);
            Err(format!("process {}: {detail}", peer.pid))
        }
    }
}

/// Tells a peer why it is turned away, as far as its socket takes it at once.
pub(crate) fn refuse(socket: &Socket, preamble: Preamble, reason: &str, detail: &str) {
    let refused = Refused { reason: reason.into(), detail: detail.into() };
    if let Ok(frame) = json_frame(Kind::Refused, &refused) {
        send(socket, &[&preamble.to_bytes()[..], &frame.to_bytes()].concat());
    }
}

/// A few bytes to a socket to which nothing was written yet: it takes all of them or is dead.
fn send(socket: &Socket, bytes: &[u8]) {
    let bytes = bytes::Bytes::copy_from_slice(bytes);
    let _ = socket.try_write(std::iter::once(&bytes), 0);
}

/// Waits for more bytes.
pub(crate) async fn fill(socket: &Socket, decoder: &mut Decoder) -> Result<(), String> {
    loop {
        socket.readable().await.map_err(|error| error.to_string())?;
        match socket.try_read(decoder.read_buffer()) {
            Ok(0) => return Err("the connection was closed during the handshake".into()),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}
