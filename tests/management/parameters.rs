//! Parameters, global ones, the cluster's name, feature flags.

use coney::Broker;
use serde_json::{Value, json};

use super::support::Managed;
use crate::support::http::Http;

fn bad_request(reason: &str) -> (u16, String, Value) {
    (400, "bad_request".to_owned(), json!(reason))
}

#[test]
fn limits_of_vhosts_are_parameters() {
    let broker = Managed::start();
    let path = "/api/parameters/vhost-limits/%2F/limits";
    assert_eq!(broker.json("/api/parameters"), json!([]));
    let limits = json!({ "value": { "max-queues": 9 }, "vhost": "else", "name": "else" });
    assert_eq!([broker.put(path, &limits).status, broker.put(path, &limits).status], [201, 204]);
    let parameter = json!({ "component": "vhost-limits", "vhost": "/", "name": "limits",
        "value": { "max-queues": 9 } });
    for list in ["", "/vhost-limits", "/vhost-limits/%2F"] {
        assert_eq!(broker.json(&format!("/api/parameters{list}")), json!([parameter]), "{list}");
    }
    assert_eq!(broker.json(path), parameter);
    assert_eq!(broker.json("/api/vhost-limits/%2F")[0]["value"], json!({ "max-queues": 9 }));
    for (body, reason) in [
        (json!({}), "[{key_missing,value}]"),
        (json!({ "value": 5 }), "Validation failed\n\nlimits not a list 5\n"),
        (
            json!({ "value": { "x": 1 } }),
            "Validation failed\n\nUnrecognised terms [{<<\"x\">>,1}] in limits\n",
        ),
    ] {
        assert_eq!(broker.put(path, &body).refusal(), bad_request(reason));
    }
    assert_eq!([broker.delete(path).status, broker.delete(path).status], [204, 404]);
    assert_eq!(broker.json("/api/vhost-limits"), json!([]));
}

#[test]
fn components_that_are_not_here_are_refused_and_looked_for_in_vain() {
    let broker = Managed::start();
    for component in ["shovel", "federation-upstream", "nope"] {
        let path = format!("/api/parameters/{component}/%2F/x");
        let reason = format!("Validation failed\n\ncomponent {component} not found\n");
        assert_eq!(broker.put(&path, &json!({ "value": {} })).refusal(), bad_request(&reason));
        assert_eq!([broker.get(&path).status, broker.delete(&path).status], [404, 404]);
        assert_eq!(broker.json(&format!("/api/parameters/{component}")), json!([]));
        assert_eq!(broker.get(&format!("/api/parameters/{component}/none")).status, 404);
    }
    let refused = broker.put("/api/parameters/policy/%2F/p", &json!({ "value": {} })).refusal();
    assert_eq!(refused, bad_request("policies may not be set using this method"));
    let path = "/api/parameters/operator_policy/%2F/op";
    let value =
        json!({ "pattern": "^q", "definition": { "max-length": 3 }, "priority": 1, "apply-to": "queues" });
    assert_eq!(broker.put(path, &json!({ "value": value })).status, 201);
    assert_eq!([&broker.json(path)["value"], &broker.json("/api/parameters")[0]["value"]], [&value, &value]);
    assert_eq!(broker.json("/api/operator-policies/%2F/op")["pattern"], "^q");
    assert_eq!([broker.delete(path).status, broker.delete(path).status], [204, 404]);
    let refused = broker.put("/api/parameters/vhost-limits/none/limits", &json!({ "value": {} })).refusal();
    assert_eq!((refused.0, refused.2), (404, json!("vhost_not_found")));
}

#[test]
fn global_parameters_hold_any_value() {
    let broker = Managed::start();
    let path = "/api/global-parameters/g";
    for (index, value) in
        [json!({ "a": [1, null] }), json!("x"), json!(1.5), Value::Null].into_iter().enumerate()
    {
        let status = broker.put(path, &json!({ "value": value, "name": "else" })).status;
        assert_eq!(status, if index == 0 { 201 } else { 204 });
        assert_eq!(broker.json(path), json!({ "name": "g", "value": value }));
    }
    assert_eq!(broker.put(path, &json!({})).refusal(), bad_request("[{key_missing,value}]"));
    assert_eq!(
        broker.json("/api/global-parameters?columns=name"),
        json!([{ "name": "g" }, { "name": "internal_cluster_id" }])
    );
    assert_eq!([broker.delete(path).status, broker.delete(path).status], [204, 404]);
    assert_eq!(broker.get(path).status, 404);
}

#[test]
fn the_cluster_has_a_name_that_can_be_changed() {
    let broker = Managed::start();
    let name = |broker: &Http| broker.json("/api/cluster-name")["name"].clone();
    assert_eq!(name(&broker), broker.json("/api/overview")["node"]);
    assert_eq!(broker.get("/api/global-parameters/cluster_name").status, 404);
    assert_eq!(broker.put("/api/cluster-name", &json!({})).refusal(), bad_request("[{key_missing,name}]"));
    assert_eq!(broker.put("/api/cluster-name", &json!({ "name": "mine" })).status, 204);
    assert_eq!([name(&broker), broker.json("/api/overview")["cluster_name"].clone()], ["mine", "mine"]);
    assert_eq!(broker.json("/api/global-parameters/cluster_name")["value"], "mine");
    assert_eq!(broker.json("/api/definitions")["original_cluster_name"], "mine");
    broker.put("/api/users/ann", &json!({ "password": "pw", "tags": "policymaker" }));
    let ann = broker.user("ann", "pw");
    assert_eq!(ann.put("/api/cluster-name", &json!({ "name": "x" })).status, 401);
    assert_eq!(name(&ann), "mine");
}

#[test]
fn parameters_are_for_policymakers_and_limits_for_administrators() {
    let broker = Managed::start();
    for (tag, may) in [("management", false), ("monitoring", false), ("policymaker", true)] {
        broker.put("/api/users/ann", &json!({ "password": "pw", "tags": tag }));
        let ann = broker.user("ann", "pw");
        for path in ["/api/parameters", "/api/global-parameters"] {
            let answer = ann.get(path);
            assert_eq!(answer.status, if may { 200 } else { 401 }, "{tag} {path}");
            if !may {
                assert_eq!(answer.refusal().2, "User not authorised to access object");
            }
        }
        let of_others = ann.put("/api/parameters/vhost-limits/%2F/limits", &json!({ "value": {} }));
        assert_eq!(of_others.status, 401, "{tag}");
        for path in ["/api/vhost-limits/%2F/max-queues", "/api/user-limits/ann/max-channels"] {
            assert_eq!(ann.put(path, &json!({ "value": 1 })).status, 401, "{tag} {path}");
            assert_eq!(ann.delete(path).status, 401, "{tag} {path}");
        }
    }
    let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
    broker.put("/api/permissions/%2F/ann", &all);
    let refused = broker
        .user("ann", "pw")
        .put("/api/parameters/vhost-limits/%2F/limits", &json!({ "value": { "max-queues": 1 } }));
    assert_eq!(refused.refusal().2, "Not administrator user");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn global_parameters_and_the_clusters_id_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for round in 0..3 {
        let any = "127.0.0.1:0".parse().unwrap();
        let broker = Broker::builder().data_dir(dir.path()).listen(any).http(any).start().await.unwrap();
        let http = Http::new(broker.http_addresses()[0]);
        match round {
            0 => assert_eq!(http.put("/api/global-parameters/g", &json!({ "value": [1] })).status, 201),
            1 => {
                assert_eq!(http.json("/api/global-parameters/g")["value"], json!([1]));
                assert_eq!(http.delete("/api/global-parameters/g").status, 204);
            }
            _ => assert_eq!(http.get("/api/global-parameters/g").status, 404),
        }
        ids.push(http.json("/api/global-parameters/internal_cluster_id")["value"].clone());
        broker.shutdown().await.unwrap();
    }
    let id = ids[0].as_str().unwrap();
    assert!(id.starts_with("rabbitmq-cluster-id-") && id.len() == 42, "{id}");
    assert!(ids.iter().all(|other| *other == ids[0]), "{ids:?}");
}

#[test]
fn feature_flags_say_what_is_here() {
    let broker = Managed::start();
    let flags = broker.json("/api/feature-flags");
    for flag in flags.as_array().unwrap() {
        let keys: Vec<&str> = flag.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["desc", "doc_url", "name", "provided_by", "stability", "state"]);
    }
    let state =
        |name: &str| flags.as_array().unwrap().iter().find(|flag| flag["name"] == name).map(|f| &f["state"]);
    for name in ["quorum_queue", "stream_queue", "rabbitmq_4.0.0", "user_limits"] {
        assert_eq!(state(name), Some(&json!("enabled")), "{name}");
    }
    let json = "content-type: application/json\r\n";
    let enable = |name: &str, headers: &str| {
        broker.send("PUT", &format!("/api/feature-flags/{name}/enable"), headers, b"{}")
    };
    assert_eq!(enable("quorum_queue", json).status, 204);
    assert_eq!(enable("quorum_queue", "content-type: text/plain\r\n").status, 415);
    assert_eq!(enable("nope", json).refusal(), bad_request("unsupported"));
    let deprecated = broker.json("/api/deprecated-features");
    let keys: Vec<&String> = deprecated[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["deprecation_phase", "desc", "doc_url", "name", "provided_by"]);
    assert_eq!(broker.json("/api/deprecated-features/used"), json!([]));
    broker.put("/api/queues/%2F/transient", &json!({}));
    assert_eq!(broker.json("/api/deprecated-features/used")[0]["name"], "transient_nonexcl_queues");
}

#[test]
fn there_are_no_shovels_no_federation_and_no_streams() {
    let broker = Managed::start();
    for path in ["shovels", "federation-links", "stream/connections", "stream/consumers", "stream/publishers"]
    {
        assert_eq!(broker.json(&format!("/api/{path}")), json!([]), "{path}");
        assert_eq!(broker.json(&format!("/api/{path}/%2F")), json!([]), "{path}");
        assert_eq!(broker.get(&format!("/api/{path}/none")).status, 404, "{path}");
    }
}
