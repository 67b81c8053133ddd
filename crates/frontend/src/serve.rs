//! The server's life: accept until told to stop, then let requests in flight finish. Knows
//! connections only as tasks.

use crate::accept::{Acceptor, Listen};
use crate::app::App;
use crate::config::HttpConfig;
use crate::connection::Terms;
use crate::credentials;
use crate::origin::OriginRule;
use crate::remote::FarEnd;
use crate::room::Room;
use crate::routes;
use crate::stream::Stream;
use crate::tls::Tls;
use procpool_memory::buffers::{Buffers, REST};
use std::future::Future;
use std::time::Duration;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How a shutdown went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Connections that still had a request in flight at the drain limit and were closed. Zero when
    /// everything finished.
    pub cut_off: usize,
}

/// Serves `app` on `listener` until `shutdown` is ready.
///
/// Then, in this order: health turns to draining, the listener is closed so that new connections are
/// refused, requests in flight finish, and their connections close. [`HttpConfig::drain_limit`]
/// bounds that; connections that are still busy then are dropped, which cancels their jobs.
///
/// Dropping the returned future does the same at once, without draining.
pub async fn run(listener: TcpListener, app: App, shutdown: impl Future<Output = ()>) -> Drained {
    let bound_to = listener.local_addr().ok().map(|address| address.ip());
    let origin = OriginRule::new(bound_to, &app.config.allowed_hosts);
    let tls = app.tls.clone();
    serve(listener, app, origin, tls, shutdown, |(stream, address)| {
        Some((Stream::Tcp(stream), FarEnd::Address(address.ip())))
    })
    .await
}

/// Serves `app` as [`run`] does, on a Unix socket, to processes of the user `owner` and of root. Those of other users are
/// hung up on, unread.
///
/// A request may name any `Host`, unless [`HttpConfig::allowed_hosts`] lists some. [`HttpConfig::max_connections_per_peer`]
/// does not apply.
pub async fn run_unix(
    listener: UnixListener,
    owner: u32,
    app: App,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let origin = OriginRule::of_unix_socket(&app.config.allowed_hosts);
    serve(listener, app, origin, None, shutdown, |stream| {
        let peer = credentials::admitted(&stream, owner, "server's socket")?;
        Some((Stream::Unix(stream), FarEnd::Process(peer)))
    })
    .await
}

/// Serves the connections that `admit` lets in.
async fn serve<L: Listen>(
    listener: L,
    app: App,
    origin: OriginRule,
    tls: Option<Tls>,
    shutdown: impl Future<Output = ()>,
    admit: impl Fn(L::Accepted) -> Option<(Stream, FarEnd)>,
) -> Drained {
    let (stop, stopped) = watch::channel(false);
    let shared = app.shared(origin);
    let terms = Terms::new(&app.config, routes::router(shared.clone()), &shared, tls, stopped);
    let acceptor = Acceptor::new(listener);

    let connections = accept_until(shutdown, acceptor, &terms, &shared.buffers, admit).await;

    app.health.draining();
    stop.send_replace(true);
    tracing::debug!(connections = connections.len(), "draining");
    drain(connections, &app.config).await
}

/// Accepts until `shutdown` and gives back the connections that are open then. The listener is closed
/// on the way out.
async fn accept_until<L: Listen>(
    shutdown: impl Future<Output = ()>,
    mut acceptor: Acceptor<L>,
    terms: &Terms,
    buffers: &Buffers,
    admit: impl Fn(L::Accepted) -> Option<(Stream, FarEnd)>,
) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut tidying = tokio::time::interval(REST / 5);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => return connections,
            Some(_) = connections.join_next() => {}
            _ = tidying.tick() => buffers.tidy(),
            accepted = next(&terms.room, &mut acceptor) => {
                if let Some((stream, peer)) = admit(accepted) {
                    connections.spawn(terms.clone().serve(stream, peer));
                }
            }
        }
    }
}

/// Returns the next connection, once there is a place for it.
async fn next<L: Listen>(room: &Room, acceptor: &mut Acceptor<L>) -> L::Accepted {
    room.has_place().await;
    acceptor.next().await
}

async fn drain(mut connections: JoinSet<()>, config: &HttpConfig) -> Drained {
    let all_closed = async { while connections.join_next().await.is_some() {} };
    let in_time = within(config.drain_limit, all_closed).await;
    let cut_off = connections.len();
    if !in_time {
        tracing::warn!(cut_off, "the drain limit is over; cutting off what is still running");
    }
    connections.shutdown().await;
    Drained { cut_off }
}

/// Returns whether `future` ended within `limit`.
async fn within(limit: Option<Duration>, future: impl Future<Output = ()>) -> bool {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.is_ok(),
        None => {
            future.await;
            true
        }
    }
}
