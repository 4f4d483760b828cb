//! What most of the input is: acks, and publishes that are as the one before but for their body. They are known by their bytes, so that
//! nothing of them has to be parsed, checked and routed again: most publishers send few other messages.

use super::channel::{Channel, Mode};
use super::connection::Connection;
use super::last_publish::{Known, LastPublish};
use super::session::{Phase, Session};
use crate::message::encode_head;
use crate::protocol::repeated::{Ack, RepeatedPublish};
use crate::queue::Settlement;
use crate::session::outgoing::Envelope;
use crate::session::request::Request;

/// Frames of a publish whose body is in one.
const FRAMES: u64 = 3;

impl Session {
    /// Takes the publishes at the front of the input that are as the last one; `None` if there are none.
    #[inline]
    pub(in crate::session) fn known_publishes(&mut self, input: &[u8]) -> Option<(usize, Option<Request>)> {
        if self.phase != Phase::Running {
            return None;
        }
        let (number, known) =
            (self.connection.last_publish.channel, self.connection.last_publish.known.take()?);
        let channel = self.channels.get_mut(usize::from(number)).and_then(Option::as_deref_mut);
        let (used, messages) = match channel {
            Some(channel) => channel.publish_known(&mut self.connection, &known, input),
            None => (0, 0),
        };
        self.connection.last_publish.known = Some(known);
        if messages == 0 {
            return None;
        }
        self.note_channel(number);
        self.frames_in += messages * FRAMES;
        Some((used, self.connection.take_overdue().then_some(Request::Pause)))
    }

    /// Takes the acks of one channel at the front of the input, but for one that is wrong; how many bytes that was, `None` if there are
    /// none.
    #[inline]
    pub(super) fn known_acks(&mut self, input: &[u8]) -> Option<usize> {
        let number = Ack::next(input)?.channel;
        if self.phase != Phase::Running {
            return None;
        }
        let channel = self.channels.get_mut(usize::from(number))?.as_deref_mut()?;
        let used = channel.take_acks(&mut self.connection, input);
        if used == 0 {
            return None;
        }
        channel.note(&mut self.noted_channels);
        self.frames_in += (used / Ack::BYTES) as u64;
        Some(used)
    }
}

impl Channel {
    /// A message went the usual way. When it is the second of its kind, its kind is noted.
    #[inline]
    pub(super) fn note_published(
        &self,
        connection: &mut Connection,
        properties: &[u8],
        persistent: bool,
        envelope: Envelope,
    ) {
        let last = &mut connection.last_publish;
        if last.channel != self.number {
            *last = LastPublish { channel: self.number, ..LastPublish::default() };
        }
        if !last.is_noted {
            last.is_noted = true;
        } else if last.known.is_none() && self.target.generation.is_some() {
            last.known = self.known(properties, persistent, envelope);
        }
    }

    #[inline(never)]
    fn known(&self, properties: &[u8], persistent: bool, envelope: Envelope) -> Option<Box<Known>> {
        let target = &self.target;
        let (exchange, key) = (&target.exchange[..], &target.routing_key[..]);
        let frames = RepeatedPublish::new(self.number, exchange, key, target.mandatory, properties)?;
        let mut head = Vec::new();
        encode_head(&mut head, exchange, key, properties);
        Some(Box::new(Known { frames, head, persistent, envelope: Envelope { sequence: 0, ..envelope } }))
    }

    fn take_acks(&mut self, connection: &mut Connection, input: &[u8]) -> usize {
        if self.closing || !self.is_idle() {
            return 0;
        }
        let mut used = 0;
        while let Some(ack) = input.get(used..).and_then(Ack::next)
            && ack.channel == self.number
            && self.settle(connection, ack.delivery_tag, ack.multiple, Settlement::Ack).is_ok()
        {
            used += Ack::BYTES;
        }
        used
    }

    /// Publishes what is at the front of the input as far as it is known; how many bytes and messages that was.
    fn publish_known(&mut self, connection: &mut Connection, known: &Known, input: &[u8]) -> (usize, u64) {
        let queues = &self.target.route;
        let is_routed =
            self.target.generation == Some(connection.topology.generation()) && !queues.is_empty();
        // Of a transaction nothing goes to a queue before its commit.
        let waits = matches!(self.mode, Mode::Transaction(_));
        if self.closing || !self.is_idle() || !is_routed || waits {
            return (0, 0);
        }
        let (mut used, mut messages) = (0, 0);
        let body_bytes_max = connection.limits.usual_body_in_a_frame();
        while !connection.is_overdue()
            && let Some((body, bytes)) =
                input.get(used..).and_then(|rest| known.frames.next(rest, body_bytes_max))
        {
            if used == 0 {
                let count = input.len() / bytes;
                connection.outgoing.expect(queues, count, count * (known.head.len() + body.len()));
            }
            let sequence = match &mut self.mode {
                Mode::Plain => 0,
                Mode::Confirm(confirms) => confirms.publish(queues.len()),
                Mode::Transaction(_) => break,
            };
            let envelope = Envelope { sequence, ..known.envelope };
            connection.outgoing.publish_known(queues, &known.head, body, known.persistent, envelope);
            connection.counters.sizes.note(body.len());
            connection.work += queues.len() - 1;
            used += bytes;
            messages += 1;
        }
        self.counted.published += messages;
        self.target.counted.published_in += messages;
        self.target.counted.published_out += messages * queues.len() as u64;
        (used, messages)
    }
}
