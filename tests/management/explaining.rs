//! What would happen, and why; what is wrong; the log.

use lapin::options::{BasicAckOptions, BasicConsumeOptions};
use serde_json::{Value, json};

use super::support::{Managed, managed};
use crate::support::client::{consume, next};
use crate::support::http::Http;
use crate::support::process::{Process, coney};

fn bind(broker: &Http, source: &str, to: &str, key: &str, arguments: &Value) {
    let body = json!({ "routing_key": key, "arguments": arguments });
    assert_eq!(
        broker.post(&format!("/api/bindings/%2F/e/{source}/{to}"), &body).status,
        201,
        "{source} {to}"
    );
}

fn exchange(broker: &Http, name: &str, kind: &str, arguments: &Value) {
    let body = json!({ "type": kind, "durable": true, "arguments": arguments });
    assert_eq!(broker.put(&format!("/api/exchanges/%2F/{name}"), &body).status, 201);
}

fn ask(broker: &Http, exchange: &str, key: &str, headers: &Value) -> Value {
    let answer = broker.post(
        &format!("/api/coney/routing/%2F/{exchange}"),
        &json!({ "routing_key": key, "headers": headers }),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn a_route_is_told_and_nothing_is_published() {
    let broker = Managed::start();
    for queue in ["orders", "audit", "rest"] {
        broker.declare(queue, &json!({}));
    }
    exchange(&broker, "rest", "fanout", &json!({}));
    exchange(&broker, "heads", "headers", &json!({}));
    exchange(&broker, "top", "topic", &json!({ "alternate-exchange": "rest" }));
    bind(&broker, "top", "q/orders", "order.*", &json!({}));
    bind(&broker, "top", "e/heads", "order.#", &json!({}));
    bind(&broker, "heads", "q/audit", "", &json!({ "region": "eu", "x-match": "all" }));
    bind(&broker, "rest", "q/rest", "", &json!({}));

    let routed = ask(&broker, "top", "order.new", &json!({ "region": "eu" }));
    assert_eq!(routed["queues"], json!(["audit", "orders"]));
    assert_eq!(routed["steps"][1]["exchange"], "heads");
    assert_eq!((&routed["steps"][1]["via"], &routed["steps"][1]["from"]), (&json!("binding"), &json!("top")));
    assert_eq!(routed["matches"].as_array().unwrap().len(), 3);

    let missed = ask(&broker, "top", "order.new", &json!({ "region": "us" }));
    assert_eq!(
        (&missed["queues"], &missed["near_misses"][0]["destination"]),
        (&json!(["orders"]), &json!("audit"))
    );
    assert_eq!(missed["near_misses"][0]["why"], "header 'region' is 'us', not 'eu'");

    let alternate = ask(&broker, "top", "invoice.new", &json!({}));
    assert_eq!((&alternate["queues"], &alternate["alternate_exchange"]), (&json!(["rest"]), &json!("rest")));
    assert_eq!(
        alternate["near_misses"][0]["why"],
        "word 1 is 'invoice', not 'order' ('invoice.new' and 'order.#')"
    );

    let default = ask(&broker, "amq.default", "Orders", &json!({}));
    assert_eq!(default["queues"], json!([]));
    let why = "the key is 'Orders', the queue's name 'orders': they differ in upper and lower case";
    assert_eq!(default["near_misses"][0]["why"], why);
    assert_eq!(ask(&broker, "amq.default", "x", &json!({ "CC": ["orders"] }))["queues"], json!(["orders"]));

    assert_eq!(broker.json("/api/overview")["queue_totals"]["messages"], 0);
    let counted = &broker.json("/api/exchanges/%2F/top")["message_stats"]["publish_in"];
    assert_eq!(counted.as_u64().unwrap_or(0), 0, "it is not counted either");
    assert_eq!(broker.post("/api/coney/routing/%2F/none", &json!({})).status, 404);
    assert_eq!(broker.post("/api/coney/routing/none/top", &json!({})).status, 404);
    let null = json!({ "headers": { "a": null } });
    assert_eq!(broker.post("/api/coney/routing/%2F/top", &null).status, 400);
}

#[test]
fn what_somebody_may_do_is_told_with_the_pattern_that_says_so() {
    let broker = Managed::start();
    broker.put("/api/users/ann", &json!({ "password": "p", "tags": "" }));
    let ask = |query: &str| broker.json(&format!("/api/coney/may?vhost=/&user=ann&{query}"));
    let none = ask("operation=read&name=q");
    assert_eq!(none["may"], false);
    assert_eq!(none["why"], "'ann' has no permission on vhost '/', and may not even enter it");
    broker.put("/api/permissions/%2F/ann", &json!({ "configure": "", "write": "^amq\\.", "read": "^a" }));
    for (query, may, why) in [
        ("operation=read&name=audit", true, "the read pattern '^a' of 'ann' on '/' matches 'audit'"),
        (
            "operation=read&name=orders",
            false,
            "the read pattern '^a' of 'ann' on '/' does not match 'orders'",
        ),
        (
            "operation=configure&name=q",
            false,
            "the configure pattern of 'ann' on '/' is empty: it matches nothing",
        ),
        ("operation=write&name=", true, "the write pattern '^amq\\.' of 'ann' on '/' matches 'amq.default'"),
    ] {
        let answer = ask(query);
        assert_eq!((answer["may"].as_bool(), answer["why"].as_str()), (Some(may), Some(why)), "{query}");
    }
    let topic = json!({ "exchange": "amq.topic", "write": "^{username}\\.", "read": "" });
    broker.put("/api/topic-permissions/%2F/ann", &topic);
    assert_eq!(ask("operation=write&name=amq.topic&routing_key=ann.x")["may"], true);
    let refused = ask("operation=write&name=amq.topic&routing_key=bob.x");
    assert_eq!(refused["may"], false);
    assert!(refused["why"].as_str().unwrap().ends_with("does not match the key 'bob.x'"), "{refused}");
    for wrong in ["user=ann&vhost=/&name=q", "user=ann&vhost=/&name=q&operation=eat", ""] {
        assert_eq!(broker.get(&format!("/api/coney/may?{wrong}")).status, 400, "{wrong}");
    }
    for missing in ["user=none&vhost=/", "user=ann&vhost=none"] {
        assert_eq!(broker.get(&format!("/api/coney/may?{missing}&name=q&operation=read")).status, 404);
    }
}

#[test]
fn a_setting_is_told_with_who_said_it_and_whom_that_overruled() {
    let broker = Managed::start();
    broker.declare(
        "q",
        &json!({ "x-max-length": 100, "x-overflow": "reject-publish", "x-queue-type": "quorum" }),
    );
    let policy = json!({ "pattern": "q", "definition": { "max-length": 500, "message-ttl": 1000, "overflow": "drop-head" } });
    broker.put("/api/policies/%2F/user", &policy);
    let operator = json!({ "pattern": "q", "definition": { "max-length": 10 } });
    broker.put("/api/operator-policies/%2F/bound", &operator);
    let settings = broker.json("/api/coney/queues/%2F/q/settings");
    let named = |name: &str| {
        let all = settings.as_array().unwrap();
        all.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{name}: {settings}"))
    };
    let length = named("x-max-length");
    assert_eq!(
        (&length["value"], &length["origin"], &length["policy"]),
        (&json!(10), &json!("operator-policy"), &json!("bound"))
    );
    assert_eq!(
        length["overruled"],
        json!([
            { "value": 500, "origin": "policy", "policy": "user" },
            { "value": 100, "origin": "argument", "policy": null },
        ])
    );
    assert_eq!(named("x-message-ttl")["policy"], "user");
    let overflow = named("x-overflow");
    assert_eq!((&overflow["value"], &overflow["origin"]), (&json!("reject-publish"), &json!("argument")));
    assert_eq!(named("x-consumer-timeout")["origin"], "default");
    assert_eq!(
        (&named("x-delivery-limit")["value"], &named("x-delivery-limit")["origin"]),
        (&json!(20), &json!("default"))
    );
    assert_eq!(broker.get("/api/coney/queues/%2F/none/settings").status, 404);
}

#[test]
fn a_policy_is_tried_before_it_is_put() {
    let broker = Managed::start();
    for queue in ["orders", "orders.dead", "other"] {
        broker.declare(queue, &json!({}));
    }
    let put = |name: &str, policy: &Value| broker.put(&format!("/api/policies/%2F/{name}"), policy).status;
    put("strong", &json!({ "pattern": "^orders.dead$", "priority": 5, "definition": { "max-length": 1 } }));
    let policy = json!({ "name": "new", "pattern": "^orders", "apply-to": "queues", "definition": { "max-length": 7 } });
    let preview = broker.post("/api/coney/policies/%2F/preview", &policy).json();
    assert_eq!(
        (&preview["queues"], &preview["exchanges"], &preview["changed"]),
        (&json!(2), &json!(0), &json!(1))
    );
    let orders = &preview["matches"][0];
    assert_eq!(
        (&orders["name"], &orders["applies"], &orders["changes"]),
        (&json!("orders"), &json!(true), &json!(true))
    );
    assert_eq!((&orders["old"]["policy"], &orders["new"]["policy"]), (&Value::Null, &json!("new")));
    assert_eq!(orders["new"]["definition"], json!({ "max-length": 7 }));
    let dead = &preview["matches"][1];
    assert_eq!((&dead["applies"], &dead["changes"]), (&json!(false), &json!(false)));
    assert_eq!(broker.json("/api/policies/%2F").as_array().unwrap().len(), 1, "it was not put");
    // What it no longer matches is told, too.
    put("new", &policy);
    let narrower = json!({ "name": "new", "pattern": "^other", "apply-to": "queues", "definition": { "max-length": 7 } });
    let preview = broker.post("/api/coney/policies/%2F/preview", &narrower).json();
    let names: Vec<_> =
        preview["matches"].as_array().unwrap().iter().map(|it| (&it["name"], &it["matches"])).collect();
    assert_eq!(names, [(&json!("orders"), &json!(false)), (&json!("other"), &json!(true))]);
    let wrong = json!({ "name": "new", "pattern": "(", "definition": { "max-length": 7 } });
    assert_eq!(broker.post("/api/coney/policies/%2F/preview", &wrong).status, 400);
}

#[test]
fn definitions_are_compared_before_they_are_imported() {
    let broker = Managed::start();
    broker.declare("q", &json!({}));
    broker.put("/api/policies/%2F/p", &json!({ "pattern": "x", "definition": { "max-length": 1 } }));
    let diff = |definitions: &Value| broker.post("/api/coney/definitions/diff", definitions).json();
    let same = diff(&broker.json("/api/definitions"));
    assert_eq!((&same["added"], &same["changed"], &same["differences"]), (&json!(0), &json!(0), &json!([])));
    assert!(same["same"].as_u64() >= Some(5), "{same}");

    let mut changed = broker.json("/api/definitions");
    changed["policies"][0]["definition"] = json!({ "max-length": 2 });
    changed["users"].as_array_mut().unwrap().push(json!({ "name": "ann", "password": "p", "tags": "" }));
    let queue = |name: &str, arguments: Value| json!({ "name": name, "vhost": "/", "durable": true, "auto_delete": false, "arguments": arguments });
    changed["queues"] = json!([queue("new", json!({})), queue("q", json!({ "x-max-length": 3 }))]);
    let told = diff(&changed);
    assert_eq!((&told["added"], &told["changed"], &told["refused"]), (&json!(2), &json!(1), &json!([])));
    let found = |kind: &str| {
        let all = told["differences"].as_array().unwrap();
        all.iter().find(|it| it["kind"] == kind).unwrap_or_else(|| panic!("{kind}: {told}")).clone()
    };
    assert_eq!((&found("queue")["name"], &found("queue")["change"]), (&json!("new"), &json!("added")));
    assert_eq!(
        (&found("policy")["change"], &found("policy")["fields"]),
        (&json!("changed"), &json!(["definition"]))
    );
    assert_eq!(found("user")["name"], "ann");
    assert!(told["notes"][0].as_str().unwrap().contains("'q'"), "{told}");
    assert_eq!(broker.get("/api/users/ann").status, 404, "nothing was done");
    assert_eq!(broker.get("/api/queues/%2F/new").status, 404);

    let faulty = json!({ "queues": [queue("bad", json!({ "x-max-length": "many" }))] });
    let refused = diff(&faulty);
    assert!(refused["refused"][0]["why"].as_str().unwrap().contains("bad"), "{refused}");
    assert_eq!(broker.send("POST", "/api/coney/definitions/diff", "", b"[").status, 400);
}

fn kinds(problems: &Value) -> Vec<(&str, &str)> {
    let all = problems["problems"].as_array().unwrap().iter();
    all.map(|it| (it["severity"].as_str().unwrap(), it["kind"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_is_wrong_is_told_worst_first() {
    let (bench, http) = managed().await;
    let problems = || http.json("/api/coney/problems");
    assert_eq!(problems(), json!({ "counts": { "critical": 0, "warning": 0, "note": 0 }, "problems": [] }));
    http.put("/api/policies/%2F/short", &json!({ "pattern": "^full$", "definition": { "max-length": 1 } }));
    for queue in ["full", "idle"] {
        bench.declare(queue, lapin::types::FieldTable::default()).await;
    }
    for queue in ["full", "full", "idle", "nowhere"] {
        bench.publish("", queue, "x").await;
    }
    // Whoever asked the queues since has the answer after what was published.
    http.json("/api/queues");
    let told = problems();
    assert_eq!(kinds(&told)[0], ("critical", "dropped"));
    let dropped = &told["problems"][0];
    let sentence = "'full' dropped 1 message in the last minute: 1 because it was full (x-max-length 1 of policy 'short')";
    assert_eq!(dropped["sentence"], sentence);
    assert_eq!(dropped["target"], json!({ "kind": "queue", "vhost": "/", "name": "full" }));
    assert_eq!(kinds(&told).iter().filter(|it| **it == ("warning", "no-consumers")).count(), 2, "{told}");
    assert!(kinds(&told).contains(&("warning", "unroutable")), "{told}");
    bench.broker.block("for lunch");
    let told = problems();
    assert!(kinds(&told).contains(&("critical", "blocked")), "{told}");
    bench.broker.unblock();
    let channel = bench.channel().await;
    let mut consumer = consume(&channel, "idle", "ct", BasicConsumeOptions::default()).await;
    next(&mut consumer).await.ack(BasicAckOptions::default()).await.unwrap();
    http.json("/api/queues");
    let told = problems();
    assert_eq!(kinds(&told).iter().filter(|it| **it == ("warning", "no-consumers")).count(), 1, "{told}");
    // Somebody without a permission there is told nothing of queues.
    http.put("/api/users/ann", &json!({ "password": "p", "tags": "management" }));
    assert_eq!(http.user("ann", "p").json("/api/coney/problems")["problems"], json!([]));
}

#[test]
fn the_log_is_told_to_administrators() {
    let arguments = ["--ephemeral", "--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log", "info"];
    let process = Process::run(coney().env_remove("CONEY_HTTP").args(arguments));
    let http = Http::new(process.http().parse().unwrap());
    let tail = |query: &str| http.json(&format!("/api/coney/log?{query}"));
    assert_eq!(http.nobody().get("/api/whoami").status, 401);
    assert_eq!(http.user("guest", "wrong\nline").get("/api/whoami").status, 401);
    let told = tail("contains=LOGIN&level=warn");
    let line = &told["lines"][0];
    assert_eq!((&line["level"], told["lines"].as_array().unwrap().len()), (&json!("warn"), 1), "{told}");
    assert!(line["message"].as_str().unwrap().starts_with("login over HTTP refused"), "{told}");
    let last = told["last"].as_u64().unwrap();
    assert_eq!(tail(&format!("after={last}"))["lines"], json!([]));
    assert_eq!(tail("level=error")["lines"], json!([]));
    assert!(
        tail("limit=1")["lines"].as_array().unwrap().len() == 1
            && tail("")["lines"].as_array().unwrap().len() > 1
    );
    for wrong in ["level=loud", "after=x"] {
        assert_eq!(http.get(&format!("/api/coney/log?{wrong}")).status, 400);
    }
}
