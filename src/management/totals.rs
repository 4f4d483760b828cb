//! How much there is of everything, in some vhosts.

use std::sync::Arc;

use futures_util::future::join_all;

use super::api::Api;
use super::asker::Asker;
use super::views::overview::ObjectTotals;
use super::views::queue_lengths::{self, Lengths, of_log};
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
        let counted = join_all(some.iter().map(|record| record.look())).await;
        for (record, counts) in some.iter().zip(counted) {
            let Some(counts) = counts else { continue };
            lengths.add(Lengths::of(&counts, record.is_stream()));
            objects.consumers += counts.consumers;
        }
    }
    objects.exchanges = vhosts.iter().map(|vhost| vhost.topology.read().exchanges().count()).sum();
    for connection in asker.connections(api) {
        objects.connections += 1;
        objects.channels += connection.channels().len();
    }
    let (streams, queues): (Vec<_>, Vec<_>) = queues.iter().partition(|record| record.is_stream());
    let look = |records: Vec<&Arc<QueueRecord>>| {
        let recorders: Vec<_> = records.into_iter().map(|record| &record.statistics).collect();
        clocked.look_at_all(Kind::Lengths, &recorders)
    };
    let lengths = queue_lengths::rated(lengths, &look(queues).with(&look(streams).map(of_log)));
    Totals { objects, lengths }
}
