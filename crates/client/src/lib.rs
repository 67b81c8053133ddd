//! A client of a procpool server over HTTP/1.1, by TCP or by a Unix socket.
//!
//! Pure values on both sides, and one module that does I/O between them:
//!
//! - arguments become a [`Request`]: [`jobs`], [`pools`], [`deaths`], [`batch`];
//! - [`Client`] sends it, and gives back an [`Answer`], a stream or a [`ClientError`];
//! - answers become views ([`view`]), rows of a [`Table`](table::Table), an [`Ending`] with its exit code.
//!
//! Does not: parse command lines, print, or know what a job computes.

#![forbid(unsafe_code)]

pub mod address;
pub mod advice;
pub mod age;
mod answer;
pub mod batch;
mod client;
pub mod deaths;
pub mod describe;
pub mod ending;
mod error;
pub mod events;
pub mod filter;
pub mod follow;
pub mod hosts;
pub mod jobs;
pub mod pools;
mod problem;
mod request;
pub mod schedules;
pub mod stacks;
pub mod table;
mod target;
pub mod tls;
mod upload;
pub mod view;

pub use address::Address;
pub use answer::Answer;
pub use client::{Client, Streaming, Token, within};
pub use ending::Ending;
pub use error::ClientError;
pub use problem::Problem;
pub use request::Request;
pub use target::Target;
pub use upload::{ReadSoFar, Upload};
