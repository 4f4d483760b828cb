//! Metrics of streams' cursors: how far behind their readers are.

use std::sync::Arc;

use futures_util::future::join_all;

use super::table::{Row, columns};
use super::text::Labels;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::queue::CursorDetails;

/// The numbers of a cursor.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CursorNumbers {
    lag: u64,
    unacked: u64,
    offset: u64,
    readers: u64,
}

columns! {
    /// What there is to know of cursors.
    COLUMNS: CursorNumbers {
        ["stream_consumer_metrics"] Coney Gauge "stream_cursor_lag_messages"
            "Messages between a cursor and the end of its stream" |c| c.lag;
        ["stream_consumer_metrics"] Coney Gauge "stream_cursor_unacked_messages"
            "Messages that a cursor's readers have and have not acked" |c| c.unacked;
        ["stream_consumer_metrics"] Coney Gauge "stream_cursor_offset"
            "The lowest offset that is not done" |c| c.offset;
        ["stream_consumer_metrics"] Coney Gauge "stream_cursor_readers"
            "Consumers that read with a cursor, or wait for their turn" |c| c.readers;
    }
}

impl CursorNumbers {
    fn of(cursor: &CursorDetails) -> Self {
        let CursorDetails { lag, unacked, offset, waiting, ref reader, .. } = *cursor;
        let readers = (usize::from(reader.is_some()) + waiting) as u64;
        Self { lag, unacked: unacked as u64, offset, readers }
    }
}

/// The cursors of all streams in some vhosts whose name is wanted.
pub(super) async fn rows(vhosts: &[Arc<Vhost>], is_wanted: impl Fn(&str) -> bool) -> Vec<Row<CursorNumbers>> {
    let mut rows = Vec::new();
    for vhost in vhosts {
        let is_meant = |record: &Arc<QueueRecord>| record.is_stream() && is_wanted(&record.name);
        let streams: Vec<_> = vhost.declared_queues().into_iter().filter(is_meant).collect();
        let details = join_all(streams.iter().map(|record| record.details())).await;
        for (record, details) in streams.iter().zip(details) {
            let cursors = details.and_then(|details| details.log).map(|log| log.cursors).unwrap_or_default();
            rows.extend(cursors.iter().map(|cursor| {
                let names = [("vhost", &*vhost.name), ("queue", &*record.name), ("cursor", &*cursor.name)];
                Row { labels: Labels::new(&names), numbers: CursorNumbers::of(cursor) }
            }));
        }
    }
    rows
}

/// The farthest that a cursor is behind.
pub(super) fn greatest_lag(rows: &[Row<CursorNumbers>]) -> u64 {
    rows.iter().map(|row| row.numbers.lag).max().unwrap_or(0)
}
