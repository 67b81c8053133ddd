//! Durable jobs around an engine of a few lines, over a storage that a test can crash, fill and break.

mod accepting;
mod engine;
mod failing;
mod queueing;
mod recovering;
mod retrying;
mod scheduling;
mod sealing;
