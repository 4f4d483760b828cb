//! What is recorded beside failures: rules that end by themselves.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::broker::journal::{NEXT_MAX, RECORDING_MS_DEFAULT, Recording, Rule, Selector};
use crate::broker::operations;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Manager, PolicyMaker};
use crate::management::error::ApiError;
use crate::management::params::At;
use crate::management::payload::Payload;
use crate::time::Timestamp;

/// The longest that a recording may be asked for: a day.
const UNTIL_MS_MAX: u64 = 24 * 60 * 60 * 1000;
/// What a rule may go by.
const BY: [&str; 5] = ["queue", "exchange", "message_id", "header", "all"];

/// `GET /api/coney/recordings/{vhost}`.
pub(super) async fn list(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let all = operations::recordings(asker.scope(&api, &vhost));
    Ok(answer::json(&all.iter().map(|recording| view(recording)).collect::<Vec<_>>()))
}

/// `POST /api/coney/recordings/{vhost}` with a rule: 201 and the recording.
pub(super) async fn begin(
    State(api): State<Api>,
    asker: PolicyMaker,
    At(vhost): At<String>,
    payload: Payload,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    if !vhost.journal.is_on() {
        return Err(ApiError::bad_request("this broker keeps no journal (journal-events and journal-bytes)"));
    }
    let rule = rule(&payload, api.shared().clock.timestamp())?;
    let scope = asker.scope(&api, &vhost);
    let id = operations::record(scope, rule).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let all = operations::recordings(scope);
    let begun = all.iter().find(|recording| recording.id == id).ok_or_else(ApiError::not_found)?;
    Ok((StatusCode::CREATED, answer::json(&view(begun))).into_response())
}

/// `DELETE /api/coney/recordings/{vhost}/{id}`.
pub(super) async fn end(
    State(api): State<Api>,
    asker: PolicyMaker,
    At((vhost, id)): At<(String, String)>,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let id = id.parse().map_err(|_| ApiError::not_found())?;
    if operations::end_recording(asker.scope(&api, &vhost), id) {
        Ok(answer::done())
    } else {
        Err(ApiError::not_found())
    }
}

fn rule(payload: &Payload, now: Timestamp) -> Result<Rule, ApiError> {
    let selector = selector(payload)?;
    let next = payload.integer("next")?.map(|next| {
        let next = u64::try_from(next).ok().filter(|next| (1..=NEXT_MAX).contains(next));
        next.ok_or_else(|| ApiError::bad_request(format!("next has to be from 1 to {NEXT_MAX}")))
    });
    let until = payload.integer("until")?.map(|until| {
        let until = u64::try_from(until).unwrap_or_default();
        let latest = now.as_millis().saturating_add(UNTIL_MS_MAX);
        let until = (now.as_millis() + 1..=latest).contains(&until).then(|| Timestamp::from_millis(until));
        until.ok_or_else(|| ApiError::bad_request("until has to be a time within the next 24 hours, in ms"))
    });
    let until = until.transpose()?.unwrap_or_else(|| now.plus_ms(RECORDING_MS_DEFAULT));
    Ok(Rule { selector, next: next.transpose()?, until })
}

/// Which messages: one of these has to be said.
fn selector(payload: &Payload) -> Result<Selector, ApiError> {
    let said: Vec<&str> =
        BY.into_iter().filter(|by| payload.get(by).is_some_and(|value| !value.is_null())).collect();
    let needs = || ApiError::bad_request(format!("needs one of {}", BY.join(", ")));
    let [by] = said[..] else { return Err(needs()) };
    let text = || payload.text(by).map(Option::unwrap_or_default);
    Ok(match by {
        "queue" => Selector::Queue(text()?),
        "exchange" => Selector::Exchange(text()?),
        "message_id" => Selector::MessageId(text()?),
        "header" => {
            let header = payload.object("header")?;
            let mut pairs = header.into_iter();
            match (pairs.next(), pairs.next()) {
                (Some((name, value)), None) => Selector::Header { name, value: as_text(value) },
                _ => return Err(ApiError::bad_request("header needs one name with its value")),
            }
        }
        _ if payload.flag("all", false)? => Selector::All,
        _ => return Err(needs()),
    })
}

fn as_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn view(recording: &Recording) -> Value {
    let mut view = json!({
        "id": recording.id,
        "queue": null, "exchange": null, "message_id": null, "header": null, "all": false,
        "next": recording.rule.next,
        "since": recording.since.as_millis(),
        "until": recording.rule.until.as_millis(),
        "recorded": recording.messages(),
        "events": recording.events(),
    });
    let (key, value) = match &recording.rule.selector {
        Selector::All => ("all", json!(true)),
        Selector::Queue(name) => ("queue", json!(name)),
        Selector::Exchange(name) => ("exchange", json!(name)),
        Selector::MessageId(id) => ("message_id", json!(id)),
        Selector::Header { name, value } => ("header", json!({ name: value })),
    };
    if let Some(field) = view.get_mut(key) {
        *field = value;
    }
    view
}
