//! Limits of vhosts and users: as they are kept, and as clients run into them. The texts are RabbitMQ 4.0.5's.

use coney::Broker;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, ErrorKind};
use serde_json::{Value, json};

use super::support::{Managed, managed};
use crate::support::client::Bench;

fn bad_request(reason: &str) -> (u16, String, Value) {
    (400, "bad_request".to_owned(), json!(reason))
}

#[test]
fn limits_are_put_listed_and_removed() {
    let broker = Managed::start();
    let put = |path: &str, value: i64| broker.put(path, &json!({ "value": value })).status;
    for (kind, name, key, limits) in [
        ("vhost", "%2F", "/", ["max-connections", "max-queues"]),
        ("user", "guest", "guest", ["max-connections", "max-channels"]),
    ] {
        let all = format!("/api/{kind}-limits");
        let own = format!("{all}/{name}");
        assert_eq!([broker.json(&all), broker.json(&own)], [json!([]), json!([])]);
        for (limit, value) in limits.into_iter().zip([100, -1]) {
            assert_eq!(put(&format!("{own}/{limit}"), value), 204);
        }
        let expected = json!([{ kind: key, "value": { limits[0]: 100, limits[1]: -1 } }]);
        assert_eq!([broker.json(&all), broker.json(&own)], [expected.clone(), expected]);
        for limit in limits {
            assert_eq!(broker.delete(&format!("{own}/{limit}")).status, 204);
        }
        assert_eq!(broker.delete(&format!("{own}/nope")).status, 204);
        assert_eq!(broker.json(&own), json!([]));
        assert_eq!(broker.get(&format!("{all}/none")).status, 404);
        assert_eq!(broker.get(&format!("{own}/{}", limits[0])).status, 405);
    }
    // A vhost that was limited is listed as one that has no limits; a user is not.
    assert_eq!(broker.json("/api/vhost-limits"), json!([{ "vhost": "/", "value": {} }]));
    assert_eq!(broker.json("/api/user-limits"), json!([]));
}

#[test]
fn limits_that_make_no_sense_are_refused_in_rabbitmqs_words() {
    let broker = Managed::start();
    let put = |path: &str, body: Value| broker.put(path, &body).refusal();
    let (vhost, user) = ("/api/vhost-limits/%2F/max-queues", "/api/user-limits/guest/max-channels");
    for (value, term) in [
        (json!("a"), "<<\"a\">>"),
        (json!(1.5), "1.5"),
        (Value::Null, "null"),
        (json!(true), "true"),
        (json!([]), "[]"),
    ] {
        let reason = format!("max-queues should be a number, actually was {term}");
        let body = json!({ "value": value });
        assert_eq!(put(vhost, body.clone()), bad_request(&format!("Validation failed\n\n{reason}\n")));
        let reason = format!("max-channels should be a number, actually was {term}");
        assert_eq!(put(user, body), bad_request(&reason));
    }
    assert_eq!(put(vhost, json!({})), bad_request("[{key_missing,value}]"));
    assert_eq!(
        put("/api/vhost-limits/%2F/max-channels", json!({ "value": 100 })),
        bad_request("Validation failed\n\nUnrecognised terms [{<<\"max-channels\">>,100}] in limits\n")
    );
    assert_eq!(
        put("/api/user-limits/guest/max-x", json!({ "value": 100 })),
        bad_request("Unrecognised terms [{<<\"max-x\">>,100}] in user-limits")
    );
    assert_eq!(put("/api/vhost-limits/none/max-queues", json!({ "value": 1 })).2, "vhost_not_found");
    assert_eq!(
        put("/api/user-limits/none/max-channels", json!({ "value": 1 })),
        (400, "bad_request".to_owned(), json!(["no_such_user", "none"]))
    );
    for path in ["/api/vhost-limits/none/max-queues", "/api/user-limits/none/max-channels"] {
        assert_eq!(broker.delete(path).refusal().2, "vhost_not_found");
    }
}

fn said(error: &lapin::Error) -> (u16, String) {
    match error.kind() {
        ErrorKind::ProtocolError(error) => (error.get_id(), error.get_message().to_string()),
        other => panic!("{other:?}"),
    }
}

async fn declare(bench: &Bench, name: &str, passive: bool) -> Result<(), (u16, String)> {
    let options = QueueDeclareOptions { passive, ..QueueDeclareOptions::default() };
    let channel = bench.channel().await;
    let declared = channel.queue_declare(name.into(), options, FieldTable::default()).await;
    declared.map(drop).map_err(|error| said(&error))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_vhost_has_no_more_queues_than_it_may() {
    let (bench, http) = managed().await;
    let limit = |value: i64| http.put("/api/vhost-limits/%2F/max-queues", &json!({ "value": value }));
    let refused = |queue: &str, most: u32| {
        let text = format!(
            "PRECONDITION_FAILED - cannot declare queue '{queue}': queue limit in vhost '/' ({most}) is reached"
        );
        Err((406, text))
    };
    limit(0);
    assert_eq!(declare(&bench, "a", false).await, refused("a", 0));
    limit(1);
    assert_eq!(declare(&bench, "a", false).await, Ok(()));
    assert_eq!(declare(&bench, "b", false).await, refused("b", 1));
    assert_eq!(declare(&bench, "a", false).await, Ok(()), "it is there already");
    assert_eq!(declare(&bench, "a", true).await, Ok(()));
    let over_http = http.put("/api/queues/%2F/b", &json!({})).refusal();
    assert_eq!(over_http, bad_request("cannot declare queue 'b': queue limit in vhost '/' (1) is reached"));
    limit(0);
    assert_eq!(declare(&bench, "a", false).await, Ok(()), "what is there stays");
    limit(-1);
    assert_eq!(declare(&bench, "b", false).await, Ok(()));
    http.delete("/api/vhost-limits/%2F/max-queues");
    assert_eq!(declare(&bench, "c", false).await, Ok(()));
}

async fn connection(bench: &Bench) -> Result<Connection, (u16, String)> {
    let uri = format!("amqp://ann:pw@{}/v", bench.broker.address().unwrap());
    let connected = Connection::connect(&uri, ConnectionProperties::default()).await;
    connected.map_err(|error| said(&error))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn there_are_no_more_connections_than_there_may_be() {
    let (bench, http) = managed().await;
    http.put("/api/users/ann", &json!({ "password": "pw", "tags": "" }));
    http.put("/api/vhosts/v", &json!({}));
    http.put("/api/permissions/v/ann", &json!({ "configure": ".*", "write": ".*", "read": ".*" }));
    for (path, text) in [
        (
            "/api/vhost-limits/v/max-connections",
            "NOT_ALLOWED - access to vhost 'v' refused for user 'ann': connection limit",
        ),
        (
            "/api/user-limits/ann/max-connections",
            "NOT_ALLOWED - connection refused for user 'ann': user connection limit",
        ),
    ] {
        let limit = |value: i64| http.put(path, &json!({ "value": value })).status;
        let refused = |most: i64| Some((530, format!("{text} ({most}) is reached")));
        assert_eq!(limit(0), 204);
        assert_eq!(connection(&bench).await.err(), refused(0));
        assert_eq!(limit(1), 204);
        for _ in 0..3 {
            let only = connection(&bench).await.unwrap();
            assert_eq!(connection(&bench).await.err(), refused(1));
            // The place of one that was closed is free as soon as its client knows.
            only.close(200, "".into()).await.unwrap();
        }
        assert_eq!(limit(-1), 204);
        let two = [connection(&bench).await.unwrap(), connection(&bench).await.unwrap()];
        for one in two {
            one.close(200, "".into()).await.unwrap();
        }
        assert_eq!(http.delete(path).status, 204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_user_has_no_more_channels_than_there_may_be_on_all_connections() {
    let (bench, http) = managed().await;
    http.put("/api/users/ann", &json!({ "password": "pw", "tags": "" }));
    http.put("/api/vhosts/v", &json!({}));
    http.put("/api/permissions/v/ann", &json!({ "configure": ".*", "write": ".*", "read": ".*" }));
    http.put("/api/user-limits/ann/max-channels", &json!({ "value": 2 }));
    let (one, other) = (connection(&bench).await.unwrap(), connection(&bench).await.unwrap());
    let first = one.create_channel().await.unwrap();
    let _second = other.create_channel().await.unwrap();
    first.close(200, "".into()).await.unwrap();
    let third = one.create_channel().await.unwrap();
    let text = "NOT_ALLOWED - number of channels opened for user 'ann' has reached the maximum allowed user limit of (2)";
    let refused = other.create_channel().await.err().map(|error| said(&error));
    assert_eq!(refused, Some((530, text.to_owned())), "it ends the connection");
    assert!(third.status().connected());
    while http.json("/api/channels").as_array().unwrap().len() > 2 {
        tokio::task::yield_now().await;
    }
    let _fourth = one.create_channel().await.unwrap();
    assert!(one.status().connected());
    http.put("/api/user-limits/ann/max-channels", &json!({ "value": -1 }));
    one.create_channel().await.unwrap();
}

/// A channel that was closed by an exception counts no more, though its client has yet to answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn channels_that_failed_do_not_count() {
    let any = "127.0.0.1:0".parse().unwrap();
    let broker = Broker::builder().ephemeral().listen(any).http(any).start().await.unwrap();
    let http = crate::support::http::Http::new(broker.http_addresses()[0]);
    http.put("/api/user-limits/guest/max-channels", &json!({ "value": 1 }));
    let connection = crate::support::client::connect(&broker).await;
    for _ in 0..5 {
        let channel = connection.create_channel().await.unwrap();
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        assert!(channel.queue_declare("none".into(), options, FieldTable::default()).await.is_err());
    }
    broker.shutdown().await.unwrap();
}
