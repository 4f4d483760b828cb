//! A node of a cluster, as the process runs it.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use coney::cluster::{Common, Kept, Nats, NatsError, NatsOptions, Opened, Process, Route};
use coney::config::{ClusterSettings, Config, NODE_PREFIX};
use coney::{BrokerBuilder, Clock};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::announce::Started;

/// Between two attempts to open a log that does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Opens the log, waits for it if its servers do not answer, as after a power failure, and begins to follow.
///
/// # Errors
/// What is missing, or refused.
pub async fn start(
    config: Config,
    clock: &Clock,
    complete: impl Fn(BrokerBuilder) -> BrokerBuilder + Send + Sync + 'static,
) -> anyhow::Result<Process> {
    let settings = config.cluster.as_ref().ok_or_else(|| anyhow!("this is no node of a cluster"))?;
    let opened = open_when_there(settings, clock, 0).await?;
    let Opened { log, directory, log_id, secret, shards, slow_pings, .. } = opened;
    for (server, interval) in slow_pings {
        tracing::warn!(
            server,
            "the nats-server's ping_interval is {interval:?}: if another is cut off, nobody may confirm for more than a minute; \
             2s with a ping_max of 2 is recommended"
        );
    }
    let mut others = Vec::new();
    for shard in 1..=shards {
        let Opened { log, directory, log_id, .. } = open_when_there(settings, clock, shard).await?;
        others.push(Kept { log, directory, log_id });
    }
    let common = Common { log, directory, log_id, secret };
    Ok(Process::start_with_shards(config, *clock, common, others, complete).await?)
}

async fn open_when_there(settings: &ClusterSettings, clock: &Clock, shard: u16) -> anyhow::Result<Opened> {
    let mut said = None;
    loop {
        let opened = match connect_to(settings, shard).await {
            Ok(nats) => nats.open(settings.is_log_unsafe).await,
            Err(error) => Err(error),
        };
        match opened {
            Err(error) if error.may_pass() => {
                let text = error.to_string();
                if said.as_ref() != Some(&text) {
                    tracing::warn!("the cluster's log is waited for: {text}");
                    said = Some(text);
                }
                clock.wait_for(Some(clock.now() + PAUSE)).await;
            }
            opened => return opened.context("cannot open the cluster's log"),
        }
    }
}

/// A connection to the servers of the log of a shard.
async fn connect_to(settings: &ClusterSettings, shard: u16) -> Result<Nats, NatsError> {
    let nats = connect(settings).await?;
    if shard == 0 { Ok(nats) } else { nats.of_shard(shard).await }
}

/// The log and the directory of a cluster that was made.
///
/// # Errors
/// They are not there, or their servers may lose what they confirm.
pub(super) async fn open_log(settings: &ClusterSettings, is_unsafe: bool) -> anyhow::Result<Opened> {
    let nats = connect(settings).await.context("cannot connect to the cluster's log")?;
    nats.open(is_unsafe).await.context("cannot open the cluster's log")
}

/// The same of one of its shards for vhosts.
///
/// # Errors
/// The same.
pub(super) async fn open_shard(settings: &ClusterSettings, shard: u16) -> anyhow::Result<Opened> {
    let nats = connect_to(settings, shard).await.context("cannot connect to a shard's log")?;
    nats.open(true).await.context("cannot open a shard's log")
}

/// A connection to the servers of the log.
///
/// # Errors
/// None of them answers.
pub(super) async fn connect(settings: &ClusterSettings) -> Result<Nats, NatsError> {
    let options = NatsOptions {
        servers: settings.log.iter().map(|server| with_login(server, settings)).collect(),
        cluster: settings.name.clone(),
        credentials: settings.log_credentials.clone(),
        monitoring: settings.log_monitor.clone(),
        system_credentials: settings.log_system_credentials.clone(),
    };
    Nats::connect(&options).await
}

/// The address of a server with the user and the password that it asks for, if there is one.
fn with_login(server: &str, settings: &ClusterSettings) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    match (server.split_once("://"), &settings.log_user, &settings.log_password) {
        (Some((scheme, host)), Some(user), Some(password)) => {
            format!("{scheme}://{}:{}@{host}", encoded(user), encoded(password))
        }
        _ => server.to_owned(),
    }
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
