//! Which events somebody wants to see.

use super::event::{Event, EventKind};
use crate::message::Position;

/// Which events are wanted: those of which everything holds that is said here.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one of these kinds; none: of all.
    pub kinds: Vec<EventKind>,
    /// In this queue, or from or to it.
    pub queue: Option<String>,
    /// Of the message at this place, or of one that came from there.
    pub place: Option<(String, Position)>,
    /// Of messages published to this exchange.
    pub exchange: Option<String>,
    /// Of messages with this id.
    pub message_id: Option<String>,
    /// Of this connection, by its name.
    pub connection: Option<String>,
    /// Of this consumer, by its tag.
    pub consumer: Option<String>,
    /// For this reason, by its name.
    pub why: Option<String>,
    /// With this text in any of its texts.
    pub contains: Option<String>,
}

impl Filter {
    /// Whether an event is wanted.
    #[must_use]
    pub fn admits(&self, event: &Event) -> bool {
        let about = event.about.as_ref();
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.queue.as_deref().is_none_or(|queue| names_queue(event, queue))
            && self.place.as_ref().is_none_or(|(queue, position)| event.touches(queue, *position))
            && is(&self.exchange, about.map(|about| about.exchange()))
            && is(&self.message_id, about.and_then(|about| about.message_id()))
            && is(&self.connection, event.client.as_ref().map(|client| &*client.connection))
            && is(&self.consumer, event.consumer.as_deref())
            && is(&self.why, event.why.map(|why| why.name()))
            && self.contains.as_deref().is_none_or(|text| contains(event, text))
    }
}

fn names_queue(event: &Event, queue: &str) -> bool {
    event.queue.as_deref() == Some(queue)
        || event.from.as_ref().is_some_and(|from| *from.queue == *queue)
        || event.targets().any(|target| target == queue)
}

fn contains(event: &Event, text: &str) -> bool {
    let about = event.about.iter();
    let about = about.flat_map(|about| {
        [Some(about.exchange()), Some(about.routing_key()), about.message_id()].into_iter().flatten()
    });
    let client = event.client.iter().flat_map(|client| [&*client.connection, &*client.user]);
    let others = [
        Some(event.kind.name()),
        event.why.map(|why| why.name()),
        event.queue.as_deref(),
        event.consumer.as_deref(),
        event.error.as_deref(),
    ];
    about
        .chain(client)
        .chain(others.into_iter().flatten())
        .chain(event.targets())
        .any(|own| own.contains(text))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::broker::journal::event::{About, Client, Why};
    use crate::queue::{ConnectionId, MessagePlace};
    use crate::time::Timestamp;

    fn event() -> Event {
        Event {
            why: Some(Why::Rejected),
            queue: Some("orders".into()),
            position: Some(Position(7)),
            about: Some(About::new(b"shop", b"eu", Some(b"42"))),
            client: Some(Arc::new(Client {
                id: ConnectionId(1),
                connection: "1.2.3.4:5 -> 6".into(),
                user: "anna".into(),
            })),
            consumer: Some("worker-1".into()),
            error: Some("no such customer".into()),
            from: Some(MessagePlace { queue: "before".into(), position: Position(3) }),
            to: Some(["orders.dead".into()].into()),
            ..Event::new(Timestamp::default(), EventKind::DeadLettered)
        }
    }

    /// Each field is filled in by what fits and by what does not.
    #[test]
    fn every_condition_counts() {
        let text = |text: &str| Some(text.to_owned());
        let all = Filter::default;
        let pairs: [(Filter, bool); 22] = [
            (all(), true),
            (Filter { kinds: vec![EventKind::Dropped, EventKind::DeadLettered], ..all() }, true),
            (Filter { kinds: vec![EventKind::Dropped], ..all() }, false),
            (Filter { queue: text("orders"), ..all() }, true),
            (Filter { queue: text("before"), ..all() }, true),
            (Filter { queue: text("orders.dead"), ..all() }, true),
            (Filter { queue: text("other"), ..all() }, false),
            (Filter { place: Some(("orders".into(), Position(7))), ..all() }, true),
            (Filter { place: Some(("before".into(), Position(3))), ..all() }, true),
            (Filter { place: Some(("before".into(), Position(7))), ..all() }, false),
            (Filter { exchange: text("shop"), ..all() }, true),
            (Filter { exchange: text(""), ..all() }, false),
            (Filter { message_id: text("42"), ..all() }, true),
            (Filter { message_id: text("4"), ..all() }, false),
            (Filter { connection: text("1.2.3.4:5 -> 6"), ..all() }, true),
            (Filter { connection: text("1.2.3.4:5"), ..all() }, false),
            (Filter { consumer: text("worker-1"), ..all() }, true),
            (Filter { consumer: text("worker-2"), ..all() }, false),
            (Filter { why: text("rejected"), ..all() }, true),
            (Filter { why: text("expired"), ..all() }, false),
            (Filter { contains: text("customer"), ..all() }, true),
            (Filter { contains: text("nowhere to be found"), ..all() }, false),
        ];
        for (filter, wanted) in pairs {
            assert_eq!(filter.admits(&event()), wanted, "{filter:?}");
        }
        for found in
            ["shop", "eu", "42", "1.2.3.4", "anna", "dead-lett", "reject", "orders", "worker", ".dead"]
        {
            assert!(Filter { contains: text(found), ..all() }.admits(&event()), "{found}");
        }
    }
}
