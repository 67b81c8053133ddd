//! `[server]`: the address, and what the frontend allows its clients.

use super::error::ConfigError;
use super::file::ServerTable;
use super::listen::Listen;
use super::orders::{self, Orders};
use super::place::Place;
use super::tls::TlsFiles;
use super::tokens::TokensFile;
use procpool_coordinator::DeathLimits;
use procpool_frontend::HttpConfig;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
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
    pub(crate) listen: Listen,
    /// Maximum time from the signal to stop to ending the jobs that still run.
    pub(crate) drain_limit: Duration,
    /// The socket by which operators change what is running.
    pub(crate) orders: Option<PathBuf>,
    /// The file with the token that does so over TCP, until it has been read.
    token_file: Option<(PathBuf, Place)>,
    /// Who may use the server. `None`: everybody who reaches it.
    pub(crate) tokens: Option<TokensFile>,
    /// How the server shows on a port who it is. `None`: it does not.
    pub(crate) tls: Option<TlsFiles>,
    /// Whether processes of this user need no token on a Unix socket.
    trusts_socket: bool,
    /// Whether everybody may use a server that other machines reach.
    allow_anonymous: bool,
    /// How many deaths of workers are remembered.
    pub(crate) deaths: DeathLimits,
    /// The limits of a client. The caller that stops the server passes the drain limit itself.
    pub(crate) http: HttpConfig,
}

/// The settings of the command line, which replace those of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) listen: Option<Listen>,
    pub(crate) allow_anonymous: bool,
}

impl ServerConfig {
    /// Checks the table. `largest_payload` is that of any pool, in bytes: bodies that no pool would accept
    /// are not worth reading.
    pub(super) fn new(table: ServerTable, largest_payload: u32) -> Self {
        let mut http = HttpConfig::default();
        let max_body = table.max_body.map_or(largest_payload.into(), |size| size.0);
        http.max_body = usize::try_from(max_body).unwrap_or(usize::MAX);
        http.max_bodies = table.max_bodies.map_or(http.max_bodies, |size| size.0);
        http.max_answers = table.max_answers.map_or(http.max_answers, |size| size.0);
        http.keep_alive_timeout =
            table.keep_alive_timeout.map_or(http.keep_alive_timeout, |timeout| timeout.0);
        http.header_timeout = table.header_timeout.map_or(http.header_timeout, |timeout| timeout.0);
        http.body_timeout = table.body_timeout.map_or(http.body_timeout, |timeout| timeout.0);
        http.write_timeout = table.write_timeout.map_or(http.write_timeout, |timeout| timeout.0);
        http.min_write_rate = table.min_write_rate.map_or(http.min_write_rate, |rate| rate.0);
        http.max_connections_per_peer =
            table.max_connections_per_peer.map_or(http.max_connections_per_peer, usize::from);
        http.uncapped_peers = table.uncapped_peers.unwrap_or_default();
        http.max_connections = table.max_connections.map_or(http.max_connections, usize::from);
        http.max_streams = table.max_streams.map_or(http.max_streams, u32::from);
        http.max_live_answers = table.max_live_answers.map_or(http.max_live_answers, usize::from);
        http.batch_window = table.batch_window.map_or(http.batch_window, usize::from);
        let batch_bytes = table.batch_bytes.and_then(|size| usize::try_from(size.0).ok());
        http.batch_bytes = batch_bytes.unwrap_or(http.batch_bytes);
        http.allowed_hosts = table.allowed_hosts.unwrap_or_default();
        http.max_event_streams = table.max_event_streams.map_or(http.max_event_streams, usize::from);
        http.access_log = table.access_log.unwrap_or_default();
        http.on_disconnect = table.on_disconnect.map_or(http.on_disconnect, Into::into);
        let mut deaths = DeathLimits::default();
        deaths.records = table.max_deaths.unwrap_or(deaths.records);
        let bytes = table.max_death_bytes.and_then(|size| usize::try_from(size.0).ok());
        deaths.bytes = bytes.unwrap_or(deaths.bytes);
        let has_tokens = table.tokens.is_some() || table.orders_token_file.is_some();
        let trusts_socket =
            table.tokens.is_some() && table.orders.is_none() && table.orders_token_file.is_none();
        let orders = table.orders.unwrap_or_else(|| Orders::default_beside(has_tokens));
        http.orders_of = (orders == Orders::Loopback).then(|| rustix::process::geteuid().as_raw());
        Self {
            orders: if let Orders::Socket(path) = orders { Some(path) } else { None },
            token_file: None,
            tokens: None,
            tls: None,
            trusts_socket,
            allow_anonymous: table.allow_anonymous.unwrap_or_default(),
            listen: table.listen.unwrap_or(Listen::Tcp(DEFAULT_LISTEN)),
            drain_limit: table.drain_limit.map_or(DEFAULT_DRAIN_LIMIT, |limit| limit.0),
            deaths,
            http,
        }
    }

    /// Resolves paths, which count from `directory`. The token for orders and all others stand in the files of these
    /// names, which the configuration names at those places.
    pub(super) fn in_directory(
        mut self,
        directory: &Path,
        token_file: Option<(PathBuf, Place)>,
        tokens: Option<(PathBuf, Place)>,
        tls: Option<TlsFiles>,
    ) -> Self {
        self.orders = self.orders.map(|path| directory.join(path));
        let takes_certificates = tls.as_ref().is_some_and(|files| files.client_ca().is_some());
        self.tokens =
            tokens.map(|(path, place)| TokensFile::new(directory.join(path), place, takes_certificates));
        self.tls = tls;
        self.token_file = token_file.map(|(path, place)| (directory.join(path), place));
        self
    }

    /// Replaces settings by those of the command line.
    pub(crate) fn overridden(mut self, overrides: &Overrides) -> Self {
        self.listen = overrides.listen.clone().unwrap_or(self.listen);
        self.allow_anonymous |= overrides.allow_anonymous;
        self
    }

    /// Reads the token for orders, and settles who needs none.
    ///
    /// # Errors
    /// When the token cannot be read, or everybody could run jobs.
    pub(crate) fn resolve(mut self) -> Result<Self, ConfigError> {
        match self.listen {
            Listen::Tcp(address)
                if !address.ip().to_canonical().is_loopback()
                    && self.tokens.is_none()
                    && !self.allow_anonymous =>
            {
                return Err(ConfigError::Anonymous(address));
            }
            Listen::Unix(_) if self.trusts_socket => {
                self.http.orders_of = Some(rustix::process::geteuid().as_raw());
            }
            _ => {}
        }
        if let Some((path, place)) = self.token_file.take() {
            let token = orders::token(&path).map_err(|mistake| ConfigError::at(place, mistake))?;
            self.http.orders_token = Some(token);
        }
        Ok(self)
    }
}
