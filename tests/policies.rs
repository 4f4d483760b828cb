//! Policies at work: on queues and exchanges that are there, and on those that come.

use coney::policy::{ApplyTo, Policy, PolicyKind};
use coney::{Broker, BrokerHandle};
use lapin::ExchangeKind;
use lapin::options::{
    BasicConsumeOptions, BasicRejectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};

use crate::support::client::{Bench, connect, consume, next, string, table};

fn number(value: i64) -> AMQPValue {
    AMQPValue::LongLongInt(value)
}

async fn put(broker: &BrokerHandle, policy: Policy) {
    broker.put_policy("/", policy).await.unwrap();
}

#[tokio::test]
async fn a_new_limit_drops_what_is_above_it_at_once() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    for body in ["1", "2", "3", "4"] {
        bench.publish("", "q", body).await;
    }
    put(&bench.broker, Policy::new("p", "^q$", "max-length", number(2))).await;
    assert_eq!(bench.counts("q").await, (2, 0));
    bench.publish("", "q", "5").await;
    assert_eq!(bench.bodies("q").await, ["4", "5"]);
    bench.broker.remove_policy("/", PolicyKind::User, "p").await.unwrap();
    let gone = bench.broker.remove_policy("/", PolicyKind::User, "p").await.unwrap_err();
    assert_eq!(gone.to_string(), "no policy 'p' in vhost '/'");
    for body in ["1", "2", "3"] {
        bench.publish("", "q", body).await;
    }
    assert_eq!(bench.counts("q").await, (3, 0));
}

#[tokio::test]
async fn what_a_new_limit_drops_goes_to_the_policys_dead_letter_exchange() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    bench.declare("dead", FieldTable::default()).await;
    for body in ["1", "2", "3"] {
        bench.publish("", "q", body).await;
    }
    let policy = Policy::new("p", "^q$", "max-length", number(1))
        .with("dead-letter-exchange", string(""))
        .with("dead-letter-routing-key", string("dead"));
    put(&bench.broker, policy).await;
    bench.until_ready("dead", 2).await;
    assert_eq!(bench.bodies("dead").await, ["1", "2"]);
}

#[tokio::test]
async fn what_was_rejected_under_the_policy_follows_it_also_when_it_goes() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    bench.declare("dead", FieldTable::default()).await;
    bench.publish("", "q", "1").await;
    let policy = Policy::new("p", "^q$", "dead-letter-exchange", string("amq.fanout"));
    put(&bench.broker, policy).await;
    bench.bind("dead", "amq.fanout", "", FieldTable::default()).await;
    let mut consumer = consume(&bench.channel, "q", "c", BasicConsumeOptions::default()).await;
    next(&mut consumer).await.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    bench.until_ready("dead", 1).await;
    bench.broker.remove_policy("/", PolicyKind::User, "p").await.unwrap();
    bench.publish("", "q", "2").await;
    next(&mut consumer).await.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    // Without the policy there is no dead-letter exchange, and the default one is not it.
    assert_eq!(bench.counts("q").await.0, 0);
    assert_eq!(bench.bodies("dead").await, ["1"]);
}

#[tokio::test]
async fn a_policy_applies_to_queues_that_come_later() {
    let bench = Bench::start().await;
    put(
        &bench.broker,
        Policy::new("p", "^q", "overflow", string("reject-publish")).with("max-length", number(1)),
    )
    .await;
    bench.declare("q1", FieldTable::default()).await;
    bench.declare("other", FieldTable::default()).await;
    bench.publish("", "q1", "1").await;
    let properties = lapin::BasicProperties::default;
    assert!(bench.publish_with("", "q1", b"2", properties()).await.is_nack());
    bench.publish("", "other", "1").await;
    assert!(bench.publish_with("", "other", b"2", properties()).await.is_ack());
}

#[tokio::test]
async fn a_policy_is_no_part_of_equivalence() {
    let bench = Bench::start().await;
    put(&bench.broker, Policy::new("p", "", "max-length", number(1))).await;
    bench.declare("q", FieldTable::default()).await;
    bench.declare("q", FieldTable::default()).await;
    let channel = bench.channel().await;
    let with = table(&[("x-max-length", number(1))]);
    let error = channel.queue_declare("q".into(), QueueDeclareOptions::default(), with).await.unwrap_err();
    assert_eq!(crate::support::client::code(&error), 406);
}

#[tokio::test]
async fn an_operator_policy_caps_the_argument_and_the_user_policy() {
    let bench = Bench::start().await;
    bench.declare("q", table(&[("x-max-length", number(10))])).await;
    put(&bench.broker, Policy::new("p", "q", "max-length", number(5))).await;
    put(&bench.broker, Policy::new("o", "q", "max-length", number(2)).operator()).await;
    for body in ["1", "2", "3", "4"] {
        bench.publish("", "q", body).await;
    }
    assert_eq!(bench.bodies("q").await, ["3", "4"]);
}

#[tokio::test]
async fn the_higher_priority_wins_and_gives_way_when_it_goes() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    put(&bench.broker, Policy::new("low", "q", "max-length", number(1))).await;
    put(&bench.broker, Policy::new("high", "q", "max-length", number(2)).priority(5)).await;
    for body in ["1", "2", "3"] {
        bench.publish("", "q", body).await;
    }
    assert_eq!(bench.counts("q").await.0, 2);
    bench.broker.remove_policy("/", PolicyKind::User, "high").await.unwrap();
    assert_eq!(bench.counts("q").await.0, 1);
}

#[tokio::test]
async fn a_delivery_limit_by_policy_ends_a_message_that_keeps_failing() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    bench.declare("dead", FieldTable::default()).await;
    let policy = Policy::new("p", "^q$", "delivery-limit", number(1))
        .with("dead-letter-exchange", string(""))
        .with("dead-letter-routing-key", string("dead"));
    bench.publish("", "q", "m").await;
    let mut consumer = consume(&bench.channel, "q", "c", BasicConsumeOptions::default()).await;
    let first = next(&mut consumer).await;
    put(&bench.broker, policy).await;
    first.reject(BasicRejectOptions { requeue: true }).await.unwrap();
    next(&mut consumer).await.reject(BasicRejectOptions { requeue: true }).await.unwrap();
    bench.until_ready("dead", 1).await;
}

#[tokio::test]
async fn a_policy_gives_an_exchange_an_alternate() {
    let bench = Bench::start().await;
    bench.declare("rest", FieldTable::default()).await;
    bench.bind("rest", "amq.fanout", "", FieldTable::default()).await;
    let policy = Policy::new("ae", "^(amq\\.direct|new)$", "alternate-exchange", string("amq.fanout"));
    let policy = Policy { apply_to: ApplyTo::Exchanges, ..policy };
    // A route that was cached as leading nowhere is no longer good.
    bench.publish("amq.direct", "k", "lost").await;
    put(&bench.broker, policy).await;
    bench.publish("amq.direct", "k", "caught").await;
    let options = ExchangeDeclareOptions::default();
    bench
        .channel
        .exchange_declare("new".into(), ExchangeKind::Direct, options, FieldTable::default())
        .await
        .unwrap();
    bench.publish("new", "k", "also").await;
    bench.broker.remove_policy("/", PolicyKind::User, "ae").await.unwrap();
    bench.publish("amq.direct", "k", "lost").await;
    assert_eq!(bench.bodies("rest").await, ["caught", "also"]);
}

#[tokio::test]
async fn a_new_ttl_is_for_messages_to_come() {
    let bench = Bench::start().await;
    bench.declare("old", FieldTable::default()).await;
    bench.declare("new", FieldTable::default()).await;
    bench.publish("", "old", "stays").await;
    put(&bench.broker, Policy::new("p", "", "message-ttl", number(0))).await;
    bench.publish("", "new", "goes").await;
    assert_eq!(bench.bodies("new").await, Vec::<String>::new());
    assert_eq!(bench.bodies("old").await, ["stays"]);
}

#[tokio::test]
async fn an_unused_queue_expires_by_policy() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    bench
        .channel
        .queue_bind(
            "q".into(),
            "amq.fanout".into(),
            "".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    put(&bench.broker, Policy::new("p", "^q$", "expires", number(1))).await;
    let gone = async {
        // Whether a message is returned tells without using the queue.
        while bench
            .publish_with("amq.fanout", "", b"m", lapin::BasicProperties::default())
            .await
            .take_message()
            .is_none()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), gone).await.expect("it does not expire");
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let bench = Bench::start().await;
    bench.declare("q", FieldTable::default()).await;
    put(&bench.broker, Policy::new("p", "q", "max-length", number(1))).await;
    let error = bench.broker.put_policy("/", Policy::new("p", "q", "nonsense", number(1))).await.unwrap_err();
    assert_eq!(error.to_string(), "policy 'p' in vhost '/': nonsense: is not a recognised policy setting");
    let error =
        bench.broker.put_policy("nowhere", Policy::new("p", "q", "expires", number(1))).await.unwrap_err();
    assert_eq!(error.to_string(), "vhost 'nowhere' not found");
    bench.publish("", "q", "1").await;
    bench.publish("", "q", "2").await;
    assert_eq!(bench.bodies("q").await, ["2"]);
}

#[tokio::test]
async fn policies_survive_a_restart_and_so_does_their_removal() {
    let dir = tempfile::tempdir().unwrap();
    let start = async || {
        let builder = Broker::builder().data_dir(dir.path()).listen("127.0.0.1:0".parse().unwrap());
        builder.start().await.unwrap()
    };
    let broker = start().await;
    put(&broker, Policy::new("kept", "^q$", "max-length", number(1))).await;
    put(&broker, Policy::new("gone", "^r$", "max-length", number(1))).await;
    broker.remove_policy("/", PolicyKind::User, "gone").await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    let connection = connect(&broker).await;
    let channel = connection.create_channel().await.unwrap();
    for name in ["q", "r"] {
        channel.queue_declare(name.into(), durable, FieldTable::default()).await.unwrap();
    }
    broker.shutdown().await.unwrap();
    let broker = start().await;
    let bench = Bench::on(broker).await;
    for name in ["q", "r"] {
        bench.publish("", name, "1").await;
        bench.publish("", name, "2").await;
    }
    assert_eq!(bench.bodies("q").await, ["2"]);
    assert_eq!(bench.bodies("r").await, ["1", "2"]);
}
