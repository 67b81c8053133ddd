//! procpool beside its peers and its floors, measured in turns in one run: the machine's mood changes by the minute, the
//! ratios much less.
//!
//! Knows what is compared and how; what each contestant does inside is its own file's.

#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "no other package uses this one")]

pub mod args;
pub mod contest;
pub mod contestant;
pub mod floor;
pub mod http;
pub mod language;
pub mod machine;
pub mod placement;
pub mod places;
pub mod plot;
pub mod record;
pub mod rows;
pub mod sample;
pub mod script;
pub mod table;
pub mod watch;
