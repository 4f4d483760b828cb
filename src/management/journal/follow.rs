//! The journal as server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>): an `events` event with what is
//! new, as in the answer of a plain GET, at most four times a second. Its id is where to go on, which a browser sends back when it was cut off.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::cursor::Cursor;
use super::reader::Reader;
use crate::broker::shared::stopped;
use crate::management::api::Api;
use crate::management::error::ApiError;

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// Looks without anything new after which a comment is sent, so that proxies see that the connection lives.
const QUIET_MAX: u32 = 60;
/// Events that are sent together.
const BATCH_MAX: usize = 500;

struct Following {
    api: Api,
    reader: Reader,
    cursor: Cursor,
    /// Given back when nobody follows any more.
    _place: OwnedSemaphorePermit,
}

/// What comes after that, or from now on.
///
/// # Errors
/// 503: too many follow already.
pub(super) fn follow(api: &Api, reader: Reader, after: Option<Cursor>) -> Result<Response, ApiError> {
    let place = Arc::clone(api.followers()).try_acquire_owned();
    let place = place.map_err(|_| ApiError::unavailable("too many clients follow events already"))?;
    let cursor = after.unwrap_or_else(|| {
        let mut now = Cursor::default();
        reader.vhosts(api).iter().for_each(|vhost| now.set(&vhost.name, vhost.journal.last()));
        now
    });
    let begin = Following { api: api.clone(), reader, cursor, _place: place };
    let begun = Bytes::from_static(b": the journal\n\n");
    let events = stream::unfold((Some(begun), begin), |(begun, mut following)| async move {
        let text = match begun {
            Some(text) => text,
            None => Bytes::from(following.next().await?),
        };
        Some((Ok::<_, std::convert::Infallible>(text), (None, following)))
    });
    Ok(([(header::CONTENT_TYPE, EVENT_STREAM)], Body::from_stream(events)).into_response())
}

impl Following {
    /// `None` when the broker stops, or the user may not look any more.
    async fn next(&mut self) -> Option<String> {
        let clock = self.api.shared().clock;
        let mut stopping = self.api.shared().stopping.subscribe();
        for _ in 0..QUIET_MAX {
            tokio::select! {
                () = clock.wait_for(Some(clock.now() + INTERVAL)) => {}
                () = stopped(&mut stopping) => return None,
            }
            if self.reader.vhosts(&self.api).is_empty() {
                return None;
            }
            let page = self.reader.after(&self.api, self.cursor.clone(), BATCH_MAX);
            self.cursor = page.cursor.clone();
            if !page.events.is_empty() || page.lost > 0 {
                let data = serde_json::to_string(&self.reader.view(&page)).ok()?;
                let id = self.reader.text_of(&self.cursor);
                return Some(format!("id: {id}\nevent: events\ndata: {data}\n\n"));
            }
        }
        Some(": nothing has happened\n\n".to_owned())
    }
}
