//! Why a message is where it is: the journal of a vhost, the way of a message, what failed and how often, and what is recorded, under
//! `/api/coney/`.

mod cursor;
mod events;
mod failures;
mod follow;
#[cfg(feature = "cluster")]
mod gathered;
mod history;
mod question;
mod reader;
mod recordings;
mod view;

use axum::routing::{delete, get};

use super::route::Route;
#[cfg(feature = "cluster")]
pub(super) use gathered::{failures as gathered_failures, journal as gathered_journal};

/// `/api/coney/journal`, `/api/coney/history`, `/api/coney/failures`, `/api/coney/recordings`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/coney/journal", get(events::everywhere)),
        ("/api/coney/journal/{vhost}", get(events::in_vhost)),
        ("/api/coney/history/{vhost}", get(history::show)),
        ("/api/coney/failures", get(failures::everywhere)),
        ("/api/coney/failures/{vhost}", get(failures::in_vhost)),
        ("/api/coney/recordings/{vhost}", get(recordings::list).post(recordings::begin)),
        ("/api/coney/recordings/{vhost}/{id}", delete(recordings::end)),
    ]
}
