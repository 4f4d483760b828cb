//! What the Python program's verbs can be applied to: which arguments each takes, and where the API has it.

use Default::{Absent, Empty, Number, Text};

/// An argument that need not be given, and what is sent then.
pub enum Default {
    /// Nothing.
    Absent,
    /// `{}`.
    Empty,
    /// A text.
    Text(&'static str),
    /// A number.
    Number(i64),
}

/// What can be declared, deleted, closed or purged, and what `publish` and `get` take.
pub struct Object {
    pub name: &'static str,
    /// Arguments of which one has to be given, each.
    pub mandatory: &'static [&'static [&'static str]],
    pub optional: &'static [(&'static str, Default)],
    /// Arguments that are JSON.
    pub json: &'static [&'static str],
    /// The pieces of its path: `{argument}` is replaced, `{destination_char}` is the first letter of `destination_type`.
    pub path: &'static [&'static str],
}

/// What can be listed or shown.
pub struct Listed {
    pub name: &'static str,
    /// Whether there is a list for a virtual host.
    pub by_vhost: bool,
    /// The columns that most people want; all where there are none.
    pub columns: &'static [&'static str],
    /// A column whose objects are shown as JSON.
    pub json: Option<&'static str>,
}

const fn listed(name: &'static str, by_vhost: bool, columns: &'static [&'static str]) -> Listed {
    Listed { name, by_vhost, columns, json: None }
}

const fn with_json(name: &'static str, json: &'static str) -> Listed {
    Listed { name, by_vhost: false, columns: &[], json: Some(json) }
}

pub const LISTABLE: &[Listed] = &[
    listed("connections", false, &["name", "user", "channels"]),
    listed("channels", false, &["name", "user"]),
    listed("consumers", true, &[]),
    listed("exchanges", true, &["name", "type"]),
    listed("queues", true, &["name", "messages"]),
    listed("bindings", true, &["source", "destination", "routing_key"]),
    listed("users", false, &[]),
    listed("vhosts", false, &["name", "messages"]),
    listed("permissions", false, &[]),
    listed("nodes", false, &["name", "type", "mem_used"]),
    with_json("parameters", "value"),
    with_json("policies", "definition"),
    with_json("operator_policies", "definition"),
    with_json("vhost_limits", "value"),
];

pub const SHOWABLE: &[Listed] = &[listed(
    "overview",
    false,
    &["rabbitmq_version", "cluster_name", "queue_totals.messages", "object_totals.queues"],
)];

const NAME: &[&str] = &["name"];
const VHOST: &[&str] = &["vhost"];
const USER: &[&str] = &["user"];
const EXCHANGE_PATH: &[&str] = &["exchanges", "{vhost}", "{name}"];
const QUEUE_PATH: &[&str] = &["queues", "{vhost}", "{name}"];
const BINDING_PATH: &[&str] =
    &["bindings", "{vhost}", "e", "{source}", "{destination_char}", "{destination}"];
const VHOST_PATH: &[&str] = &["vhosts", "{name}"];
const USER_PATH: &[&str] = &["users", "{name}"];
const PERMISSION_PATH: &[&str] = &["permissions", "{vhost}", "{user}"];
const PARAMETER_PATH: &[&str] = &["parameters", "{component}", "{vhost}", "{name}"];
const POLICY_PATH: &[&str] = &["policies", "{vhost}", "{name}"];
const OPERATOR_POLICY_PATH: &[&str] = &["operator-policies", "{vhost}", "{name}"];
const LIMIT_PATH: &[&str] = &["vhost-limits", "{vhost}", "{name}"];

const POLICY_MANDATORY: &[&[&str]] = &[NAME, &["pattern"], &["definition"]];
const POLICY_OPTIONAL: &[(&str, Default)] = &[("priority", Number(0)), ("apply-to", Absent)];
const POLICY_JSON: &[&str] = &["definition", "priority"];

pub const DECLARABLE: &[Object] = &[
    Object {
        name: "exchange",
        mandatory: &[NAME, &["type"]],
        optional: &[
            ("auto_delete", Text("false")),
            ("durable", Text("true")),
            ("internal", Text("false")),
            ("arguments", Empty),
        ],
        json: &["arguments"],
        path: EXCHANGE_PATH,
    },
    Object {
        name: "queue",
        mandatory: &[NAME],
        optional: &[
            ("auto_delete", Text("false")),
            ("durable", Text("true")),
            ("arguments", Empty),
            ("node", Absent),
            ("queue_type", Absent),
        ],
        json: &["arguments"],
        path: QUEUE_PATH,
    },
    Object {
        name: "binding",
        mandatory: &[&["source"], &["destination"]],
        optional: &[("destination_type", Text("queue")), ("routing_key", Text("")), ("arguments", Empty)],
        json: &["arguments"],
        path: BINDING_PATH,
    },
    Object {
        name: "vhost",
        mandatory: &[NAME],
        optional: &[("tracing", Absent), ("default_queue_type", Absent)],
        json: &[],
        path: VHOST_PATH,
    },
    Object {
        name: "user",
        mandatory: &[NAME, &["password", "password_hash"], &["tags"]],
        optional: &[("hashing_algorithm", Absent)],
        json: &[],
        path: USER_PATH,
    },
    Object {
        name: "permission",
        mandatory: &[VHOST, USER, &["configure"], &["write"], &["read"]],
        optional: &[],
        json: &[],
        path: PERMISSION_PATH,
    },
    Object {
        name: "parameter",
        mandatory: &[&["component"], NAME, &["value"]],
        optional: &[],
        json: &["value"],
        path: PARAMETER_PATH,
    },
    Object {
        name: "policy",
        mandatory: POLICY_MANDATORY,
        optional: POLICY_OPTIONAL,
        json: POLICY_JSON,
        path: POLICY_PATH,
    },
    Object {
        name: "operator_policy",
        mandatory: POLICY_MANDATORY,
        optional: POLICY_OPTIONAL,
        json: POLICY_JSON,
        path: OPERATOR_POLICY_PATH,
    },
    Object {
        name: "vhost_limit",
        mandatory: &[VHOST, NAME, &["value"]],
        optional: &[],
        json: &["value"],
        path: LIMIT_PATH,
    },
];

const fn deletable(
    name: &'static str,
    mandatory: &'static [&'static [&'static str]],
    path: &'static [&'static str],
) -> Object {
    Object { name, mandatory, optional: &[], json: &[], path }
}

pub const DELETABLE: &[Object] = &[
    deletable("exchange", &[NAME], EXCHANGE_PATH),
    deletable("queue", &[NAME], QUEUE_PATH),
    Object {
        name: "binding",
        mandatory: &[&["source"], &["destination_type"], &["destination"]],
        optional: &[("properties_key", Text("~"))],
        json: &[],
        path: &[
            "bindings",
            "{vhost}",
            "e",
            "{source}",
            "{destination_char}",
            "{destination}",
            "{properties_key}",
        ],
    },
    deletable("vhost", &[NAME], VHOST_PATH),
    deletable("user", &[NAME], USER_PATH),
    deletable("permission", &[VHOST, USER], PERMISSION_PATH),
    deletable("parameter", &[&["component"], NAME], PARAMETER_PATH),
    deletable("policy", &[NAME], POLICY_PATH),
    deletable("operator_policy", &[NAME], OPERATOR_POLICY_PATH),
    deletable("vhost_limit", &[VHOST, NAME], LIMIT_PATH),
];

pub const CLOSABLE: &[Object] = &[deletable("connection", &[NAME], &["connections", "{name}"])];

pub const PURGABLE: &[Object] = &[deletable("queue", &[NAME], &["queues", "{vhost}", "{name}", "contents"])];

pub const PUBLISH: Object = Object {
    name: "publish",
    mandatory: &[&["routing_key"]],
    optional: &[
        ("payload", Absent),
        ("properties", Empty),
        ("exchange", Text("amq.default")),
        ("payload_encoding", Text("string")),
    ],
    json: &["properties"],
    path: &["exchanges", "{vhost}", "{exchange}", "publish"],
};

pub const GET: Object = Object {
    name: "get",
    mandatory: &[&["queue"]],
    optional: &[
        ("count", Text("1")),
        ("ackmode", Text("ack_requeue_true")),
        ("payload_file", Absent),
        ("encoding", Text("auto")),
    ],
    json: &[],
    path: &["queues", "{vhost}", "{queue}", "get"],
};
