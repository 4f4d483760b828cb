//! The clock of a world: shown, and moved.

use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use super::one::{enter, world};
use crate::broker::operations::{self, Move, Moved, STEPS_DEFAULT};
use crate::broker::vhost::Vhost;
use crate::broker::world::Step;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::Manager;
use crate::management::error::ApiError;
use crate::management::params::At;
use crate::management::payload::Payload;
use crate::management::views::moment;

/// Ways to say how far: one of them.
const MOVES: [&str; 4] = ["advance_ms", "to", "to_next", "until_idle"];
/// Steps that a request may ask for.
const STEPS_MAX: i64 = 1_000_000;

/// `GET /api/coney/worlds/{vhost}/clock`.
pub(super) async fn show(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    world(&api, &vhost)?;
    Ok(answer::json(&view(&vhost)))
}

fn view(vhost: &Vhost) -> Value {
    let next = vhost.clock.as_virtual().and_then(|clock| clock.next_alarm());
    json!({
        "now": moment::text(vhost.clock.timestamp()),
        "mode": if vhost.clock.is_virtual() { "virtual" } else { "real" },
        "next": next.map(|next| {
            json!({ "at": moment::text(vhost.clock.epoch().at(next.time)), "queue": &*next.queue })
        }),
    })
}

/// `POST /api/coney/worlds/{vhost}/clock`: 200 and what happened on the way.
pub(super) async fn advance(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    body: Payload,
) -> Result<Response, ApiError> {
    let vhost = enter(&api, &asker, &vhost)?;
    let (how, steps_max) = wish(&body)?;
    let moved = operations::move_clock(api.shared(), world(&api, &vhost)?, how, steps_max).await?;
    Ok(answer::json(&moved_view(&moved)))
}

fn wish(body: &Payload) -> Result<(Move, usize), ApiError> {
    let known = [&MOVES[..], &["max_steps"]].concat();
    body.refuse_others(&known)?;
    let wrong = |key: &str, what: &str| ApiError::bad_request(format!("{key}: expected {what}"));
    let mut said = Vec::new();
    if let Some(ms) = body.integer("advance_ms")? {
        let ms = u64::try_from(ms).map_err(|_| wrong("advance_ms", "milliseconds, 0 or more"))?;
        said.push(Move::By(Duration::from_millis(ms)));
    }
    if let Some(to) = body.text("to")? {
        let to = moment::parse(&to).ok_or_else(|| wrong("to", "a time such as 2030-01-01T00:00:00Z"))?;
        said.push(Move::To(to));
    }
    said.extend(body.flag("to_next", false)?.then_some(Move::ToNext));
    said.extend(body.flag("until_idle", false)?.then_some(Move::UntilIdle));
    let [how] = said[..] else {
        return Err(ApiError::bad_request(format!("needs one of {}", MOVES.join(", "))));
    };
    let steps_max = match body.integer("max_steps")? {
        None => STEPS_DEFAULT,
        Some(steps @ 1..=STEPS_MAX) => usize::try_from(steps).unwrap_or(STEPS_DEFAULT),
        Some(_) => return Err(wrong("max_steps", "1 to 1000000")),
    };
    Ok((how, steps_max))
}

fn moved_view(moved: &Moved) -> Value {
    let steps = moved.steps.iter().map(|Step { at, queue, what, messages }| {
        json!({ "at": moment::text(*at), "queue": &**queue, "what": what.name(), "messages": messages })
    });
    json!({ "now": moment::text(moved.now), "steps": steps.collect::<Vec<_>>() })
}
