//! The commands of the Rust program: a line each, with its arguments and where the API has what it is about.

use super::columns::{self, Column};
use super::special;
use super::work::Work;

/// What kind of value an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text that goes into the body.
    Text,
    /// JSON that goes into the body.
    Json,
    /// `true` or `false`, in the body.
    Bool,
    /// A number, in the body.
    Number,
    /// In the body: true where it is given.
    Switch,
    /// Not in the body: for the path, or for the command itself.
    Word,
    /// Not in the body: whether it is given.
    Flag,
    /// Not in the body, and without dashes.
    Positional,
}

/// Whether an argument has to be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Required,
    Optional,
    Default(&'static str),
}

/// An argument: `--flag`.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    pub flag: &'static str,
    pub kind: Kind,
    pub need: Need,
    pub help: &'static str,
}

/// What a command does. `{flag}` in a path is an argument, `{vhost}` the virtual host that is meant.
pub enum Does {
    /// Shows the objects there.
    List(&'static [&'static str], &'static [Column]),
    Put(&'static [&'static str]),
    Post(&'static [&'static str]),
    Delete(&'static [&'static str]),
    /// Succeeds, or says why the check failed.
    Check(&'static [&'static str]),
    Call(fn(&Work<'_>) -> special::Done),
    /// There is no such thing here; says what to do instead.
    Refuse(&'static str),
}

/// `rabbitmqadmin GROUP VERB`.
pub struct Command {
    pub group: &'static str,
    pub verb: &'static str,
    pub arguments: &'static [Argument],
    pub does: Does,
}

const fn argument(flag: &'static str, kind: Kind, need: Need, help: &'static str) -> Argument {
    Argument { flag, kind, need, help }
}

const fn required(flag: &'static str, help: &'static str) -> Argument {
    argument(flag, Kind::Word, Need::Required, help)
}

const fn optional(flag: &'static str, help: &'static str) -> Argument {
    argument(flag, Kind::Text, Need::Optional, help)
}

const fn command(
    group: &'static str,
    verb: &'static str,
    arguments: &'static [Argument],
    does: Does,
) -> Command {
    Command { group, verb, arguments, does }
}

const NAME: Argument = required("name", "its name");
const TEXT: Kind = Kind::Text;
const JSON: Kind = Kind::Json;
const USERNAME: Argument = required("username", "the user");
const ARGUMENTS: Argument = argument("arguments", JSON, Need::Default("{}"), "further arguments, JSON");
const DURABLE: Argument =
    argument("durable", Kind::Bool, Need::Default("true"), "whether it outlives a restart");
const AUTO_DELETE: Argument = argument(
    "auto-delete",
    Kind::Bool,
    Need::Default("false"),
    "whether it goes when nobody uses it any longer",
);
const IDEMPOTENTLY: Argument =
    argument("idempotently", Kind::Flag, Need::Optional, "what is not there is no error");
const COLUMNS: Argument = argument("columns", Kind::Word, Need::Optional, "columns to show, with commas");
const PAGE: Argument = argument("page", Kind::Word, Need::Optional, "which page, from 1");
const PAGE_SIZE: Argument =
    argument("page-size", Kind::Word, Need::Optional, "how many rows a page has, 500 at most");
const VALUE: Argument = argument("value", JSON, Need::Required, "its value, JSON");
const NODE: Argument = required("node", "the node");

const QUEUE: &[Argument] = &[
    NAME,
    argument("type", Kind::Word, Need::Default("classic"), "classic or quorum"),
    DURABLE,
    AUTO_DELETE,
    ARGUMENTS,
];
const EXCHANGE: &[Argument] = &[
    NAME,
    argument("type", TEXT, Need::Default("direct"), "direct, fanout, topic, headers and so on"),
    DURABLE,
    AUTO_DELETE,
    ARGUMENTS,
];
const DELETED: &[Argument] = &[NAME, IDEMPOTENTLY];
const BINDING: &[Argument] = &[
    required("source", "the exchange"),
    required("destination-type", "queue or exchange"),
    required("destination", "the queue or exchange"),
    argument("routing-key", TEXT, Need::Required, "the key"),
    ARGUMENTS,
];
const UNBINDING: &[Argument] = &[
    required("source", "the exchange"),
    required("destination-type", "queue or exchange"),
    required("destination", "the queue or exchange"),
    required("routing-key", "the key"),
    argument("arguments", Kind::Word, Need::Default("{}"), "its arguments, JSON"),
    IDEMPOTENTLY,
];
const USER: &[Argument] = &[
    NAME,
    argument("password", Kind::Word, Need::Optional, "the password"),
    argument("password-hash", Kind::Word, Need::Optional, "its salted hash instead"),
    argument("hashing-algorithm", Kind::Word, Need::Default("SHA256"), "of that hash: SHA256 or SHA512"),
    argument("tags", TEXT, Need::Default(""), "such as administrator, with commas"),
];
const PERMISSIONS: &[Argument] = &[
    USERNAME,
    argument("configure", TEXT, Need::Required, "a pattern of names"),
    argument("read", TEXT, Need::Required, "a pattern of names"),
    argument("write", TEXT, Need::Required, "a pattern of names"),
];
const NO_PERMISSIONS: &[Argument] = &[USERNAME, IDEMPOTENTLY];
const POLICY: &[Argument] = &[
    NAME,
    argument("pattern", TEXT, Need::Required, "a pattern of names"),
    argument(
        "apply-to",
        TEXT,
        Need::Required,
        "queues, classic_queues, quorum_queues, streams, exchanges or all",
    ),
    argument("priority", Kind::Number, Need::Default("0"), "the highest one that matches holds"),
    argument("definition", JSON, Need::Required, "what it sets, JSON"),
];
const VHOST: &[Argument] = &[
    NAME,
    optional("default-queue-type", "classic or quorum"),
    optional("description", "what it is for"),
    argument("tracing", Kind::Switch, Need::Optional, "whether its messages are traced"),
];
const LIMIT: &[Argument] = &[required("name", "such as max-queues or max-connections"), VALUE];
const NO_LIMIT: &[Argument] = &[required("name", "such as max-queues or max-connections")];
const USER_LIMIT: &[Argument] =
    &[USERNAME, required("name", "such as max-channels or max-connections"), VALUE];
const NO_USER_LIMIT: &[Argument] = &[USERNAME, required("name", "such as max-channels or max-connections")];
const PARAMETER: &[Argument] = &[NAME, required("component", "its component"), VALUE];
const NO_PARAMETER: &[Argument] = &[NAME, required("component", "its component"), IDEMPOTENTLY];
const EXPORT: &[Argument] = &[
    argument("file", Kind::Word, Need::Default("-"), "where to write them; - is standard output"),
    argument("stdout", Kind::Flag, Need::Optional, "write them to standard output"),
];
const IMPORT: &[Argument] = &[
    argument("file", Kind::Word, Need::Optional, "where to read them"),
    argument("stdin", Kind::Flag, Need::Optional, "read them from standard input"),
];
const CLOSE: &[Argument] = &[NAME, IDEMPOTENTLY];
const CLOSE_OF_USER: &[Argument] = &[USERNAME, IDEMPOTENTLY];
const PAGED: &[Argument] = &[PAGE, PAGE_SIZE, COLUMNS];

const QUEUE_PATH: &[&str] = &["queues", "{vhost}", "{name}"];
const EXCHANGE_PATH: &[&str] = &["exchanges", "{vhost}", "{name}"];
const PERMISSIONS_PATH: &[&str] = &["permissions", "{vhost}", "{username}"];
const POLICY_PATH: &[&str] = &["policies", "{vhost}", "{name}"];
const OPERATOR_POLICY_PATH: &[&str] = &["operator-policies", "{vhost}", "{name}"];
const PARAMETER_PATH: &[&str] = &["parameters", "{component}", "{vhost}", "{name}"];
const LIMIT_PATH: &[&str] = &["vhost-limits", "{vhost}", "{name}"];
const USER_LIMIT_PATH: &[&str] = &["user-limits", "{username}", "{name}"];
const CONTENTS_PATH: &[&str] = &["queues", "{vhost}", "{name}", "contents"];
const NO_STREAMS: &str = "Coney has no streams yet; a quorum queue keeps messages until they are acked";
const NO_SHOVELS: &str = "Coney has no shovels. A RabbitMQ's shovel moves messages to it and from it, and `coney replay` moves dead letters";
const NO_FEDERATION: &str = "Coney has no federation. A RabbitMQ's federation or shovel can read from it";

/// All of them, a group's together.
pub const COMMANDS: &[Command] = &[
    command("bindings", "declare", BINDING, Does::Call(special::bind)),
    command("bindings", "delete", UNBINDING, Does::Call(special::unbind)),
    command("bindings", "list", &[COLUMNS], Does::List(&["bindings"], columns::BINDINGS)),
    command("channels", "list", PAGED, Does::List(&["channels"], columns::CHANNELS)),
    command("connections", "close", CLOSE, Does::Delete(&["connections", "{name}"])),
    command(
        "connections",
        "close_of_user",
        CLOSE_OF_USER,
        Does::Delete(&["connections", "username", "{username}"]),
    ),
    command("connections", "list", PAGED, Does::List(&["connections"], columns::CONNECTIONS)),
    command(
        "connections",
        "list_of_user",
        &[USERNAME, COLUMNS],
        Does::List(&["connections", "username", "{username}"], columns::CONNECTIONS),
    ),
    command("consumers", "list", &[COLUMNS], Does::List(&["consumers", "{vhost}"], columns::CONSUMERS)),
    command("definitions", "export", EXPORT, Does::Call(special::export)),
    command("definitions", "export_from_vhost", EXPORT, Does::Call(special::export_vhost)),
    command("definitions", "import", IMPORT, Does::Call(special::import)),
    command("definitions", "import_into_vhost", IMPORT, Does::Call(special::import_vhost)),
    command(
        "deprecated_features",
        "list",
        &[COLUMNS],
        Does::List(&["deprecated-features"], columns::DEPRECATED),
    ),
    command(
        "deprecated_features",
        "list_used",
        &[COLUMNS],
        Does::List(&["deprecated-features", "used"], columns::DEPRECATED),
    ),
    command("exchanges", "bind", BINDING, Does::Call(special::bind)),
    command("exchanges", "declare", EXCHANGE, Does::Put(EXCHANGE_PATH)),
    command("exchanges", "delete", DELETED, Does::Delete(EXCHANGE_PATH)),
    command("exchanges", "list", PAGED, Does::List(&["exchanges", "{vhost}"], columns::EXCHANGES)),
    command("exchanges", "unbind", UNBINDING, Does::Call(special::unbind)),
    command("feature_flags", "enable", &[NAME], Does::Call(special::enable_feature)),
    command("feature_flags", "enable_all", &[], Does::Call(special::enable_all_features)),
    command("feature_flags", "list", &[COLUMNS], Does::List(&["feature-flags"], columns::FEATURE_FLAGS)),
    command("federation", "list_all_upstreams", &[], Does::Refuse(NO_FEDERATION)),
    command("federation", "list_all_links", &[], Does::Refuse(NO_FEDERATION)),
    command("federation", "declare_upstream", &[], Does::Refuse(NO_FEDERATION)),
    command("federation", "delete_upstream", &[], Does::Refuse(NO_FEDERATION)),
    command(
        "get",
        "messages",
        &[
            required("queue", "the queue"),
            argument("count", Kind::Word, Need::Default("1"), "how many at most"),
            argument(
                "ack-mode",
                Kind::Word,
                Need::Default("ack_requeue_false"),
                "ack_requeue_true and so on",
            ),
            COLUMNS,
        ],
        Does::Call(special::get),
    ),
    command("global_parameters", "clear", DELETED, Does::Delete(&["global-parameters", "{name}"])),
    command(
        "global_parameters",
        "list",
        &[COLUMNS],
        Does::List(&["global-parameters"], columns::GLOBAL_PARAMETERS),
    ),
    command("global_parameters", "set", &[NAME, VALUE], Does::Put(&["global-parameters", "{name}"])),
    command("health_check", "local_alarms", &[], Does::Check(&["local-alarms"])),
    command("health_check", "cluster_wide_alarms", &[], Does::Check(&["alarms"])),
    command("health_check", "node_is_quorum_critical", &[], Does::Check(&["node-is-quorum-critical"])),
    command("health_check", "deprecated_features_in_use", &[], Does::Call(special::check_deprecated)),
    command(
        "health_check",
        "port_listener",
        &[required("port", "the port")],
        Does::Check(&["port-listener", "{port}"]),
    ),
    command(
        "health_check",
        "protocol_listener",
        &[required("protocol", "such as amqp, amqp/ssl, http or https")],
        Does::Check(&["protocol-listener", "{protocol}"]),
    ),
    command("nodes", "list", &[COLUMNS], Does::List(&["nodes"], columns::NODES)),
    command("nodes", "memory_breakdown_in_bytes", &[NODE], Does::Call(special::memory_in_bytes)),
    command("nodes", "memory_breakdown_in_percent", &[NODE], Does::Call(special::memory_in_percent)),
    command("operator_policies", "declare", POLICY, Does::Put(OPERATOR_POLICY_PATH)),
    command("operator_policies", "delete", DELETED, Does::Delete(OPERATOR_POLICY_PATH)),
    command("operator_policies", "list", &[COLUMNS], Does::List(&["operator-policies"], columns::POLICIES)),
    command(
        "operator_policies",
        "list_in",
        &[COLUMNS],
        Does::List(&["operator-policies", "{vhost}"], columns::POLICIES),
    ),
    command("parameters", "clear", NO_PARAMETER, Does::Delete(PARAMETER_PATH)),
    command(
        "parameters",
        "list",
        &[required("component", "the component"), COLUMNS],
        Does::List(&["parameters", "{component}", "{vhost}"], columns::PARAMETERS),
    ),
    command("parameters", "list_all", &[COLUMNS], Does::List(&["parameters"], columns::PARAMETERS)),
    command(
        "parameters",
        "list_in",
        &[required("component", "the component"), COLUMNS],
        Does::List(&["parameters", "{component}", "{vhost}"], columns::PARAMETERS),
    ),
    command("parameters", "set", PARAMETER, Does::Put(PARAMETER_PATH)),
    command(
        "passwords",
        "salt_and_hash",
        &[
            argument("password", Kind::Positional, Need::Required, "the password"),
            argument("hashing-algorithm", Kind::Word, Need::Default("SHA256"), "SHA256"),
        ],
        Does::Call(special::salt_and_hash),
    ),
    command("permissions", "declare", PERMISSIONS, Does::Put(PERMISSIONS_PATH)),
    command("permissions", "delete", NO_PERMISSIONS, Does::Delete(PERMISSIONS_PATH)),
    command("permissions", "list", &[COLUMNS], Does::List(&["permissions"], columns::PERMISSIONS)),
    command("plugins", "list_all", &[], Does::Call(special::plugins)),
    command("plugins", "list_on_node", &[NODE], Does::Call(special::plugins)),
    command("policies", "declare", POLICY, Does::Put(POLICY_PATH)),
    command("policies", "delete", DELETED, Does::Delete(POLICY_PATH)),
    command("policies", "list", &[COLUMNS], Does::List(&["policies"], columns::POLICIES)),
    command("policies", "list_in", &[COLUMNS], Does::List(&["policies", "{vhost}"], columns::POLICIES)),
    command(
        "policies",
        "patch",
        &[NAME, required("definition", "what to change, JSON")],
        Does::Call(special::patch_policy),
    ),
    command(
        "publish",
        "message",
        &[
            argument("routing-key", Kind::Word, Need::Default(""), "the key"),
            argument("exchange", Kind::Word, Need::Default(""), "the exchange"),
            argument("payload", Kind::Word, Need::Optional, "the payload [default: test]"),
            argument("payload-file", Kind::Word, Need::Optional, "where to read it; - is standard input"),
            argument("properties", JSON, Need::Default("{}"), "the message's properties, JSON"),
        ],
        Does::Call(special::publish),
    ),
    command("queues", "declare", QUEUE, Does::Call(special::declare_queue)),
    command("queues", "delete", DELETED, Does::Delete(QUEUE_PATH)),
    command("queues", "list", PAGED, Does::List(&["queues", "{vhost}"], columns::QUEUES)),
    command("queues", "purge", &[NAME], Does::Delete(CONTENTS_PATH)),
    command("queues", "rebalance", &[], Does::Post(&["rebalance", "queues"])),
    command("queues", "show", &[NAME, COLUMNS], Does::List(QUEUE_PATH, columns::QUEUES)),
    command("shovels", "list_all", &[], Does::Refuse(NO_SHOVELS)),
    command("shovels", "list", &[], Does::Refuse(NO_SHOVELS)),
    command("shovels", "declare_amqp091", &[], Does::Refuse(NO_SHOVELS)),
    command("shovels", "declare_amqp10", &[], Does::Refuse(NO_SHOVELS)),
    command("shovels", "delete", &[], Does::Refuse(NO_SHOVELS)),
    command("show", "churn", &[], Does::Call(special::churn)),
    command("show", "endpoint", &[], Does::Call(special::endpoint)),
    command("show", "overview", &[], Does::Call(special::overview)),
    command("streams", "declare", &[], Does::Refuse(NO_STREAMS)),
    command("streams", "delete", DELETED, Does::Delete(QUEUE_PATH)),
    command("streams", "list", PAGED, Does::Call(special::streams)),
    command("streams", "show", &[NAME, COLUMNS], Does::List(QUEUE_PATH, columns::QUEUES)),
    command("user_limits", "declare", USER_LIMIT, Does::Put(USER_LIMIT_PATH)),
    command("user_limits", "delete", NO_USER_LIMIT, Does::Delete(USER_LIMIT_PATH)),
    command(
        "user_limits",
        "list",
        &[argument("username", Kind::Word, Need::Optional, "the user"), COLUMNS],
        Does::Call(special::user_limits),
    ),
    command(
        "users",
        "connections",
        &[USERNAME, COLUMNS],
        Does::List(&["connections", "username", "{username}"], columns::CONNECTIONS),
    ),
    command("users", "declare", USER, Does::Call(special::declare_user)),
    command("users", "delete", DELETED, Does::Delete(&["users", "{name}"])),
    command(
        "users",
        "limits",
        &[argument("username", Kind::Word, Need::Optional, "the user"), COLUMNS],
        Does::Call(special::user_limits),
    ),
    command("users", "list", PAGED, Does::List(&["users"], columns::USERS)),
    command("users", "permissions", &[COLUMNS], Does::List(&["permissions"], columns::PERMISSIONS)),
    command("vhost_limits", "declare", LIMIT, Does::Put(LIMIT_PATH)),
    command("vhost_limits", "delete", NO_LIMIT, Does::Delete(LIMIT_PATH)),
    command(
        "vhost_limits",
        "list",
        &[COLUMNS],
        Does::List(&["vhost-limits", "{vhost}"], columns::VHOST_LIMITS),
    ),
    command("vhosts", "declare", VHOST, Does::Put(&["vhosts", "{name}"])),
    command("vhosts", "delete", DELETED, Does::Delete(&["vhosts", "{name}"])),
    command(
        "vhosts",
        "enable_deletion_protection",
        &[NAME],
        Does::Post(&["vhosts", "{name}", "deletion", "protection"]),
    ),
    command(
        "vhosts",
        "disable_deletion_protection",
        &[NAME],
        Does::Delete(&["vhosts", "{name}", "deletion", "protection"]),
    ),
    command("vhosts", "list", &[COLUMNS], Does::List(&["vhosts"], columns::VHOSTS)),
];

/// Other names of commands: group and verb, and those of the command that is meant.
pub const ALIASES: &[(&str, &str, &str, &str)] = &[
    ("close", "connection", "connections", "close"),
    ("close", "user_connections", "connections", "close_of_user"),
    ("declare", "binding", "bindings", "declare"),
    ("declare", "exchange", "exchanges", "declare"),
    ("declare", "operator_policy", "operator_policies", "declare"),
    ("declare", "parameter", "parameters", "set"),
    ("declare", "permissions", "permissions", "declare"),
    ("declare", "policy", "policies", "declare"),
    ("declare", "queue", "queues", "declare"),
    ("declare", "stream", "streams", "declare"),
    ("declare", "user", "users", "declare"),
    ("declare", "user_limit", "user_limits", "declare"),
    ("declare", "vhost", "vhosts", "declare"),
    ("declare", "vhost_limit", "vhost_limits", "declare"),
    ("delete", "binding", "bindings", "delete"),
    ("delete", "exchange", "exchanges", "delete"),
    ("delete", "operator_policy", "operator_policies", "delete"),
    ("delete", "parameter", "parameters", "clear"),
    ("delete", "permissions", "permissions", "delete"),
    ("delete", "policy", "policies", "delete"),
    ("delete", "queue", "queues", "delete"),
    ("delete", "shovel", "shovels", "delete"),
    ("delete", "stream", "streams", "delete"),
    ("delete", "user", "users", "delete"),
    ("delete", "user_limit", "user_limits", "delete"),
    ("delete", "vhost", "vhosts", "delete"),
    ("delete", "vhost_limit", "vhost_limits", "delete"),
    ("export", "definitions", "definitions", "export"),
    ("import", "definitions", "definitions", "import"),
    ("list", "bindings", "bindings", "list"),
    ("list", "channels", "channels", "list"),
    ("list", "connections", "connections", "list"),
    ("list", "consumers", "consumers", "list"),
    ("list", "deprecated_features", "deprecated_features", "list"),
    ("list", "deprecated_features_in_use", "deprecated_features", "list_used"),
    ("list", "exchanges", "exchanges", "list"),
    ("list", "feature_flags", "feature_flags", "list"),
    ("list", "nodes", "nodes", "list"),
    ("list", "operator_policies", "operator_policies", "list"),
    ("list", "parameters", "parameters", "list"),
    ("list", "permissions", "permissions", "list"),
    ("list", "policies", "policies", "list"),
    ("list", "queues", "queues", "list"),
    ("list", "user_connections", "connections", "list_of_user"),
    ("list", "user_limits", "user_limits", "list"),
    ("list", "users", "users", "list"),
    ("list", "vhost_limits", "vhost_limits", "list"),
    ("list", "vhosts", "vhosts", "list"),
    ("purge", "queue", "queues", "purge"),
    ("rebalance", "queues", "queues", "rebalance"),
    ("show", "memory_breakdown_in_bytes", "nodes", "memory_breakdown_in_bytes"),
    ("show", "memory_breakdown_in_percent", "nodes", "memory_breakdown_in_percent"),
];

/// The command of these two words, of which each may be another name.
pub fn find(group: &str, verb: &str) -> Option<&'static Command> {
    let of = |group: &str, verb: &str| {
        COMMANDS.iter().find(|command| command.group == group && command.verb == verb)
    };
    of(group, verb).or_else(|| {
        let alias =
            ALIASES.iter().find(|(alias_group, alias_verb, ..)| (*alias_group, *alias_verb) == (group, verb));
        let (_, _, group, verb) = alias?;
        of(group, verb)
    })
}

/// All groups, each once, with their verbs.
pub fn groups() -> std::collections::BTreeMap<&'static str, Vec<&'static str>> {
    let mut groups = std::collections::BTreeMap::<_, Vec<_>>::new();
    let names = COMMANDS.iter().map(|command| (command.group, command.verb));
    for (group, verb) in names.chain(ALIASES.iter().map(|(group, verb, ..)| (*group, *verb))) {
        groups.entry(group).or_default().push(verb);
    }
    groups
}
