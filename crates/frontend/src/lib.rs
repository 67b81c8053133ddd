//! HTTP in, jobs out.
//!
//! This crate knows HTTP and JSON and the two traits of [`procpool_protocol::engine`]. It knows no
//! processes: whatever implements [`Engine`] and [`Admin`] can stand behind it, the local
//! coordinator, a distributed engine, or the dozen lines of a test.
//!
//! # What a user types
//!
//! ```console
//! $ curl localhost:3000/
//! OK
//! $ curl 'localhost:3000/compute?n=50000000'
//! Result: 235702256859.7696
//! $ curl -d 40 localhost:3000/v1/pools/fib/jobs
//! 102334155
//! $ curl -d 93 'localhost:3000/v1/pools/fib/jobs?timeout=1s'            # 504 after a second
//! $ curl --json '{"width":64}' localhost:3000/v1/pools/thumbnail/jobs
//! $ curl -H 'content-type: application/octet-stream' --data-binary @cat.png \
//!        localhost:3000/v1/pools/thumbnail/jobs -o small.png
//! $ yes 20 | head -1000 | curl -T - -X POST localhost:3000/v1/pools/fib/batch
//! $ curl localhost:3000/v1/pools
//! $ curl localhost:3000/v1/pools/fib/workers
//! $ curl localhost:3000/v1/pools/fib/history?seconds=60; curl localhost:3000/metrics
//! $ curl localhost:3000/livez; curl 'localhost:3000/readyz?pool=fib'
//! $ curl localhost:3000/problems/crashed                                # what that `type` means
//! $ curl --http2-prior-knowledge -d 40 localhost:3000/v1/pools/fib/jobs
//! ```
//!
//! # What a job's answer looks like
//!
//! - An output is `application/json`, the very bytes that the worker wrote, or
//!   `application/octet-stream` where the job's output is raw bytes, unless its function gave another
//!   content type.
//! - Everything else is an `application/problem+json` (RFC 9457) whose `type` is a path on this
//!   server that explains it. Its status is [`JobError::http_status`], the one table.
//! - Every answer of an accepted job has `Job-Id` and `Server-Timing: wait;dur=…, run;dur=…`
//!   (milliseconds), failures too. `usage=true` adds `cpu;dur=…, memory;desc="…"`: the processor time
//!   of the job, and the peak memory of its worker in bytes.
//! - A client that prefers `text/event-stream`, `application/x-ndjson` or `application/octet-stream` by `Accept`
//!   reads its job as it runs.
//! - A client that hangs up cancels its job: the handler's future is dropped, and with it the
//!   outcome's.
//!
//! # What a request must look like
//!
//! - A body is JSON when its content type is `application/json`, `…+json`, `text/json`, a form's
//!   (`curl -d 40` sends that one) or absent; raw bytes when it is `application/octet-stream`.
//!   Anything else is 415, as is a `Content-Encoding`.
//! - JSON is checked before a worker sees it, and forwarded byte for byte. An empty body is not
//!   JSON: a job without input takes `null`.
//! - `timeout=2s` bounds queue and run, `run_timeout=500ms` the run alone. A value needs its unit,
//!   and a parameter that the route does not know is an error rather than ignored.
//! - Pages of other sites are refused on every route but `/livez`, because a form's content type needs no
//!   preflight: a foreign `Origin` or `Sec-Fetch-Site` is 403, and so is, on a loopback listener, a `Host` that is
//!   neither an IP address nor `localhost` nor allowed by [`HttpConfig::allowed_hosts`] (DNS rebinding).
//! - What changes what is running, `POST /v1/pools/{pool}/reload`, comes by [`run_orders`]'s socket, or brings
//!   [`HttpConfig::orders_token`], or comes over loopback or [`run_unix`]'s socket from a process of [`HttpConfig::orders_of`]; anything else is 403.
//! - With [`App::with_tokens`], every request but a probe brings `Authorization: Bearer …`, or a client's certificate
//!   ([`App::with_tls`]). Nobody is 401, somebody without the route's scope 403, and above the quota 429.
//! - Jobs are sent with POST. `GET /compute` is the exception, and refuses what a page may have embedded (403).
//! - The head is read strictly: HTTP/1.1 has one `Host`, without a user and with a real port, that is also the host of
//!   an absolute target; a body is `chunked` or not coded at all, and then has one length. Anything else is 400, and the connection is closed.
//!
//! # Finding the way
//!
//! `serve` accepts connections, `connection` drives one over a `socket`, `orders` does both for operators on a Unix socket,
//! `tls` stands between the two. `remote` is the other end of a connection, `access` says who may do what, `local` who may change what is running on a server without tokens. `dispatch` hands each request to the `routes`, whose jobs go through `answer`, or many at a time through `batch`, or are read as they run through `reading`. `head`, `origin`, `embedded`, `body`, `json`,
//! `content_type` and `params` judge what comes in; `problem`, `kind` and `job_problem` say what went wrong.
//!
//! ```
//! use procpool_frontend::{App, Health, HttpConfig, run};
//! use procpool_protocol::engine::{
//!     Accepted, Admin, BoxFuture, Engine, PoolSchemas, PoolStatus, Quarantine, Reloaded, Submission,
//!     WorkerStatus,
//! };
//! use procpool_protocol::outcome::{Finished, Timing};
//! use procpool_protocol::{JobError, JobId};
//! use std::sync::Arc;
//!
//! /// Every job answers with its input.
//! struct Echo;
//!
//! impl Engine for Echo {
//!     fn submit(&self, job: Submission) -> Result<Accepted, JobError> {
//!         let id = JobId::from_bits(1);
//!         let finished = Finished::new(id, Timing::default(), Ok(job.input));
//!         Ok(Accepted::new(id, async { finished }))
//!     }
//!     fn cancel(&self, _: JobId) -> bool {
//!         false
//!     }
//! }
//!
//! impl Admin for Echo {
//!     fn pools(&self) -> Vec<PoolStatus> {
//!         vec![PoolStatus::new("echo", "none")]
//!     }
//!     fn workers(&self, _: &str) -> Option<Vec<WorkerStatus>> {
//!         None
//!     }
//!     fn schemas(&self, _: &str) -> Option<Arc<PoolSchemas>> {
//!         None
//!     }
//!     fn reload(&self, _: &str) -> BoxFuture<'_, Reloaded> {
//!         Box::pin(async { None })
//!     }
//!     fn set_paused(&self, _: &str, _: bool) -> Option<()> {
//!         None
//!     }
//!     fn quarantine(&self, _: &str) -> Option<Quarantine> {
//!         None
//!     }
//!     fn clear_quarantine(&self, _: &str, _: Option<&str>) -> Option<usize> {
//!         None
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let health = Health::starting();
//! let app = App::new(Arc::new(Echo), HttpConfig::default(), health.clone());
//! health.serving();
//! # let signal = async {};
//! let drained = run(listener, app, signal).await; // until `signal` is ready, then drains
//! assert_eq!(drained.cut_off, 0);
//! # Ok(())
//! # }
//! ```
//!
//! [`Engine`]: procpool_protocol::engine::Engine
//! [`Admin`]: procpool_protocol::engine::Admin
//! [`JobError::http_status`]: procpool_protocol::JobError::http_status

#![forbid(unsafe_code)]

mod accept;
mod access;
mod access_log;
mod activity;
mod answer;
mod app;
mod assets;
mod backoff;
mod base64;
mod batch;
mod board;
mod body;
mod budget;
mod conditional;
mod config;
mod connection;
mod content_type;
mod credentials;
mod death_view;
mod detaching;
mod dispatch;
mod embedded;
mod event_streams;
mod event_view;
mod filter;
mod found_at;
mod framing;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guard;
mod handover;
mod head;
mod health;
mod job_problem;
mod job_view;
mod json;
mod kind;
mod lent;
mod life;
mod live;
mod local;
mod log_stream;
mod metrics;
mod openapi;
mod orders;
mod origin;
mod overlong;
mod owner;
mod paced;
mod params;
mod peer;
mod prefer;
mod presence;
mod problem;
mod profile;
mod reading;
mod remote;
mod room;
mod routes;
mod serve;
mod settings;
mod socket;
mod sse;
mod stream;
mod tls;
mod token;
mod trace;
mod wire;

pub use access::{
    Access, InvalidDigest, InvalidName, InvalidPattern, PoolPattern, Quota, Scope, Scopes, Token,
    TokenDigest, Tokens, UnknownScope,
};
pub use app::App;
pub use config::{HttpConfig, OnDisconnect};
pub use health::Health;
pub use openapi::schema_faults;
pub use orders::run_orders;
pub use procpool_jobs::Jobs;
pub use procpool_registry::{Retention, Settings as JobSettings, SettingsError as JobSettingsError};
pub use routes::routes;
pub use serve::{Drained, run, run_unix};
pub use tls::{Identity, InvalidIdentity, Tls};
pub use token::{InvalidToken, OrdersToken};
