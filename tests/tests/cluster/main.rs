//! Jobs on many hosts with real processes: a nats-server, servers as fronts, and nodes, on one machine.

mod commands;
mod dead;
mod deploy;
#[path = "../../../crates/nats/tests/cluster/fake.rs"]
mod fake;
mod hosts;
mod jobs;
mod kills;
mod large;
mod later;
mod partition;
mod retries;
mod schedules;
mod secured;
mod stage;
mod stops;
mod upgrade;
