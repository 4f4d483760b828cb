//! What a request wants to see of the journal.

use crate::broker::journal::{Event, EventKind, Filter, Zone};
use crate::management::asker::Asker;
use crate::management::error::ApiError;
use crate::management::params::Params;
use crate::message::Position;

/// Events of an answer, if the request does not say, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// Of `what=a,b&queue=&position=&exchange=&message_id=&connection=&consumer=&reason=&contains=`.
///
/// # Errors
/// 400: there is no such kind of event, or a position is no number.
pub(super) fn filter(params: &Params) -> Result<Filter, ApiError> {
    let text = |name: &str| params.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let names = params.all("what").flat_map(|names| names.split(',')).filter(|name| !name.is_empty());
    let kinds = names.map(|name| EventKind::from_name(name).ok_or_else(|| no_such_kind(name)));
    let position = number(params, "position")?.map(Position);
    let (queue, place) = match (text("queue"), position) {
        (Some(queue), Some(position)) => (None, Some((queue, position))),
        (queue, None) => (queue, None),
        (None, Some(_)) => return Err(ApiError::bad_request("a position needs a queue")),
    };
    Ok(Filter {
        kinds: kinds.collect::<Result<_, _>>()?,
        queue,
        place,
        // The default exchange has an empty name.
        exchange: params.get("exchange").map(str::to_owned),
        message_id: text("message_id"),
        connection: text("connection"),
        consumer: text("consumer"),
        why: text("reason"),
        contains: text("contains"),
    })
}

fn no_such_kind(name: &str) -> ApiError {
    let names: Vec<&str> = EventKind::ALL.into_iter().map(EventKind::name).collect();
    ApiError::bad_request(format!("nothing is called '{name}'; what happens is {}", names.join(", ")))
}

/// `limit`, from 1 to 1000.
///
/// # Errors
/// 400.
pub(super) fn limit(params: &Params) -> Result<usize, ApiError> {
    let limit = number(params, "limit")?.map_or(LIMIT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    match limit {
        0 => Err(ApiError::bad_request("limit has to be from 1")),
        limit => Ok(limit.min(LIMIT_MAX)),
    }
}

/// `utc_offset_min`: how far the reader's clock is ahead of UTC.
///
/// # Errors
/// 400.
pub(super) fn zone(params: &Params) -> Result<Zone, ApiError> {
    let Some(text) = params.get("utc_offset_min") else { return Ok(Zone::Utc) };
    let minutes = text.parse().ok().filter(|minutes| (-1080..=1080).contains(minutes));
    minutes.map(Zone::Reader).ok_or_else(|| ApiError::wrong_kind("not_integer", text))
}

/// # Errors
/// 400: it is none.
pub(super) fn number(params: &Params, name: &str) -> Result<Option<u64>, ApiError> {
    let text = params.get(name).filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(|_| ApiError::wrong_kind("not_integer", text))).transpose()
}

/// Whether the user may see an event: what happened on others' connections is for whoever may see those.
pub(super) fn is_for(asker: &Asker, event: &Event) -> bool {
    let is_of_connection = event.queue.is_none() && event.about.is_none();
    let is_own = || event.client.as_ref().is_some_and(|client| *client.user == *asker.name);
    !is_of_connection || asker.sees_all() || is_own()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_and_what_makes_no_sense_is_refused() {
        let params = |text: &str| Params::parse(text);
        let found =
            filter(&params("what=dropped,parked&what=acked&queue=q&exchange=&reason=maxlen")).unwrap();
        assert_eq!(found.kinds, [EventKind::Dropped, EventKind::Parked, EventKind::Acked]);
        assert_eq!((found.queue.as_deref(), found.exchange.as_deref()), (Some("q"), Some("")));
        assert_eq!((found.why.as_deref(), found.contains), (Some("maxlen"), None));
        let found = filter(&params("queue=q&position=7")).unwrap();
        assert_eq!((found.queue, found.place), (None, Some(("q".to_owned(), Position(7)))));
        for wrong in ["what=nothing", "position=1", "queue=q&position=x"] {
            assert!(filter(&params(wrong)).is_err(), "{wrong}");
        }
        assert!(limit(&params("limit=0")).is_err() && limit(&params("limit=x")).is_err());
        assert_eq!([limit(&params("")).unwrap(), limit(&params("limit=5000")).unwrap()], [100, 1000]);
        assert_eq!(zone(&params("utc_offset_min=-90")).unwrap(), Zone::Reader(-90));
        assert!(zone(&params("utc_offset_min=2000")).is_err());
    }
}
