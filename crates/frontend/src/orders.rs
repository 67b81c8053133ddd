//! The orders socket: HTTP/1.1 on a Unix socket, for processes whose user the kernel names. `local` decides
//! which requests only they may make. The socket has places of its own, so an operator gets in when every TCP
//! connection is taken.

use crate::accept::Acceptor;
use crate::activity::Activity;
use crate::app::App;
use crate::budget::Budget;
use crate::config::HttpConfig;
use crate::credentials;
use crate::dispatch::Dispatcher;
use crate::metrics::Traffic;
use crate::origin::OriginRule;
use crate::remote::Operator;
use crate::room::Room;
use crate::routes;
use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future;
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Maximum number of operators at a time. Further ones wait in the kernel's backlog.
const OPERATORS: usize = 16;

/// Serves `app` on the orders socket until `shutdown` is ready, to processes of the user `owner` and of root. Those of other
/// users are hung up on, unread.
///
/// Then requests in flight finish, for up to [`HttpConfig::drain_limit`](crate::HttpConfig::drain_limit). Dropping the
/// returned future ends all of them at once.
pub async fn run_orders(listener: UnixListener, owner: u32, app: App, shutdown: impl Future<Output = ()>) {
    let limit = app.config.drain_limit;
    let (stop, stopped) = watch::channel(false);
    let shared = app.shared(OriginRule::of_unix_socket(&[]));
    let room = Room::new(&HttpConfig { max_connections: OPERATORS, ..(*app.config).clone() });
    let (http, answers, traffic) = (builder(&app), shared.answers.clone(), shared.traffic.clone());
    let terms = Terms { http, router: routes::router(shared), room, answers, traffic, stopped };
    let mut operators = JoinSet::new();
    let mut acceptor = Acceptor::new(listener);
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = operators.join_next() => {}
            stream = acceptor.next(), if operators.len() < OPERATORS => {
                if let Some(operator) = credentials::admitted(&stream, owner, "orders socket") {
                    operators.spawn(terms.clone().serve(stream, Operator(operator)));
                }
            }
        }
    }
    drop(acceptor);
    stop.send_replace(true);
    let all_closed = async { while operators.join_next().await.is_some() {} };
    match limit {
        Some(limit) => drop(tokio::time::timeout(limit, all_closed).await),
        None => all_closed.await,
    }
}

/// On what terms operators are served; cloned for each.
#[derive(Clone)]
struct Terms {
    http: Builder,
    router: Router,
    room: Arc<Room>,
    answers: Arc<Budget>,
    traffic: Arc<Traffic>,
    stopped: watch::Receiver<bool>,
}

impl Terms {
    async fn serve(mut self, stream: UnixStream, operator: Operator) {
        let (activity, _connected) = (Activity::begin(), self.traffic.connect());
        let place = Arc::new(self.room.enter(None, activity.clone()));
        let dispatcher = Dispatcher::new(self.router, place, self.answers, self.traffic);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(operator);
            let exchange = activity.asked(request.version());
            dispatcher.clone().dispatch(request, exchange)
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "an operator's connection ended");
                    }
                    return;
                }
                _ = self.stopped.wait_for(|stopped| *stopped), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

fn builder(app: &App) -> Builder {
    let mut http = Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(app.config.header_timeout);
    http
}
