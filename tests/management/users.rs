//! Users, their permissions, logging in.

use serde_json::{Value, json};

use super::support::Managed;

/// `pw`.
const HASH: &str = "/nZY1rydD3i/elXiYVYMf2mTAJ69Tj1Jyw2552VpQjMmL0df";

fn bad_request(reason: Value) -> (u16, String, Value) {
    (400, "bad_request".to_owned(), reason)
}

#[test]
fn a_user_is_made_changed_and_deleted() {
    let broker = Managed::start();
    assert_eq!(
        broker.put("/api/users/ann", &json!({ "password": "pw", "tags": "management, x" })).status,
        201
    );
    let ann = broker.json("/api/users/ann");
    assert_eq!((&ann["name"], &ann["tags"]), (&json!("ann"), &json!(["management", "x"])));
    assert_eq!(
        (&ann["hashing_algorithm"], &ann["limits"]),
        (&json!("rabbit_password_hashing_sha512"), &json!({}))
    );
    assert_eq!(broker.user("ann", "pw").json("/api/whoami")["tags"], json!(["management", "x"]));
    let hashed = json!({ "password_hash": HASH, "tags": ["monitoring"] });
    assert_eq!(broker.put("/api/users/ann", &hashed).status, 204);
    assert_eq!(broker.json("/api/users/ann")["password_hash"], HASH);
    assert_eq!(broker.user("ann", "pw").get("/api/whoami").status, 200);
    assert_eq!(broker.put("/api/users/ann", &json!({ "tags": "" })).status, 204);
    let nobody = json!({ "name": "ann", "password_hash": "", "tags": [], "limits": {},
        "hashing_algorithm": "rabbit_password_hashing_sha256" });
    assert_eq!(broker.json("/api/users/ann"), nobody);
    assert_eq!(broker.user("ann", "").get("/api/whoami").status, 401);
    assert_eq!(broker.json("/api/users?columns=name"), json!([{ "name": "ann" }, { "name": "guest" }]));
    assert_eq!([broker.delete("/api/users/ann").status, broker.delete("/api/users/ann").status], [204, 404]);
    assert_eq!(broker.get("/api/users/ann").status, 404);
}

#[test]
fn a_user_that_makes_no_sense_is_refused() {
    let broker = Managed::start();
    for (body, reason) in [
        (json!({ "password": "x" }), json!("tags_not_present")),
        (
            json!({ "password": "a", "password_hash": "b", "tags": "" }),
            json!("both_password_and_password_hash_are_provided"),
        ),
        (json!({ "password_hash": "!!", "tags": "" }), json!(["not_base64", "!!"])),
        (json!({ "password_hash": 5, "tags": "" }), json!(["not_base64", 5])),
        (
            json!({ "password_hash": "YWJjZA==", "tags": "" }),
            json!("password_hash: is 4 bytes long where its hashing_algorithm makes 36"),
        ),
        (json!({ "tags": {} }), json!(["not_binary", {}])),
        (json!({ "tags": [[]] }), json!(["not_binary", []])),
        (json!({ "tags": "", "password": ["a"] }), json!(["not_binary", "[\"a\"]"])),
    ] {
        assert_eq!(broker.put("/api/users/ann", &body).refusal(), bad_request(reason), "{body}");
    }
    let long = format!("/api/users/{}", "x".repeat(256));
    assert_eq!(broker.put(&long, &json!({ "tags": "" })).status, 400);
    assert_eq!(broker.json("/api/users?columns=name"), json!([{ "name": "guest" }]));
}

#[test]
fn many_users_are_deleted_at_once() {
    let broker = Managed::start();
    for name in ["a", "b", "c"] {
        broker.put(&format!("/api/users/{name}"), &json!({ "tags": "" }));
    }
    assert_eq!(broker.post("/api/users/bulk-delete", &json!({ "users": ["a", "none", "c"] })).status, 204);
    assert_eq!(broker.json("/api/users/without-permissions?columns=name"), json!([{ "name": "b" }]));
    let missing = broker.post("/api/users/bulk-delete", &json!({}));
    assert_eq!(missing.refusal(), bad_request(json!("[{key_missing,users}]")));
    for users in [json!("b"), json!([1])] {
        assert_eq!(broker.post("/api/users/bulk-delete", &json!({ "users": users })).status, 400);
    }
}

#[test]
fn permissions_are_put_listed_and_removed() {
    let broker = Managed::start();
    broker.put("/api/users/ann", &json!({ "password": "pw", "tags": "management" }));
    broker.put("/api/vhosts/v", &json!({}));
    let rights = json!({ "configure": "^a", "write": "", "read": ".*" });
    assert_eq!(broker.put("/api/permissions/v/ann", &rights).status, 201);
    assert_eq!(broker.put("/api/permissions/v/ann", &rights).status, 204);
    let ann = json!({ "user": "ann", "vhost": "v", "configure": "^a", "write": "", "read": ".*" });
    assert_eq!(broker.json("/api/permissions/v/ann"), ann);
    assert_eq!(broker.json("/api/users/ann/permissions"), json!([ann]));
    // Whoever makes a vhost has a permission on it.
    let makers = json!({ "user": "guest", "vhost": "v", "configure": ".*", "write": ".*", "read": ".*" });
    assert_eq!(broker.json("/api/vhosts/v/permissions"), json!([ann, makers]));
    assert_eq!(broker.json("/api/permissions").as_array().map(Vec::len), Some(3));
    assert_eq!(broker.json("/api/users/without-permissions"), json!([]));
    assert_eq!(broker.user("ann", "pw").json("/api/vhosts?columns=name"), json!([{ "name": "v" }]));
    assert_eq!(broker.delete("/api/permissions/v/ann").status, 204);
    assert_eq!(broker.user("ann", "pw").json("/api/vhosts"), json!([]));
    for path in [
        "/api/permissions/v/ann",
        "/api/permissions/none/ann",
        "/api/permissions/v/none",
        "/api/users/none/permissions",
        "/api/vhosts/none/permissions",
    ] {
        assert_eq!(broker.get(path).refusal().1, "Object Not Found", "{path}");
    }
    for path in ["/api/permissions/v/ann", "/api/permissions/none/ann", "/api/permissions/v/none"] {
        assert_eq!(broker.delete(path).refusal().1, "Object Not Found", "{path}");
    }
}

#[test]
fn permissions_that_make_no_sense_are_refused() {
    let broker = Managed::start();
    let rights = |configure: &str| json!({ "configure": configure, "write": "", "read": "" });
    for path in ["/api/permissions/none/guest", "/api/permissions/%2F/none"] {
        let refused = broker.put(path, &rights(""));
        assert_eq!(refused.refusal(), bad_request(json!("vhost_or_user_not_found")));
    }
    let path = "/api/permissions/%2F/guest";
    let missing = broker.put(path, &json!({ "configure": "" }));
    assert_eq!(missing.refusal(), bad_request(json!("[{key_missing,write},{key_missing,read}]")));
    let (status, error, reason) = broker.put(path, &rights("(")).refusal();
    assert_eq!((status, &error[..], &reason[0]), (400, "bad_request", &json!("invalid_regexp")));
    assert_eq!((&reason[1], &reason[2][1]), (&json!([40]), &json!(1)));
    let list = json!({ "configure": [], "write": "", "read": "" });
    assert_eq!(broker.put(path, &list).status, 400);
    assert_eq!(broker.json(path)["configure"], ".*");
}

#[test]
fn whoever_is_no_administrator_sees_no_users() {
    let broker = Managed::start();
    for tag in ["management", "policymaker", "monitoring"] {
        broker.put("/api/users/ann", &json!({ "password": "pw", "tags": tag }));
        let ann = broker.user("ann", "pw");
        for path in [
            "/api/users",
            "/api/users/ann",
            "/api/users/ann/permissions",
            "/api/permissions",
            "/api/permissions/%2F/guest",
            "/api/vhosts/%2F/permissions",
            "/api/auth/hash_password/x",
        ] {
            let (status, _, reason) = ann.get(path).refusal();
            assert_eq!((status, reason), (401, json!("Not administrator user")), "{path}");
        }
        let itself = ann.put("/api/users/ann", &json!({ "password": "pw", "tags": "administrator" }));
        assert_eq!(itself.status, 401);
    }
}

#[test]
fn a_login_by_form_is_judged_as_any_other() {
    let broker = Managed::start();
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    let log_in = |body: &str| broker.nobody().send("POST", "/api/login", form, body.as_bytes());
    let answer = log_in("username=guest&password=guest");
    assert_eq!((answer.status, answer.json()), (200, json!("ok")));
    assert_eq!(answer.header("set-cookie"), Some("auth=Z3Vlc3Q6Z3Vlc3Q=; SameSite=Strict"));
    for body in ["username=guest&password=x", "username=guest", "", "{}"] {
        let refusal = log_in(body).refusal();
        assert_eq!(refusal, (401, "not_authorized".to_owned(), json!("Not_Authorized")), "{body}");
    }
    assert_eq!(broker.get("/api/login").status, 405);
    broker.put("/api/users/ann", &json!({ "password": "p w", "tags": "" }));
    assert_eq!(log_in("username=ann&password=p+w").refusal().2, "Not management user");
    assert_eq!(broker.nobody().json("/api/auth"), json!({ "oauth_enabled": false }));
}

#[test]
fn a_hash_that_was_asked_for_lets_in() {
    let broker = Managed::start();
    let hash = broker.json("/api/auth/hash_password/p%20w")["ok"].clone();
    broker.put("/api/users/ann", &json!({ "password_hash": hash, "tags": "management" }));
    assert_eq!(broker.user("ann", "p w").get("/api/whoami").status, 200);
    assert_eq!(broker.user("ann", "pw").get("/api/whoami").status, 401);
}

#[test]
fn attempts_to_log_in_are_counted_until_they_are_forgotten() {
    let broker = Managed::start();
    let node = broker.json("/api/overview")["node"].as_str().unwrap().to_owned();
    let path = format!("/api/auth/attempts/{node}");
    broker.user("guest", "wrong").get("/api/whoami");
    let counts = |broker: &Managed| {
        let all = broker.json(&path);
        let http = all.as_array().unwrap().iter().find(|counts| counts["protocol"] == "http").unwrap();
        ["auth_attempts", "auth_attempts_failed", "auth_attempts_succeeded"]
            .map(|key| http[key].as_u64().unwrap())
    };
    assert_eq!(counts(&broker), [3, 1, 2]);
    assert_eq!(broker.json(&path)[1]["protocol"], "amqp091");
    assert_eq!(broker.delete(&path).status, 204);
    assert_eq!(counts(&broker), [1, 0, 1]);
    assert_eq!(broker.json(&format!("{path}/source")), json!([]));
    assert_eq!(broker.delete(&format!("{path}/source")).status, 204);
    assert_eq!(broker.get("/api/auth/attempts/elsewhere").status, 404);
}

#[test]
fn what_has_nothing_to_do_here_succeeds() {
    let broker = Managed::start();
    assert_eq!(broker.json("/api/extensions"), json!([{ "javascript": "dispatcher.js" }]));
    let node = broker.json("/api/overview")["node"].as_str().unwrap().to_owned();
    assert_eq!(broker.delete("/api/reset").status, 204);
    assert_eq!(broker.delete(&format!("/api/reset/{node}")).status, 204);
    assert_eq!(broker.delete("/api/reset/elsewhere").status, 404);
    assert_eq!(broker.post("/api/rebalance/queues", &json!({})).status, 204);
    assert_eq!(broker.get("/api/rebalance/queues").status, 405);
}
