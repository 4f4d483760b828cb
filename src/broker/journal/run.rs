//! Events that differ by their message alone, kept as one: what goes well happens to many messages in a row, and while all of it is
//! recorded a whole event for each would cost more than what it tells of.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::event::{About, Confirm, Detail, Event};
use crate::message::{Message, Position};
use crate::protocol::content::has_headers;

/// Events of a run, at most: it leaves the ring as a whole.
pub(super) const RUN_EVENTS_MAX: usize = 256;

/// An event, and those after it that are the same of other messages.
#[derive(Clone, Debug)]
pub(super) struct Run {
    first: Event,
    /// Their numbers follow that of the first.
    others: Vec<Another>,
    /// What the abouts of the others take in memory.
    about_bytes: usize,
}

/// What an event of a run has of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Another {
    /// The message's position, if the first has one.
    pub(super) position: Position,
    /// See [`Event::link`].
    pub(super) link: u64,
    /// What the message is known by; `None`: by the same as the first. Most often it is that.
    pub(super) about: Option<Box<About>>,
    /// The number of its publish, if it is a confirm by which one is told.
    pub(super) delivery_tag: u64,
}

/// What two messages have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// Everything that they are known by, and all properties.
    Same,
    /// All but the message id and other properties; neither has headers. This is what the second one is known by.
    OtherId(About),
    /// They went another way.
    Different,
}

impl Likeness {
    /// Of a message to one before it.
    #[inline]
    pub(super) fn of(message: &Message, before: &Message) -> Self {
        if message.head() == before.head() {
            return Self::Same;
        }
        if message.encoded_keys() != before.encoded_keys() {
            return Self::Different;
        }
        if has_headers(message.properties()) || has_headers(before.properties()) {
            return Self::Different;
        }
        Self::OtherId(About::message(message))
    }
}

impl From<Event> for Run {
    fn from(first: Event) -> Self {
        Self { first, others: Vec::new(), about_bytes: 0 }
    }
}

impl Run {
    /// The first event.
    pub(super) const fn first(&self) -> &Event {
        &self.first
    }

    /// How many events it is.
    pub(super) const fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// Whether it takes no more.
    pub(super) const fn is_full(&self) -> bool {
        self.len() >= RUN_EVENTS_MAX
    }

    /// Adds an event.
    pub(super) fn push(&mut self, another: Another) {
        let bytes = |about: &About| size_of::<About>() + about.bytes();
        self.about_bytes += another.about.as_deref().map_or(0, bytes);
        self.others.push(another);
    }

    /// Gives its events numbers, from this one on.
    pub(super) const fn number(&mut self, first: u64) {
        self.first.number = first;
    }

    /// The number of its last event.
    pub(super) const fn last(&self) -> u64 {
        self.first.number + self.others.len() as u64
    }

    /// How much memory it takes in the ring, in bytes, but for what it shares with the queue, the connection and others.
    pub(super) fn bytes(&self) -> usize {
        self.first.bytes() + self.others.capacity() * size_of::<Another>() + self.about_bytes
    }

    /// Shows its events with a higher number than this, until one is enough.
    pub(super) fn each_after(
        &self,
        number: u64,
        see: &mut impl FnMut(&Event) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let skipped = (number + 1).saturating_sub(self.first.number);
        if skipped == 0 {
            see(&self.first)?;
        }
        let skipped = usize::try_from(skipped.saturating_sub(1)).unwrap_or(usize::MAX);
        if skipped >= self.others.len() {
            return ControlFlow::Continue(());
        }
        let mut event = self.first.clone();
        let numbers = self.first.number + 1..;
        for (another, number) in self.others.iter().zip(numbers).skip(skipped) {
            event.number = number;
            self.tell(another, &mut event);
            see(&event)?;
        }
        ControlFlow::Continue(())
    }

    /// Makes the event that of another message.
    fn tell(&self, another: &Another, event: &mut Event) {
        event.position = self.first.position.map(|_| another.position);
        event.link = another.link;
        if another.about.is_some() || event.about != self.first.about {
            event.about = another.about.as_deref().or(self.first.about.as_ref()).cloned();
        }
        if let Some(confirm) = self.first.confirm() {
            let delivery_tag = confirm.delivery_tag.map(|_| another.delivery_tag);
            event.detail = Some(Arc::new(Detail::Confirm(Confirm { delivery_tag, ..confirm })));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::journal::event::EventKind;
    use crate::message::Parts;
    use crate::protocol::content::replace_headers;
    use crate::time::Timestamp;

    fn seen(run: &Run, after: u64, limit: usize) -> Vec<(u64, u64, u64, Option<String>)> {
        let mut seen = Vec::new();
        let _ = run.each_after(after, &mut |event| {
            let id = event.about.as_ref().and_then(|about| about.message_id()).map(str::to_owned);
            seen.push((event.number, event.position.unwrap_or_default().0, event.link, id));
            if seen.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        seen
    }

    #[test]
    fn each_event_has_its_own_message_and_all_the_rest() {
        let about = |id: &[u8]| About::new(b"x", b"k", Some(id));
        let first = Event {
            position: Some(Position(5)),
            link: 50,
            about: Some(about(b"a")),
            ..Event::new(Timestamp::default(), EventKind::Enqueued)
        };
        let mut run = Run::from(first);
        let one = run.bytes();
        for position in 6..10 {
            let about = (position == 7).then(|| about(b"b").into());
            let position = Position(position);
            run.push(Another { position, link: 60, about, ..Another::default() });
        }
        run.number(100);
        assert_eq!((run.len(), run.last(), run.is_full()), (5, 104, false));
        assert!(run.bytes() >= one + 4 * size_of::<Another>());
        let id = |text: &str| Some(text.to_owned());
        let all = [
            (100, 5, 50, id("a")),
            (101, 6, 60, id("a")),
            (102, 7, 60, id("b")),
            (103, 8, 60, id("a")),
            (104, 9, 60, id("a")),
        ];
        for after in 0..110_u64 {
            let from = usize::try_from(after.saturating_sub(99)).unwrap().min(all.len());
            assert_eq!(seen(&run, after, usize::MAX), all[from..], "after {after}");
        }
        assert_eq!(seen(&run, 0, 2), all[..2]);
    }

    #[test]
    fn messages_that_went_the_same_way_are_alike() {
        let message = |routing_key: &[u8], properties: &[u8]| {
            Message::new(Parts { exchange: b"x", routing_key, properties, ..Parts::default() })
        };
        let (none, named) = ([0, 0], [0, 0x80, 1, b'7']);
        let headers = replace_headers(&none, b"").unwrap();
        let before = message(b"k", &none);
        assert_eq!(Likeness::of(&message(b"k", &none), &before), Likeness::Same);
        assert_eq!(Likeness::of(&message(b"other", &none), &before), Likeness::Different);
        let id = About::new(b"x", b"k", Some(b"7"));
        assert_eq!(Likeness::of(&message(b"k", &named), &before), Likeness::OtherId(id));
        assert_eq!(Likeness::of(&message(b"k", &headers), &before), Likeness::Different);
        assert_eq!(Likeness::of(&message(b"k", &headers), &message(b"k", &headers)), Likeness::Same);
    }
}
