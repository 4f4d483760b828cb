//! Who may do what: each path and method, by users with each tag, in a vhost of their own and in another's.

use serde_json::{Value, json};

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
    /// Tag `administrator`.
    Administrator,
}
use Needs::{Administrator, Monitor, Nothing, PolicyMaker, PolicyMakerHere, Rights, Tag, Vhost};

/// `V` stands for the vhost. What is asked for is not there, for the most part: what is refused is refused before anybody looks.
const TABLE: [(&str, &str, Needs); 108] = [
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
    ("GET", "/api/consumers/V", Tag),
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
    ("GET", "/api/queues/V", Vhost),
    ("GET", "/api/queues/V/none", Vhost),
    ("GET", "/api/queues/V/none/bindings", Vhost),
    ("GET", "/api/queues/quorum/V/none/status", Vhost),
    ("GET", "/api/exchanges/V", Vhost),
    ("GET", "/api/exchanges/V/amq.topic", Vhost),
    ("GET", "/api/exchanges/V/amq.topic/bindings/source", Vhost),
    ("GET", "/api/exchanges/V/amq.topic/bindings/destination", Vhost),
    ("GET", "/api/bindings/V", Vhost),
    ("GET", "/api/bindings/V/e/amq.topic/q/none", Vhost),
    ("GET", "/api/policies/V", Vhost),
    ("GET", "/api/operator-policies/V", Vhost),
    ("GET", "/api/vhosts/V/connections", Vhost),
    ("GET", "/api/vhosts/V/channels", Vhost),
    ("DELETE", "/api/queues/V/none", Vhost),
    ("DELETE", "/api/queues/V/none/contents", Vhost),
    ("DELETE", "/api/exchanges/V/none", Vhost),
    ("POST", "/api/queues/V/none/get", Vhost),
    ("GET", "/api/coney/queues/V/none/messages", Vhost),
    ("GET", "/api/coney/queues/V/none/export", Vhost),
    ("POST", "/api/coney/queues/V/none/purge", Vhost),
    ("POST", "/api/coney/queues/V/none/messages/replay", Vhost),
    ("POST", "/api/coney/queues/V/none/messages/take", Vhost),
    ("DELETE", "/api/coney/queues/V/none/consumers/c/t", Vhost),
    ("PUT", "/api/queues/V/q", Rights),
    ("PUT", "/api/exchanges/V/x", Rights),
    ("GET", "/api/coney/queues/V/secret/messages", Rights),
    ("POST", "/api/coney/queues/V/secret/messages/delete", Rights),
    ("POST", "/api/coney/queues/V/secret/messages/release", Rights),
    ("GET", "/api/coney/queues/V/secret/export", Rights),
    ("POST", "/api/coney/queues/V/secret/messages/take", Rights),
    ("GET", "/api/aliveness-test/V", Rights),
    ("GET", "/api/coney/session", Tag),
    ("GET", "/api/coney/problems", Tag),
    ("POST", "/api/coney/routing/V/amq.direct", Vhost),
    ("GET", "/api/coney/queues/V/secret/settings", Vhost),
    ("POST", "/api/coney/policies/V/preview", PolicyMakerHere),
    ("GET", "/api/coney/may?user=guest&vhost=V&operation=read&name=q", Administrator),
    ("POST", "/api/coney/definitions/diff", Administrator),
    ("GET", "/api/coney/log", Administrator),
    ("GET", "/api/parameters", PolicyMaker),
    ("GET", "/api/global-parameters", PolicyMaker),
    ("GET", "/api/policies/V/none", PolicyMakerHere),
    ("PUT", "/api/policies/V/p", PolicyMakerHere),
    ("DELETE", "/api/policies/V/none", PolicyMakerHere),
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
    ("GET", "/api/permissions/V/guest", Administrator),
    ("PUT", "/api/permissions/V/guest", Administrator),
    ("DELETE", "/api/permissions/V/none", Administrator),
    ("GET", "/api/vhosts/V", Administrator),
    ("PUT", "/api/vhosts/made", Administrator),
    ("DELETE", "/api/vhosts/none", Administrator),
    ("GET", "/api/vhosts/V/permissions", Administrator),
    ("POST", "/api/vhosts/none/deletion/protection", Administrator),
    ("GET", "/api/definitions", Administrator),
    ("POST", "/api/definitions", Administrator),
    ("GET", "/api/definitions/V", Administrator),
    ("GET", "/api/all-configuration", Administrator),
    ("PUT", "/api/cluster-name", Administrator),
    ("PUT", "/api/operator-policies/V/p", Administrator),
    ("DELETE", "/api/operator-policies/V/none", Administrator),
    ("PUT", "/api/vhost-limits/V/max-queues", Administrator),
    ("DELETE", "/api/vhost-limits/V/max-queues", Administrator),
    ("PUT", "/api/user-limits/none/max-channels", Administrator),
    ("POST", "/api/coney/queues/V/none/import", Administrator),
    ("DELETE", "/api/reset", Administrator),
    ("GET", "/api/auth/hash_password/x", Administrator),
];

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
    let broker = Managed::start();
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
