//! Messages that are moved, copied, replayed, deleted; and those that wait, released or dropped.

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, post};
use serde_json::json;

use super::selecting::selection;
use super::showing::state;
use crate::broker::operations::{self, Act, Acted, Scope, Target};
use crate::broker::selection::Selection;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Asker, Manager};
use crate::management::error::ApiError;
use crate::management::params::At;
use crate::management::payload::Payload;
use crate::message::Position;
use crate::queue::{PEEK_MAX, PeekState};

/// A queue of a vhost.
type Place = (String, String);

/// What a request wants to be done with ready messages.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    /// They go to `to`: `{"queue": Q}` or `{"exchange": X, "routing_key": K}`.
    Move,
    /// As a move, and the messages stay.
    Copy,
    /// Dead letters go to where they came from.
    Replay,
    /// They are dropped. Which ones has to be said.
    Delete,
}

impl Wish {
    /// What was done with the messages, for the log.
    const fn done(self) -> &'static str {
        match self {
            Self::Move => "moved",
            Self::Copy => "copied",
            Self::Replay => "replayed to where they came from",
            Self::Delete => "deleted",
        }
    }
}

/// The handler for such a wish.
pub(super) fn act(wish: Wish) -> MethodRouter<Api> {
    post(move |State(api): State<Api>, asker: Manager, At(place): At<Place>, payload: Payload| async move {
        act_on(&api, &asker, place, &payload, wish).await
    })
}

/// Where messages are to go.
#[derive(Default)]
struct To {
    queue: Option<String>,
    exchange: Option<String>,
    routing_key: Option<String>,
}

impl To {
    fn of(payload: &Payload) -> Result<Self, ApiError> {
        let to = Payload::of(payload.object("to")?);
        let [queue, exchange, routing_key] = ["queue", "exchange", "routing_key"].map(|key| to.text(key));
        let to = Self { queue: queue?, exchange: exchange?, routing_key: routing_key? };
        if to.queue.is_some() == to.exchange.is_some() {
            return Err(ApiError::bad_request("needs to: {queue} or {exchange, routing_key}"));
        }
        Ok(to)
    }

    fn target(&self) -> Target<'_> {
        match &self.queue {
            Some(queue) => Target::Queue(queue),
            None => {
                Target::Exchange(self.exchange.as_deref().unwrap_or_default(), self.routing_key.as_deref())
            }
        }
    }
}

async fn act_on(
    api: &Api,
    asker: &Asker,
    (vhost, queue): Place,
    payload: &Payload,
    wish: Wish,
) -> Result<Response, ApiError> {
    let to = if matches!(wish, Wish::Move | Wish::Copy) { To::of(payload)? } else { To::default() };
    let act = match wish {
        Wish::Move => Act::Move(to.target()),
        Wish::Copy => Act::Copy(to.target()),
        Wish::Replay => Act::Move(Target::Origin),
        Wish::Delete if payload.get("ids").is_none() && payload.get("filter").is_none() => {
            return Err(ApiError::bad_request("needs ids or a filter; a purge drops all messages"));
        }
        Wish::Delete => Act::Delete,
    };
    let vhost = asker.enter(api, &vhost)?;
    let scope = asker.scope(api, &vhost);
    operations::queue(scope, &queue).map_err(|_| ApiError::missing("queue_not_found"))?;
    let selection = selection(payload, api.shared().clock.timestamp())?;
    let limit = limit(payload)?;
    let dry_run = payload.flag("dry_run", false)?;
    let acted = operations::act_on_messages(scope, &queue, &selection, limit, act, dry_run).await?;
    let Acted { looked_at, matched, done, without_target } = acted;
    if !dry_run && done > 0 {
        let (to_queue, to_exchange, to_key) =
            (to.queue.as_deref(), to.exchange.as_deref(), to.routing_key.as_deref());
        let (vhost, by, what) = (&vhost.name, &asker.name, wish.done());
        tracing::info!(queue, vhost, by, done, to_queue, to_exchange, to_key, "messages were {what}");
    }
    Ok(answer::json(&json!({
        "looked_at": looked_at, "matched": matched, "done": done, "without_target": without_target, "dry_run": dry_run,
    })))
}

fn limit(payload: &Payload) -> Result<usize, ApiError> {
    let limit = payload.integer("limit")?.map(usize::try_from).transpose();
    Ok(limit.map_err(|_| ApiError::bad_request("limit is negative"))?.unwrap_or(usize::MAX))
}

/// The handler that ends the wait of messages, or drops them: `state`: `delayed` or `parked`; `ids` or `filter`, else all of them.
pub(super) fn end_wait(drops: bool) -> MethodRouter<Api> {
    post(move |State(api): State<Api>, asker: Manager, At(place): At<Place>, payload: Payload| async move {
        waiting(&api, &asker, place, &payload, drops).await
    })
}

async fn waiting(
    api: &Api,
    asker: &Asker,
    (vhost, queue): Place,
    payload: &Payload,
    drops: bool,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(api, &vhost)?;
    let scope = asker.scope(api, &vhost);
    operations::queue(scope, &queue).map_err(|_| ApiError::missing("queue_not_found"))?;
    let state = match state(&payload.text("state")?.unwrap_or_default())? {
        state @ (PeekState::Delayed | PeekState::Parked) => state,
        _ => return Err(ApiError::bad_request("needs a state: delayed or parked")),
    };
    let selection = selection(payload, api.shared().clock.timestamp())?;
    let positions = meant(scope, &queue, state, &selection, limit(payload)?).await?;
    let matched = positions.len();
    let dry_run = payload.flag("dry_run", false)?;
    let done = match (dry_run, drops) {
        (true, _) => matched,
        (false, true) => operations::drop_waiting(scope, &queue, positions).await?,
        (false, false) => operations::release_waiting(scope, &queue, positions).await?,
    };
    if !dry_run && done > 0 {
        let what = if drops { "dropped" } else { "released" };
        let waiting = if state == PeekState::Delayed { "delayed" } else { "parked" };
        tracing::info!(queue, vhost = vhost.name, by = asker.name, done, "{waiting} messages were {what}");
    }
    Ok(answer::json(&json!({ "matched": matched, "done": done, "dry_run": dry_run })))
}

/// Those that are not in memory are meant by their ids, or without a filter; what they are like cannot be seen.
async fn meant(
    scope: Scope<'_>,
    queue: &str,
    state: PeekState,
    selection: &Selection,
    limit: usize,
) -> Result<Vec<Position>, ApiError> {
    let (mut positions, mut offset) = (Vec::new(), 0);
    let has_no_filter = Selection { positions: None, ..selection.clone() } == Selection::default();
    loop {
        let found = operations::peek(scope, queue, state, offset, PEEK_MAX).await?;
        offset += found.len();
        let is_last = found.len() < PEEK_MAX;
        for peeked in found {
            let is_named =
                selection.positions.as_ref().is_none_or(|wanted| wanted.contains(&peeked.position));
            let is_meant = match &peeked.message {
                Some(message) => selection.covers(peeked.position, message),
                None => has_no_filter && is_named,
            };
            if is_meant && positions.len() < limit {
                positions.push(peeked.position);
            }
        }
        if is_last || positions.len() >= limit {
            return Ok(positions);
        }
    }
}
