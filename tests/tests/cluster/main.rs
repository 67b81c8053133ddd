//! Jobs on many hosts with real processes: a nats-server, servers as fronts, and nodes, on one machine.

mod commands;
mod dead;
mod deploy;
mod hosts;
mod jobs;
mod kills;
mod stage;
mod upgrade;
