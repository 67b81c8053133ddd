//! The messages between coordinator and worker beside input and output, with real workers: each field of a
//! message that a caller can notice.

mod broke;
mod encodings;
mod extras;
mod logs;
mod schemas;
