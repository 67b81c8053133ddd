//! The frontend's limits, each with its default and its reason. Knows no file format: the server
//! that reads a configuration fills this in.

use crate::token::OrdersToken;
use procpool_protocol::limits::DEFAULT_MAX_PAYLOAD;
use std::time::Duration;

/// What the frontend allows a client.
///
/// ```
/// let mut config = procpool_frontend::HttpConfig::default();
/// config.max_body = 1024 * 1024;
/// config.drain_limit = Some(std::time::Duration::from_secs(30));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Largest request body, in bytes. Default: 64 MiB, the largest payload of a pool that is not
    /// configured otherwise.
    ///
    /// A body is held in memory whole, so this times [`max_connections`](Self::max_connections)
    /// (times [`max_streams`](Self::max_streams) for HTTP/2) is what clients can make the server hold.
    pub max_body: usize,
    /// Longest time without a complete request head, from the connection's start or from the answer
    /// before it. Default: 10 s. Must not be zero.
    ///
    /// So a kept HTTP/1.1 connection is closed after idling this long, and an HTTP/2 connection after
    /// at most twice this long.
    pub header_timeout: Duration,
    /// Longest time from a request's head to the end of its body. Default: 30 s.
    pub body_timeout: Duration,
    /// Longest time in which a client takes not one byte of its answer. Default: 30 s.
    pub write_timeout: Duration,
    /// Most connections at a time; further ones wait in the kernel's backlog. Default: 1024.
    /// Must not be zero.
    pub max_connections: usize,
    /// Most concurrent requests on one HTTP/2 connection. Default: 256.
    pub max_streams: u32,
    /// Longest time that a shutdown waits for requests in flight; what is still running then is cut
    /// off, and its job cancelled. Default: `None`, as long as they take (their jobs have deadlines).
    pub drain_limit: Option<Duration>,
    /// Names (without port) that `Host` may carry, besides IP addresses and `localhost`, on every route but
    /// `/livez`. Default: none.
    ///
    /// `Host` is examined if the listener is bound to loopback or if names stand here. A reverse proxy
    /// on the same machine that passes the public name on needs that name here.
    pub allowed_hosts: Vec<String>,
    /// What has to come with an order over TCP, such as `POST /v1/pools/{pool}/reload`, as `Authorization: Bearer …`.
    /// Default: `None`, and then no order is taken over TCP. The orders socket ([`run_orders`](crate::run_orders)) needs none.
    pub orders_token: Option<OrdersToken>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            max_body: DEFAULT_MAX_PAYLOAD as usize,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            max_connections: 1024,
            max_streams: 256,
            drain_limit: None,
            allowed_hosts: Vec::new(),
            orders_token: None,
        }
    }
}
