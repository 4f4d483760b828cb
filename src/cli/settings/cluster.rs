//! What makes the broker a node of a cluster.

use std::ops::RangeInclusive;

use coney::config::ClusterSettings;

use super::setting::{Draft, Group, Kind, Setting, one, put};
use crate::cli::value;

/// What `cluster-retain-bytes` may be: the least holds 32 frames of the largest kind.
const RETAIN_BYTES: RangeInclusive<u64> = 16 << 20..=1 << 40;

pub const CLUSTER: Group = Group {
    heading: "Cluster",
    settings: &[
        Setting {
            key: "cluster",
            kind: Kind::Text,
            value_name: "NAME",
            help: "Be a node of this cluster: letters, digits, - and _.\n\n\
                   Its nodes share a log in NATS JetStream, which `coney cluster init` makes. See docs/cluster.md.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut cluster(draft)?.name, value::word(one(texts))),
        },
        Setting {
            key: "cluster-node",
            kind: Kind::Text,
            value_name: "NAME",
            help: "Be the node of this name in the cluster, which no other has: letters, digits, - and _.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut cluster(draft)?.node, value::word(one(texts))),
        },
        Setting {
            key: "cluster-log",
            kind: Kind::List,
            value_name: "URL",
            help: "Find the cluster's log on these NATS servers, nats://HOST:PORT (repeatable).",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut cluster(draft)?.log, value::log_servers(texts)),
        },
        Setting {
            key: "cluster-log-credentials",
            kind: Kind::Text,
            value_name: "FILE",
            help: "Log in to the NATS servers with this credentials file.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut cluster(draft)?.log_credentials, value::path(one(texts)).map(Some)),
        },
        Setting {
            key: "cluster-log-user",
            kind: Kind::Text,
            value_name: "NAME",
            help: "Log in to the NATS servers as this user, with --cluster-log-password.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut cluster(draft)?.log_user, value::filled(one(texts)).map(Some)),
        },
        Setting {
            key: "cluster-log-password",
            kind: Kind::Secret,
            value_name: "PASSWORD",
            help: "Log in to the NATS servers with this password.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut cluster(draft)?.log_password, value::filled(one(texts)).map(Some)),
        },
        Setting {
            key: "cluster-log-monitor",
            kind: Kind::List,
            value_name: "URL",
            help: "See the NATS servers' configuration on their monitoring pages, http://HOST:8222 (repeatable).\n\n\
                   A node starts only if each server syncs what it confirms: see --cluster-unsafe-log.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut cluster(draft)?.log_monitor, value::log_monitors(texts)),
        },
        Setting {
            key: "cluster-log-system-credentials",
            kind: Kind::Text,
            value_name: "FILE",
            help: "See it as a user of the NATS servers' system account, with this credentials file.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut cluster(draft)?.log_system_credentials, value::path(one(texts)).map(Some))
            },
        },
        Setting {
            key: "cluster-peer",
            kind: Kind::Text,
            value_name: "HOST:PORT",
            help: "Be reached here by the other nodes.\n\n\
                   They carry the connections of their clients there while this node leads. The network between\n\
                   nodes has to be a trusted one.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut cluster(draft)?.peer, value::peer(one(texts))),
        },
        Setting {
            key: "cluster-rank",
            kind: Kind::Number,
            value_name: "NUMBER",
            help: "Lead rather than nodes of higher rank, when a leader is looked for; 0 if it is not said.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| put(&mut cluster(draft)?.rank, value::rank(one(texts))),
        },
        Setting {
            key: "cluster-spread-after",
            kind: Kind::Number,
            value_name: "SECONDS",
            help: "Hand a shard over to a node that has led two less for so long; 60 if it is not said, 0 never.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(&mut cluster(draft)?.spread_after_s, value::rank(one(texts)).map(|s| Some(s.into())))
            },
        },
        Setting {
            key: "cluster-retain-time",
            kind: Kind::Number,
            value_name: "SECONDS",
            help: "Keep in the log what a node has yet to take for this long, 10 to 3600 s; 3600 if it is not said.\n\n\
                   Counted from when the node was last heard of. One that was away for longer takes a snapshot of\n\
                   another. NATS forgets what a node said after an hour.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(
                    &mut cluster(draft)?.retain_s,
                    value::number_within(one(texts), 10..=3600, "seconds").map(Some),
                )
            },
        },
        Setting {
            key: "cluster-retain-frames",
            kind: Kind::Number,
            value_name: "NUMBER",
            help: "Keep no more frames in the log than this, 1000 to 10000000; 20000 if it is not said.\n\n\
                   Whoever needs them. A frame is what the leader writes at once, 512 KiB at most.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(
                    &mut cluster(draft)?.retain_frames,
                    value::number_within(one(texts), 1000..=10_000_000, "frames").map(Some),
                )
            },
        },
        Setting {
            key: "cluster-retain-bytes",
            kind: Kind::Number,
            value_name: "BYTES",
            help: "Keep no more in the log than about this, 16MiB to 1024GiB; 10GiB if it is not said.\n\n\
                   How many frames that is, is estimated by the mean size of those that there are.",
            default: None,
            rabbitmq_env: &[],
            set: |draft, texts| {
                put(
                    &mut cluster(draft)?.retain_bytes,
                    value::bytes_within(one(texts), RETAIN_BYTES).map(Some),
                )
            },
        },
        Setting {
            key: "cluster-unsafe-log",
            kind: Kind::Switch,
            value_name: "BOOL",
            help: "Start although the NATS servers may lose what they have confirmed.\n\n\
                   Without `sync_interval: always` a power failure of several of them at once loses confirmed messages.",
            default: Some("false"),
            rabbitmq_env: &[],
            set: |draft, texts| {
                if value::parse_bool(one(texts))? {
                    cluster(draft)?.is_log_unsafe = true;
                }
                Ok(())
            },
        },
    ],
};

/// The cluster's settings in the making, where there can be a cluster.
fn cluster(draft: &mut Draft) -> Result<&mut ClusterSettings, String> {
    if !cfg!(feature = "cluster") {
        return Err("this build has no cluster: it takes the cargo feature `cluster`".to_owned());
    }
    Ok(draft.config.cluster.get_or_insert_default())
}

/// What a cluster lacks, if there is one: the setting that is missing, and what for.
pub fn missing(draft: &Draft) -> Option<String> {
    let ClusterSettings { name, node, log, peer, log_user, log_password, .. } =
        draft.config.cluster.as_ref()?;
    let needed = [
        ("cluster", name.is_empty(), "is the cluster's name"),
        ("cluster-node", node.is_empty(), "is this node's name in the cluster"),
        ("cluster-log", log.is_empty(), "says where the cluster's log is"),
        ("cluster-peer", peer.is_empty(), "says where other nodes reach this one"),
        ("cluster-log-password", log_user.is_some() && log_password.is_none(), "goes with cluster-log-user"),
        ("cluster-log-user", log_user.is_none() && log_password.is_some(), "goes with cluster-log-password"),
        (
            "data-dir",
            draft.config.data_dir.is_none(),
            "is where a node keeps its copy: it cannot be ephemeral",
        ),
    ];
    let (key, _, what) = needed.into_iter().find(|(_, is_missing, _)| *is_missing)?;
    Some(format!("a node of a cluster needs {key}, which {what}"))
}
