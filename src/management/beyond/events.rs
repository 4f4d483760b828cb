//! What happens, as server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>): a `totals` event with how much there
//! is of everything that the user may see, whenever that changed, at most four times a second.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use crate::broker::shared::stopped;
use crate::management::api::Api;
use crate::management::asker::{Asker, Manager};
use crate::management::error::ApiError;
use crate::management::params::Params;
use crate::management::totals::{self, Totals};

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(250);
/// Looks without a change after which a comment is sent, so that proxies see that the connection lives.
const QUIET_MAX: u32 = 60;

struct Following {
    api: Api,
    asker: Asker,
    last: Value,
    number: u64,
    /// Given back when nobody follows any more.
    _place: OwnedSemaphorePermit,
}

/// `GET /api/coney/events`.
pub(super) async fn follow(State(api): State<Api>, asker: Manager) -> Result<Response, ApiError> {
    let place = Arc::clone(api.followers()).try_acquire_owned();
    let place = place.map_err(|_| ApiError::unavailable("too many clients follow events already"))?;
    let begin = Following { api, asker: asker.0, last: Value::Null, number: 0, _place: place };
    let events = stream::unfold(begin, |mut following| async move {
        let event = following.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(event)), following))
    });
    Ok(([(header::CONTENT_TYPE, EVENT_STREAM)], Body::from_stream(events)).into_response())
}

impl Following {
    /// `None` when the broker stops.
    async fn next(&mut self) -> Option<String> {
        let clock = self.api.shared().clock;
        let mut stopping = self.api.shared().stopping.subscribe();
        let mut quiet = 0;
        loop {
            let now = self.totals().await;
            if now != self.last {
                self.last = now;
                self.number += 1;
                return Some(format!("id: {}\nevent: totals\ndata: {}\n\n", self.number, self.last));
            }
            quiet += 1;
            if quiet > QUIET_MAX {
                return Some(": nothing has changed\n\n".to_owned());
            }
            tokio::select! {
                () = clock.wait_for(Some(clock.now() + INTERVAL)) => {}
                () = stopped(&mut stopping) => return None,
            }
        }
    }

    async fn totals(&self) -> Value {
        let vhosts = self.asker.known_vhosts(&self.api);
        let Ok(clocked) = self.api.clocked(&Params::default()) else { return Value::Null };
        let Totals { objects, lengths } = totals::of(&self.api, &self.asker, &vhosts, &clocked).await;
        json!({ "object_totals": objects, "queue_totals": lengths })
    }
}
