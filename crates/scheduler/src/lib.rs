//! A process pool as a pure state machine: events in, actions out.
//!
//! This crate makes every decision about a pool that needs no I/O. It decides which worker runs
//! which job, and when a job exceeds its time. It decides when to kill a worker, when and how many
//! workers to start, and when a drain is complete. The crate has no clock, process, socket, thread
//! or payload, and no dependencies. Jobs and workers are numbers. The owner of the real ones feeds
//! [`Event`]s to a [`Scheduler`] and carries out its [`Action`]s. Because time is an argument,
//! tests can run hours of a pool's life in milliseconds, and every race in both orders.
//!
//! ```
//! use std::time::Duration;
//! use procpool_scheduler::{
//!     Action, Config, Event, Health, JobId, Limit, Scheduler, Stage, Terms, Time, Verdict,
//! };
//!
//! # fn main() -> Result<(), procpool_scheduler::ConfigError> {
//! let at = |millis: u64| Time::ZERO + Duration::from_millis(millis);
//! let mut pool = Scheduler::new(Config::default(), 42)?;
//!
//! pool.handle(at(0), Event::Start);
//! let Some(Action::Start { worker, .. }) = pool.poll_action() else { panic!("a pool keeps one worker") };
//! pool.handle(at(2), Event::Ready { worker, takes_ahead: false });
//!
//! // A job that is answered in time.
//! let (job, timeout) = (JobId(0), Some(Duration::from_secs(1)));
//! let terms = Terms { timeout, ..Terms::default() };
//! pool.handle(at(5), Event::Submit { job, terms });
//! assert_eq!(pool.poll_action(), Some(Action::Assign { worker, job, attempt: 1, remaining: timeout }));
//! pool.handle(at(9), Event::Done { worker, job, health: Health::Sound });
//! assert_eq!(pool.poll_action(), Some(Action::Resolve { job, verdict: Verdict::Finished }));
//!
//! // A job that is not: it ends at its deadline, and the worker has its grace to give it up.
//! let job = JobId(1);
//! pool.handle(at(10), Event::Submit { job, terms });
//! assert!(matches!(pool.poll_action(), Some(Action::Assign { .. })));
//! assert_eq!(pool.poll_timeout(), Some(at(1_010)));
//! pool.handle(at(1_010), Event::Tick);
//! let verdict = Verdict::TimedOut { stage: Stage::Running, limit: Limit::Total };
//! assert_eq!(pool.poll_action(), Some(Action::Resolve { job, verdict }));
//! assert_eq!(pool.poll_action(), Some(Action::Cancel { worker, job }));
//! pool.handle(at(2_010), Event::Tick);
//! assert_eq!(pool.poll_action(), Some(Action::Kill { worker, job: Some(job) }));
//! # Ok(())
//! # }
//! ```
//!
//! Where to look: `scheduler` contains the rules, one file per subject (jobs, workers, strength,
//! renewal, rollout, shutdown). `fleet`, `queue` and `timers` are data structures without rules.
//! `restarts` and `backoff` decide when a dead worker may be replaced and when the breaker opens.
//! `quarantine` decides which payloads are not run again. `clients` decides whose jobs are refused.

mod action;
mod backoff;
mod cause;
mod census;
mod clients;
mod config;
mod counters;
mod event;
mod fleet;
mod id_map;
mod ids;
mod line;
mod phase;
mod quarantine;
mod queue;
mod random;
mod restarts;
mod run_times;
mod scheduler;
mod slab;
mod time;
mod timers;

pub use action::{Action, Limit, Refusal, ReloadEnd, Stage, Verdict};
pub use backoff::Backoff;
pub use cause::Cause;
pub use clients::SuspectClient;
pub use config::{Breaker, ClientDeaths, Config, ConfigError, Poison, Recycling, Settings};
pub use counters::Counters;
pub use event::{Death, Event, Health, Terms};

pub use ids::{Client, Fingerprint, Generation, JobId, Priority, Tenant, WorkerId};
pub use phase::WorkerState;
pub use quarantine::Suspect;
pub use scheduler::Scheduler;
pub use time::Time;
