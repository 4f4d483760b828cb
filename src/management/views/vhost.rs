//! A virtual host.

use std::collections::BTreeMap;

use serde::Serialize;

use super::overview::message_stats;
use super::rates::{Clocked, Kind, RatedMap};
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::VhostSettings;

/// `/api/vhosts/V`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct VhostView<'a> {
    pub name: &'a str,
    #[serde(flatten)]
    pub settings: Metadata,
    pub metadata: Metadata,
    pub tracing: bool,
    /// Which shard of a cluster serves it, if that is not the meta shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    pub cluster_state: BTreeMap<&'a str, &'static str>,
    pub message_stats: RatedMap,
    #[serde(flatten)]
    pub lengths: RatedMap,
    #[serde(flatten)]
    pub sockets: RatedMap,
}

/// What was said about a vhost. RabbitMQ says it twice, so that old and new tools find it.
#[derive(Clone, Debug, Serialize)]
pub(in crate::management) struct Metadata {
    pub description: String,
    pub tags: Vec<String>,
    pub default_queue_type: &'static str,
    /// RabbitMQ 4.0 does not know it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub protected_from_deletion: bool,
}

impl From<&VhostSettings> for Metadata {
    fn from(settings: &VhostSettings) -> Self {
        Self {
            description: settings.description.clone(),
            tags: settings.tags.clone(),
            default_queue_type: settings.default_queue_type.name(),
            protected_from_deletion: settings.is_protected,
        }
    }
}

impl<'a> VhostView<'a> {
    /// Of a vhost with so many messages in it.
    pub(in crate::management) fn of(
        vhost: &'a Vhost,
        node: &'a str,
        lengths: RatedMap,
        clocked: &Clocked,
    ) -> Self {
        let settings = vhost.settings();
        let metadata = Metadata::from(&*settings);
        let channels = clocked.look(Kind::Messages, &vhost.statistics.channels);
        let connections = clocked.look(Kind::Data, &vhost.statistics.connections);
        let sockets = RatedMap::default()
            .with("recv_oct", connections.counter(|c| c.bytes_in))
            .with("send_oct", connections.counter(|c| c.bytes_out));
        Self {
            name: &vhost.name,
            settings: metadata.clone(),
            metadata,
            tracing: settings.tracing,
            shard: settings.home.map(|home| home.shard).filter(|shard| *shard > 0),
            cluster_state: BTreeMap::from([(node, "running")]),
            message_stats: message_stats(&channels),
            lengths,
            sockets,
        }
    }
}
