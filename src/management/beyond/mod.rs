//! Beyond RabbitMQ, under `/api/coney/`: messages looked at by state, moved, replayed, released, taken and settled, held back, saved
//! and loaded; and what happens,
//! as server-sent events.

mod acting;
mod cursors;
mod events;
mod explaining;
#[cfg(feature = "cluster")]
mod gathered;
mod leasing;
mod log;
mod node;
mod problem;
mod problems;
mod queue_problems;
mod saving;
mod selecting;
mod showing;

use axum::routing::{delete, get, post, put};

use self::acting::Wish;
use super::route::Route;
#[cfg(feature = "cluster")]
pub(super) use gathered::problems as gathered_problems;

/// `/api/coney`.
pub(super) fn routes() -> Vec<Route> {
    vec![
        ("/api/coney/queues/{vhost}/{queue}/messages", get(showing::list)),
        ("/api/coney/queues/{vhost}/{queue}/messages/move", acting::act(Wish::Move)),
        ("/api/coney/queues/{vhost}/{queue}/messages/copy", acting::act(Wish::Copy)),
        ("/api/coney/queues/{vhost}/{queue}/messages/replay", acting::act(Wish::Replay)),
        ("/api/coney/queues/{vhost}/{queue}/messages/delete", acting::act(Wish::Delete)),
        ("/api/coney/queues/{vhost}/{queue}/messages/release", acting::end_wait(false)),
        ("/api/coney/queues/{vhost}/{queue}/messages/drop", acting::end_wait(true)),
        ("/api/coney/queues/{vhost}/{queue}/messages/take", post(leasing::take)),
        ("/api/coney/queues/{vhost}/{queue}/cursors", get(cursors::list)),
        ("/api/coney/queues/{vhost}/{queue}/cursors/{cursor}", put(cursors::put).delete(cursors::remove)),
        ("/api/coney/leases/{id}", post(leasing::settle)),
        ("/api/coney/queues/{vhost}/{queue}/purge", post(saving::purge)),
        ("/api/coney/purges/{id}/undo", post(saving::undo)),
        ("/api/coney/queues/{vhost}/{queue}/export", get(saving::export)),
        ("/api/coney/queues/{vhost}/{queue}/import", post(saving::import)),
        ("/api/coney/node", get(node::show)),
        ("/api/coney/node/stop", post(node::stop)),
        ("/api/coney/node/log", put(node::log)),
        ("/api/coney/node/memory-limit", put(node::memory_limit)),
        ("/api/coney/node/disk-free-limit", put(node::disk_free_limit)),
        ("/api/coney/connections", delete(node::close)),
        ("/api/coney/users/{user}/authenticate", post(node::authenticate)),
        ("/api/coney/events", get(events::follow)),
        ("/api/coney/problems", get(problems::list)),
        ("/api/coney/routing/{vhost}/{exchange}", post(explaining::route)),
        ("/api/coney/may", get(explaining::may)),
        ("/api/coney/queues/{vhost}/{queue}/settings", get(explaining::settings)),
        ("/api/coney/policies/{vhost}/preview", post(explaining::preview)),
        ("/api/coney/definitions/diff", post(explaining::diff)),
        ("/api/coney/log", get(log::tail)),
    ]
}
