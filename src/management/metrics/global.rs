//! What the whole broker counted of messages, by RabbitMQ's names. Nothing here ever falls: what is deleted takes nothing along.

use super::clients::ChannelTally;
use super::queues::queue_type;
use super::text::{Labels, Text, Type};
use crate::broker::shared::Shared;
use crate::queue::options::QueueType;
use crate::statistics::{ChannelCounters, QueueCounters};

/// RabbitMQ's name of AMQP 0-9-1, by which publishes over HTTP go, too.
const PROTOCOL: (&str, &str) = ("protocol", "amqp091");

/// Of all messages that came in and went out.
pub(super) fn write(shared: &Shared, channels: &ChannelTally, consumers: u64, text: &mut Text) {
    let help = "Channels on which something was published";
    of_protocol("rabbitmq_global_publishers", Type::Gauge, help, channels.publishers, text);
    of_protocol("rabbitmq_global_consumers", Type::Gauge, "Consumers", consumers, text);
    let counted = shared.sums.channels.read();
    for (name, help, count) in received(&counted) {
        of_protocol(name, Type::Counter, help, count, text);
    }
    let of_types = [
        (queue_type(QueueType::Classic), shared.sums.classic_queues.read()),
        (queue_type(QueueType::Quorum), shared.sums.quorum_queues.read()),
        (queue_type(QueueType::Stream), shared.sums.streams.read()),
    ];
    for (name, help, count) in DELIVERED {
        text.family(name, Type::Counter, help);
        for (queue_type, counters) in &of_types {
            text.sample(name, &Labels::new(&[PROTOCOL, ("queue_type", queue_type)]), count(counters));
        }
    }
    dead_letters(&of_types, text);
    let name = "rabbitmq_message_size_bytes";
    text.family(name, Type::Histogram, "Sizes of the bodies of messages that were published");
    text.histogram(name, &[PROTOCOL], &shared.sums.sizes.read(), 1);
}

fn of_protocol(name: &str, kind: Type, help: &str, value: u64, text: &mut Text) {
    text.family(name, kind, help);
    text.sample(name, &Labels::new(&[PROTOCOL]), value);
}

const fn received(counted: &ChannelCounters) -> [(&'static str, &'static str, u64); 6] {
    [
        ("rabbitmq_global_messages_received_total", "Messages published", counted.published),
        (
            "rabbitmq_global_messages_received_confirm_total",
            "Messages published whose publisher waits for a confirm",
            counted.published_confirm,
        ),
        ("rabbitmq_global_messages_routed_total", "Copies that went to queues", counted.routed),
        (
            "rabbitmq_global_messages_confirmed_total",
            "Messages confirmed to their publisher",
            counted.confirmed,
        ),
        (
            "rabbitmq_global_messages_unroutable_dropped_total",
            "Messages that went nowhere and were dropped",
            counted.dropped,
        ),
        (
            "rabbitmq_global_messages_unroutable_returned_total",
            "Mandatory messages that went nowhere and were returned",
            counted.returned,
        ),
    ]
}

type Count = fn(&QueueCounters) -> u64;

const DELIVERED: [(&str, &str, Count); 8] = [
    ("rabbitmq_global_messages_delivered_total", "Messages delivered or got", |q| {
        q.delivered + q.delivered_no_ack + q.got + q.got_no_ack
    }),
    (
        "rabbitmq_global_messages_delivered_consume_manual_ack_total",
        "Messages delivered to consumers that ack",
        |q| q.delivered,
    ),
    (
        "rabbitmq_global_messages_delivered_consume_auto_ack_total",
        "Messages delivered to consumers that do not ack",
        |q| q.delivered_no_ack,
    ),
    (
        "rabbitmq_global_messages_delivered_get_manual_ack_total",
        "Messages got by basic.get that are to be acked",
        |q| q.got,
    ),
    (
        "rabbitmq_global_messages_delivered_get_auto_ack_total",
        "Messages got by basic.get without acks",
        |q| q.got_no_ack,
    ),
    ("rabbitmq_global_messages_get_empty_total", "basic.get that found no message", |q| q.got_empty),
    ("rabbitmq_global_messages_redelivered_total", "Messages delivered again", |q| q.redelivered),
    ("rabbitmq_global_messages_acknowledged_total", "Messages acked", |q| q.acked),
];

/// A reason for which messages die: how many were sent on, and how many had nowhere to go.
const DEAD: [(&str, &str, Count, Count); 4] = [
    (
        "rabbitmq_global_messages_dead_lettered_maxlen_total",
        "Messages that were dead because their queue was too long",
        |q| q.dead_lettered_maxlen,
        |q| q.dropped_maxlen,
    ),
    (
        "rabbitmq_global_messages_dead_lettered_expired_total",
        "Messages that were dead because their time was over",
        |q| q.dead_lettered_expired,
        |q| q.dropped_expired,
    ),
    (
        "rabbitmq_global_messages_dead_lettered_rejected_total",
        "Messages that were dead because a consumer rejected them",
        |q| q.dead_lettered_rejected,
        |q| q.dropped_rejected,
    ),
    (
        "rabbitmq_global_messages_dead_lettered_delivery_limit_total",
        "Messages that were dead because they had been delivered too often",
        |q| q.dead_lettered_delivery_limit,
        |q| q.dropped_delivery_limit,
    ),
];

/// Dead letters are moved in one step with their removal, so all strategies are the safest here.
fn dead_letters(of_types: &[(&'static str, QueueCounters)], text: &mut Text) {
    for (name, help, sent_on, dropped) in DEAD {
        text.family(name, Type::Counter, help);
        for (queue_type, counters) in of_types {
            for (strategy, count) in [("at_least_once", sent_on), ("disabled", dropped)] {
                let labels = Labels::new(&[("queue_type", queue_type), ("dead_letter_strategy", strategy)]);
                text.sample(name, &labels, count(counters));
            }
        }
    }
    let name = "rabbitmq_global_messages_dead_lettered_confirmed_total";
    let help = "Messages that were dead and are safe in the queues that they were sent on to";
    text.family(name, Type::Counter, help);
    for (queue_type, counters) in of_types {
        let labels = [("queue_type", *queue_type), ("dead_letter_strategy", "at_least_once")];
        text.sample(name, &Labels::new(&labels), counters.dead_lettered());
    }
}
