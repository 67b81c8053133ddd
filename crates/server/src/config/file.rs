//! The shape of a configuration file: its keys and nothing else. `pool` and `server` interpret the values
//! together.

use super::cluster::ClusterTable;
use super::command::Command;
use super::durable::{Durability, RetryTable};
use super::duration::{Bound, Positive, Span};
use super::jobs::Disconnect;
use super::listen::Listen;
use super::orders::Orders;
use super::schedules::{MissedRule, OverlapRule};
use super::size::Size;
use super::tls::TlsTable;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

/// A whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table", default)]
pub(super) struct File {
    pub(super) server: ServerTable,
    pub(super) jobs: JobsTable,
    pub(super) pools: BTreeMap<String, PoolTable>,
    pub(super) schedules: BTreeMap<String, ScheduleTable>,
    pub(super) cluster: Option<ClusterTable>,
}

/// `[server]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table", default)]
pub(super) struct ServerTable {
    pub(super) listen: Option<Listen>,
    pub(super) drain_limit: Option<Span>,
    pub(super) max_body: Option<Size>,
    pub(super) max_bodies: Option<Size>,
    pub(super) max_answers: Option<Size>,
    pub(super) header_timeout: Option<Positive>,
    pub(super) keep_alive_timeout: Option<Positive>,
    pub(super) body_timeout: Option<Positive>,
    pub(super) write_timeout: Option<Positive>,
    pub(super) min_write_rate: Option<Size>,
    pub(super) max_connections: Option<NonZeroUsize>,
    pub(super) max_connections_per_peer: Option<NonZeroUsize>,
    pub(super) uncapped_peers: Option<Vec<IpAddr>>,
    pub(super) max_streams: Option<NonZeroU32>,
    pub(super) max_event_streams: Option<NonZeroUsize>,
    pub(super) access_log: Option<bool>,
    pub(super) max_live_answers: Option<NonZeroUsize>,
    pub(super) batch_window: Option<NonZeroUsize>,
    pub(super) batch_bytes: Option<Size>,
    pub(super) allowed_hosts: Option<Vec<String>>,
    pub(super) orders: Option<Orders>,
    pub(super) orders_token_file: Option<PathBuf>,
    pub(super) tokens: Option<PathBuf>,
    pub(super) allow_anonymous: Option<bool>,
    pub(super) tls: Option<TlsTable>,
    pub(super) attach_dir: Option<PathBuf>,
    pub(super) on_disconnect: Option<Disconnect>,
    pub(super) max_deaths: Option<usize>,
    pub(super) max_death_bytes: Option<Size>,
}

/// `[jobs]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table", default)]
pub(super) struct JobsTable {
    pub(super) max_records: Option<usize>,
    pub(super) max_record_bytes: Option<Size>,
    pub(super) max_keys: Option<usize>,
    pub(super) max_result_bytes: Option<Size>,
    pub(super) max_input_bytes: Option<Size>,
    pub(super) max_event_bytes: Option<Size>,
    pub(super) max_events_per_job: Option<usize>,
    pub(super) max_event_bytes_per_job: Option<Size>,
    pub(super) keep_results: Option<Span>,
    pub(super) keep_records: Option<Span>,
    pub(super) keep_keys: Option<Span>,
    pub(super) state_dir: Option<PathBuf>,
    pub(super) durability: Option<Durability>,
    pub(super) max_dead: Option<usize>,
}

/// `[pools.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct PoolTable {
    pub(super) command: Option<Command>,
    pub(super) job: Option<String>,
    #[serde(default)]
    pub(super) attach: bool,
    #[serde(default)]
    pub(super) attach_users: Vec<u32>,
    pub(super) min_workers: Option<usize>,
    pub(super) max_workers: Option<usize>,
    pub(super) queue: Option<usize>,
    pub(super) queue_bytes: Option<Size>,
    pub(super) timeout: Option<Bound>,
    pub(super) run_timeout: Option<Bound>,
    pub(super) max_timeout: Option<Bound>,
    pub(super) grace: Option<Span>,
    pub(super) stack_at_deadline: Option<bool>,
    pub(super) stop_timeout: Option<Span>,
    pub(super) start_timeout: Option<Span>,
    pub(super) max_payload: Option<Size>,
    pub(super) max_attempts: Option<u32>,
    pub(super) idempotent: Option<bool>,
    pub(super) durable: Option<bool>,
    pub(super) retry: Option<RetryTable>,
    pub(super) admission: Option<bool>,
    pub(super) spares: Option<usize>,
    pub(super) idle_timeout: Option<Bound>,
    pub(super) process_per_job: Option<bool>,
    pub(super) fork: Option<bool>,
    pub(super) crash_stacks: Option<bool>,
    pub(super) recycle_jobs: Option<u64>,
    pub(super) recycle_lifetime: Option<Span>,
    pub(super) recycle_memory: Option<Size>,
    pub(super) breaker_failures: Option<usize>,
    pub(super) breaker_window: Option<Span>,
    pub(super) poison_deaths: Option<u32>,
    pub(super) poison_window: Option<Span>,
    pub(super) client_deaths: Option<u32>,
    pub(super) retry_out_of_memory: Option<bool>,
    pub(super) memory_limit: Option<Size>,
    pub(super) address_space_limit: Option<Size>,
    pub(super) cpu_limit: Option<Positive>,
    pub(super) open_files_limit: Option<u64>,
    pub(super) process_limit: Option<u64>,
    pub(super) file_size_limit: Option<Size>,
    pub(super) nice: Option<i32>,
    #[serde(default)]
    pub(super) inherit_env: Vec<String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    pub(super) current_dir: Option<PathBuf>,
    pub(super) save_failed_jobs: Option<PathBuf>,
    pub(super) saved_jobs: Option<usize>,
    pub(super) save_history: Option<usize>,
}

/// `[schedules.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct ScheduleTable {
    pub(super) cron: String,
    pub(super) pool: String,
    pub(super) timezone: Option<String>,
    pub(super) input: Option<toml::Value>,
    pub(super) input_file: Option<PathBuf>,
    pub(super) overlap: Option<OverlapRule>,
    pub(super) missed: Option<MissedRule>,
}
