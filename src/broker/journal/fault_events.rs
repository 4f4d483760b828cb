//! Faults that rules make, as events.

use std::sync::Arc;

use super::event::{About, Detail, Event, EventKind, FaultTold};
use crate::broker::vhost::Vhost;
use crate::faults::Firing;
use crate::protocol::content::Properties;

/// Notes that a rule hits something.
pub fn note_fault(vhost: &Vhost, firing: Firing<'_>) {
    let Firing { verdict, subject } = firing;
    let message_id = subject.properties.and_then(|bytes| Properties::parse(bytes).ok()?.message_id());
    let about = subject.exchange.map(|exchange| {
        let key = subject.routing_key.unwrap_or_default();
        About::new(exchange, key, message_id)
    });
    let told = FaultTold {
        id: verdict.id.to_string().into(),
        rule: verdict.rule.as_str().into(),
        connection: subject.connection.into(),
        user: subject.user.into(),
    };
    vhost.journal.note([Event {
        queue: subject.queues.first().cloned(),
        about,
        channel: subject.channel,
        consumer: subject.consumer_tag.map(Into::into),
        detail: Some(Arc::new(Detail::Fault(told))),
        ..Event::new(vhost.clock.timestamp(), EventKind::Fault)
    }]);
}
