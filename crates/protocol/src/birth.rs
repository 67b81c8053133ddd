//! The descriptors that a spawned worker is born with: constants of the wire.
//!
//! The coordinator makes them before the process exists and passes no other ones but standard input
//! (`/dev/null`), standard output and standard error.

/// Number of the jobs connection.
pub const JOBS_FD: i32 = 3;
/// Number of the control connection.
pub const CONTROL_FD: i32 = 4;
/// Number of the [page](crate::page), where the `Welcome` says that there is one.
pub const PAGE_FD: i32 = 5;
/// Number of the input arena that a worker is born with, where the `Welcome` says that there is one.
pub const INPUT_FD: i32 = 6;
/// Number of the output arena that a worker is born with, where the `Welcome` says that there is one.
pub const OUTPUT_FD: i32 = 7;
