//! `procpool cluster doctor`: what keeps a cluster from its promises, each with the way out.

use super::no_cluster;
use super::table::why_apart;
use crate::config::Config;
use crate::error::Error;
use procpool_nats::{Cluster, ClusterError, Host, HostState, Settings};
use procpool_protocol::printable::printable_lines;
use std::fmt::Write;
use std::path::Path;

/// The results of a look.
#[derive(Debug, Default)]
struct Findings {
    text: String,
    is_ill: bool,
}

impl Findings {
    fn good(&mut self, text: impl std::fmt::Display) {
        let _ = writeln!(self.text, "ok       {text}");
    }

    /// Nothing is lost by it, or nobody but a person can tell.
    fn note(&mut self, text: impl std::fmt::Display) {
        let _ = writeln!(self.text, "note     {text}");
    }

    fn bad(&mut self, text: impl std::fmt::Display) {
        self.is_ill = true;
        let _ = writeln!(self.text, "problem  {text}");
    }
}

/// Returns the text, and whether there is no problem.
///
/// # Errors
/// When the configuration has no cluster, or a secret cannot be read.
pub(super) async fn examine(config: &Config, path: &Path) -> Result<(String, bool), Error> {
    let settings = config.cluster.as_ref().ok_or_else(|| no_cluster(path))?.resolve()?;
    let mut findings = Findings::default();
    copies(&mut findings, &settings);
    match Cluster::connect(settings).await {
        Ok(cluster) => connected(&mut findings, &cluster).await,
        Err(error) => findings.bad(format_args!("{error}{}", way_out(&error))),
    }
    Ok((printable_lines(&findings.text), !findings.is_ill))
}

async fn connected(findings: &mut Findings, cluster: &Cluster) {
    findings.good(format_args!("nats-server {} answers", cluster.server_version()));
    match cluster.check().await {
        Ok(()) => findings.good("the streams are as configured"),
        Err(ClusterError::Differs(differences)) => {
            for difference in differences {
                let way_out = match difference.setting {
                    None => "`procpool cluster init` creates it",
                    Some(_) => {
                        "use the same pools file everywhere, or change it with `nats stream edit` or `nats consumer edit`"
                    }
                };
                findings.bad(format_args!("{difference}; {way_out}"));
            }
        }
        Err(error) => findings.bad(format_args!("{error}{}", way_out(&error))),
    }
    match cluster.hosts().await {
        Ok(hosts) => nodes(findings, &hosts, cluster.settings()),
        Err(error) => findings.bad(format_args!("the nodes are not known: {error}")),
    }
}

fn copies(findings: &mut Findings, settings: &Settings) {
    let replicas = settings.replicas;
    match replicas {
        1 => findings.note(
            "replicas = 1, accepted by name: the loss of the server's disk, or of power, loses accepted jobs; use three \
             servers and replicas = 3",
        ),
        _ => findings.good(format_args!("replicas = {replicas}: no accepted job is lost with one host")),
    }
    findings.note(
        "a server does not tell its clients when it syncs, and does so every 2 minutes by default; set \
         `jetstream { sync_interval: always }` in each nats-server's file against a power failure of all",
    );
}

fn nodes(findings: &mut Findings, hosts: &[Host], settings: &Settings) {
    let up: Vec<&Host> = hosts.iter().filter(|host| host.state == HostState::Up).collect();
    let mine = env!("CARGO_PKG_VERSION");
    for pool in &settings.pools {
        let slots: usize = up.iter().filter_map(|host| host.slots.get(&pool.name)).sum();
        match slots {
            0 => findings.bad(format_args!(
                "pool `{}` has no node, so its jobs wait; start `procpool node --config FILE` on a host",
                pool.name
            )),
            _ => findings.good(format_args!("pool `{}` runs {slots} jobs at a time", pool.name)),
        }
    }
    for host in &up {
        if host.version != mine {
            findings.note(format_args!(
                "node {} is procpool {}, and this is {mine}; fine while hosts are upgraded one by one",
                host.node, host.version
            ));
        }
        for (pool, contract) in &host.apart {
            findings.note(format_args!(
                "node {} has not joined pool `{pool}`: {}; fine while hosts are upgraded one by one, and it joins when the \
                 last of those has ended",
                host.node,
                why_apart(host, pool, contract)
            ));
        }
        let unknown = host.slots.keys().find(|pool| !settings.pools.iter().any(|own| &own.name == *pool));
        if let Some(pool) = unknown {
            findings.bad(format_args!(
                "node {} runs pool `{pool}`, which this file does not have; use the same pools file everywhere",
                host.node
            ));
        }
    }
    let gone = hosts.iter().filter(|host| host.state == HostState::Gone).count();
    if gone > 0 {
        findings.note(format_args!(
            "nodes that are gone without a word in the last day: {gone}; `procpool cluster status` names them"
        ));
    }
}

/// Returns the advice about an error whose sentence has none.
fn way_out(error: &ClusterError) -> &'static str {
    match error {
        ClusterError::Connect { .. } => "; see whether nats-server runs there, and `nats` in [cluster]",
        ClusterError::Credentials { .. } => "; see credentials, nkey, user and password_file in [cluster]",
        ClusterError::OldServer { .. } => "; install nats-server 2.12 or later, 2.15.1 is tested",
        ClusterError::SmallMessages { .. } => "; raise `max_payload` in nats-server's file",
        ClusterError::Link(_) => "; see whether JetStream is on, and on for this account",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_nats::PoolSettings;

    fn host(version: &str, pool: &str) -> Host {
        let text = format!(
            r#"{{"node":"a-1","host":"a","pid":7,"version":"{version}","slots":{{"{pool}":2}},"held":0,"told":0,
            "late":0,"decided":0,"fenced":0,"left":0}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_pool_without_a_node_is_a_problem_and_another_version_is_none() {
        let mut settings = Settings::new("localhost", "a");
        settings.pools = vec![PoolSettings::new("fib")];
        let mut findings = Findings::default();
        nodes(&mut findings, &[host("0.0.1", "fib")], &settings);
        assert!(!findings.is_ill && findings.text.contains("pool `fib` runs 2 jobs"), "{}", findings.text);
        assert!(findings.text.contains("node a-1 is procpool 0.0.1"), "{}", findings.text);
        nodes(&mut findings, &[host(env!("CARGO_PKG_VERSION"), "old")], &settings);
        assert!(findings.is_ill && findings.text.contains("pool `fib` has no node"), "{}", findings.text);
        assert!(
            findings.text.contains("runs pool `old`, which this file does not have"),
            "{}",
            findings.text
        );
    }
}
