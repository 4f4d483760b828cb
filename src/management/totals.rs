//! How much there is of everything, in some vhosts.

use std::sync::Arc;

use futures_util::future::join_all;

use super::api::Api;
use super::asker::Asker;
use super::views::overview::ObjectTotals;
use super::views::queue_lengths::{self, Lengths};
use super::views::rates::{Clocked, Kind, RatedMap};
use crate::broker::operations;
use crate::broker::vhost::{QueueRecord, Vhost};

/// Queues that are asked at the same time.
const TOGETHER: usize = 256;

/// How much there is.
#[derive(Debug)]
pub(super) struct Totals {
    /// Of each kind.
    pub objects: ObjectTotals,
    /// Messages in queues.
    pub lengths: RatedMap,
}

/// What is in these vhosts. Of connections, those that the user may see.
pub(super) async fn of(api: &Api, asker: &Asker, vhosts: &[Arc<Vhost>], clocked: &Clocked) -> Totals {
    let queues: Vec<Arc<QueueRecord>> =
        vhosts.iter().flat_map(|vhost| operations::queues(asker.scope(api, vhost))).collect();
    let mut lengths = Lengths::default();
    let mut objects = ObjectTotals { queues: queues.len(), ..ObjectTotals::default() };
    for some in queues.chunks(TOGETHER) {
        for counts in join_all(some.iter().map(|record| record.look())).await.into_iter().flatten() {
            lengths.add(&counts);
            objects.consumers += counts.consumers;
        }
    }
    objects.exchanges = vhosts.iter().map(|vhost| vhost.topology.read().exchanges().count()).sum();
    for connection in asker.connections(api) {
        objects.connections += 1;
        objects.channels += connection.channels().len();
    }
    let recorders: Vec<_> = queues.iter().map(|record| &record.statistics).collect();
    let lengths = queue_lengths::rated(lengths, &clocked.look_at_all(Kind::Lengths, &recorders));
    Totals { objects, lengths }
}
