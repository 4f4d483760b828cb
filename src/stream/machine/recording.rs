//! What a stream says for the journal: where copies come from and what comes back to a cursor always, what goes well while it is recorded.

use super::stream::Stream;
use crate::message::Position;
use crate::queue::{
    Cause, ConsumerKey, Delivery, Effects, Handle, Happening, HappeningKind, HeldBy, LogChunk, Settlement,
};
use crate::stream::pending::Origins;

impl Stream {
    /// Messages came in: they have their offsets now. Who published them is not known any more.
    pub(super) fn note_committed(chunk: &LogChunk, origins: Origins, effects: &mut Effects) {
        if origins.is_empty() && !effects.is_recording {
            return;
        }
        let mut origins = origins.into_iter().peekable();
        for (index, (message, offset)) in chunk.messages.iter().zip(chunk.first..).enumerate() {
            let from = origins.next_if(|(at, _)| *at == index).map(|(_, from)| from);
            if from.is_some() || effects.is_recording {
                let (position, message) = (Some(Position(offset)), Some(message.clone()));
                let kind = HappeningKind::Enqueued(from);
                effects.happen(Happening { position, message, ..Happening::new(kind) });
            }
        }
    }

    /// A reader was given messages.
    pub(super) fn note_delivered(&self, slot: usize, deliveries: &[Delivery], effects: &mut Effects) {
        let Some(reader) = self.readers.get(slot).filter(|_| effects.is_recording) else { return };
        let held_by = HeldBy { tag: Some(reader.tag()), ..channel_of(reader.key) };
        for Delivery { handle, message, .. } in deliveries {
            effects.happen(Happening {
                position: Some(handle.position),
                message: Some(message.clone()),
                held_by: Some(held_by.clone()),
                ..Happening::new(HappeningKind::Delivered)
            });
        }
    }

    /// A reader settled a message. Only a cursor is given one back.
    pub(super) fn note_settled(&self, handle: Handle, settlement: Settlement, effects: &mut Effects) {
        let Some(reader) = self.readers.get(handle.slot as usize) else { return };
        let kind = match settlement {
            Settlement::Requeue if reader.cursor.is_some() => HappeningKind::CameBack(Cause::Requeued),
            Settlement::Fail if reader.cursor.is_some() => HappeningKind::CameBack(Cause::Failed),
            _ if !effects.is_recording => return,
            Settlement::Undo => HappeningKind::PutBack,
            Settlement::Ack | Settlement::Reject | Settlement::Requeue | Settlement::Fail => {
                HappeningKind::Acked
            }
        };
        effects.happen(Happening {
            position: Some(handle.position),
            message: self.in_memory(handle.position.0).cloned(),
            held_by: Some(HeldBy { tag: Some(reader.tag()), ..channel_of(reader.key) }),
            ..Happening::new(kind)
        });
    }
}

const fn channel_of(key: ConsumerKey) -> HeldBy {
    HeldBy { connection: key.connection, channel: key.channel, tag: None }
}
