//! Operators, over HTTP: they look, change policies, raise alarms, close connections, and take messages.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use crate::Result;
use crate::clients::Shared;
use crate::http::request;
use crate::random::Random;

/// How long an alarm lasts.
const ALARM: Duration = Duration::from_secs(2);

/// What an operator does: method, path, body.
type Act = (&'static str, &'static str, &'static str);

/// Each leaves all messages as they are.
const ACTS: [Act; 22] = [
    ("GET", "/api/overview", ""),
    ("GET", "/api/queues?page=1&page_size=10", ""),
    ("GET", "/api/queues/%2F/soak.plain", ""),
    ("GET", "/api/connections", ""),
    ("GET", "/api/channels", ""),
    ("GET", "/api/consumers", ""),
    ("GET", "/api/exchanges", ""),
    ("GET", "/api/definitions", ""),
    ("GET", "/api/coney/problems", ""),
    ("GET", "/api/coney/queues/%2F/soak.backlog/messages?count=20", ""),
    ("GET", "/api/coney/queues/%2F/soak.stream/cursors", ""),
    ("GET", "/api/coney/queues/%2F/soak.stream/messages?from=first&count=20", ""),
    ("GET", "/api/coney/failures/%2F", ""),
    (
        "PUT",
        "/api/policies/%2F/soak",
        r#"{"pattern":"^soak","definition":{"max-length":10000000},"apply-to":"all"}"#,
    ),
    (
        "PUT",
        "/api/policies/%2F/soak",
        r#"{"pattern":"^soak[.]p","definition":{"consumer-timeout":600000},"apply-to":"queues","priority":3}"#,
    ),
    (
        "PUT",
        "/api/operator-policies/%2F/soak",
        r#"{"pattern":"^soak","definition":{"max-length":20000000},"apply-to":"queues"}"#,
    ),
    ("PUT", "/api/users/passer-by", r#"{"password":"secret","tags":"monitoring"}"#),
    ("PUT", "/api/permissions/%2F/passer-by", r#"{"configure":"","write":"","read":"^soak"}"#),
    ("PUT", "/api/vhosts/passing", "{}"),
    ("PUT", "/api/queues/passing/there", r#"{"durable":true}"#),
    (
        "POST",
        "/api/exchanges/passing/amq.default/publish",
        r#"{"routing_key":"there","properties":{"delivery_mode":2},"payload":"one","payload_encoding":"string"}"#,
    ),
    ("DELETE", "/api/vhosts/passing", ""),
];

pub async fn operate(shared: Arc<Shared>, mut random: Random) {
    while shared.is_publishing() {
        sleep(Duration::from_millis(100 + random.below(800))).await;
        match random.below(24) {
            0 => {
                alarm(&shared, "/api/coney/node/memory-limit", r#"{"bytes":1000000}"#, r#"{"fraction":0.4}"#)
                    .await
            }
            1 => {
                alarm(
                    &shared,
                    "/api/coney/node/disk-free-limit",
                    r#"{"bytes":1000000000000000}"#,
                    r#"{"bytes":50000000}"#,
                )
                .await
            }
            2 => close_one(&shared, &mut random).await,
            _ => {
                let (method, path, body) = ACTS[random.below(ACTS.len() as u64) as usize];
                act(&shared, method, path, body).await;
            }
        }
    }
}

/// Does it; what it was answered, if that was a success.
async fn act(shared: &Arc<Shared>, method: &'static str, path: &str, body: &'static str) -> Option<String> {
    let (life, api, path) = (shared.broker.life(), shared.broker.http().to_owned(), path.to_owned());
    let named = format!("{method} {path}");
    let asking = tokio::task::spawn_blocking(move || request(&api, method, &path, body));
    let outcome = asking.await.map_err(|error| error.to_string().into()).flatten();
    // What one act made another takes away: they are not in order.
    let outcome = outcome.or_else(|error: crate::Error| {
        let is_gone = named.contains("passing") || named.contains("passer-by");
        let is_refused =
            ["HTTP/1.1 404", "HTTP/1.1 400"].iter().any(|status| error.to_string().contains(status));
        if is_gone && is_refused { Ok(String::new()) } else { Err(error) }
    });
    let done = shared.judge(&named, life, outcome);
    shared.operated.fetch_add(u64::from(done.is_some()), Ordering::Relaxed);
    done
}

/// Publishers are blocked for a while.
async fn alarm(shared: &Arc<Shared>, path: &str, low: &'static str, back: &'static str) {
    if act(shared, "PUT", path, low).await.is_some() {
        sleep(ALARM).await;
    }
    act(shared, "PUT", path, back).await;
}

/// A connection is closed under its client.
async fn close_one(shared: &Arc<Shared>, random: &mut Random) {
    let path = "/api/connections?columns=name,user_provided_name&page=1&page_size=500";
    let Some(answer) = act(shared, "GET", path, "").await else { return };
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let list: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let connections = list["items"].as_array().cloned().unwrap_or_default();
    let Some(one) = connections.get(random.below(connections.len() as u64) as usize) else { return };
    let (Some(name), Some(own)) = (one["name"].as_str(), one["user_provided_name"].as_str()) else { return };
    shared.note_closed(own);
    let path = format!("/api/connections/{}", name.replace(' ', "%20").replace('>', "%3E"));
    let (api, life) = (shared.broker.http().to_owned(), shared.broker.life());
    let closing = tokio::task::spawn_blocking(move || request(&api, "DELETE", &path, ""));
    let outcome: Result<String> = closing.await.map_err(|error| error.to_string().into()).flatten();
    // It may have gone by itself.
    let outcome = outcome
        .or_else(|error| if error.to_string().contains(" 404") { Ok(String::new()) } else { Err(error) });
    shared.judge("closing a connection", life, outcome);
}
