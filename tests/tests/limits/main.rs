//! Limits of one worker process: set before it is told anything, held by the kernel, told when they are hit.

mod bombs;
mod cgroups;
mod each;
mod environment;
mod interpreters;
mod memory;
mod oom;
