//! The journal: what happened to messages and connections, whose doing it was, and which setting was the cause.

use std::sync::Arc;
use std::time::Duration;

use coney::JournalHandle;
use coney::auth::Permission;
use coney::broker::journal::{Client, Event, EventKind, Filter, Rule, Selector, Why};
use coney::policy::{Origin, Policy};
use coney::time::Timestamp;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, BasicRejectOptions,
    QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Consumer};

use crate::support::client::{Bench, connect, consume, next, string, table};

const REQUEUE: BasicRejectOptions = BasicRejectOptions { requeue: true };
const REJECT: BasicRejectOptions = BasicRejectOptions { requeue: false };

fn journal(bench: &Bench) -> JournalHandle {
    bench.broker.journal("/").unwrap()
}

/// Waits until there are so many events of a kind; gives them.
async fn events(journal: &JournalHandle, kind: EventKind, count: usize) -> Vec<Event> {
    let filter = Filter { kinds: vec![kind], ..Filter::default() };
    let mut follower = journal.follow();
    let wait = async {
        loop {
            let found = journal.after(0, &filter, usize::MAX).events;
            if found.len() >= count {
                return found;
            }
            follower.changed().await.unwrap();
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(10), wait).await;
    found.unwrap_or_else(|_| {
        panic!("{kind:?}: {:#?}", journal.after(0, &Filter::default(), usize::MAX).events)
    })
}

async fn event(journal: &JournalHandle, kind: EventKind) -> Event {
    events(journal, kind, 1).await.remove(0)
}

/// Publishes with a message id to a queue, and takes it as the consumer `worker`.
async fn delivered(bench: &Bench, queue: &str) -> (Consumer, Delivery) {
    let id = BasicProperties::default().with_message_id("42".into());
    bench.publish_with("", queue, b"body", id).await;
    let mut consumer = consume(&bench.channel, queue, "worker", BasicConsumeOptions::default()).await;
    let delivery = next(&mut consumer).await;
    (consumer, delivery)
}

fn origin_of(event: &Event) -> (&str, &str, Origin) {
    let setting = event.setting.as_deref().expect("a setting");
    (setting.name, setting.value.as_str(), setting.origin.clone())
}

#[tokio::test]
async fn a_dead_letter_says_who_had_it_and_where_it_went() {
    let bench = Bench::start().await;
    let journal = journal(&bench);
    bench.declare("dead", FieldTable::default()).await;
    let arguments = [("x-dead-letter-exchange", string("")), ("x-dead-letter-routing-key", string("dead"))];
    bench.declare("work", table(&arguments)).await;
    let (_consumer, delivery) = delivered(&bench, "work").await;
    delivery.reject(REJECT).await.unwrap();
    let dead = event(&journal, EventKind::DeadLettered).await;
    assert_eq!((dead.why, dead.queue.as_deref()), (Some(Why::Rejected), Some("work")));
    assert_eq!((dead.consumer.as_deref(), dead.channel), (Some("worker"), bench.channel.id()));
    assert_eq!(dead.targets().collect::<Vec<_>>(), ["dead"]);
    assert!(dead.setting.is_none(), "it is the consumer that says so: {dead:?}");
    let about = dead.about.as_ref().unwrap();
    assert_eq!((about.exchange(), about.routing_key(), about.message_id()), ("", "work", Some("42")));
    let client = dead.client.as_deref().unwrap();
    assert_eq!((&*client.user, client.connection.contains(" -> ")), ("guest", true));
    // The other end of the edge.
    let arrived = event(&journal, EventKind::Enqueued).await;
    let from = arrived.from.as_ref().unwrap();
    assert_eq!((&*from.queue, Some(from.position)), ("work", dead.position));
    assert_eq!(arrived.queue.as_deref(), Some("dead"));
    assert!(arrived.number > dead.number);
}

#[tokio::test]
async fn a_setting_that_fired_is_named_with_its_policy() {
    let bench = Bench::start().await;
    let journal = journal(&bench);
    let policy = Policy::new("orders", "^work$", "delivery-limit", AMQPValue::LongInt(1));
    bench.broker.put_policy("/", policy).await.unwrap();
    let operator = Policy::new("limits", "", "max-length", AMQPValue::LongInt(2)).operator();
    bench.broker.put_policy("/", operator).await.unwrap();
    bench.declare("work", FieldTable::default()).await;
    let mut consumer = consume(&bench.channel, "work", "worker", BasicConsumeOptions::default()).await;
    bench.publish("", "work", "a").await;
    for _ in 0..2 {
        next(&mut consumer).await.reject(REQUEUE).await.unwrap();
    }
    let dropped = event(&journal, EventKind::Dropped).await;
    assert_eq!((dropped.why, dropped.attempt, dropped.attempts_max), (Some(Why::DeliveryLimit), 2, Some(2)));
    assert_eq!(origin_of(&dropped), ("x-delivery-limit", "1", Origin::Policy("orders".into())));
    let failed = events(&journal, EventKind::Failed, 2).await;
    assert_eq!(failed.iter().map(|event| event.attempt).collect::<Vec<_>>(), [1, 2]);
    bench.declare("full", FieldTable::default()).await;
    for _ in 0..3 {
        bench.publish("", "full", "a").await;
    }
    let dropped = events(&journal, EventKind::Dropped, 2).await.remove(1);
    assert_eq!(dropped.why, Some(Why::Maxlen));
    assert_eq!(origin_of(&dropped), ("x-max-length", "2", Origin::OperatorPolicy("limits".into())));
}

#[tokio::test]
async fn a_timeout_and_a_delay_say_until_when() {
    let bench = Bench::start().await;
    let journal = journal(&bench);
    let arguments = [
        ("x-consumer-timeout", AMQPValue::LongInt(50)),
        ("x-consumer-timeout-action", string("requeue")),
        ("x-delayed-retry-type", string("all")),
        ("x-delayed-retry-min", AMQPValue::LongInt(100_000)),
        ("x-delayed-retry-max", AMQPValue::LongInt(100_000)),
    ];
    bench.declare("work", table(&arguments)).await;
    let _held = delivered(&bench, "work").await;
    let late = event(&journal, EventKind::TimedOut).await;
    assert_eq!((late.consumer.as_deref(), late.attempt), (Some("worker"), 1));
    assert_eq!(origin_of(&late), ("x-consumer-timeout", "50", Origin::Argument));
    let delayed = event(&journal, EventKind::Delayed).await;
    let wait_ms = delayed.until.unwrap().as_millis() - delayed.at.as_millis();
    // One more than it waits: the two times are of two clocks, in whole milliseconds each.
    assert!((99_000..=100_001).contains(&wait_ms), "{wait_ms}");
    assert_eq!(delayed.position, late.position);
}

#[tokio::test]
async fn publishes_that_no_queue_takes_are_noted() {
    let bench = Bench::start().await;
    let journal = journal(&bench);
    let id = BasicProperties::default().with_message_id("7".into());
    bench.publish_with("amq.direct", "nowhere", b"x", id).await;
    let returned = event(&journal, EventKind::Returned).await;
    let about = returned.about.as_ref().unwrap();
    assert_eq!(
        (about.exchange(), about.routing_key(), about.message_id()),
        ("amq.direct", "nowhere", Some("7"))
    );
    let options = BasicPublishOptions::default();
    let properties = BasicProperties::default();
    let sent = bench.channel.basic_publish("amq.topic".into(), "x".into(), options, b"x", properties).await;
    sent.unwrap().await.unwrap();
    let unroutable = event(&journal, EventKind::Unroutable).await;
    assert_eq!((unroutable.channel, unroutable.count), (bench.channel.id(), 1));
    let arguments = [("x-max-length", AMQPValue::LongInt(0)), ("x-overflow", string("reject-publish"))];
    bench.declare("full", table(&arguments)).await;
    let refused = bench.publish_with("", "full", b"x", BasicProperties::default()).await;
    assert!(refused.is_nack());
    let refused = event(&journal, EventKind::Refused).await;
    assert_eq!(
        (refused.why, refused.queue.as_deref(), refused.position),
        (Some(Why::Maxlen), Some("full"), None)
    );
    assert_eq!(refused.client.as_deref().map(|client| &*client.user), Some("guest"));
    bench.declare("once", table(&[("x-message-deduplication", AMQPValue::Boolean(true))])).await;
    for _ in 0..2 {
        let properties = BasicProperties::default().with_message_id("k".into());
        bench.publish_with("", "once", b"x", properties).await;
    }
    let duplicate = event(&journal, EventKind::Duplicate).await;
    assert_eq!(origin_of(&duplicate), ("x-message-deduplication", "true", Origin::Argument));
}

#[tokio::test]
async fn a_publish_without_permission_is_refused_and_closes_its_channel() {
    let bench = Bench::start().await;
    let journal = journal(&bench);
    let reading = Permission { configure: String::new(), write: String::new(), ..Permission::all() };
    bench.broker.put_permission("guest", "/", reading).await.unwrap();
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let sent = bench.channel.basic_publish("amq.direct".into(), "x".into(), options, b"x", properties).await;
    drop(sent);
    let refused = event(&journal, EventKind::Refused).await;
    assert_eq!((refused.why, refused.channel), (Some(Why::Permission), bench.channel.id()));
    let closed = event(&journal, EventKind::ChannelClosed).await;
    assert!(closed.error.as_deref().unwrap().starts_with("ACCESS_REFUSED"), "{closed:?}");
}

#[tokio::test]
async fn a_lost_connection_says_how_much_it_had() {
    let bench = Bench::start().await;
    let journal = journal(&bench);
    bench.declare("work", FieldTable::default()).await;
    for body in ["a", "b", "c"] {
        bench.publish("", "work", body).await;
    }
    let other = connect(&bench.broker).await;
    let channel = other.create_channel().await.unwrap();
    let mut consumer = consume(&channel, "work", "loser", BasicConsumeOptions::default()).await;
    for _ in 0..3 {
        next(&mut consumer).await;
    }
    let loser = last_connection(&journal).await;
    bench.broker.close_connection(loser.id, "maintenance").unwrap();
    let closed = event(&journal, EventKind::Closed).await;
    assert_eq!((closed.count, closed.position), (3, None));
    assert!(closed.error.as_deref().unwrap().contains("maintenance"), "{closed:?}");
    let lost = events(&journal, EventKind::ConnectionLost, 3).await;
    for event in &lost {
        assert_eq!((event.queue.as_deref(), event.consumer.as_deref()), (Some("work"), Some("loser")));
        assert_eq!(event.client.as_deref(), Some(&*loser));
    }
}

async fn last_connection(journal: &JournalHandle) -> Arc<Client> {
    let connected = events(journal, EventKind::Connected, 2).await;
    Arc::clone(connected[1].client.as_ref().unwrap())
}

#[tokio::test]
async fn a_recording_has_the_whole_way_of_the_next_message() {
    let bench = Bench::start().await;
    let journal = journal(&bench);
    bench.declare("work", FieldTable::default()).await;
    bench.channel.basic_qos(1, BasicQosOptions::default()).await.unwrap();
    let selector = Selector::Exchange(String::new());
    let until = Timestamp::from_millis(u64::MAX);
    journal.recordings().begin(Rule { selector, next: Some(1), until }, Timestamp::from_millis(0)).unwrap();
    let (_consumer, delivery) = delivered(&bench, "work").await;
    bench.publish("", "work", "not recorded").await;
    delivery.ack(BasicAckOptions::default()).await.unwrap();
    let acked = event(&journal, EventKind::Acked).await;
    let [published, enqueued] = [EventKind::Published, EventKind::Enqueued];
    let (published, enqueued) = (events(&journal, published, 1).await, events(&journal, enqueued, 1).await);
    assert_eq!((published.len(), enqueued.len()), (1, 1));
    assert_eq!(published[0].link, enqueued[0].link);
    assert_ne!(published[0].link, 0);
    assert_eq!(published[0].targets().collect::<Vec<_>>(), ["work"]);
    let delivered = event(&journal, EventKind::Delivered).await;
    assert_eq!((delivered.position, acked.position), (enqueued[0].position, enqueued[0].position));
    assert_eq!(delivered.consumer.as_deref(), Some("worker"));
    assert!(journal.recordings().all(Timestamp::from_millis(0)).is_empty(), "it has what it was to have");
}

/// Records all that is published from now on.
fn record(journal: &JournalHandle, selector: Selector) {
    let rule = Rule { selector, next: None, until: Timestamp::from_millis(u64::MAX) };
    journal.recordings().begin(rule, Timestamp::from_millis(0)).unwrap();
}

#[tokio::test]
async fn confirms_of_recorded_publishes_are_noted_and_refusals_are_not() {
    let bench = Bench::start().await;
    let journal = journal(&bench);
    bench.declare("work", FieldTable::default()).await;
    bench
        .declare(
            "full",
            table(&[("x-max-length", AMQPValue::LongInt(0)), ("x-overflow", string("reject-publish"))]),
        )
        .await;
    bench.publish("", "work", "not recorded").await;
    record(&journal, Selector::All);
    bench.publish("", "work", "a").await;
    assert!(bench.publish_with("", "full", b"x", BasicProperties::default()).await.is_nack());
    let persistent = BasicProperties::default().with_delivery_mode(2);
    bench.publish_with("", "work", b"b", persistent).await;
    let published = events(&journal, EventKind::Published, 3).await;
    let confirmed = events(&journal, EventKind::Confirmed, 2).await;
    let tag = |event: &Event| event.confirm().unwrap().delivery_tag;
    assert_eq!(confirmed.iter().map(tag).collect::<Vec<_>>(), [Some(2), Some(4)]);
    assert_eq!([confirmed[0].link, confirmed[1].link], [published[0].link, published[2].link]);
    for event in &confirmed {
        assert_eq!(
            (event.channel, event.client.as_ref()),
            (bench.channel.id(), published[0].client.as_ref())
        );
        assert_eq!(event.targets().collect::<Vec<_>>(), ["work"]);
        assert!(event.confirm().unwrap().after_us < 60_000_000);
    }
    // Published, come in, and confirmed twice; published and refused.
    let recording = journal.recordings().all(Timestamp::from_millis(0)).remove(0);
    assert_eq!((recording.messages(), recording.events()), (2, 7));
}

#[tokio::test]
async fn a_transaction_is_recorded_when_it_is_committed() {
    let bench = Bench::start().await;
    let journal = journal(&bench);
    bench.declare("work", FieldTable::default()).await;
    record(&journal, Selector::Queue("work".to_owned()));
    let connection = connect(&bench.broker).await;
    let channel = connection.create_channel().await.unwrap();
    channel.tx_select().await.unwrap();
    let publish = async |key: &str| {
        let options = BasicPublishOptions::default();
        let sent =
            channel.basic_publish("".into(), key.into(), options, b"x", BasicProperties::default()).await;
        drop(sent.unwrap());
    };
    publish("work").await;
    channel.tx_rollback().await.unwrap();
    publish("work").await;
    publish("work").await;
    channel.tx_commit().await.unwrap();
    let confirmed = events(&journal, EventKind::Confirmed, 2).await;
    let published = events(&journal, EventKind::Published, 2).await;
    let links = |events: &[Event]| events.iter().map(|event| event.link).collect::<Vec<_>>();
    assert_eq!((published.len(), links(&published)), (2, links(&confirmed)));
    assert_eq!(links(&published), links(&events(&journal, EventKind::Enqueued, 2).await));
    assert!(confirmed.iter().all(|event| event.confirm().unwrap().delivery_tag.is_none()));
    assert_eq!(published[0].channel, channel.id());
}

#[tokio::test]
async fn a_purge_and_the_end_of_a_queue_are_noted() {
    let bench = Bench::start().await;
    let journal = journal(&bench);
    bench.declare("work", FieldTable::default()).await;
    for _ in 0..2 {
        bench.publish("", "work", "a").await;
    }
    bench.channel.queue_purge("work".into(), QueuePurgeOptions::default()).await.unwrap();
    assert_eq!(event(&journal, EventKind::Purged).await.count, 2);
    bench.publish("", "work", "a").await;
    bench.channel.queue_delete("work".into(), Default::default()).await.unwrap();
    let ended = event(&journal, EventKind::QueueEnded).await;
    assert_eq!((ended.count, ended.why, ended.queue.as_deref()), (1, Some(Why::ByHand), Some("work")));
}
