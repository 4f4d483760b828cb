//! Events of the journal: those after a number, or the newest.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::cursor::Cursor;
use super::follow::follow;
use super::question::{filter, limit, zone};
use super::reader::Reader;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Asker, Manager};
use crate::management::error::ApiError;
use crate::management::params::{At, Params};

/// The header with which a browser says where a stream of events broke off.
const LAST_EVENT_ID: &str = "last-event-id";

/// `GET /api/coney/journal/{vhost}`.
pub(super) async fn in_vhost(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    asker.enter(&api, &vhost)?;
    answer_with(&api, &asker, Some(vhost), &headers, &params)
}

/// `GET /api/coney/journal`: of all vhosts that the user may enter.
pub(super) async fn everywhere(
    State(api): State<Api>,
    asker: Manager,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    answer_with(&api, &asker, None, &headers, &params)
}

fn answer_with(
    api: &Api,
    asker: &Asker,
    vhost: Option<String>,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Response, ApiError> {
    let reader = Reader { asker: asker.clone(), vhost, filter: filter(params)?, zone: zone(params)? };
    let broken_off = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let after = broken_off
        .or_else(|| params.get("after"))
        .map(|text| Cursor::parse(text).ok_or_else(|| ApiError::wrong_kind("not_integer", text)));
    let (after, limit) = (after.transpose()?, limit(params)?);
    match params.get("follow") {
        Some("sse") => follow(api, reader, after),
        Some(_) => Err(ApiError::bad_request("follow can be sse only")),
        None if params.is_true("newest") => Ok(answer::json(&reader.view(&reader.newest(api, limit)))),
        None => Ok(answer::json(&reader.view(&reader.after(api, after.unwrap_or_default(), limit)))),
    }
}
