//! Whatever definitions a broker has: an export of them makes the same of an empty broker.

use std::collections::{BTreeMap, BTreeSet};

use coney::Broker;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

/// Names of all kinds: short so that they meet, and with what has to be escaped somewhere.
fn name() -> impl Strategy<Value = String> {
    "[a-c/%\"\\\\ é☃.]{1,3}"
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let field = ("[a-z]{1,3}", inner.clone());
        prop_oneof![
            vec(inner, 0..3).prop_map(Value::from),
            vec(field, 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Arguments that nothing here reads, so that all values are allowed.
fn arguments() -> impl Strategy<Value = Value> {
    btree_map("k-[a-z]{1,2}", value(), 0..3).prop_map(|fields| json!(fields))
}

fn limits(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    btree_map(select(names).prop_map(str::to_owned), -1..100_i64, 0..3).prop_map(|limits| json!(limits))
}

/// An empty vhost with its limits, if it has any.
fn vhost() -> impl Strategy<Value = (Value, Option<Value>)> {
    let settings =
        (".{0,4}", vec("[a-z]{1,3}", 0..3), select(&["classic", "quorum"][..]), any::<bool>(), any::<bool>());
    let settings = settings.prop_map(|(description, tags, kind, tracing, is_protected)| {
        let metadata = json!({ "description": description, "tags": tags, "default_queue_type": kind,
            "protected_from_deletion": is_protected });
        json!({ "metadata": metadata, "tracing": tracing })
    });
    (settings, proptest::option::of(limits(&["max-queues", "max-connections"])))
}

fn user() -> impl Strategy<Value = Value> {
    let password = prop_oneof![
        Just(json!({})),
        Just(json!({ "password_hash": "/nZY1rydD3i/elXiYVYMf2mTAJ69Tj1Jyw2552VpQjMmL0df" })),
        Just(json!({ "password_hash": "YWJjZODzy6NRiTHUYpNJdsHFvNQ=",
            "hashing_algorithm": "rabbit_password_hashing_md5" })),
        "[a-z]{1,3}".prop_map(|password| json!({ "password": password })),
    ];
    (password, vec("[a-z]{1,3}", 0..3), limits(&["max-channels", "max-connections"])).prop_map(
        |(mut user, tags, limits)| {
            user["tags"] = json!(tags);
            user["limits"] = limits;
            user
        },
    )
}

fn permission() -> impl Strategy<Value = Value> {
    let pattern = || select(&["", ".*", "^a", "^(?!amq)", "\\\"é"][..]);
    (pattern(), pattern(), pattern())
        .prop_map(|(configure, write, read)| json!({ "configure": configure, "write": write, "read": read }))
}

fn policy() -> impl Strategy<Value = Value> {
    let definition = btree_map(
        select(&["max-length", "message-ttl", "expires"][..]).prop_map(str::to_owned),
        1..1000_i64,
        1..3,
    );
    let apply_to = select(&["all", "queues", "classic_queues", "quorum_queues"][..]);
    (definition, apply_to, -3..3_i64, select(&["", "^a", ".*"][..])).prop_map(
        |(definition, apply_to, priority, pattern)| {
            json!({ "definition": definition, "apply-to": apply_to, "priority": priority, "pattern": pattern })
        },
    )
}

fn queue() -> impl Strategy<Value = Value> {
    let kind = select(&[None, Some("classic"), Some("quorum")][..]);
    (kind, any::<bool>(), any::<bool>(), arguments()).prop_map(
        |(kind, durable, auto_delete, mut arguments)| {
            if let Some(kind) = kind {
                arguments["x-queue-type"] = json!(kind);
            }
            let durable = durable || kind == Some("quorum");
            json!({ "durable": durable, "auto_delete": auto_delete, "arguments": arguments })
        },
    )
}

fn exchange() -> impl Strategy<Value = Value> {
    let kind = select(&["direct", "fanout", "topic", "headers"][..]);
    (kind, any::<[bool; 3]>(), arguments()).prop_map(|(kind, [durable, auto_delete, internal], arguments)| {
        json!({ "type": kind, "durable": durable, "auto_delete": auto_delete, "internal": internal,
                "arguments": arguments })
    })
}

/// What belongs to vhosts: which vhost that is, the name, and the rest.
type InVhosts = Vec<(Index, String, Value)>;

fn in_vhosts(one: impl Strategy<Value = Value>) -> impl Strategy<Value = InVhosts> {
    vec((any::<Index>(), name(), one), 0..6)
}

/// Between which of the exchanges and queues that are there.
type Bindings = Vec<(Index, Index, String, Value)>;

#[derive(Clone, Debug)]
struct Definitions {
    vhosts: BTreeMap<String, (Value, Option<Value>)>,
    users: BTreeMap<String, Value>,
    permissions: Vec<(Index, Index, Value)>,
    global: BTreeMap<String, Value>,
    policies: InVhosts,
    operator_policies: InVhosts,
    queues: InVhosts,
    exchanges: InVhosts,
    bindings: Bindings,
}

fn definitions() -> impl Strategy<Value = Definitions> {
    let broker = (
        btree_map(name(), vhost(), 1..4),
        btree_map(name(), user(), 1..4),
        vec((any::<Index>(), any::<Index>(), permission()), 0..4),
        btree_map(name(), value(), 0..3),
    );
    let binding = (any::<Index>(), any::<Index>(), name(), arguments());
    let contents = (
        in_vhosts(policy()),
        in_vhosts(policy()),
        in_vhosts(queue()),
        in_vhosts(exchange()),
        vec(binding, 0..6),
    );
    (broker, contents).prop_map(|(broker, contents)| {
        let (vhosts, users, permissions, global) = broker;
        let (policies, operator_policies, queues, exchanges, bindings) = contents;
        Definitions {
            vhosts,
            users,
            permissions,
            global,
            policies,
            operator_policies,
            queues,
            exchanges,
            bindings,
        }
    })
}

fn with(mut object: Value, fields: &[(&str, &str)]) -> Value {
    for (key, value) in fields {
        object[*key] = json!(value);
    }
    object
}

impl Definitions {
    fn vhost(&self, index: &Index) -> &str {
        self.vhosts.keys().nth(index.index(self.vhosts.len())).unwrap()
    }

    /// The first of each name in a vhost.
    fn placed(&self, objects: &InVhosts) -> Vec<Value> {
        let mut seen = BTreeSet::new();
        let mut placed = Vec::new();
        for (index, name, object) in objects {
            let vhost = self.vhost(index);
            if seen.insert((vhost, name)) {
                placed.push(with(object.clone(), &[("vhost", vhost), ("name", name)]));
            }
        }
        placed
    }

    fn parameters(&self) -> Vec<Value> {
        let limits = self.vhosts.iter().filter_map(|(vhost, (_, limits))| {
            let fields = [("component", "vhost-limits"), ("vhost", vhost), ("name", "limits")];
            Some(with(json!({ "value": limits.as_ref()? }), &fields))
        });
        let policies = self.placed(&self.operator_policies).into_iter().map(|policy| {
            json!({ "component": "operator_policy", "vhost": policy["vhost"], "name": policy["name"],
                "value": policy })
        });
        limits.chain(policies).collect()
    }

    fn permissions(&self) -> Vec<Value> {
        let permission = |(vhost, user, rights): &(Index, Index, Value)| {
            let user = self.users.keys().nth(user.index(self.users.len())).unwrap();
            with(rights.clone(), &[("vhost", self.vhost(vhost)), ("user", user)])
        };
        self.permissions.iter().map(permission).collect()
    }

    /// From an exchange to a queue or an exchange of the same vhost.
    fn bindings(&self, exchanges: &[Value], queues: &[Value]) -> Vec<Value> {
        let binding = |(source, destination, key, arguments): &(Index, Index, String, Value)| {
            let source = exchanges.get(source.index(exchanges.len().max(1)))?;
            let ends = queues.iter().map(|queue| ("queue", queue));
            let ends = ends.chain(exchanges.iter().map(|exchange| ("exchange", exchange)));
            let ends: Vec<_> = ends.filter(|(_, end)| end["vhost"] == source["vhost"]).collect();
            let (kind, end) = ends.get(destination.index(ends.len().max(1)))?;
            Some(json!({ "vhost": source["vhost"], "source": source["name"], "destination": end["name"],
                "destination_type": kind, "routing_key": key, "arguments": arguments }))
        };
        self.bindings.iter().filter_map(binding).collect()
    }

    fn file(&self) -> Value {
        let named = |(name, object): (&String, &Value)| with(object.clone(), &[("name", name)]);
        let vhosts = self.vhosts.iter().map(|(name, (vhost, _))| named((name, vhost)));
        let global = self.global.iter().map(|(name, value)| json!({ "name": name, "value": value }));
        let (exchanges, queues) = (self.placed(&self.exchanges), self.placed(&self.queues));
        let bindings = self.bindings(&exchanges, &queues);
        json!({
            "users": self.users.iter().map(named).collect::<Vec<_>>(),
            "vhosts": vhosts.collect::<Vec<_>>(),
            "permissions": self.permissions(),
            "parameters": self.parameters(),
            "global_parameters": global.collect::<Vec<_>>(),
            "policies": self.placed(&self.policies),
            "exchanges": exchanges,
            "queues": queues,
            "bindings": bindings,
        })
    }
}

/// What an empty broker exports that imported these; the order within a section says nothing.
async fn exported_after(definitions: &Value) -> Value {
    let broker = Broker::builder().ephemeral().detached().start().await.unwrap();
    broker.import_definitions(&definitions.to_string()).await.unwrap();
    let mut export: Value = serde_json::from_str(&broker.export_definitions().await.unwrap()).unwrap();
    broker.shutdown().await.unwrap();
    for section in export.as_object_mut().unwrap().values_mut().filter_map(Value::as_array_mut) {
        section.sort_by_key(Value::to_string);
    }
    export
}

/// Whether all that was asked for is there.
fn is_whole(file: &Value, export: &Value) -> bool {
    let count = |definitions: &Value, section: &str| definitions[section].as_array().unwrap().len();
    ["queues", "exchanges", "policies", "parameters"]
        .into_iter()
        .all(|section| count(file, section) == count(export, section))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn an_export_makes_the_same_of_an_empty_broker(definitions in definitions()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let file = definitions.file();
        let first = runtime.block_on(exported_after(&file));
        prop_assert!(is_whole(&file, &first), "{file:#} {first:#}");
        let second = runtime.block_on(exported_after(&first));
        prop_assert_eq!(first, second);
    }
}
