//! One connection: HTTP/1.1 or cleartext HTTP/2, whichever the client speaks, until it ends, idles or the
//! server stops. Does not: know routes.

use crate::activity::Activity;
use crate::app::Shared;
use crate::budget::Budget;
use crate::config::HttpConfig;
use crate::dispatch::Dispatcher;
use crate::head::Ambiguous;
use crate::lent::Brought;
use crate::life::{Patience, Verdict};
use crate::metrics::Traffic;
use crate::presence;
use crate::remote::{FarEnd, Peer};
use crate::room::{Place, Room};
use crate::socket::Socket;
use crate::stream::Stream;
use crate::tls::{self, Shaken, Tls};
use crate::wire::Wire;
use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Resets that a client may cause on one HTTP/2 connection before it is closed, pending ones and our
/// own: the answer to rapid-reset floods. These are h2's own defaults today; they are ours by choice.
const MAX_PENDING_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 1024;

/// Maximum size of an HTTP/1 request's head, and of the buffer for its body, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// On what terms connections are served; cloned for each.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) room: Arc<Room>,
    router: Router,
    answers: Arc<Budget>,
    traffic: Arc<Traffic>,
    tls: Option<Tls>,
    patience: Patience,
    max_streams: u32,
    stopped: watch::Receiver<bool>,
}

impl Terms {
    pub(crate) fn new(
        config: &HttpConfig,
        router: Router,
        shared: &Shared,
        tls: Option<Tls>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let room = Room::new(config);
        let (patience, max_streams) = (patience(config), config.max_streams);
        let (answers, traffic) = (shared.answers.clone(), shared.traffic.clone());
        Self { room, router, answers, traffic, tls, patience, max_streams, stopped }
    }

    /// Serves `stream`, whose other end is `peer`, to its end.
    pub(crate) fn serve(self, stream: Stream, peer: FarEnd) -> impl Future<Output = ()> {
        let (activity, connected) = (Activity::begin(), self.traffic.connect());
        // Right here, rather than when the task is polled: the next one should see that this one is in.
        let place = Arc::new(self.room.enter(peer.address(), activity.clone()));
        let wire = Arc::new(Wire::new(stream, self.tls.is_some()));
        let peer = Peer::at(peer, &wire);
        async move {
            let _connected = connected;
            self.drive(wire, peer, activity, place).await;
        }
    }

    async fn drive(mut self, wire: Arc<Wire>, peer: Arc<Peer>, activity: Arc<Activity>, place: Arc<Place>) {
        let tls = match self.tls.take() {
            None => None,
            Some(tls) => match self.shake(&tls, &wire, &place).await {
                Some(Shaken { stream, names }) => {
                    peer.is_certified_as(names);
                    Some(stream)
                }
                None => return,
            },
        };
        let socket = Socket::new(wire.clone(), tls, activity.clone());
        let dispatcher = Dispatcher::new(self.router, place.clone(), self.answers, self.traffic);
        let (counting, bringing) = (activity.clone(), wire.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            if let Some(brought) = Brought::with(bringing.take_descriptors(), request.version()) {
                request.extensions_mut().insert(brought);
            }
            // Counted right here: an HTTP/2 request is polled by a task of its own, later.
            let exchange = counting.asked(request.version());
            if exchange.is_ambiguous() {
                request.extensions_mut().insert(Ambiguous);
            }
            dispatcher.clone().dispatch(request, exchange)
        });
        let http = builder(self.max_streams, activity.clone());
        let connection = http.serve_connection(TokioIo::new(socket), service);
        let mut connection = std::pin::pin!(connection);
        let mut gone = std::pin::pin!(presence::gone(&wire, &activity));
        let mut stopping = false;

        loop {
            let verdict = tokio::select! {
                // In this order: a request that has arrived when the server stops is still served.
                biased;
                result = connection.as_mut() => return log_end(result.err().as_deref()),
                _ = self.stopped.wait_for(|stopped| *stopped), if !stopping => {
                    stopping = true;
                    at_stop(&activity)
                }
                () = &mut gone => Verdict::Close("the client is gone"),
                () = place.told_to_leave() => when_told(&activity),
                verdict = activity.verdict(&self.patience) => verdict,
            };
            match verdict {
                Verdict::Stay(_) => {}
                Verdict::Leave => {
                    activity.life().leave(Instant::now());
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Abort(streams) => activity.abort(&streams),
                Verdict::Calm => {
                    wire.send_calm();
                    return tracing::debug!("closing a connection that gives up too many requests");
                }
                Verdict::Close(reason) => return tracing::debug!(reason, "closing a connection"),
            }
        }
    }
}

impl Terms {
    /// Shakes hands, unless the server stops or others need the place first.
    async fn shake(&mut self, tls: &Tls, wire: &Arc<Wire>, place: &Place) -> Option<Shaken> {
        let shaken = tokio::select! {
            biased;
            shaken = tls::shake(tls, wire.clone(), self.patience.head) => shaken,
            _ = self.stopped.wait_for(|stopped| *stopped) => return None,
            () = place.told_to_leave() => return None,
        };
        // A client sees an alert of a few words, so its owner asks the operator.
        shaken
            .inspect_err(|error| match tls::is_about_a_certificate(error) {
                true => tracing::warn!(%error, "refused a client's certificate"),
                false => tracing::debug!(%error, "a handshake failed"),
            })
            .ok()
    }
}

/// Returns the verdict when the server stops. The server does not wait for a client that has not asked
/// anything by then: half a request would hold up the shutdown.
fn at_stop(activity: &Activity) -> Verdict {
    if activity.life().never_asked() { Verdict::Close("the server stops") } else { Verdict::Leave }
}

/// Returns the verdict when others need the place.
fn when_told(activity: &Activity) -> Verdict {
    let life = activity.life();
    let may_close = life.never_asked() || (life.is_leaving() && !life.has_exchanges());
    if may_close { Verdict::Close("others need its place") } else { Verdict::Leave }
}

fn patience(config: &HttpConfig) -> Patience {
    let positive = |timeout: Duration| timeout.max(Duration::from_millis(1));
    Patience {
        head: positive(config.header_timeout),
        idle: positive(config.keep_alive_timeout),
        write: positive(config.write_timeout),
        rate: config.min_write_rate,
    }
}

/// Runs each stream of an HTTP/2 connection as a task that can be ended alone.
#[derive(Clone)]
struct Streams(Arc<Activity>);

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        self.0.runs_as(tokio::spawn(stream).abort_handle());
    }
}

fn builder(max_streams: u32, activity: Arc<Activity>) -> Builder<Streams> {
    let mut http = Builder::new(Streams(activity));
    http.http1()
        // Who has closed its sending side may still wait for its answer: see `presence`.
        .half_close(true)
        // The connection's life has the deadline, which hyper would let run between requests, too.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(max_streams)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS);
    http
}

fn log_end(error: Option<&(dyn std::error::Error + Send + Sync + 'static)>) {
    if let Some(error) = error {
        tracing::debug!(error, "a connection ended");
    }
}
