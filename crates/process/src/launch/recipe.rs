//! [`Recipe`]: the properties that a pool's workers share, their requirements, and their first messages.

use super::StartError;
use super::hint::{self, Start};
use crate::agreement::{EncodingAgreement, EncodingMismatch};
use crate::attach::AttachPoint;
use crate::clock;
use crate::contract::Contract;
use crate::death::{self, Body};
use crate::executable::Pinned;
use crate::os::page::Page;
use crate::template::Templates;
use crate::worker_data::WorkerData;
use crate::worker_limits::WorkerLimits;
use procpool_memory::arena::BornArenas;
use procpool_protocol::arena::TakesArenas;
use procpool_protocol::handshake::{Hello, Mode, Welcome};
use procpool_protocol::{Encoding, Failure, Payload};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The properties that the workers of one pool share.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The pool's name, which is a part of each worker's name.
    pub name: String,
    /// The origin of the workers.
    pub origin: Origin,
    /// Where the workers are forked from a template: the one of this generation.
    pub templates: Option<Arc<Templates>>,
    /// Names of variables that the workers inherit beside the usual ones.
    pub inherit_env: Vec<String>,
    /// The pool's own variables.
    pub env: Vec<(OsString, OsString)>,
    /// The workers' working directory. `None` for the coordinator's.
    pub current_dir: Option<PathBuf>,
    /// The limits of each worker process.
    pub limits: WorkerLimits,
    /// Whether the workers may receive jobs ahead of their turn.
    pub sends_ahead: bool,
    /// Whether the workers may record how they crash.
    pub crash_stacks: bool,
    /// The mode of its workers.
    pub mode: Mode,
    /// The name of the job that the workers serve, for an executable that may have others.
    pub job: Option<String>,
    /// The contract of the workers: the caller's, or the first worker's.
    pub expects: Arc<OnceLock<Contract>>,
    /// How the workers receive arenas, once the first worker has reported it. Belongs to the executable.
    pub takes_arenas: Arc<OnceLock<Option<TakesArenas>>>,
    /// The worker data that each worker receives at its start.
    pub worker_data: WorkerData,
    /// The encodings of its workers and their callers.
    pub encodings: Arc<EncodingAgreement>,
    /// Maximum payload in either direction, in bytes.
    pub max_payload: u32,
    /// Maximum time of each step of a launch.
    pub step_timeout: Duration,
}

/// The origin of a pool's workers.
#[derive(Clone, Debug)]
pub enum Origin {
    /// The pool spawns processes of this executable.
    Spawned(Pinned),
    /// Other programs start the workers, which attach here.
    Attached(Arc<AttachPoint>),
}

impl Origin {
    /// Returns the executable, if this process runs it.
    pub fn pinned(&self) -> Option<&Pinned> {
        match self {
            Self::Spawned(pinned) => Some(pinned),
            Self::Attached(_) => None,
        }
    }
}

/// The reason why a worker is rejected.
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    pub(super) error: StartError,
}

impl Recipe {
    /// Checks whether the worker fits the pool and reads the encodings that it receives. `given` is the
    /// encoding of its worker data.
    pub(super) fn judge(&self, hello: &Hello, given: Encoding) -> Result<(), Refusal> {
        if let Some(wanted) = self.job.as_ref().filter(|wanted| **wanted != hello.job) {
            let (pool, wanted, found) = (self.name.clone(), wanted.clone(), hello.job.clone());
            return Err(Refusal { reason: "contract", error: StartError::OtherJob { pool, wanted, found } });
        }
        let found = Contract::said_by(hello);
        let expected = self.expects.get_or_init(|| found.clone());
        expected.check(&found).map_err(|mismatch| Refusal {
            reason: "contract",
            error: StartError::Contract { pool: self.name.clone(), mismatch: Box::new(mismatch) },
        })?;
        self.judge_mode(hello)?;
        self.judge_encodings(hello, given).map_err(|mismatch| Refusal {
            reason: "contract",
            error: StartError::Encoding { pool: self.name.clone(), mismatch: Box::new(mismatch) },
        })
    }

    fn judge_encodings(&self, hello: &Hello, given: Encoding) -> Result<(), EncodingMismatch> {
        self.encodings.meet(hello)?;
        match hello.encodings.has(given) {
            true => Ok(()),
            false => Err(EncodingMismatch::of_worker_data(given, hello)),
        }
    }

    fn judge_mode(&self, hello: &Hello) -> Result<(), Refusal> {
        if hello.modes.contains(&self.mode) {
            return Ok(());
        }
        let wanted = match self.mode {
            Mode::Jobs => "takes free messages only, not jobs",
            Mode::Messages => "takes jobs only, not free messages",
        };
        let violation = format!("the worker `{}` {wanted}", hello.job);
        let error = StartError::Protocol { pool: self.name.clone(), violation, report: None };
        Err(Refusal { reason: "mode", error })
    }

    /// Returns the `Welcome` of a worker of this name.
    pub fn welcome_of(&self, worker: &str) -> Welcome {
        Welcome {
            mode: self.mode,
            owned: self.origin.pinned().is_some(),
            worker: worker.into(),
            pool: self.name.clone(),
            job: self.job.clone().or_else(|| self.expects.get().map(|contract| contract.job.clone())),
            max_payload: self.max_payload,
            page: false,
            template: false,
            arenas: false,
        }
    }

    /// Creates a page for a worker that may receive jobs ahead of their turn, or record its crash.
    pub(super) fn page_for(&self, worker: &str) -> Option<Page> {
        let is_worth_it = (self.sends_ahead || self.crash_stacks) && self.mode == Mode::Jobs;
        // A worker without a page receives one job at a time, and its crash has no stack.
        is_worth_it.then(|| Page::create(worker, self.crash_stacks))?.ok()
    }

    /// Creates arenas for a worker that may not be able to receive any later. The first worker gets them
    /// before its hello is known, and then all workers that need them do.
    pub(super) fn arenas_for(&self, worker: &str) -> Option<BornArenas> {
        let takes = self.takes_arenas.get().copied().unwrap_or(Some(TakesArenas::Born));
        let is_worth_it = self.mode == Mode::Jobs && takes == Some(TakesArenas::Born);
        // Without arenas, payloads go through the socket.
        is_worth_it.then(|| BornArenas::create(worker))?.ok()
    }

    /// Returns the data for the next worker, in an encoding that it is expected to read: the worker has not
    /// sent its hello yet.
    pub(super) fn next_data(&self) -> Payload {
        self.worker_data.given_to(self.encodings.spoken()).clone()
    }

    pub(super) async fn died(&self, body: Body) -> StartError {
        let report = body.bury(death::LAST_WORDS, None).await;
        let start = Start {
            test: self.origin.pinned().and_then(|pinned| pinned.executable().test()),
            limits: self.limits,
        };
        let hint = hint::of(&report, start);
        StartError::Died { pool: self.name.clone(), report: Box::new(report), hint }
    }

    /// Returns the error of a broken connection: the worker's death, if it follows soon, or else a violation.
    pub(super) async fn broke_off(&self, body: Body, violation: String) -> StartError {
        if clock::timeout(death::AFTER_EOF, body.alive.died()).await.is_ok() {
            return self.died(body).await;
        }
        self.violated(body, violation).await
    }

    pub(super) async fn violated(&self, body: Body, violation: String) -> StartError {
        let report = Some(Box::new(body.bury(death::LAST_WORDS, None).await));
        StartError::Protocol { pool: self.name.clone(), violation, report }
    }

    /// Returns the error of a worker that reports that it will not serve.
    pub(super) async fn failed(&self, body: Body, failure: Failure) -> StartError {
        let report = Some(Box::new(body.bury(death::LAST_WORDS, None).await));
        StartError::Init { pool: self.name.clone(), failure, report }
    }

    pub(super) async fn timed_out(&self, body: Body, step: &'static str) -> StartError {
        let report = Some(Box::new(body.bury(death::LAST_WORDS, None).await));
        StartError::TimedOut { pool: self.name.clone(), step, timeout: self.step_timeout, report }
    }
}
