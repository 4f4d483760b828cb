//! How much the broker takes.

use coney::config::{FRAME_BYTES_CEILING, FRAME_BYTES_FLOOR, MESSAGE_BYTES_CEILING};

use super::setting::{Group, Kind, Setting, one, put};
use crate::cli::value;

pub const LIMITS: Group = Group {
    heading: "Limits",
    settings: &[
        Setting {
            key: "max-message-size",
            kind: Kind::Number,
            value_name: "BYTES",
            help: "Refuse messages with a larger body.\n\n\
                   In bytes or with a unit: 16MiB and 16M count by 1024, 16MB by 1000. At most 512MiB.",
            default: Some("128MiB"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                let size = value::bytes_within(one(texts), 1..=MESSAGE_BYTES_CEILING);
                put(&mut draft.config.message_bytes_max, size)
            },
        },
        Setting {
            key: "consumer-timeout",
            kind: Kind::Number,
            value_name: "MS",
            help: "Close a channel that has not acked a message for this long, in milliseconds, or `none`.\n\n\
                   Where neither the queue (x-consumer-timeout, a policy) nor the consumer says it.",
            default: Some("1800000"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.ack_timeout_ms, value::ms_or_none(one(texts))),
        },
        Setting {
            key: "queue-memory",
            kind: Kind::Number,
            value_name: "BYTES",
            help: "Keep about this much of each queue in memory.\n\n\
                   What is beyond, between the queue's two ends, is on disk only. Without a disk everything is in memory.",
            default: Some("16MiB"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                let size = value::bytes_within(one(texts), 1..=u64::MAX);
                put(&mut draft.config.queue_bytes_in_memory, size)
            },
        },
        Setting {
            key: "journal-events",
            kind: Kind::Number,
            value_name: "EVENTS",
            help: "Keep this many events in the journal of each virtual host; 0 keeps none.\n\n\
                   The journal says why a message was redelivered, delayed, dead-lettered or dropped. It is in memory only.",
            default: Some("100000"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.journal_events, value::events(one(texts))),
        },
        Setting {
            key: "journal-bytes",
            kind: Kind::Number,
            value_name: "BYTES",
            help: "Let the journal of a virtual host take this much memory; 0 keeps none.\n\n\
                   In bytes or with a unit, as max-message-size. The oldest events make room for new ones.",
            default: Some("16MiB"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                let size = value::bytes_within(one(texts), 0..=u64::MAX);
                put(&mut draft.config.journal_bytes, size)
            },
        },
        Setting {
            key: "memory-limit",
            kind: Kind::Number,
            value_name: "LIMIT",
            help: "Block publishers while the broker uses more memory than this; consumers go on.\n\n\
                   A percentage of the memory of the machine (or of its container), bytes as above, or `none`.",
            default: Some("40%"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.memory_limit, value::memory_limit(one(texts))),
        },
        Setting {
            key: "disk-free-limit",
            kind: Kind::Number,
            value_name: "BYTES",
            help: "Block publishers while the disk of the data directory has less free than this.\n\n\
                   In bytes as above, or `none`. A full disk would stop the broker.",
            default: Some("200MB"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.disk_free_limit, value::bytes_or_none(one(texts))),
        },
        Setting {
            key: "frame-max",
            kind: Kind::Number,
            value_name: "BYTES",
            help: "Offer clients frames up to this size, 8192 to 16MiB.",
            default: Some("131072"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                let range = u64::from(FRAME_BYTES_FLOOR)..=u64::from(FRAME_BYTES_CEILING);
                put(&mut draft.config.frame_bytes_max, value::bytes_within(one(texts), range))
            },
        },
        Setting {
            key: "channel-max",
            kind: Kind::Number,
            value_name: "CHANNELS",
            help: "Let a connection have this many channels open, 1 to 65535.",
            default: Some("2047"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(
                    &mut draft.config.channels_max,
                    value::number_within(one(texts), 1..=u16::MAX, "channels"),
                )
            },
        },
    ],
};
