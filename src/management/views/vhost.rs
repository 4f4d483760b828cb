//! A virtual host.

use std::collections::BTreeMap;

use serde::Serialize;

use super::overview::message_stats;
use super::rates::{Clocked, Kind, RatedMap};
use crate::broker::vhost::Vhost;

/// `/api/vhosts/V`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct VhostView<'a> {
    pub name: &'a str,
    pub description: &'a str,
    pub tags: &'a [String],
    pub default_queue_type: &'a str,
    pub metadata: Metadata<'a>,
    pub tracing: bool,
    pub cluster_state: BTreeMap<&'a str, &'static str>,
    pub message_stats: RatedMap,
    #[serde(flatten)]
    pub lengths: RatedMap,
    #[serde(flatten)]
    pub sockets: RatedMap,
}

/// What was said about a vhost when it was made.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::management) struct Metadata<'a> {
    pub description: &'a str,
    pub tags: &'a [String],
    pub default_queue_type: &'a str,
}

impl<'a> VhostView<'a> {
    /// Of a vhost with so many messages in it.
    pub(in crate::management) fn of(
        vhost: &'a Vhost,
        node: &'a str,
        lengths: RatedMap,
        clocked: &Clocked,
    ) -> Self {
        let metadata = Metadata { description: "", tags: &[], default_queue_type: "classic" };
        let Metadata { description, tags, default_queue_type } = metadata;
        let channels = clocked.look(Kind::Messages, &vhost.statistics.channels);
        let connections = clocked.look(Kind::Data, &vhost.statistics.connections);
        let sockets = RatedMap::default()
            .with("recv_oct", connections.counter(|c| c.bytes_in))
            .with("send_oct", connections.counter(|c| c.bytes_out));
        Self {
            name: &vhost.name,
            description,
            tags,
            default_queue_type,
            metadata,
            tracing: false,
            cluster_state: BTreeMap::from([(node, "running")]),
            message_stats: message_stats(&channels),
            lengths,
            sockets,
        }
    }
}
