//! What holds for every path.

use serde_json::{Value, json};

use super::support::Managed;

fn refusal(status: u16, error: &str, reason: &str) -> (u16, String, Value) {
    (status, error.to_owned(), json!(reason))
}

#[test]
fn whoever_has_no_credentials_is_asked_for_them() {
    let broker = Managed::start();
    let answer = broker.nobody().get("/api/overview");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"RabbitMQ Management\""));
    assert_eq!(broker.nobody().json("/api/version"), "3.13.7");
}

#[test]
fn wrong_passwords_and_unknown_users_get_the_same_answer() {
    let broker = Managed::start();
    for (user, password) in [("guest", "wrong"), ("nobody", "guest"), ("guest", "")] {
        let answer = broker.user(user, password).get("/api/whoami");
        assert_eq!(answer.refusal(), refusal(401, "not_authorized", "Not_Authorized"), "{user}");
        assert!(answer.header("www-authenticate").is_none());
    }
    assert_eq!(
        broker.json("/api/whoami"),
        json!({ "name": "guest", "tags": ["administrator"], "is_internal_user": true })
    );
}

#[test]
fn paths_methods_and_slashes() {
    let broker = Managed::start();
    assert_eq!(broker.get("/api/nope").refusal(), refusal(404, "Object Not Found", "Not Found"));
    assert_eq!(broker.get("/api/vhosts/%ff").refusal(), refusal(404, "Object Not Found", "Not Found"));
    assert_eq!(broker.json("/api/vhosts/%2F/")["name"], "/");
    assert_eq!(broker.json("/api/vhosts/%2f?columns=name"), json!({ "name": "/" }));
    let answer = broker.delete("/api/whoami");
    assert_eq!((answer.status, answer.body.len()), (405, 0));
    assert!(answer.header("allow").is_some_and(|allow| allow.contains("GET") && allow.contains("OPTIONS")));
    let answer = broker.nobody().send("OPTIONS", "/api/vhosts/x", "", b"");
    assert_eq!(answer.status, 200);
    assert!(answer.header("allow").is_some_and(|allow| allow.contains("PUT") && allow.contains("DELETE")));
    let head = broker.send("HEAD", "/api/overview", "", b"");
    assert_eq!(
        (head.status, head.header("content-type"), head.body.len()),
        (200, Some("application/json"), 0)
    );
    assert_eq!(head.header("cache-control"), Some("no-cache"));
}

#[test]
fn bodies_that_are_no_objects_are_refused() {
    let broker = Managed::start();
    for (body, reason) in [
        (&b"{bad"[..], "not_json"),
        (b"[]", "not_json"),
        (b"\xff\xfe", "not_json"),
        (
            b"\"x\"",
            "invalid payload: the request body JSON-decoded to a string. Is the input doubly-JSON-encoded?",
        ),
    ] {
        let answer = broker.send("PUT", "/api/vhosts/v", "", body);
        assert_eq!(answer.refusal(), refusal(400, "bad_request", reason));
    }
    for body in [&b""[..], b"null", b"{}"] {
        assert!([201, 204].contains(&broker.send("PUT", "/api/vhosts/v", "", body).status));
    }
    let too_large = vec![b' '; 20_000_001];
    assert_eq!(broker.send("PUT", "/api/vhosts/v", "", &too_large).status, 400);
}

#[test]
fn pages_of_queues_follow_one_another_over_vhosts() {
    let broker = Managed::start();
    assert_eq!(broker.put("/api/vhosts/b", &json!({})).status, 201);
    for (vhost, name) in [("%2F", "c"), ("b", "z"), ("%2F", "a"), ("b", "a"), ("%2F", "gone"), ("%2F", "b")] {
        assert_eq!(broker.put(&format!("/api/queues/{vhost}/{name}"), &json!({})).status, 201);
    }
    assert_eq!(broker.delete("/api/queues/%2F/gone").status, 204);
    // Where messages wait for their time is no queue that anybody sees.
    let delayed = json!({ "type": "x-delayed-message", "arguments": { "x-delayed-type": "fanout" } });
    assert_eq!(broker.put("/api/exchanges/%2F/later", &delayed).status, 201);
    let all = broker.json("/api/queues?columns=vhost,name");
    let name =
        |item: &Value| format!("{} {}", item["vhost"].as_str().unwrap(), item["name"].as_str().unwrap());
    let names: Vec<String> = all.as_array().unwrap().iter().map(name).collect();
    assert_eq!(names, ["/ a", "/ b", "/ c", "b a", "b z"]);
    for size in 1..=6_usize {
        let mut found = Vec::new();
        for number in 1..=5_usize.div_ceil(size) {
            let page = broker.json(&format!("/api/queues?page={number}&page_size={size}&columns=vhost,name"));
            let counts = ["filtered_count", "total_count", "page", "page_count"];
            let expected = [5, 5, number as u64, 5_u64.div_ceil(size as u64)];
            assert_eq!(counts.map(|count| page[count].as_u64().unwrap()), expected);
            found.extend(page["items"].as_array().unwrap().iter().map(name));
        }
        assert_eq!(found, names, "{size} at a time");
    }
    assert_eq!(broker.get("/api/queues?page=3&page_size=3").status, 400);
    assert_eq!(broker.json("/api/queues/b?page=1&page_size=1")["total_count"], 2);
}
