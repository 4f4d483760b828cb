//! An exchange.

use serde::Serialize;

use super::arguments::Table;
use super::rates::{Clocked, Kind, RatedMap};
use crate::broker::vhost::Vhost;
use crate::topology::ExchangeSpec;

/// `/api/exchanges/V/X`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct ExchangeView<'a> {
    pub name: &'a str,
    pub vhost: &'a str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub durable: bool,
    pub auto_delete: bool,
    pub internal: bool,
    pub arguments: Table<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    pub message_stats: RatedMap,
}

impl<'a> ExchangeView<'a> {
    /// Of an exchange of that vhost; `None` if it has just gone.
    pub(in crate::management) fn of(
        vhost: &'a Vhost,
        exchange: &'a ExchangeSpec,
        clocked: &Clocked,
    ) -> Option<Self> {
        let ExchangeSpec { name, kind, durable, auto_delete, internal, arguments, .. } = exchange;
        let statistics = vhost.topology.read().statistics(name.as_bytes())?;
        let seen = clocked.look_at_all(Kind::Messages, &[statistics]);
        let policy = vhost.policies().for_exchange(name).map(|policy| policy.name.clone());
        Some(Self {
            name,
            vhost: &vhost.name,
            kind: kind.name(),
            durable: *durable,
            auto_delete: *auto_delete,
            internal: *internal,
            arguments: Table(arguments),
            policy,
            message_stats: RatedMap::default()
                .with("publish_in", seen.counter(|counts| counts.published_in))
                .with("publish_out", seen.counter(|counts| counts.published_out)),
        })
    }
}

/// One exchange by itself. Which channels and queues its messages come from and go to is not counted, as in RabbitMQ with
/// `rates_mode` `none`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct ExchangeDetails<'a> {
    #[serde(flatten)]
    exchange: ExchangeView<'a>,
    incoming: [u8; 0],
    outgoing: [u8; 0],
}

impl<'a> ExchangeDetails<'a> {
    /// Of an exchange.
    pub(in crate::management) const fn of(exchange: ExchangeView<'a>) -> Self {
        Self { exchange, incoming: [], outgoing: [] }
    }
}
