//! The way of a message.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::question::{number, zone};
use super::view::EventView;
use crate::broker::journal::{Edge, Place, Step, Zone};
use crate::broker::operations::{self, HistoryQuery, MessageHistory};
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::Manager;
use crate::management::error::ApiError;
use crate::management::params::{At, Params};
use crate::message::Position;

/// An answer: messages with their steps.
#[derive(Serialize)]
struct HistoryView<'a> {
    messages: Vec<MessageView<'a>>,
    /// In ms since the Unix epoch: how far back the journal goes, and when the broker started.
    since: Option<u64>,
    started_at: u64,
    lost: u64,
    is_cut: bool,
}

#[derive(Serialize)]
struct MessageView<'a> {
    queue: Option<&'a str>,
    position: Option<u64>,
    state: &'static str,
    now: &'a str,
    steps: Vec<StepView<'a>>,
    edges: Vec<EdgeView<'a>>,
}

#[derive(Serialize)]
struct StepView<'a> {
    /// In ms since the Unix epoch.
    at: u64,
    what: &'static str,
    sentence: &'a str,
    known_from: &'static str,
    events: &'a [u64],
    /// The last of them.
    event: Option<EventView<'a>>,
}

#[derive(Serialize)]
struct EdgeView<'a> {
    at: u64,
    how: &'static str,
    from: PlaceView<'a>,
    to: PlaceView<'a>,
}

#[derive(Serialize)]
struct PlaceView<'a> {
    queue: &'a str,
    position: u64,
}

/// `GET /api/coney/history/{vhost}?queue=&position=`, or `?message_id=`, or `?contains=`.
pub(super) async fn show(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    let (query, zone) = (query(&params)?, zone(&params)?);
    let history = operations::history(asker.scope(&api, &vhost), &query, zone).await;
    let history = history.map_err(|_| ApiError::not_found())?;
    let messages = history.messages.iter();
    Ok(answer::json(&HistoryView {
        messages: messages.map(|message| MessageView::of(&vhost.name, message, zone)).collect(),
        since: history.since.map(|since| since.as_millis()),
        started_at: api.shared().clock.epoch().as_millis(),
        lost: history.lost,
        is_cut: history.is_cut,
    }))
}

fn query(params: &Params) -> Result<HistoryQuery, ApiError> {
    let text = |name: &str| params.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let place = text("queue").zip(number(params, "position")?.map(Position));
    let query = HistoryQuery { place, message_id: text("message_id"), contains: text("contains") };
    if query.place.is_none() && query.message_id.is_none() && query.contains.is_none() {
        return Err(ApiError::bad_request("needs queue and position, or message_id, or contains"));
    }
    Ok(query)
}

impl<'a> MessageView<'a> {
    fn of(vhost: &'a str, message: &'a MessageHistory, zone: Zone) -> Self {
        let place = message.place.as_ref();
        Self {
            queue: place.map(|(queue, _)| &**queue),
            position: place.map(|(_, position)| position.0),
            state: message.state,
            now: &message.now,
            steps: message.steps.iter().map(|step| StepView::of(vhost, message, step, zone)).collect(),
            edges: message.edges.iter().map(EdgeView::of).collect(),
        }
    }
}

impl<'a> StepView<'a> {
    fn of(vhost: &'a str, message: &'a MessageHistory, step: &'a Step, zone: Zone) -> Self {
        let last = step.events.last();
        let event = message.events.iter().find(|event| Some(&event.number) == last);
        Self {
            at: step.at.as_millis(),
            what: step.what,
            sentence: &step.sentence,
            known_from: step.known_from,
            events: &step.events,
            event: event.map(|event| EventView::of(vhost, event, zone)),
        }
    }
}

impl<'a> EdgeView<'a> {
    fn of(edge: &'a Edge) -> Self {
        let Edge { at, how, from, to } = edge;
        Self { at: at.as_millis(), how, from: PlaceView::of(from), to: PlaceView::of(to) }
    }
}

impl<'a> PlaceView<'a> {
    fn of((queue, position): &'a Place) -> Self {
        Self { queue, position: position.0 }
    }
}
