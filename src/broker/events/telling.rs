//! Sending events to whoever listens.

use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::types::{AMQPValue, FieldTable};

use super::event::Event;
use super::headers::{Told, messages};
use crate::broker::own_messages::send;
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::broker::vhost_settings::VhostLimits;
use crate::message::{Message, Parts};
use crate::protocol::encode;
use crate::statistics::ExchangeCounters;
use crate::time::Timestamp;
use crate::topology::{EVENTS, Removed};

/// Who did it, if it was whoever runs the broker: RabbitMQ's word for its command line tools.
pub const OPERATOR: &str = "rmq-cli";
/// Who did it, if nobody asked for it: RabbitMQ's word.
pub const BROKER: &str = "rmq-internal";

/// As in RabbitMQ: durable queues keep events over a restart.
const PERSISTENT: u8 = 2;

/// Tells whoever listens what happened, and which user did it, if that is known. The caller looks at no topology meanwhile, and holds no
/// entry of the table of vhosts.
#[inline]
pub fn tell(shared: &Shared, by: Option<&str>, event: &Event<'_>) {
    if shared.events.is_anybody() {
        tell_listeners(shared, by, event);
    }
}

/// Tells what a change of a vhost's topology took away.
#[inline]
pub fn tell_removed(shared: &Shared, by: Option<&str>, vhost: &str, removed: &Removed) {
    if !shared.events.is_anybody() {
        return;
    }
    for exchange in &removed.exchanges {
        tell(shared, by, &Event::ExchangeDeleted { vhost, exchange: &exchange.name });
    }
    for binding in &removed.bindings {
        tell(shared, by, &Event::BindingDeleted { vhost, binding });
    }
}

/// Tells that a vhost has other limits than before, if it has.
pub fn tell_limits(shared: &Shared, by: Option<&str>, vhost: &Vhost, before: Option<VhostLimits>) {
    let now = vhost.settings().limits;
    if now == before {
        return;
    }
    let vhost = vhost.name.as_str();
    let event =
        now.map_or(Event::VhostLimitsCleared(vhost), |limits| Event::VhostLimitsSet { vhost, limits });
    tell(shared, by, &event);
}

#[cold]
fn tell_listeners(shared: &Shared, by: Option<&str>, event: &Event<'_>) {
    let Some(vhost) = shared.vhost(shared.events.vhost()) else { return };
    let at = shared.clock.timestamp();
    for told in messages(shared, event) {
        let queues = send(&vhost, &message(told, by, at));
        if let Some(statistics) = vhost.topology.read().statistics(EVENTS.as_bytes()) {
            statistics.add(shared.clock.now(), &ExchangeCounters::routed(queues));
        }
    }
}

fn message(Told { key, headers }: Told, by: Option<&str>, at: Timestamp) -> Message {
    let properties = AMQPProperties::default()
        .with_headers(with_who_and_when(headers, by, at))
        .with_delivery_mode(PERSISTENT)
        .with_timestamp(at.as_secs());
    let properties = encode::properties(&properties);
    let (exchange, routing_key) = (EVENTS.as_bytes(), key.as_bytes());
    Message::new(Parts { exchange, routing_key, properties: &properties, body: &[], persistent: true })
}

pub(super) fn with_who_and_when(mut headers: FieldTable, by: Option<&str>, at: Timestamp) -> FieldTable {
    let at_ms = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    headers.insert("timestamp_in_ms".into(), AMQPValue::LongLongInt(at_ms));
    if let Some(by) = by {
        headers.insert("user_who_performed_action".into(), AMQPValue::LongString(by.into()));
    }
    headers
}
