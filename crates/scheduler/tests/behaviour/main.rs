//! What a pool does, said one behaviour at a time. Each test reads as events in, actions out; nothing is random here
//! (that is the model's part).

mod cancelling;
mod deadlines;
mod pool;
mod queueing;
mod races;
mod restarting;
mod retrying;
mod shutdown;
mod strength;
mod workers;
