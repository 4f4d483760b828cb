//! A channel.

use serde::Serialize;

use super::consumer::{ConsumerView, channel_name};
use super::moment;
use super::overview::{Empty, NoGarbage, message_stats};
use super::queue::NoRate;
use super::rates::{Clocked, Kind, RatedMap};
use crate::broker::overview::{ChannelOverview, ConnectionOverview, Handshake};
use crate::session::ChannelMode;

/// `/api/channels`: an item of the list.
#[derive(Debug, Serialize)]
pub(in crate::management) struct ChannelView<'a> {
    pub name: String,
    pub number: u16,
    pub node: &'a str,
    pub vhost: &'a str,
    pub user: &'a str,
    pub user_who_performed_action: &'a str,
    pub state: &'static str,
    pub confirm: bool,
    pub transactional: bool,
    pub consumer_count: u32,
    pub prefetch_count: u16,
    pub global_prefetch_count: u16,
    pub messages_unacknowledged: u32,
    pub messages_unconfirmed: u32,
    pub messages_uncommitted: u32,
    pub acks_uncommitted: u32,
    pub pending_raft_commands: u32,
    pub idle_since: String,
    pub connection_details: ConnectionDetails,
    pub message_stats: RatedMap,
    pub garbage_collection: NoGarbage,
    pub reductions: u64,
    pub reductions_details: NoRate,
}

/// Which connection.
#[derive(Debug, Serialize)]
pub(in crate::management) struct ConnectionDetails {
    name: String,
    peer_host: String,
    peer_port: u16,
}

impl<'a> ChannelView<'a> {
    /// Of a connection's channel as it is.
    pub(in crate::management) fn of(
        connection: &ConnectionOverview,
        handshake: &'a Handshake,
        channel: &ChannelOverview,
        node: &'a str,
        clocked: &Clocked,
    ) -> Self {
        let numbers = channel.numbers();
        Self {
            name: channel_name(connection, channel.number),
            number: channel.number,
            node,
            vhost: handshake.vhost.as_deref().unwrap_or_default(),
            user: &handshake.user,
            user_who_performed_action: &handshake.user,
            state: connection.state().name(),
            confirm: numbers.mode == ChannelMode::Confirm,
            transactional: numbers.mode == ChannelMode::Transaction,
            consumer_count: numbers.consumers,
            prefetch_count: numbers.prefetch,
            global_prefetch_count: numbers.global_prefetch,
            messages_unacknowledged: numbers.unacked,
            messages_unconfirmed: numbers.unconfirmed,
            messages_uncommitted: numbers.uncommitted_publishes,
            acks_uncommitted: numbers.uncommitted_acks,
            pending_raft_commands: 0,
            idle_since: moment::text(channel.last_change()),
            connection_details: ConnectionDetails {
                name: connection.name(),
                peer_host: connection.peer.ip().to_string(),
                peer_port: connection.peer.port(),
            },
            message_stats: message_stats(&clocked.look(Kind::Messages, &channel.statistics)),
            garbage_collection: NoGarbage::UNKNOWN,
            reductions: 0,
            reductions_details: NoRate::ZERO,
        }
    }
}

/// `/api/channels/N`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct ChannelDetailView<'a> {
    #[serde(flatten)]
    pub channel: ChannelView<'a>,
    pub consumer_details: Vec<ConsumerView<'a>>,
    pub publishes: [Empty; 0],
    pub deliveries: [Empty; 0],
}
