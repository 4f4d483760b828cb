//! Beyond RabbitMQ, under `/api/coney/`: messages looked at by state, moved, replayed, released, held back, saved and loaded; and what happens,
//! as server-sent events.

mod acting;
mod events;
mod saving;
mod selecting;
mod showing;

use super::route::Route;
use axum::routing::{get, post};

/// `/api/coney`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/coney/queues/{vhost}/{queue}/messages", get(showing::list)),
        ("/api/coney/queues/{vhost}/{queue}/messages/move", post(acting::move_to)),
        ("/api/coney/queues/{vhost}/{queue}/messages/copy", post(acting::copy_to)),
        ("/api/coney/queues/{vhost}/{queue}/messages/replay", post(acting::replay)),
        ("/api/coney/queues/{vhost}/{queue}/messages/delete", post(acting::delete)),
        ("/api/coney/queues/{vhost}/{queue}/messages/release", post(acting::release)),
        ("/api/coney/queues/{vhost}/{queue}/messages/drop", post(acting::drop_waiting)),
        ("/api/coney/queues/{vhost}/{queue}/purge", post(saving::purge)),
        ("/api/coney/purges/{id}/undo", post(saving::undo)),
        ("/api/coney/queues/{vhost}/{queue}/export", get(saving::export)),
        ("/api/coney/queues/{vhost}/{queue}/import", post(saving::import)),
        ("/api/coney/events", get(events::follow)),
    ]
}
