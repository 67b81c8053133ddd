//! [`Recipe`]: what the workers of a pool have in common, what they have to be, and what they are told.

use super::StartError;
use super::hint::{self, Start};
use crate::agreement::{EncodingAgreement, EncodingMismatch};
use crate::attach::AttachPoint;
use crate::clock;
use crate::contract::Contract;
use crate::death::{self, Body};
use crate::executable::Pinned;
use crate::os::page::Page;
use crate::worker_data::WorkerData;
use crate::worker_limits::WorkerLimits;
use procpool_memory::arena::BornArenas;
use procpool_protocol::arena::TakesArenas;
use procpool_protocol::codec::CodecError;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{Hello, Mode, Welcome};
use procpool_protocol::message::json_frame;
use procpool_protocol::{Encoding, Failure, Payload};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Everything that the workers of one pool have in common.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The pool's name; a worker is called after it.
    pub name: String,
    /// Where its workers come from.
    pub origin: Origin,
    /// Names of variables that its workers inherit beside the usual ones.
    pub inherit_env: Vec<String>,
    /// The pool's own variables.
    pub env: Vec<(OsString, OsString)>,
    /// The workers' working directory; `None`: the coordinator's.
    pub current_dir: Option<PathBuf>,
    /// What each worker process may use.
    pub limits: WorkerLimits,
    /// Whether its workers may be given jobs ahead of their turn.
    pub sends_ahead: bool,
    /// What its workers are for.
    pub mode: Mode,
    /// The job that its workers serve, by its name, where the executable may have others.
    pub job: Option<String>,
    /// What the workers have to be: what the caller was built with, or what the first worker was.
    pub expects: Arc<OnceLock<Contract>>,
    /// How the workers come by arenas, once the first has said so. Belongs to the executable.
    pub takes_arenas: Arc<OnceLock<Option<TakesArenas>>>,
    /// What each worker is given at its start.
    pub worker_data: WorkerData,
    /// How its workers and their callers understand each other.
    pub encodings: Arc<EncodingAgreement>,
    /// Largest payload in either direction, in bytes.
    pub max_payload: u32,
    /// Bounds each step of a launch.
    pub step_timeout: Duration,
}

/// Where the workers of a pool come from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// They are processes of this executable.
    Spawned(Pinned),
    /// Somebody else starts them, and they attach here.
    Attached(Arc<AttachPoint>),
}

impl Origin {
    /// Returns what is run, where this process runs it.
    pub fn pinned(&self) -> Option<&Pinned> {
        match self {
            Self::Spawned(pinned) => Some(pinned),
            Self::Attached(_) => None,
        }
    }
}

/// A worker that is sent away.
pub(super) struct Refusal {
    pub(super) reason: &'static str,
    pub(super) error: StartError,
}

impl Recipe {
    /// Checks whether the worker is what the pool is for, and reads what it is sent; it was given
    /// data in the encoding `given`.
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
        Err(Refusal { reason: "mode", error: StartError::Protocol { pool: self.name.clone(), violation } })
    }

    /// Returns what a worker of this name is told first.
    pub fn welcome_of(&self, worker: &str) -> Welcome {
        Welcome {
            mode: self.mode,
            owned: self.origin.pinned().is_some(),
            worker: worker.into(),
            pool: self.name.clone(),
            job: self.job.clone().or_else(|| self.expects.get().map(|contract| contract.job.clone())),
            max_payload: self.max_payload,
            page: false,
            arenas: false,
        }
    }

    /// Returns a page for a worker that may be given jobs ahead of their turn.
    pub(super) fn page_for(&self, worker: &str) -> Option<Page> {
        let is_worth_it = self.sends_ahead && self.mode == Mode::Jobs;
        // Without a page it is given one job at a time.
        is_worth_it.then(|| Page::create(worker))?.ok()
    }

    /// Arenas for a worker that may be able to receive none later: the first one, until its hello says, and then all
    /// that are like it.
    pub(super) fn arenas_for(&self, worker: &str) -> Option<BornArenas> {
        let takes = self.takes_arenas.get().copied().unwrap_or(Some(TakesArenas::Born));
        let is_worth_it = self.mode == Mode::Jobs && takes == Some(TakesArenas::Born);
        // Without them its payloads go through the socket.
        is_worth_it.then(|| BornArenas::create(worker))?.ok()
    }

    /// What the next worker is given at its start, as far as it is known what that reads: it is given before
    /// the worker has said anything.
    pub(super) fn next_data(&self) -> Payload {
        self.worker_data.given_to(self.encodings.spoken()).clone()
    }

    /// Returns the first frame to a worker of this name, with the worker data.
    pub(super) fn first_frame(
        &self,
        worker: &str,
        page: Option<&Page>,
        arenas: bool,
        data: Payload,
    ) -> Result<Frame, CodecError> {
        let welcome = Welcome { page: page.is_some(), arenas, ..self.welcome_of(worker) };
        Ok(json_frame(Kind::Welcome, &welcome)?.with_payload(data))
    }

    pub(super) async fn died(&self, body: Body) -> StartError {
        let report = body.bury(death::LAST_WORDS, None).await;
        let start = Start {
            test: self.origin.pinned().and_then(|pinned| pinned.executable().test()),
            memory_limit: self.limits.memory_limit,
        };
        let hint = hint::of(&report, start);
        StartError::Died { pool: self.name.clone(), report: Box::new(report), hint }
    }

    /// The connection broke: the worker's death, if it comes soon, else a violation.
    pub(super) async fn broke_off(&self, body: Body, violation: String) -> StartError {
        if clock::timeout(death::AFTER_EOF, body.alive.died()).await.is_ok() {
            return self.died(body).await;
        }
        self.violated(body, violation).await
    }

    pub(super) async fn violated(&self, body: Body, violation: String) -> StartError {
        body.bury(death::LAST_WORDS, None).await;
        StartError::Protocol { pool: self.name.clone(), violation }
    }

    /// It says itself that it will not serve.
    pub(super) async fn failed(&self, body: Body, failure: Failure) -> StartError {
        body.bury(death::LAST_WORDS, None).await;
        StartError::Init { pool: self.name.clone(), failure }
    }

    pub(super) async fn timed_out(&self, body: Body, step: &'static str) -> StartError {
        body.bury(death::LAST_WORDS, None).await;
        StartError::TimedOut { pool: self.name.clone(), step, timeout: self.step_timeout }
    }
}
