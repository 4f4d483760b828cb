//! A node of a cluster, as the process runs it.

use anyhow::{Context as _, anyhow};
use coney::cluster::{Common, Nats, NatsOptions, Opened, Process, Route};
use coney::config::{ClusterSettings, Config, NODE_PREFIX};
use coney::{BrokerBuilder, Clock};

use super::announce::Started;

/// Opens the log and begins to follow.
///
/// # Errors
/// What is missing or does not answer.
pub async fn start(
    config: Config,
    clock: &Clock,
    complete: impl Fn(BrokerBuilder) -> BrokerBuilder + Send + Sync + 'static,
) -> anyhow::Result<Process> {
    let settings = config.cluster.as_ref().ok_or_else(|| anyhow!("this is no node of a cluster"))?;
    let opened = open_log(settings, settings.is_log_unsafe).await?;
    let Opened { log, directory, log_id, secret, .. } = opened;
    Ok(Process::start(config, *clock, Common { log, directory, log_id, secret }, complete).await?)
}

/// The log and the directory of a cluster that was made.
///
/// # Errors
/// They are not there, or their servers may lose what they confirm.
pub(super) async fn open_log(settings: &ClusterSettings, is_unsafe: bool) -> anyhow::Result<Opened> {
    connect(settings).await?.open(is_unsafe).await.context("cannot open the cluster's log")
}

/// A connection to the servers of the log.
///
/// # Errors
/// None of them answers.
pub(super) async fn connect(settings: &ClusterSettings) -> anyhow::Result<Nats> {
    let options = NatsOptions {
        servers: settings.log.clone(),
        cluster: settings.name.clone(),
        credentials: settings.log_credentials.clone(),
        monitoring: settings.log_monitor.clone(),
        system_credentials: settings.log_system_credentials.clone(),
    };
    Nats::connect(&options).await.context("cannot connect to the cluster's log")
}

/// Says that clients can connect, and what this node is.
pub fn announce(config: &Config, node: &Process, route: &Route, clock: &Clock) {
    let cluster = config.cluster.as_ref().map(|cluster| cluster.name.as_str()).unwrap_or_default();
    let role = match route {
        Route::Own { .. } => "leads".to_owned(),
        Route::To(leader) => format!("follows {}", leader.name),
        Route::Nobody => "waits for a leader".to_owned(),
    };
    let named = || format!("{NODE_PREFIX}{}", node.name());
    let started = Started {
        config,
        node_name: config.node_name.clone().unwrap_or_else(named),
        role: Some(format!("node {} of cluster {cluster}, which {role}", node.name())),
        development_ca: None,
        addresses: &|door| node.addresses(door),
    };
    started.announce(clock);
}
