//! The behaviour of a pool, one case at a time. Each test reads as events in, actions out. Nothing
//! is random here; the model covers random lives.

mod admission;
mod ahead;
mod breaker;
mod cancelling;
mod causes;
mod clients;
mod deadlines;
mod fresh;
mod idling;
mod orders;
mod pausing;
mod pool;
mod quarantine;
mod queueing;
mod races;
mod recycling;
mod reloading;
mod resizing;
mod restarting;
mod retrying;
mod shutdown;
mod strength;
mod workers;
