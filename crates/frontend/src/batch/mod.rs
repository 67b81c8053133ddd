//! Many jobs in one request: JSON lines in, an outcome line for each out, with a bounded number in flight.
//!
//! All of it is the answer's body, which is polled as far as the client takes it. So nothing is read, and nothing
//! submitted, for a client that reads nothing; a client that hangs up drops the body, and with it the jobs.

mod body;
mod end;
mod keyed;
mod lines;
mod under_way;
mod window;

pub(crate) use body::{Batch, Order, Template};
pub(crate) use end::{one_line, write_output};
pub(crate) use keyed::KeyPrefix;
