//! The descriptors that a spawned worker inherits: constants of the wire.
//!
//! The coordinator creates them before the process exists. It passes no others except standard input
//! (`/dev/null`), standard output and standard error.

/// Number of the jobs connection.
pub const JOBS_FD: i32 = 3;
/// Number of the control connection.
pub const CONTROL_FD: i32 = 4;
/// Number of the [page](crate::page), if the `Welcome` says that there is one.
pub const PAGE_FD: i32 = 5;
/// Number of the input arena that a worker inherits, if the `Welcome` says that there is one.
pub const INPUT_FD: i32 = 6;
/// Number of the output arena that a worker inherits, if the `Welcome` says that there is one.
pub const OUTPUT_FD: i32 = 7;
