//! The bound address at which the server answers: a TCP port or a Unix socket. Requests are served there on the same terms.

use crate::config::listen::Listen;
use crate::error::Error;
use procpool_coordinator::SocketName;
use procpool_frontend::{App, Drained};
use std::future::Future;
use std::io;
use std::path::Path;
use tokio::net::{TcpListener, UnixListener};

/// A listener that has not been asked for connections yet.
#[derive(Debug)]
pub(crate) enum Front {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A front, the name that is removed when it is dropped, and the text under which clients find it.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) front: Front,
    pub(crate) name: Option<SocketName>,
    /// `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`.
    pub(crate) address: String,
}

impl Front {
    /// Binds the address, on whose port TLS may be spoken.
    ///
    /// # Errors
    /// When it is taken, or not for this user.
    pub(crate) async fn bind(address: Listen, has_tls: bool) -> Result<Bound, Error> {
        let scheme = if has_tls { "https" } else { "http" };
        let bound = match &address {
            Listen::Tcp(tcp) => TcpListener::bind(tcp).await.and_then(|listener| {
                let address = format!("{scheme}://{}", listener.local_addr()?);
                Ok(Bound { front: Self::Tcp(listener), name: None, address })
            }),
            Listen::Unix(path) => bind_socket(path).map(|(listener, name)| {
                let address = address.to_string();
                Bound { front: Self::Unix(listener), name: Some(name), address }
            }),
        };
        bound.map_err(|reason| Error::Listen { address, reason })
    }

    /// Serves `app` until `stopped` is ready.
    pub(crate) async fn serve(self, app: App, stopped: impl Future<Output = ()>) -> Drained {
        match self {
            Self::Tcp(listener) => procpool_frontend::run(listener, app, stopped).await,
            Self::Unix(listener) => procpool_frontend::run_unix(listener, this_user(), app, stopped).await,
        }
    }
}

/// Binds a socket that only this user and root can connect to. Returns it with its name, which is removed when that is
/// dropped.
pub(crate) fn bind_socket(path: &Path) -> io::Result<(UnixListener, SocketName)> {
    let (listener, name) = SocketName::bind(path)?;
    Ok((UnixListener::from_std(listener)?, name))
}

/// Returns the user whose processes may connect to this server's sockets.
pub(crate) fn this_user() -> u32 {
    rustix::process::geteuid().as_raw()
}
