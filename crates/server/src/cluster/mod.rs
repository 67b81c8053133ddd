//! Jobs on many hosts: connects a server or a node to its cluster, and carries out `procpool cluster`.

mod doctor;
mod hosts;
mod table;

pub(crate) use hosts::Hosts;

use crate::cli::cluster::{ClusterArgs, ClusterCommand};
use crate::cli::remote::Form;
use crate::config::{Config, ConfigError, PoolSpec};
use crate::error::Error;
use procpool_coordinator::{Coordinator, PoolConfig};
use procpool_nats::{Cluster, ClusterJobs, Contract, Front, Host, Node, NodePool};
use procpool_protocol::engine::Engine;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Connects to the cluster of a configuration, if it has one.
///
/// # Errors
/// When no server answers, or it cannot be used.
pub(crate) async fn connect(config: &Config) -> Result<Option<Cluster>, Error> {
    let Some(cluster) = &config.cluster else { return Ok(None) };
    Ok(Some(Cluster::connect(cluster.resolve()?).await?))
}

/// Returns the jobs of a cluster for a frontend.
///
/// # Errors
/// When the servers do not answer, or their streams are not as configured.
pub(crate) async fn front(cluster: Cluster) -> Result<ClusterJobs, Error> {
    Ok(ClusterJobs::new(Front::start(cluster, &host_name()).await?, now))
}

/// Begins to run jobs of the cluster: of each of these pools as many at a time as it has workers. Their contracts are known
/// to the coordinator.
///
/// # Errors
/// When the servers do not answer, or their streams are not as configured.
pub(crate) async fn node(
    cluster: Cluster,
    engine: Arc<dyn Engine>,
    coordinator: &Coordinator,
    pools: &[PoolConfig],
) -> Result<Node, Error> {
    let of_cluster = |pool: &PoolConfig| {
        let contract = coordinator.raw(&pool.name).ok().and_then(|raw| raw.known_contract().map(contract));
        (pool.name.clone(), NodePool::new(pool.limits.max_workers.max(1), contract))
    };
    let own = pools.iter().map(of_cluster).collect();
    let node = Node::start(cluster, engine, &host_name(), own).await?;
    let pools: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
    tracing::info!(node = %node.id(), ?pools, "runs jobs of the cluster");
    Ok(node)
}

fn contract(of: &procpool_coordinator::Contract) -> Contract {
    Contract::new(&of.job, of.version, of.schema_hash.clone())
}

/// Returns the name of this host, which says in the cluster where a node is.
pub(crate) fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "host".into() } else { name.trim().to_owned() }
}

/// Returns the time since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Runs `procpool cluster`.
///
/// # Errors
/// When the servers do not answer, or the order cannot be carried out.
pub(crate) async fn cluster(args: ClusterArgs) -> Result<ExitCode, Error> {
    let config = Config::load(Some(&args.config))?;
    let is_doctor = matches!(args.command, ClusterCommand::Doctor);
    if is_doctor {
        let (text, is_well) = doctor::examine(&config, &args.config).await?;
        say(&text)?;
        return Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let cluster = connect(&config).await?.ok_or_else(|| no_cluster(&args.config))?;
    match args.command {
        ClusterCommand::Init => say(&created(&cluster.init().await?))?,
        ClusterCommand::Status(status) => {
            let hosts = cluster.hosts().await.map_err(procpool_nats::ClusterError::from)?;
            say(&shown(&hosts, status.output))?;
        }
        ClusterCommand::Doctor => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the error of a configuration without a cluster.
pub(crate) fn no_cluster(path: &Path) -> Error {
    Error::NoCluster { of: path.to_owned() }
}

/// Returns the pools of the cluster, ready to be started.
///
/// # Errors
/// When an executable or a directory cannot be used.
pub(crate) fn pools(config: &Config) -> Result<Vec<PoolConfig>, ConfigError> {
    config.pools.iter().filter(|pool| config.is_in_cluster(pool)).map(PoolSpec::resolve).collect()
}

fn created(names: &[String]) -> String {
    match names {
        [] => "nothing to create: the streams are as configured\n".into(),
        names => names.iter().map(|name| format!("created {name}\n")).collect(),
    }
}

fn shown(hosts: &[Host], form: Form) -> String {
    match form {
        Form::Table => table::of(hosts),
        Form::Json => format!("{}\n", serde_json::Value::from_iter(hosts.iter().map(table::json))),
        Form::Jsonl => hosts.iter().map(|host| format!("{}\n", table::json(host))).collect(),
        Form::Name => hosts.iter().map(|host| format!("{}\n", host.node)).collect(),
    }
}

fn say(text: &str) -> Result<(), Error> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(Error::Output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn created_streams_are_named() {
        assert_eq!(created(&["PP_a_N".into()]), "created PP_a_N\n");
        assert!(created(&[]).starts_with("nothing to create"));
    }

    #[test]
    fn this_host_has_a_name() {
        assert!(!host_name().is_empty());
    }
}
