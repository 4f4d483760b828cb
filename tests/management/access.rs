//! Who may do what: each path and method, by users with each tag, in a vhost of their own and in another's.

use serde_json::{Value, json};

use super::schema::Document;
use super::support::Managed;
use crate::support::http::Http;

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Everybody.
    Nothing,
    /// Any of the tags.
    Tag,
    /// Any of the tags, and a permission on the vhost; administrators see it anyway.
    Vhost,
    /// The same; administrators need the permission, too.
    Rights,
    /// Tag `policymaker`, whatever the vhost.
    PolicyMaker,
    /// Tag `policymaker`, and a permission on the vhost.
    PolicyMakerHere,
    /// Tag `monitoring`.
    Monitor,
    /// The same, and a permission on the vhost.
    MonitorHere,
    /// Tag `administrator`.
    Administrator,
}
use Needs::{Administrator, Monitor, MonitorHere, Nothing, PolicyMaker, PolicyMakerHere, Rights, Tag, Vhost};

/// Paths without a vhost, and what matters beside the vhost: `V` stands for it. What is asked for is not there, for the most part: what is refused is refused before anybody looks.
const TABLE: [(&str, &str, Needs); 61] = [
    ("GET", "/api/version", Nothing),
    ("GET", "/api/auth", Nothing),
    ("GET", "/api/overview", Tag),
    ("GET", "/api/whoami", Tag),
    ("GET", "/api/extensions", Tag),
    ("GET", "/api/cluster-name", Tag),
    ("GET", "/api/feature-flags", Tag),
    ("GET", "/api/vhosts", Tag),
    ("GET", "/api/queues", Tag),
    ("GET", "/api/queues/detailed", Tag),
    ("GET", "/api/exchanges", Tag),
    ("GET", "/api/bindings", Tag),
    ("GET", "/api/consumers", Tag),
    ("GET", "/api/connections", Tag),
    ("GET", "/api/channels", Tag),
    ("GET", "/api/policies", Tag),
    ("GET", "/api/operator-policies", Tag),
    ("GET", "/api/vhost-limits", Tag),
    ("GET", "/api/user-limits", Tag),
    ("GET", "/api/health/checks/alarms", Tag),
    ("GET", "/api/health/checks/virtual-hosts", Tag),
    ("GET", "/api/health/checks/port-listener/1", Tag),
    ("GET", "/api/healthchecks/node", Tag),
    ("GET", "/api/connections/none", Tag),
    ("DELETE", "/api/connections/none", Tag),
    ("GET", "/api/channels/none", Tag),
    ("POST", "/api/coney/purges/1/undo", Tag),
    ("POST", "/api/coney/leases/1", Tag),
    ("GET", "/api/coney/queues/V/secret/messages", Rights),
    ("POST", "/api/coney/queues/V/secret/messages/delete", Rights),
    ("POST", "/api/coney/queues/V/secret/messages/release", Rights),
    ("GET", "/api/coney/queues/V/secret/export", Rights),
    ("POST", "/api/coney/queues/V/secret/messages/take", Rights),
    ("GET", "/api/coney/session", Tag),
    ("GET", "/api/coney/problems", Tag),
    ("GET", "/api/coney/queues/V/secret/settings", Vhost),
    ("GET", "/api/coney/may?user=guest&vhost=V&operation=read&name=q", Administrator),
    ("POST", "/api/coney/definitions/diff", Administrator),
    ("GET", "/api/coney/log", Administrator),
    ("GET", "/api/parameters", PolicyMaker),
    ("GET", "/api/global-parameters", PolicyMaker),
    ("GET", "/api/nodes", Monitor),
    ("GET", "/api/nodes/none", Monitor),
    ("GET", "/api/nodes/none/memory", Monitor),
    ("GET", "/api/auth/attempts/none", Monitor),
    ("GET", "/api/healthchecks/node/none", Monitor),
    ("GET", "/api/users", Administrator),
    ("GET", "/api/users/guest", Administrator),
    ("PUT", "/api/users/made", Administrator),
    ("DELETE", "/api/users/none", Administrator),
    ("GET", "/api/users/without-permissions", Administrator),
    ("POST", "/api/users/bulk-delete", Administrator),
    ("GET", "/api/users/guest/permissions", Administrator),
    ("GET", "/api/permissions", Administrator),
    ("GET", "/api/definitions", Administrator),
    ("POST", "/api/definitions", Administrator),
    ("GET", "/api/all-configuration", Administrator),
    ("PUT", "/api/cluster-name", Administrator),
    ("PUT", "/api/user-limits/none/max-channels", Administrator),
    ("DELETE", "/api/reset", Administrator),
    ("GET", "/api/auth/hash_password/x", Administrator),
];

/// Operations with a vhost in their path need a permission on it, and the tag that the OpenAPI document says; but for these.
const EXCEPTIONS: [(&str, &str, Needs); 5] = [
    // A list of what the user may see, which is empty.
    ("GET", "/api/consumers/{vhost}", Tag),
    // Administrators enter any vhost, and make something only where they have the right.
    ("PUT", "/api/queues/{vhost}/{queue}", Rights),
    ("PUT", "/api/exchanges/{vhost}/{exchange}", Rights),
    ("POST", "/api/bindings/{vhost}/e/{source}/{kind}/{destination}", Rights),
    ("GET", "/api/aliveness-test/{vhost}", Rights),
];

/// What the document says that an operation with a vhost needs.
fn needs(method: &str, path: &str, operation: &Value) -> Needs {
    let exception = EXCEPTIONS.iter().find(|(of, at, _)| *of == method && *at == path);
    exception.map_or_else(
        || match operation["x-needs"].as_str().unwrap() {
            "management" => Vhost,
            "policymaker" => PolicyMakerHere,
            "monitoring" => MonitorHere,
            "administrator" => Administrator,
            other => panic!("{method} {path} needs {other}"),
        },
        |(_, _, needs)| *needs,
    )
}

/// The operations with a vhost, last those that take it away.
fn in_vhosts(document: &Document) -> Vec<(String, &str, Needs)> {
    let with_vhost = document.operations().filter(|(path, ..)| path.contains("{vhost}"));
    let mut operations: Vec<(String, &str, Needs)> = with_vhost
        .map(|(path, method, operation)| {
            let method = method.to_uppercase();
            let needs = needs(&method, path, operation);
            (method, path.as_str(), needs)
        })
        .collect();
    operations.sort_by_key(|(method, path, _)| method == "DELETE" && *path == "/api/vhosts/{vhost}");
    operations
}

/// The path in a vhost, with names of what is not there.
fn in_vhost(path: &str, vhost: &str) -> String {
    let part = |part: &str| match part {
        "{vhost}" => vhost.to_owned(),
        "{id}" => "1".to_owned(),
        "{kind}" => "q".to_owned(),
        part if part.starts_with('{') => "none".to_owned(),
        part => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

const TAGS: [&str; 5] = ["", "management", "policymaker", "monitoring", "administrator"];

fn is_let_in(needs: Needs, tag: &str, is_own: bool) -> bool {
    match needs {
        Nothing => true,
        _ if tag.is_empty() => false,
        Tag => true,
        Vhost => is_own || tag == "administrator",
        Rights => is_own,
        PolicyMaker => ["policymaker", "administrator"].contains(&tag),
        PolicyMakerHere => tag == "administrator" || (tag == "policymaker" && is_own),
        Monitor => ["monitoring", "administrator"].contains(&tag),
        MonitorHere => tag == "administrator" || (tag == "monitoring" && is_own),
        Administrator => tag == "administrator",
    }
}

fn body(path: &str) -> Value {
    match path {
        path if path.contains("/permissions/") => json!({ "configure": "", "write": "", "read": "" }),
        path if path.contains("policies") => {
            json!({ "pattern": "^none$", "definition": { "max-length": 1 } })
        }
        path if path.contains("limits") => json!({ "value": 1000 }),
        "/api/users/made" => json!({ "password": "x", "tags": "" }),
        "/api/users/bulk-delete" => json!({ "users": [] }),
        "/api/cluster-name" => json!({ "name": "rabbit@here" }),
        path if path.contains("release") => json!({ "state": "parked" }),
        path if path.contains("messages/delete") => json!({ "ids": [] }),
        path if path.contains("/messages/move") || path.contains("/messages/copy") => {
            json!({ "to": { "queue": "none" } })
        }
        path if path.contains("/replicas/") => json!({ "node": "none" }),
        path if path.ends_with("/cursors/none") => json!({ "offset": "first" }),
        path if path.ends_with("/publish") => {
            json!({ "routing_key": "", "properties": {}, "payload": "", "payload_encoding": "string" })
        }
        path if path.contains("exchanges") => json!({ "type": "direct" }),
        _ => json!({}),
    }
}

fn users(broker: &Http) -> Vec<(&'static str, Http)> {
    let mut users = Vec::new();
    for tag in TAGS {
        let name = format!("user-{tag}");
        broker.put(&format!("/api/users/{name}"), &json!({ "password": "pw", "tags": tag }));
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        assert_eq!(broker.put(&format!("/api/permissions/own/{name}"), &all).status, 201);
        users.push((tag, broker.user(&name, "pw")));
    }
    users
}

#[test]
fn nobody_gets_further_than_tag_and_permission_let_them() {
    let broker = Managed::with_worlds();
    for vhost in ["own", "foreign"] {
        broker.put(&format!("/api/vhosts/{vhost}"), &json!({}));
        broker.put(&format!("/api/queues/{vhost}/secret"), &json!({}));
    }
    for (tag, user) in users(&broker) {
        for (method, path, needs) in TABLE {
            for (vhost, is_own) in [("own", true), ("foreign", false)] {
                let path = path.replace('V', vhost);
                let answer = user.send(method, &path, "", body(&path).to_string().as_bytes());
                let expected = is_let_in(needs, tag, is_own);
                assert_eq!(answer.status != 401, expected, "{method} {path} with tag '{tag}': {answer:?}");
                let is_check = path.contains("health") && answer.status == 503;
                assert!(answer.status < 500 || is_check, "{method} {path} with tag '{tag}': {answer:?}");
                if !expected {
                    assert_eq!(broker.nobody().send(method, &path, "", b"{}").status, 401, "{method} {path}");
                }
            }
        }
    }
    assert_eq!(broker.json("/api/queues/foreign").as_array().unwrap().len(), 1, "nobody made anything there");
}

/// The same for every operation of the document that is about a vhost.
#[test]
fn nobody_gets_into_a_vhost_without_permission() {
    let broker = Managed::with_worlds();
    for vhost in ["own", "foreign"] {
        broker.put(&format!("/api/vhosts/{vhost}"), &json!({}));
    }
    let document = Document(broker.json("/api/openapi.json"));
    let operations = in_vhosts(&document);
    for (of, at, _) in EXCEPTIONS {
        assert!(operations.iter().any(|(method, path, _)| method == of && *path == at), "{of} {at}");
    }
    let mut wrong = Vec::new();
    for (tag, user) in users(&broker) {
        for (method, path, needs) in &operations {
            for (vhost, is_own) in [("foreign", false), ("own", true)] {
                let path = in_vhost(path, vhost);
                let answer = user.send(method, &path, "", body(&path).to_string().as_bytes());
                let is_let_in = is_let_in(*needs, tag, is_own);
                if (answer.status != 401) != is_let_in || answer.status == 500 {
                    wrong.push(format!(
                        "{method} {path} with tag '{tag}': {} {}",
                        answer.status,
                        if is_let_in { "is refused" } else { "is let in" }
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "measures how long a client waits")]
fn guessing_is_slowed_down() {
    let broker = Managed::start();
    broker.put("/api/users/ann", &json!({ "password": "right", "tags": "management" }));
    let begun = std::time::Instant::now();
    let guess = |number: usize| broker.user("ann", &format!("guess{number}")).get("/api/whoami").status;
    assert!((0..6).all(|number| guess(number) == 401));
    // Three are free, then 250 ms, 500 ms, 1 s.
    assert!(begun.elapsed().as_millis() >= 1700, "{:?}", begun.elapsed());
    assert_eq!(broker.get("/api/whoami").status, 200, "others are not");
}
