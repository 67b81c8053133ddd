//! The wire between a procpool coordinator and its workers, and the types that both sides share.
//!
//! Sans-IO: this crate turns bytes into frames and values into bytes. It opens no socket, reads no clock and
//! knows no runtime. `WIRE.md` beside it describes the same byte by byte, so that a worker can be written in
//! another language.
//!
//! From the outside in: [`preamble`], [`frame`] and [`decoder`] know bytes. [`handshake`] and [`message`]
//! know the contents of frames, and [`extras`] the optional additions. [`batch`] combines several jobs in
//! one, and [`log`] transports a worker's log records. [`payload`] carries typed values; [`Job`] is the
//! contract.
//!
//! [`page`] and [`arena`] are the memory that both sides share, [`attachments`] and [`birth`] the descriptors
//! that pass it, and [`crash_record`] what a crash leaves in the page. [`outcome`] and [`crash`] say how jobs and
//! workers end, [`deaths`] how a server keeps that, and [`recording`] stores a failed job. [`printable`] makes
//! foreign text safe for a log. [`status`] is the state of a pool at one moment, and
//! [`engine`] is the interface between a frontend and the engine that runs the jobs.

#![forbid(unsafe_code)]

mod apart;
pub mod arena;
pub mod attachments;
#[cfg(feature = "axum")]
mod axum;
pub mod batch;
pub mod birth;
pub mod bounded;
pub mod carriage;
mod client_name;
pub mod codec;
mod constructors;
pub mod crash;
pub mod crash_record;
pub mod deaths;
mod declare;
pub mod decoder;
mod distribution;
pub mod encodings;
pub mod engine;
pub mod extras;
mod failure;
mod figures;
pub mod frame;
pub mod handshake;
mod history;
mod host_lost;
mod hosts;
mod in_place;
pub mod inspection;
mod job;
mod job_id;
mod last_words;
mod limit_hit;
pub mod limits;
pub mod log;
mod machinery;
pub mod message;
mod offered;
pub mod outcome;
mod outcome_json;
mod outcome_kind;
mod outcome_stack;
pub mod page;
pub mod payload;
pub mod preamble;
pub mod printable;
mod priority;
mod public_error;
mod quarantine;
mod raw;
mod reconfiguration;
pub mod recording;
mod refusal;
mod refusal_table;
mod reload;
pub mod sample;
mod settings;
pub mod stack;
mod stage;
pub mod status;
pub mod symbols;
mod trace;
mod usage;
mod watched;
mod worker_detail;
pub mod worker_output;

pub use crash::{CrashReport, Exit, ExitReport};
pub use failure::{Cancelled, Failure};
pub use job::{Job, Schema, Streaming};
pub use limit_hit::{LimitHit, MemoryCount, size};
pub use outcome::{JobError, JobId, Stage};
pub use outcome_kind::OutcomeKind;
pub use payload::{Encoding, Payload, PayloadError};
pub use public_error::PublicError;
pub use raw::Bytes;
pub use trace::TraceContext;
