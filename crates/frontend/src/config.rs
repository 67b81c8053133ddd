//! The frontend's limits, each with its default and its reason. Does not: know a file format. The server
//! reads the configuration.

use crate::token::OrdersToken;
use procpool_protocol::limits::DEFAULT_MAX_PAYLOAD;
use procpool_registry::Settings;
use std::net::IpAddr;
use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// The limits that the frontend sets for its clients.
///
/// ```
/// let mut config = procpool_frontend::HttpConfig::default();
/// config.max_body = 1024 * 1024;
/// config.drain_limit = Some(std::time::Duration::from_secs(30));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Maximum size of a request body, in bytes. Default: 64 MiB, which is the default of a pool's maximum
    /// payload.
    ///
    /// A body is held in memory whole; [`max_bodies`](Self::max_bodies) bounds them together.
    pub max_body: usize,
    /// Maximum size of all request bodies together, in bytes: those that are arriving, and those whose jobs
    /// still need them. Default: 512 MiB. At least [`max_body`](Self::max_body) counts.
    ///
    /// Bytes count when they arrive. A request whose body has no room is refused with 503 and `Retry-After`.
    pub max_bodies: u64,
    /// Maximum size of all answers together, in bytes, that clients have not taken yet. Default: 512 MiB.
    ///
    /// While this much is held, requests that would run a job are refused with 503 and `Retry-After`. An
    /// output of a job that has no room in it is dropped, and its request answered with 503 too.
    pub max_answers: u64,
    /// Maximum time for a request's head, from its first byte, or from the start of the connection for the
    /// first one. Default: 10 s. Must not be zero.
    pub header_timeout: Duration,
    /// Maximum time for which a connection is kept on which nothing is asked. Default: 75 s, which is
    /// longer than load balancers commonly keep theirs. Must not be zero.
    pub keep_alive_timeout: Duration,
    /// Maximum time from a request's head to the end of its body. Default: 30 s.
    pub body_timeout: Duration,
    /// Maximum time in which a client takes nothing of its answer. Default: 30 s. Must not be zero.
    ///
    /// On HTTP/2 this counts for each stream. A stream that is too slow is reset; if some of it waits in
    /// the connection's own queue, or nothing else is in flight, the connection is closed.
    pub write_timeout: Duration,
    /// Lowest average rate at which a client takes its answer, in bytes a second, once
    /// [`write_timeout`](Self::write_timeout) is over. Default: 4 KiB. `0` disables it.
    pub min_write_rate: u64,
    /// Maximum number of connections. Default: 1024. Must not be zero.
    ///
    /// When it is reached, the connection that has been idle for longest makes room for a new one that
    /// asks something. If none is idle, requests are refused with 503 and `Retry-After`. `/livez` and
    /// `/readyz` are answered at all times: some connections beyond this number are kept for them.
    pub max_connections: usize,
    /// Maximum number of connections from one IPv4 address, or from one IPv6 network of 64 bits. Default:
    /// 512. Must not be zero.
    ///
    /// Loopback addresses are not counted. Others beyond this number are treated as those beyond
    /// [`max_connections`](Self::max_connections).
    pub max_connections_per_peer: usize,
    /// Addresses to which [`max_connections_per_peer`](Self::max_connections_per_peer) does not apply:
    /// proxies and load balancers, which connect for many clients. Default: none.
    pub uncapped_peers: Vec<IpAddr>,
    /// Maximum number of concurrent requests on one HTTP/2 connection. Default: 256.
    pub max_streams: u32,
    /// Maximum number of answers that are sent while jobs run: batches, and jobs that are read as they run.
    /// Default: 64. Must not be zero. Further ones are refused with 503 and `Retry-After`.
    pub max_live_answers: usize,
    /// Maximum number of lines of one batch that are in flight: submitted, and not yet answered. Default: 512.
    /// Must not be zero. At most half of the pool's queue is used, so that other clients find room in it.
    pub batch_window: usize,
    /// Maximum size of the inputs and outputs of these lines, in bytes. Default: 16 MiB. The sizes of outputs are
    /// not known beforehand: the largest one so far counts for each line. One line is in flight in any case.
    pub batch_bytes: usize,
    /// Maximum time for which a shutdown waits for requests in flight. Requests that still run then are cut
    /// off, and their jobs cancelled. Default: `None`, as long as they take (their jobs have deadlines).
    pub drain_limit: Option<Duration>,
    /// Names (without port) that `Host` may carry, besides IP addresses and `localhost`, on every route but
    /// `/livez`. Default: none.
    ///
    /// `Host` is examined if the listener is bound to loopback or if names stand here. A reverse proxy
    /// on the same machine that passes the public name on needs that name here.
    pub allowed_hosts: Vec<String>,
    /// The token that an order over TCP, such as `POST /v1/pools/{pool}/reload`, must bring as
    /// `Authorization: Bearer …`. Default: `None`, and then no token is accepted. The orders socket
    /// ([`run_orders`](crate::run_orders)) needs no token.
    pub orders_token: Option<OrdersToken>,
    /// The user whose processes may give orders over a loopback connection or on the socket of
    /// [`run_unix`](crate::run_unix), as may those of root. The kernel says whose process is at the connection's other end. A request that a proxy has passed on is refused,
    /// as far as it shows. Default: `None`, no user.
    pub orders_of: Option<u32>,
    /// The fate of a job without an idempotency key whose client hangs up while it waits for the outcome.
    /// Default: the job is cancelled. Every other job continues.
    pub on_disconnect: OnDisconnect,
    /// Maximum number of streams of jobs' events. Default: 64. Must not be zero. Further ones are refused with 503
    /// and `Retry-After`.
    pub max_event_streams: usize,
    /// Whether each answered request is a line in the log, with the target `procpool::access`, but for probes.
    /// Default: no. The lines have no query, no header and no body.
    pub access_log: bool,
    /// How many jobs that outlive their requests the frontend remembers, and for how long.
    pub jobs: Settings,
}

/// The fate of a job whose client hangs up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDisconnect {
    /// It is cancelled.
    #[default]
    Cancel,
    /// It continues, and its outcome is dropped.
    Detach,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            max_body: DEFAULT_MAX_PAYLOAD as usize,
            max_bodies: 512 * MIB,
            max_answers: 512 * MIB,
            header_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            min_write_rate: 4 * 1024,
            max_connections: 1024,
            max_connections_per_peer: 512,
            uncapped_peers: Vec::new(),
            max_streams: 256,
            max_live_answers: 64,
            batch_window: 512,
            batch_bytes: 16 * 1024 * 1024,
            drain_limit: None,
            allowed_hosts: Vec::new(),
            orders_token: None,
            orders_of: None,
            on_disconnect: OnDisconnect::Cancel,
            max_event_streams: 64,
            access_log: false,
            jobs: Settings::default(),
        }
    }
}
