//! What is asked of all shards becomes one answer. If one of them does not answer, that is the answer: a part never looks like the whole.

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use axum::http::request::Parts;
use axum::http::uri::{PathAndQuery, Uri};
use axum::http::{HeaderValue, Method, StatusCode, header};
use futures_util::future::try_join_all;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::requests::{Answer, BODY_BYTES_MAX, Requests, json_answer, refused, too_large, unavailable};
use super::way::Own;
use crate::management::{gathered, gathered_failures, gathered_items, gathered_journal, gathered_problems};
use crate::server::OF_VHOSTS;

/// What is done when the list is there: shards are not asked for it.
const DONE_HERE: [&str; 8] =
    ["page", "page_size", "name", "use_regex", "pagination", "sort", "sort_reverse", "columns"];
/// Lists that are in the order of their vhosts.
const CONNECTIONS: [&str; 2] = ["/connections", "/channels"];
/// Parts of an overview that are sums.
const SUMS: [&str; 4] = ["queue_totals", "object_totals", "message_stats", "churn_rates"];
/// Of the parameters, what belongs to a vhost itself.
const LIMITS: &str = "vhost-limits";

/// What all shards answer, in their order.
async fn asked(requests: &Requests, parts: &Parts, path: Option<&str>) -> Result<Vec<Value>, Answer> {
    let mut parts = parts.clone();
    (parts.method, parts.uri) = (Method::GET, uri(&parts.uri, path));
    let (parts, asking) = (&parts, requests.numbers());
    try_join_all(asking.map(|shard| async move { value(shard, requests.ask(shard, parts).await).await }))
        .await
}

async fn value(shard: u32, answer: Answer) -> Result<Value, Answer> {
    if answer.status() != StatusCode::OK {
        return Err(answer);
    }
    let bytes = to_bytes(answer.into_body(), BODY_BYTES_MAX).await;
    let read = bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    read.ok_or_else(|| unavailable(shard, "its answer is no JSON, or too large"))
}

/// The same without what is done here, at another path perhaps.
fn uri(asked: &Uri, path: Option<&str>) -> Uri {
    let query = asked.query().unwrap_or_default().split('&');
    let is_passed = |field: &&str| {
        let name = field.split('=').next().unwrap_or_default();
        !name.is_empty() && !DONE_HERE.contains(&name)
    };
    let query = query.filter(is_passed).collect::<Vec<_>>().join("&");
    let path = path.unwrap_or(asked.path());
    let whole = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    PathAndQuery::try_from(whole).map(Uri::from).unwrap_or_else(|_| asked.clone())
}

/// What each shard has of its own vhosts; `key` is where a thing says its vhost.
fn own(requests: &Requests, lists: Vec<Value>, key: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for (shard, list) in requests.numbers().zip(lists) {
        let Value::Array(items) = list else { continue };
        let is_own = |item: &Value| match item[key].as_str() {
            Some(vhost) => requests.shards.known.shard_of(vhost) == shard,
            None => true,
        };
        all.extend(items.into_iter().filter(is_own));
    }
    all
}

/// One list of all shards' lists.
pub(super) async fn lists(requests: &Requests, parts: &Parts) -> Answer {
    let lists = match asked(requests, parts, None).await {
        Ok(lists) => lists,
        Err(answer) => return answer,
    };
    let mut all = own(requests, lists, "vhost");
    if !CONNECTIONS.iter().any(|end| parts.uri.path().trim_end_matches('/').ends_with(end)) {
        all.sort_by(|one, other| one["vhost"].as_str().cmp(&other["vhost"].as_str()));
    }
    gathered(parts.uri.query().unwrap_or_default(), all).await
}

/// What only Coney has.
pub(super) async fn own_pages(requests: &Requests, parts: &Parts, what: Own) -> Answer {
    let pages = match asked(requests, parts, None).await {
        Ok(pages) => pages,
        Err(answer) => return answer,
    };
    let is_own = |shard: usize, vhost: &str| requests.shards.known.shard_of(vhost) as usize == shard;
    match what {
        Own::Journal => gathered_journal(parts.uri.query().unwrap_or_default(), pages, is_own),
        Own::Problems => gathered_problems(pages, is_own),
        Own::Failures => gathered_failures(own(requests, pages, "vhost")),
        Own::Lint => gathered_items(&own(requests, pages, "vhost")),
    }
}

/// Vhosts, each as its own shard has it.
pub(super) async fn vhosts(requests: &Requests, parts: &Parts) -> Answer {
    let lists = match asked(requests, parts, None).await {
        Ok(lists) => lists,
        Err(answer) => return answer,
    };
    let mut all = own(requests, lists, "name");
    all.sort_by(|one, other| one["name"].as_str().cmp(&other["name"].as_str()));
    gathered(parts.uri.query().unwrap_or_default(), all).await
}

/// The meta shard's, with the sums of all.
pub(super) async fn overview(requests: &Requests, parts: &Parts) -> Answer {
    let path = parts.uri.path().trim_end_matches('/');
    let exchanges = path.strip_suffix("overview").map(|api| format!("{api}exchanges"));
    let both = tokio::try_join!(asked(requests, parts, None), asked(requests, parts, exchanges.as_deref()));
    let (mut overviews, exchanges) = match both {
        Ok((overviews, exchanges)) => (overviews.into_iter(), exchanges),
        Err(answer) => return answer,
    };
    let Some(Value::Object(mut all)) = overviews.next() else { return unavailable(0, "it has no overview") };
    for other in overviews {
        for key in SUMS {
            add(all.entry(key).or_insert(Value::Null), other.get(key).unwrap_or(&Value::Null));
        }
    }
    // The meta shard has the exchanges of each vhost, wherever that is served.
    if let Some(Value::Object(totals)) = all.get_mut("object_totals") {
        totals.insert("exchanges".to_owned(), own(requests, exchanges, "vhost").len().into());
    }
    json_answer(&Value::Object(all))
}

fn add(to: &mut Value, other: &Value) {
    match (to, other) {
        (Value::Object(to), Value::Object(other)) => {
            for (key, value) in other {
                add(to.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (to @ Value::Null, other) => *to = other.clone(),
        (to, other) => {
            let whole = to.as_i64().zip(other.as_i64()).map(|(one, other)| Value::from(one + other));
            let broken = || Some(Value::from(to.as_f64()? + other.as_f64()?));
            if let Some(sum) = whole.or_else(broken) {
                *to = sum;
            }
        }
    }
}

/// The meta shard's definitions, with what each shard has in its vhosts.
pub(super) async fn export(requests: &Requests, parts: &Parts) -> Answer {
    let all = match asked(requests, parts, None).await {
        Ok(all) => all,
        Err(answer) => return answer,
    };
    let Some(Value::Object(mut whole)) = all.first().cloned() else {
        return unavailable(0, "it has no definitions");
    };
    for key in OF_VHOSTS {
        let lists = || all.iter().map(|one| one.get(key).cloned().unwrap_or_default()).collect();
        if let Some(list) = whole.get_mut(key).filter(|list| list.is_array()) {
            *list = own(requests, lists(), "vhost").into();
        }
    }
    json_answer(&Value::Object(whole))
}

/// Gives each shard its own part: what is no vhost's, and new vhosts, to the meta shard first. A part is imported as a whole or not at
/// all, and if one is refused what came before it stays.
pub(super) async fn import(requests: &Requests, parts: Parts, body: Body) -> Answer {
    let Ok(bytes) = to_bytes(body, BODY_BYTES_MAX).await else { return too_large() };
    let Ok(Value::Object(mut definitions)) = serde_json::from_slice(&bytes) else {
        // A file in a form, or something that is refused in any case.
        let reason = "in a cluster with several shards definitions have to be one JSON object in the body";
        return refused(StatusCode::NOT_IMPLEMENTED, "not_implemented", reason);
    };
    if let Err(answer) = make_vhosts(requests, &parts, &definitions).await {
        return answer;
    }
    let mut of_shards: BTreeMap<u32, Map<String, Value>> = BTreeMap::new();
    for key in OF_VHOSTS {
        let Some(Value::Array(items)) = definitions.remove(key) else { continue };
        for item in items {
            let text = |key: &str| item.get(key).and_then(Value::as_str);
            let vhost = text("vhost").filter(|_| text("component") != Some(LIMITS));
            let shard = vhost.map_or(0, |vhost| requests.shards.known.shard_of(vhost));
            let part = if shard == 0 { &mut definitions } else { of_shards.entry(shard).or_default() };
            if let Value::Array(list) = part.entry(key).or_insert_with(|| json!([])) {
                list.push(item);
            }
        }
    }
    let mut answer = post(requests, &parts, 0, definitions).await;
    // Whoever does not know it yet learns of it later.
    let _ = requests.settle().await;
    for (shard, part) in of_shards {
        if !answer.status().is_success() {
            break;
        }
        answer = post(requests, &parts, shard, part).await;
    }
    answer
}

/// Makes the vhosts that are not there, so that each has its shard before anything is put into it.
async fn make_vhosts(
    requests: &Requests,
    parts: &Parts,
    definitions: &Map<String, Value>,
) -> Result<(), Answer> {
    let known = requests.shards.known.identities.borrow().clone();
    let is_new = |name: &&str| known.as_ref().is_none_or(|known| !known.vhosts.contains_key(*name));
    let named = definitions.get("vhosts").and_then(Value::as_array).into_iter().flatten();
    let api = parts.uri.path().trim_end_matches('/').trim_end_matches("definitions");
    for name in named.filter_map(|vhost| vhost["name"].as_str()).filter(is_new) {
        let path = format!("{api}vhosts/{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
        let mut parts = parts.clone();
        (parts.method, parts.uri) = (Method::PUT, uri(&Uri::default(), Some(&path)));
        let answer = requests.ask(0, &parts).await;
        if !answer.status().is_success() {
            return Err(answer);
        }
    }
    // Whoever does not know it yet learns of it later.
    let _ = requests.settle().await;
    Ok(())
}

pub(super) async fn post(requests: &Requests, parts: &Parts, shard: u32, part: Map<String, Value>) -> Answer {
    let bytes = Value::Object(part).to_string();
    let mut parts = parts.clone();
    parts.headers.remove(header::TRANSFER_ENCODING);
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    requests.forward(shard, parts, Body::from(bytes)).await
}
