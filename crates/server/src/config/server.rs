//! `[server]`: the address, and what the frontend allows its clients.

use super::file::ServerTable;
use procpool_frontend::HttpConfig;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The port of Node's worker-threads tutorial, reachable from this machine only: there is no authentication.
pub(crate) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

/// As long as a job may take that does not say otherwise.
const DEFAULT_DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// The server's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerConfig {
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// Longest time from the signal to stop to ending the jobs that still run.
    pub(crate) drain_limit: Duration,
    /// What a client may do. Its own drain limit is left to whoever stops the server.
    pub(crate) http: HttpConfig,
}

impl ServerConfig {
    /// `largest_payload` is that of any pool, in bytes: bodies that no pool would take are not worth
    /// reading.
    pub(super) fn new(table: ServerTable, largest_payload: u32) -> Self {
        let mut http = HttpConfig::default();
        let max_body = table.max_body.map_or(largest_payload.into(), |size| size.0);
        http.max_body = usize::try_from(max_body).unwrap_or(usize::MAX);
        http.header_timeout = table.header_timeout.map_or(http.header_timeout, |timeout| timeout.0);
        http.body_timeout = table.body_timeout.map_or(http.body_timeout, |timeout| timeout.0);
        http.write_timeout = table.write_timeout.map_or(http.write_timeout, |timeout| timeout.0);
        http.max_connections = table.max_connections.map_or(http.max_connections, usize::from);
        http.max_streams = table.max_streams.map_or(http.max_streams, u32::from);
        http.allowed_hosts = table.allowed_hosts.unwrap_or_default();
        http.orders = table.orders.unwrap_or(http.orders);
        Self {
            listen: table.listen.map_or(DEFAULT_LISTEN, |listen| listen.0),
            drain_limit: table.drain_limit.map_or(DEFAULT_DRAIN_LIMIT, |limit| limit.0),
            http,
        }
    }
}
