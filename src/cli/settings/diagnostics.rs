//! What the broker says of itself.

use super::setting::{Group, Kind, Setting, one, put};
use crate::cli::value;

pub const DIAGNOSTICS: Group = Group {
    heading: "Diagnostics",
    settings: &[
        Setting {
            key: "log",
            kind: Kind::Text,
            value_name: "FILTER",
            help: "Log what passes this filter: a level, or target=level pairs.\n\n\
                   Levels are error, warn, info, debug, trace and off; coney=debug,info is a filter.",
            default: Some("info"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.log, value::filter(one(texts))),
        },
        Setting {
            key: "log-format",
            kind: Kind::Text,
            value_name: "FORMAT",
            help: "Write the log as text for people, or as a JSON object a line.",
            default: Some("text"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.log_format, value::log_format(one(texts))),
        },
        Setting {
            key: "log-file",
            kind: Kind::Text,
            value_name: "FILE",
            help: "Write the log to the end of this file, not to standard error; `-` is standard error.",
            default: Some("-"),
            rabbitmq_env: &["RABBITMQ_LOGS"],
            set: |draft, texts| put(&mut draft.config.log_file, value::file_or_stream(one(texts))),
        },
        Setting {
            key: "pid-file",
            kind: Kind::Text,
            value_name: "FILE",
            help: "Write the number of the process to this file before clients are accepted.",
            default: None,
            rabbitmq_env: &["RABBITMQ_PID_FILE"],
            set: |draft, texts| put(&mut draft.pid_file, value::path(one(texts)).map(Some)),
        },
        Setting {
            key: "node-name",
            kind: Kind::Text,
            value_name: "NAME",
            help: "Be this node to tools, which take no other names than rabbit@HOST: what is before an @ does not count.\n\n\
                   Without it the name is rabbit@ and the host's name.",
            default: None,
            rabbitmq_env: &["RABBITMQ_NODENAME"],
            set: |draft, texts| put(&mut draft.config.node_name, value::node_name(one(texts)).map(Some)),
        },
        Setting {
            key: "server-product",
            kind: Kind::Text,
            value_name: "NAME",
            help: "Tell clients that this is the product they talk to.\n\n\
                   Some choose their behaviour by it and would take another name for a broker they do not know.",
            default: Some("RabbitMQ"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                draft.is_announced = true;
                put(&mut draft.config.server_product, value::non_empty(one(texts), usize::MAX))
            },
        },
        Setting {
            key: "server-version",
            kind: Kind::Text,
            value_name: "VERSION",
            help: "Tell clients that this is the product's version.\n\n\
                   Some choose by it what they ask for: kombu takes 4.0 to have no prefetch of a whole channel.",
            default: Some("3.13.7"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                draft.is_announced = true;
                put(&mut draft.config.server_version, value::non_empty(one(texts), usize::MAX))
            },
        },
    ],
};
