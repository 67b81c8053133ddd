//! Memory that a pool and its workers share: large payloads in arenas, and regions that are a program's own.

mod ahead;
mod apart;
mod born;
mod other_user;
mod payloads;
mod regions;
mod returned;
