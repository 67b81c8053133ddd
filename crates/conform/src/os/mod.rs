//! Everything that needs the kernel: a worker process with exact descriptors, its end, memory to share.

mod mapping;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod spawn;
