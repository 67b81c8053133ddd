//! One connection: HTTP/1.1 or cleartext HTTP/2, whichever the client speaks, until it ends, idles or
//! the server stops. Knows no routes.

use crate::activity::{Activity, Reading};
use crate::config::HttpConfig;
use crate::dispatch;
use crate::local::Peer;
use crate::presence;
use crate::socket::Socket;
use crate::wire::Wire;
use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Resets that a client may cause on one HTTP/2 connection before it is closed, pending ones and our
/// own: the answer to rapid-reset floods. These are h2's own defaults today; they are ours by choice.
const MAX_PENDING_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 1024;

/// On what terms connections are served; cloned for each.
#[derive(Clone)]
pub(crate) struct Terms {
    http: Builder<TokioExecutor>,
    router: Router,
    header_timeout: Duration,
    write_timeout: Duration,
    stopped: watch::Receiver<bool>,
}

impl Terms {
    pub(crate) fn new(config: &HttpConfig, router: Router, stopped: watch::Receiver<bool>) -> Self {
        Self {
            http: builder(config),
            router,
            header_timeout: config.header_timeout.max(Duration::from_millis(1)),
            write_timeout: config.write_timeout,
            stopped,
        }
    }

    /// Serves `stream` to its end.
    pub(crate) async fn serve(mut self, stream: TcpStream) {
        let peer = Peer(stream.peer_addr().ok().map(|address| address.ip()));
        let activity = Arc::new(Activity::default());
        let wire = Arc::new(Wire::new(stream));
        let socket = Socket::new(wire.clone(), self.write_timeout, activity.clone());
        let (router, counting, watched) = (self.router, activity.clone(), activity.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            // Counted right here: an HTTP/2 request is polled by a task of its own, later.
            let in_flight = counting.begin(request.version());
            dispatch::dispatch(router.clone(), request, in_flight)
        });
        let connection = self.http.serve_connection(TokioIo::new(socket), service);
        let mut connection = std::pin::pin!(connection);
        let mut gone = std::pin::pin!(presence::gone(&wire, &watched));
        let mut patience = Patience::new(activity, self.header_timeout);
        let mut stopping = false;

        loop {
            let verdict = tokio::select! {
                // In this order: a request that has arrived when the server stops is still served.
                biased;
                result = connection.as_mut() => return log_end(result.err().as_deref()),
                _ = self.stopped.wait_for(|stopped| *stopped), if !stopping => {
                    stopping = true;
                    patience.at_stop()
                }
                () = &mut gone => return tracing::debug!("a client is gone"),
                verdict = patience.tick() => verdict,
            };
            match verdict {
                Verdict::Stay => {}
                Verdict::Leave => connection.as_mut().graceful_shutdown(),
                Verdict::Close => return tracing::debug!("closing a connection that asks nothing"),
            }
        }
    }
}

/// What to do with a connection.
enum Verdict {
    Stay,
    /// Finish what is in flight, then close.
    Leave,
    Close,
}

/// How long a connection may ask nothing.
///
/// Neither hyper nor its version sniffing bound how long a client may say nothing at all, nor how long
/// it may keep an HTTP/2 connection without a stream; this does. Between HTTP/1 requests hyper's own
/// header timeout is exact, so this stays out of its way there.
struct Patience {
    activity: Arc<Activity>,
    ticks: Interval,
    before: Reading,
    leaving: bool,
}

impl Patience {
    fn new(activity: Arc<Activity>, period: Duration) -> Self {
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { activity, ticks, before: Reading::default(), leaving: false }
    }

    /// The verdict after the next period.
    async fn tick(&mut self) -> Verdict {
        self.ticks.tick().await;
        let now = self.activity.read();
        let idle = self.activity.is_http2() && now.is_idle_since(self.before);
        self.before = now;
        let already_leaving = self.leaving;
        self.leaving |= idle;
        match (idle, already_leaving) {
            _ if now.never_asked() => Verdict::Close,
            (true, true) => Verdict::Close,
            (true, false) => Verdict::Leave,
            (false, _) => Verdict::Stay,
        }
    }

    /// The verdict when the server stops. Who has not asked anything by then is not waited for, or half a
    /// request would hold up the shutdown.
    fn at_stop(&self) -> Verdict {
        if self.activity.read().never_asked() { Verdict::Close } else { Verdict::Leave }
    }
}

fn builder(config: &HttpConfig) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    // Who has closed its sending side may still wait for its answer: see `presence`.
    http.http1().half_close(true).timer(TokioTimer::new()).header_read_timeout(config.header_timeout);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.max_streams)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS);
    http
}

fn log_end(error: Option<&(dyn std::error::Error + Send + Sync + 'static)>) {
    if let Some(error) = error {
        tracing::debug!(error, "a connection ended");
    }
}
