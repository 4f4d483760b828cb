//! Who may connect, and what there is to begin with.

use super::new_users;
use super::setting::{Group, Kind, Setting, one, put};
use crate::cli::value;

/// Longest virtual host name: it travels as an AMQP short string.
const VHOST_BYTES_MAX: usize = 255;

pub const USERS: Group = Group {
    heading: "Users",
    settings: &[
        Setting {
            key: "default-user",
            kind: Kind::Text,
            value_name: "NAME",
            help: "Create this user when the data directory is new.\n\n\
                   It may do everything on the default virtual host.",
            default: Some("guest"),
            rabbitmq_env: &["RABBITMQ_DEFAULT_USER"],
            set: |draft, texts| put(&mut draft.config.default_user, value::non_empty(one(texts), usize::MAX)),
        },
        Setting {
            key: "default-pass",
            kind: Kind::Secret,
            value_name: "PASSWORD",
            help: "Give that user this password.\n\n\
                   Other users of the machine can read command lines: better use the environment or the file.",
            default: Some("guest"),
            rabbitmq_env: &["RABBITMQ_DEFAULT_PASS"],
            set: |draft, texts| put(&mut draft.config.default_pass, value::non_empty(one(texts), usize::MAX)),
        },
        Setting {
            key: "default-tags",
            kind: Kind::List,
            value_name: "TAGS",
            help: "Give that user these tags, or `none` (comma-separated or repeated).\n\n\
                   administrator, monitoring, policymaker and management let it use the management API.",
            default: Some("administrator"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.default_tags, value::tags(texts)),
        },
        Setting {
            key: "default-configure",
            kind: Kind::Text,
            value_name: "PATTERN",
            help: "Let that user declare and delete what has a name like this on the default virtual host.",
            default: Some(".*"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.default_permission.configure, value::name_pattern(one(texts)))
            },
        },
        Setting {
            key: "default-write",
            kind: Kind::Text,
            value_name: "PATTERN",
            help: "Let that user publish to what has a name like this there.",
            default: Some(".*"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.default_permission.write, value::name_pattern(one(texts)))
            },
        },
        Setting {
            key: "default-read",
            kind: Kind::Text,
            value_name: "PATTERN",
            help: "Let that user consume from what has a name like this there.",
            default: Some(".*"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut draft.config.default_permission.read, value::name_pattern(one(texts)))
            },
        },
        Setting {
            key: "default-users",
            kind: Kind::Secret,
            value_name: "JSON",
            help: "Create these users, too, when the data directory is new.\n\n\
                   A list of objects with name, password and perhaps tags, configure, write and read; without a\n\
                   pattern the user may do everything on the default virtual host.",
            default: Some("[]"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.default_users, new_users::parse(one(texts))),
        },
        Setting {
            key: "default-vhost",
            kind: Kind::Text,
            value_name: "NAME",
            help: "Create this virtual host when the data directory is new.",
            default: Some("/"),
            rabbitmq_env: &["RABBITMQ_DEFAULT_VHOST"],
            set: |draft, texts| {
                put(&mut draft.config.default_vhost, value::non_empty(one(texts), VHOST_BYTES_MAX))
            },
        },
        Setting {
            key: "event-exchange-vhost",
            kind: Kind::Text,
            value_name: "NAME",
            help: "Send the broker's events to amq.rabbitmq.event of this virtual host.\n\n\
                   Without it they go to the default virtual host.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                let name = value::non_empty(one(texts), VHOST_BYTES_MAX).map(Some);
                put(&mut draft.config.event_exchange_vhost, name)
            },
        },
        Setting {
            key: "definitions",
            kind: Kind::Text,
            value_name: "FILE",
            help: "Import vhosts, users, permissions, policies, queues, exchanges and bindings from this file.\n\n\
                   JSON as RabbitMQ exports it; at every start, before clients are accepted.\n\
                   A file that is wrong stops the start. Where it lists users, no default user is created.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.definitions, value::path(one(texts)).map(Some)),
        },
        Setting {
            key: "loopback-users",
            kind: Kind::List,
            value_name: "NAMES",
            help: "Let these users connect from this machine only (comma-separated or repeated).\n\n\
                   `none` lets every user connect from anywhere.",
            default: Some("guest"),
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut draft.config.loopback_users, value::users(texts)),
        },
    ],
};
