//! What a stream asks of the store, and how the answers come back to its mailbox.

use std::sync::Arc;

use super::mailbox::{Mail, Mailbox};
use super::world::InFlight;
use crate::message::QueueId;
use crate::queue::{self, Command, LogEffects, LogNews, LogRead, LogSeek};
use crate::store::{self, LogCommitted, LogSink, Op, StoreHandle, Unreadable};

/// The way back to a stream. In a world something is under way as long as there is one.
#[derive(Debug)]
struct Back(Mailbox, #[expect(dead_code, reason = "held")] Option<InFlight>);

impl Back {
    fn to(mailbox: &Mailbox) -> Self {
        Self(mailbox.clone(), mailbox.begin())
    }

    fn tell(&self, command: Command) {
        // A stream that is gone needs no answer.
        let _ = self.0.send(Mail::Tell(command));
    }

    fn answer<T>(&self, answer: Result<T, Unreadable>, news: impl FnOnce(T) -> LogNews) {
        self.tell(match answer {
            Ok(answer) => Command::Log(news(answer)),
            Err(Unreadable(why)) => Command::Unreadable(why.into()),
        });
    }
}

impl LogSink for Back {
    fn committed(&self, committed: LogCommitted) {
        let LogCommitted { ticket, first } = committed;
        self.tell(Command::Log(LogNews::Committed { ticket, first }));
    }
}

/// What a batch appends and trims, for the submission of the batch.
pub(super) fn operations(effects: &mut LogEffects, stream: QueueId, mailbox: &Mailbox) -> Vec<Op> {
    let mut ops = Vec::new();
    if !effects.appends.is_empty() {
        let sink: Arc<dyn LogSink> = Arc::new(Back::to(mailbox));
        ops.extend(effects.appends.drain(..).map(|append| {
            let queue::LogAppend { ticket, at, filter, messages: entries, begins_segment } = append;
            let filter = filter.encode();
            let sink = Arc::clone(&sink);
            Op::AppendLog(store::LogAppend { stream, at, filter, entries, begins_segment, ticket, sink })
        }));
    }
    ops.extend(effects.trim.take().map(|before| Op::TrimLog { stream, before }));
    ops
}

/// Asks for what a batch wants to read.
pub(super) fn ask(effects: &mut LogEffects, store: &StoreHandle, stream: QueueId, mailbox: &Mailbox) {
    for LogRead { id, from, bytes_max } in effects.reads.drain(..) {
        let back = Back::to(mailbox);
        let done = Box::new(move |chunks: Result<Vec<store::LogChunk>, Unreadable>| {
            back.answer(chunks, |chunks| LogNews::Read {
                id,
                chunks: chunks.into_iter().map(chunk).collect(),
            });
        });
        store.read_log(store::LogRead { stream, from, bytes_max, done });
    }
    for LogSeek { id, first, next, at } in effects.seeks.drain(..) {
        let back = Back::to(mailbox);
        let done = Box::new(move |offset| back.answer(offset, |offset| LogNews::Found { id, offset }));
        store.find_log_time(store::LogSeek { stream, first, next, at, done });
    }
}

fn chunk(read: store::LogChunk) -> queue::LogChunk {
    let store::LogChunk { first, at, filter, entries: messages } = read;
    queue::LogChunk { first, at, filter: Some(filter), messages }
}

/// What the store found of a stream at a start.
pub(super) fn recovered(log: store::RecoveredLog) -> queue::RecoveredStream {
    let store::RecoveredLog { sealed, open, last_chunk, .. } = log;
    let open = (!open.is_empty()).then_some(open);
    let segments = sealed.into_iter().chain(open).collect();
    queue::RecoveredStream { segments, last_chunk }
}
