//! The events of one batch of a queue: those that are alike but for their message become runs.
//!
//! What happens to one message keeps its order. Other messages' events may be told in between or not: they happened in the same batch.

use super::event::{Event, EventKind};
use super::run::{Another, Likeness, Run};
use crate::message::Message;
use crate::queue::{Happening, HappeningKind, HeldBy};

/// Runs that are looked at for one to go on with: a queue whose messages go to more consumers in turn has shorter ones.
const LOOKED_AT_MAX: usize = 8;

/// Events in the order in which they are to be noted.
#[derive(Debug, Default)]
pub(super) struct Batch {
    runs: Vec<Open>,
}

/// A run that may go on.
#[derive(Debug)]
struct Open {
    run: Run,
    /// The message of its first event.
    message: Option<Message>,
}

impl Batch {
    /// The runs, to be noted.
    pub(super) fn into_runs(self) -> impl Iterator<Item = Run> {
        self.runs.into_iter().map(|open| open.run)
    }

    /// Adds an event of this message.
    pub(super) fn push(&mut self, event: Event, message: Option<Message>) {
        self.runs.push(Open { run: event.into(), message });
    }

    /// Adds what happened to a run that is like it, if there is one. `link`: what the event has in common with others of its message.
    pub(super) fn join(&mut self, happening: &Happening, attempts_max: Option<u32>, link: u64) -> bool {
        let Some(stage) = stage_of(happening) else { return false };
        for open in self.runs.iter_mut().rev().take(LOOKED_AT_MAX) {
            let first = open.run.first();
            // Before what may have happened to the same message nothing is put.
            let Some(other) = stage_of_kind(first.kind).filter(|other| *other >= stage) else { return false };
            let is_like = other == stage && first.attempts_max == attempts_max && is_like(first, happening);
            if !is_like || open.run.is_full() {
                continue;
            }
            let likeness = match (&happening.message, &open.message) {
                (Some(message), Some(before)) => Likeness::of(message, before),
                (None, None) => Likeness::Same,
                _ => Likeness::Different,
            };
            let about = match likeness {
                Likeness::Same => None,
                Likeness::OtherId(about) => Some(about.into()),
                Likeness::Different => continue,
            };
            let position = happening.position.unwrap_or_default();
            open.run.push(Another { position, link, about, ..Another::default() });
            return true;
        }
        false
    }
}

/// What happens to a message in this order, once each unless something else happens to it in between. `None`: what makes no runs here.
fn stage_of(happening: &Happening) -> Option<u8> {
    let kind = match happening.kind {
        HappeningKind::Enqueued(None) => EventKind::Enqueued,
        HappeningKind::Delivered => EventKind::Delivered,
        HappeningKind::Acked => EventKind::Acked,
        _ => return None,
    };
    let is_one = happening.last.is_none() && happening.count == 1 && happening.error.is_none();
    stage_of_kind(kind).filter(|_| is_one)
}

const fn stage_of_kind(kind: EventKind) -> Option<u8> {
    match kind {
        EventKind::Enqueued => Some(0),
        EventKind::Delivered => Some(1),
        EventKind::Acked => Some(2),
        _ => None,
    }
}

/// Whether an event tells what happened but for the message.
fn is_like(event: &Event, happening: &Happening) -> bool {
    event.position.is_some() == happening.position.is_some()
        && event.from.is_none()
        && event.last.is_none()
        && event.count == 1
        && event.error.is_none()
        && event.attempt == happening.attempt
        && is_of(event, happening.held_by.as_ref())
}

fn is_of(event: &Event, held_by: Option<&HeldBy>) -> bool {
    match (event.client.as_deref(), held_by) {
        (None, None) => true,
        (Some(client), Some(HeldBy { connection, channel, tag })) => {
            client.id == *connection && event.channel == *channel && event.consumer == *tag
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::ControlFlow;

    use proptest::prelude::*;

    use super::*;
    use crate::message::{Parts, Position};
    use crate::queue::{Cause, ConnectionId};
    use crate::time::Timestamp;

    /// What happens to a message, step by step: each kind, and whose doing it is.
    fn happening(kind: HappeningKind, position: u64, connection: u64, id: u8) -> Happening {
        let properties = [0, 0x80, 1, id];
        let message = Message::new(Parts { exchange: b"x", properties: &properties, ..Parts::default() });
        let held_by = HeldBy { connection: ConnectionId(connection), channel: 1, tag: Some("tag".into()) };
        Happening {
            position: Some(Position(position)),
            message: Some(message),
            held_by: Some(held_by),
            ..Happening::new(kind)
        }
    }

    fn event(happening: &Happening) -> Event {
        let kind = match happening.kind {
            HappeningKind::Enqueued(_) => EventKind::Enqueued,
            HappeningKind::Delivered => EventKind::Delivered,
            HappeningKind::Acked => EventKind::Acked,
            _ => EventKind::Requeued,
        };
        let held_by = happening.held_by.clone().unwrap();
        let client = crate::broker::journal::Client {
            id: held_by.connection,
            connection: "peer".into(),
            user: "user".into(),
        };
        Event {
            position: happening.position,
            about: happening.message.as_ref().map(crate::broker::journal::About::message),
            client: Some(client.into()),
            channel: held_by.channel,
            consumer: held_by.tag,
            ..Event::new(Timestamp::default(), kind)
        }
    }

    type Told = (EventKind, u64, String);

    fn told(event: &Event) -> Told {
        let id = event.about.as_ref().and_then(|about| about.message_id()).unwrap_or_default();
        (event.kind, event.client.as_ref().unwrap().id.0, id.to_owned())
    }

    fn by_message(all: impl IntoIterator<Item = (u64, Told)>) -> BTreeMap<u64, Vec<Told>> {
        all.into_iter().fold(BTreeMap::new(), |mut by_message, (position, told)| {
            by_message.entry(position).or_default().push(told);
            by_message
        })
    }

    proptest! {
        /// Whatever happens in whatever order: each message's events are told as they happened, in their order.
        #[test]
        fn each_messages_events_keep_their_order(
            steps in prop::collection::vec((0..8_u64, 0..3_u64, 0..4_u8, any::<bool>()), 0..200)
        ) {
            // Where each message is: not there yet, there, delivered, acked.
            let mut states = [0_u8; 8];
            let (mut batch, mut happened) = (Batch::default(), Vec::new());
            for (message, connection, id, comes_back) in steps {
                let state = &mut states[message as usize];
                let kind = match (*state, comes_back) {
                    (0, _) => HappeningKind::Enqueued(None),
                    (1, _) => HappeningKind::Delivered,
                    (2, false) => HappeningKind::Acked,
                    (2, true) => HappeningKind::CameBack(Cause::Requeued),
                    _ => continue,
                };
                *state = if (*state, comes_back) == (2, true) { 1 } else { *state + 1 };
                let happening = happening(kind, message, connection, id);
                happened.push((message, told(&event(&happening))));
                if !batch.join(&happening, None, 0) {
                    batch.push(event(&happening), happening.message);
                }
            }
            let mut noted = Vec::new();
            let mut number = 1;
            for mut run in batch.into_runs() {
                run.number(number);
                number += run.len() as u64;
                let _ = run.each_after(0, &mut |event| {
                    noted.push((event.position.unwrap().0, told(event)));
                    ControlFlow::Continue(())
                });
            }
            prop_assert_eq!(by_message(noted), by_message(happened));
        }
    }

    #[test]
    fn what_goes_well_in_turn_makes_a_run_of_each_kind() {
        let mut batch = Batch::default();
        for position in 0..100 {
            for kind in [HappeningKind::Enqueued(None), HappeningKind::Delivered, HappeningKind::Acked] {
                let happening = happening(kind, position, 1, b'7');
                if !batch.join(&happening, None, 0) {
                    batch.push(event(&happening), happening.message);
                }
            }
        }
        let runs: Vec<_> = batch.into_runs().map(|run| (run.first().kind, run.len())).collect();
        assert_eq!(runs, [(EventKind::Enqueued, 100), (EventKind::Delivered, 100), (EventKind::Acked, 100)]);
    }
}
