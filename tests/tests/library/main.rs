//! The library against real processes.

mod deadline_stacks;
mod deaths;
mod events;
mod forked;
mod forked_whole;
mod limits;
mod orders;
mod pools;
mod protocol;
mod retries;
mod shutdown;
mod sizes;
mod stacks;
mod streams;
mod stuck_looks;
mod turns;
mod worker;
