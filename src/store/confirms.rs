//! Confirms of one drain, merged: a thousand publishes of a channel are one call of its sink, not a thousand.
//!
//! Invariants: every number that was added is released exactly once; sinks are called in the order in which they came, so that
//! the same submissions have the same story.

use super::submission::{Confirm, ConfirmSink};
use foldhash::HashMap;
use std::sync::Arc;

/// The confirms of a drain by sink and channel.
#[derive(Default)]
pub(super) struct Confirms {
    /// In the order in which they came.
    channels: Vec<ChannelConfirms>,
    places: HashMap<(usize, u16), usize>,
}

struct ChannelConfirms {
    sink: Arc<dyn ConfirmSink>,
    channel: u16,
    ranges: Vec<(u64, u64)>,
}

impl Confirms {
    /// Takes a range.
    pub(super) fn add(&mut self, confirm: Confirm) {
        let Confirm { sink, channel, first, last } = confirm;
        // The sink is kept, so its address names it for as long as this lives.
        let key = (Arc::as_ptr(&sink).cast::<()>() as usize, channel);
        let place = *self.places.entry(key).or_insert(self.channels.len());
        let Some(confirms) = self.channels.get_mut(place) else {
            self.channels.push(ChannelConfirms { sink, channel, ranges: vec![(first, last)] });
            return;
        };
        match confirms.ranges.last_mut() {
            Some(range) if range.1.checked_add(1) == Some(first) => range.1 = last,
            _ => confirms.ranges.push((first, last)),
        }
    }

    /// Calls the sinks, per channel in ascending order.
    pub(super) fn release(self) {
        for mut confirms in self.channels {
            let channel = confirms.channel;
            confirms.ranges.sort_unstable();
            let mut ranges = confirms.ranges.into_iter();
            let Some(mut open) = ranges.next() else { continue };
            for (first, last) in ranges {
                if open.1.checked_add(1) == Some(first) {
                    open.1 = last;
                } else {
                    confirms.sink.confirmed(channel, open.0, open.1);
                    open = (first, last);
                }
            }
            confirms.sink.confirmed(channel, open.0, open.1);
        }
    }
}
