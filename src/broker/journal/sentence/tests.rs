//! Every kind of event as it is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use amq_protocol::types::{AMQPValue, FieldTable};

use super::sentence;
use crate::broker::journal::event::{
    About, Client, Confirm, Detail, Event, EventKind, FaultTold, MessagePlace, Why,
};
use crate::broker::journal::wording::Zone;
use crate::message::Position;
use crate::policy::{Origin, SettingInForce};
use crate::queue::ConnectionId;
use crate::time::Timestamp;
use crate::topology::{Binding, Destination, Ways};

/// 2026-11-29 10:02:00 UTC.
const NOW: Timestamp = Timestamp::from_millis(1_795_946_520_000);

fn event(kind: EventKind) -> Event {
    Event { queue: Some("orders".into()), position: Some(Position(5)), ..Event::new(NOW, kind) }
}

fn client() -> Option<Arc<Client>> {
    let connection = "10.0.0.7:40000 -> 10.0.0.1:5672".into();
    Some(Arc::new(Client { id: ConnectionId(1), connection, user: "anna".into() }))
}

/// Delivered to a consumer of that connection.
fn held(kind: EventKind) -> Event {
    Event { client: client(), channel: 1, consumer: Some("worker-1".into()), attempt: 3, ..event(kind) }
}

fn published(kind: EventKind) -> Event {
    let about = Some(About::new(b"shop", b"eu.new", Some(b"42")));
    Event { about, client: client(), channel: 1, queue: None, position: None, ..event(kind) }
}

fn setting(name: &'static str, value: &str, origin: Origin) -> Option<Arc<SettingInForce>> {
    Some(Arc::new(SettingInForce { name, value: value.to_owned(), origin }))
}

fn policy() -> Origin {
    Origin::Policy("orders".to_owned())
}

fn to(names: &[&str]) -> Option<Arc<[Arc<str>]>> {
    Some(names.iter().map(|name| Arc::from(*name)).collect())
}

fn binding(source: &str, key: &str, destination: Destination) -> Binding {
    let source = source.to_owned();
    Binding { source, destination, routing_key: key.to_owned(), arguments: FieldTable::default() }
}

/// Published, and routed to `orders` by these.
fn routed(bindings: Vec<Binding>, alternates: &[(&str, &str)], left_out: usize) -> Event {
    let alternates = alternates.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    let ways = Ways { bindings, alternates, left_out, is_keyed: true };
    let detail = Some(Arc::new(Detail::Ways(ways)));
    Event { to: to(&["orders"]), detail, client: None, ..published(EventKind::Published) }
}

fn confirmed(delivery_tag: Option<u64>) -> Event {
    let detail = Some(Arc::new(Detail::Confirm(Confirm { delivery_tag, after_us: 1500 })));
    Event { detail, ..published(EventKind::Confirmed) }
}

fn routing() -> Vec<(Event, &'static str)> {
    let queue = |name: &str| Destination::Queue(name.to_owned());
    let exchange = |name: &str| Destination::Exchange(name.to_owned());
    let mut tenant = binding("shop", "", queue("orders"));
    tenant.arguments.insert("tenant".into(), AMQPValue::LongString("a".into()));
    vec![
        (
            routed(vec![binding("shop", "eu.#", queue("orders"))], &[], 0),
            "published to exchange 'shop' with key 'eu.new'; routed to 'orders' by binding 'eu.#'",
        ),
        (
            routed(vec![tenant], &[], 0),
            "published to exchange 'shop' with key 'eu.new'; routed to 'orders' by binding '' with {\"tenant\":\"a\"}",
        ),
        (
            routed(vec![binding("shop", "eu.#", exchange("eu")), binding("eu", "", queue("orders"))], &[], 0),
            "published to exchange 'shop' with key 'eu.new'; routed to 'orders' by binding 'eu.#' to exchange 'eu', binding '' of exchange 'eu' to 'orders'",
        ),
        (
            routed(vec![binding("rest", "#", queue("orders"))], &[("shop", "rest")], 0),
            "published to exchange 'shop' with key 'eu.new'; routed to 'orders' by alternate exchange 'rest', binding '#' of exchange 'rest' to 'orders'",
        ),
        (
            routed(vec![binding("shop", "eu.#", queue("orders"))], &[], 4),
            "published to exchange 'shop' with key 'eu.new'; routed to 'orders' by 5 bindings",
        ),
        (confirmed(Some(7)), "confirmed to user 'anna' at 10.0.0.7:40000, 1.5 ms after it was published"),
        (
            confirmed(None),
            "committed by user 'anna' at 10.0.0.7:40000: its transaction was complete 1.5 ms after the commit was asked for",
        ),
        (published(EventKind::Confirmed), "confirmed to user 'anna' at 10.0.0.7:40000"),
    ]
}

fn publishing() -> Vec<(Event, &'static str)> {
    let default = About::new(b"", b"orders", None);
    vec![
        (
            Event { to: to(&["orders", "audit"]), ..published(EventKind::Published) },
            "published to exchange 'shop' with key 'eu.new' by user 'anna' at 10.0.0.7:40000; routed to 'orders', 'audit'",
        ),
        (
            Event {
                to: to(&["a", "b", "c", "d"]),
                about: Some(default),
                client: None,
                ..published(EventKind::Published)
            },
            "published to the default exchange with key 'orders'; routed to 4 queues",
        ),
        (
            published(EventKind::Unroutable),
            "published to exchange 'shop' with key 'eu.new' by user 'anna' at 10.0.0.7:40000; no binding matches, so it was dropped",
        ),
        (
            published(EventKind::Returned),
            "published to exchange 'shop' with key 'eu.new' by user 'anna' at 10.0.0.7:40000; no binding matches, so it went back to its publisher (mandatory)",
        ),
        (
            Event {
                why: Some(Why::Maxlen),
                setting: setting("x-max-length", "5", Origin::Argument),
                client: client(),
                ..event(EventKind::Refused)
            },
            "refused by user 'anna' at 10.0.0.7:40000: the queue was full (x-max-length = 5 of the queue's arguments)",
        ),
        (
            Event {
                why: Some(Why::Gap),
                count: 2,
                setting: setting("x-message-deduplication", "true", Origin::Argument),
                ..event(EventKind::Refused)
            },
            "2 messages refused: its publisher's number comes after a gap (x-message-deduplication = true of the queue's arguments)",
        ),
        (
            Event {
                setting: setting("x-deduplication-header", "", Origin::Message),
                ..event(EventKind::Duplicate)
            },
            "not taken in: the queue has had a message with the same key (x-deduplication-header of the message itself)",
        ),
    ]
}

fn consuming() -> Vec<(Event, &'static str)> {
    vec![
        (
            Event { client: client(), ..event(EventKind::Enqueued) },
            "came in by user 'anna' at 10.0.0.7:40000",
        ),
        (
            Event {
                from: Some(MessagePlace { queue: "inbox".into(), position: Position(3) }),
                ..event(EventKind::Enqueued)
            },
            "came in from 'inbox' #3",
        ),
        (held(EventKind::Delivered), "delivered to consumer 'worker-1' at 10.0.0.7:40000 for the 3rd time"),
        (
            Event { client: client(), ..event(EventKind::Delivered) },
            "delivered to user 'anna' at 10.0.0.7:40000",
        ),
        (held(EventKind::Acked), "acked by consumer 'worker-1' at 10.0.0.7:40000: done"),
        (
            Event { client: client(), ..event(EventKind::PutBack) },
            "looked at by user 'anna' at 10.0.0.7:40000 and left where it was",
        ),
        (
            held(EventKind::Requeued),
            "delivered to consumer 'worker-1' at 10.0.0.7:40000 for the 3rd time, which gave it back",
        ),
        (
            Event { error: Some("no stock".into()), ..held(EventKind::Failed) },
            "delivered to consumer 'worker-1' at 10.0.0.7:40000 for the 3rd time, which failed, saying \"no stock\"",
        ),
        (
            Event { setting: setting("x-consumer-timeout", "30000", policy()), ..held(EventKind::TimedOut) },
            "delivered to consumer 'worker-1' at 10.0.0.7:40000 for the 3rd time; it did not ack within 30 s (x-consumer-timeout of policy 'orders')",
        ),
        (
            held(EventKind::ConsumerLost),
            "delivered to consumer 'worker-1' at 10.0.0.7:40000 for the 3rd time; its channel was closed or it was cancelled before it acked",
        ),
        (
            Event { attempt: 0, ..held(EventKind::ConnectionLost) },
            "delivered to consumer 'worker-1' at 10.0.0.7:40000; its connection was lost before it acked",
        ),
    ]
}

fn waiting() -> Vec<(Event, &'static str)> {
    let until = |s: u64| Some(NOW.plus_ms(s * 1000));
    vec![
        (
            Event { attempt: 3, attempts_max: Some(6), until: until(5), ..event(EventKind::Delayed) },
            "waits 5 s, until 10:02:05 UTC (retry 3 of 5)",
        ),
        (
            Event {
                attempt: 1,
                until: until(86_400),
                setting: setting("x-delayed-retry-min", "5000", Origin::OperatorPolicy("ops".to_owned())),
                ..event(EventKind::Delayed)
            },
            "waits 1 day, until 2026-11-30 10:02:00 UTC (retry 1; x-delayed-retry-min = 5000 of operator policy 'ops')",
        ),
        (
            Event {
                attempt: 5,
                until: until(3600),
                setting: setting("x-parking-after", "5", policy()),
                ..event(EventKind::Parked)
            },
            "parked after 5 attempts, 1 h, until 11:02:00 UTC (x-parking-after = 5 of policy 'orders')",
        ),
        (Event { why: Some(Why::Due), ..event(EventKind::Released) }, "ready again: the wait is over"),
        (
            Event { why: Some(Why::ByHand), count: 10_000, client: client(), ..event(EventKind::Released) },
            "10,000 messages released by hand by user 'anna' at 10.0.0.7:40000; ready again",
        ),
    ]
}

fn dying() -> Vec<(Event, &'static str)> {
    vec![
        (
            Event {
                why: Some(Why::Expired),
                setting: setting("x-message-ttl", "60000", Origin::Default),
                to: to(&["orders.dead"]),
                ..event(EventKind::DeadLettered)
            },
            "dead-lettered to 'orders.dead': it was older than 1 min (x-message-ttl, the broker's default)",
        ),
        (
            Event {
                why: Some(Why::Rejected),
                error: Some("bad".into()),
                to: to(&[]),
                ..held(EventKind::DeadLettered)
            },
            "lost: consumer 'worker-1' at 10.0.0.7:40000 rejected it, saying \"bad\", and its dead-letter exchange led to no queue",
        ),
        (
            Event {
                why: Some(Why::DeliveryLimit),
                attempt: 6,
                error: Some("no stock".into()),
                setting: setting("x-delivery-limit", "5", policy()),
                to: to(&["orders.dead"]),
                ..event(EventKind::DeadLettered)
            },
            "dead-lettered to 'orders.dead': it was delivered 6 times without success (x-delivery-limit = 5 of policy 'orders'), saying \"no stock\"",
        ),
        (
            Event {
                why: Some(Why::Maxlen),
                count: 10_000,
                setting: setting("x-max-length", "5", Origin::Argument),
                ..event(EventKind::Dropped)
            },
            "10,000 messages dropped: the queue was full (x-max-length = 5 of the queue's arguments); there is no dead-letter exchange",
        ),
        (
            Event { why: Some(Why::Expired), ..event(EventKind::Dropped) },
            "dropped: its time to live was over; there is no dead-letter exchange",
        ),
        (
            Event { why: Some(Why::ByHand), client: client(), ..event(EventKind::Dropped) },
            "dropped by hand by user 'anna' at 10.0.0.7:40000",
        ),
        (
            Event { why: Some(Why::ByHand), to: to(&["orders"]), ..event(EventKind::Moved) },
            "moved to 'orders'",
        ),
        (
            Event { why: Some(Why::Due), to: to(&["orders"]), ..event(EventKind::Moved) },
            "its delay was over; routed to 'orders'",
        ),
    ]
}

fn queues_and_connections() -> Vec<(Event, &'static str)> {
    let about_none = |kind| Event { client: client(), ..Event::new(NOW, kind) };
    vec![
        (
            Event { count: 12, position: None, client: client(), ..event(EventKind::Purged) },
            "12 messages purged by user 'anna' at 10.0.0.7:40000",
        ),
        (
            Event { count: 1, position: None, why: Some(Why::AutoDelete), ..event(EventKind::QueueEnded) },
            "the queue went with its last consumer, with 1 message in it",
        ),
        (Event { count: 0, position: None, ..event(EventKind::QueueEnded) }, "the queue was deleted"),
        (
            Event { error: Some("chunk 7".into()), ..event(EventKind::Unreadable) },
            "its messages cannot be read, and nothing is delivered until it is purged, saying \"chunk 7\"",
        ),
        (about_none(EventKind::Connected), "user 'anna' at 10.0.0.7:40000 connected"),
        (
            Event { error: Some("CONNECTION_FORCED - bye".into()), ..about_none(EventKind::Closed) },
            "the connection of user 'anna' at 10.0.0.7:40000 was closed, saying \"CONNECTION_FORCED - bye\"",
        ),
        (
            Event { count: 250, ..about_none(EventKind::ConnectionLost) },
            "the connection of user 'anna' at 10.0.0.7:40000 was lost, with 250 messages unacked",
        ),
        (
            Event {
                channel: 2,
                error: Some("NOT_FOUND - no queue 'q'".into()),
                ..about_none(EventKind::ChannelClosed)
            },
            "channel 2 of user 'anna' at 10.0.0.7:40000 was closed, saying \"NOT_FOUND - no queue 'q'\"",
        ),
        (
            Event { consumer: Some("worker-1".into()), ..about_none(EventKind::ConsumerCancelled) },
            "consumer 'worker-1' at 10.0.0.7:40000 was cancelled by the broker",
        ),
        (
            Event { why: Some(Why::ByHand), ..held(EventKind::ConsumerCancelled) },
            "consumer 'worker-1' at 10.0.0.7:40000 was cancelled by hand",
        ),
        (
            Event { why: Some(Why::Memory), ..about_none(EventKind::Blocked) },
            "user 'anna' at 10.0.0.7:40000 may not publish for now: the broker is short of memory",
        ),
        (about_none(EventKind::Unblocked), "user 'anna' at 10.0.0.7:40000 may publish again"),
        (
            Event {
                detail: Some(Arc::new(Detail::Fault(fault("worker-1")))),
                ..about_none(EventKind::Fault)
            },
            "fault f1 (on ack of queue 'q': drop) hit user 'anna' at worker-1",
        ),
        (
            Event { detail: Some(Arc::new(Detail::Fault(fault("")))), ..about_none(EventKind::Fault) },
            "fault f1 (on ack of queue 'q': drop) hit",
        ),
    ]
}

fn fault(connection: &str) -> FaultTold {
    let rule = "on ack of queue 'q': drop".into();
    FaultTold { id: "f1".into(), rule, connection: connection.into(), user: "anna".into() }
}

#[test]
fn every_kind_has_its_sentence() {
    let mut told = BTreeSet::new();
    let tables = [publishing(), routing(), consuming(), waiting(), dying(), queues_and_connections()];
    for (event, wanted) in tables.into_iter().flatten() {
        assert_eq!(sentence(&event, Zone::Utc), wanted, "{:?}", event.kind);
        told.insert(event.kind);
    }
    let untold: Vec<EventKind> = EventKind::ALL.into_iter().filter(|kind| !told.contains(kind)).collect();
    assert_eq!(untold, [], "kinds without a sentence in this table");
}

#[test]
fn long_arguments_of_a_binding_are_cut() {
    let mut long = binding("shop", "", Destination::Queue("orders".to_owned()));
    long.arguments.insert("x".into(), AMQPValue::LongString("é".repeat(200).into()));
    let text = sentence(&routed(vec![long], &[], 0), Zone::Utc);
    assert!(text.ends_with(&format!("{{\"x\":\"{}..", "é".repeat(94))), "{text}");
}

#[test]
fn an_event_of_which_nothing_is_known_makes_a_sentence_all_the_same() {
    for kind in EventKind::ALL {
        let text = sentence(&Event::new(NOW, kind), Zone::Utc);
        assert!(text.len() > 5 && !text.contains("  ") && !text.contains("''"), "{kind:?}: {text}");
    }
}
