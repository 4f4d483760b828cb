//! The body of a large message is not read frame by frame: what is there of a frame is taken at once, and the rest is read from the
//! socket to where the message will stand. So it is copied once less, and a frame that is half there need not be kept.

use super::channel::{Channel, Incoming, OpenFrame};
use super::connection::Connection;
use super::frames::published;
use super::methods::Handled;
use super::session::{Phase, Received, Session};
use crate::protocol::frame::{FRAME_END, FrameError, FrameKind, Head};
use crate::session::body_room::{BEYOND_BYTES, BodyRoom, SocketSide};
use crate::session::exception::Exception;
use crate::session::request::Request;
use crate::time::Time;

/// From here on a body is read so, in bytes. Smaller ones come several in a read, whose copy costs less than a read for each.
pub(super) const READ_SO_BYTES_MIN: u64 = 128 * 1024;

impl Session {
    /// Where bytes for the socket are, and where the next bytes from it may go at once, if that is a message. Whoever puts some there
    /// says so with [`body_was_read`](Self::body_was_read).
    pub fn socket_side(&mut self) -> SocketSide<'_> {
        let Some(OpenFrame { channel, left: left @ 1.., .. }) = self.open_frame else {
            return SocketSide { out: &mut self.connection.out, body: None };
        };
        let channel = self.channels.get_mut(usize::from(channel)).and_then(Option::as_deref_mut);
        let body = channel.and_then(Channel::assembly).map(|block| BodyRoom { bytes: block.body(), left });
        SocketSide { out: &mut self.connection.out, body }
    }

    /// So many bytes of the body came to their [room](Self::socket_side).
    pub fn body_was_read(&mut self, count: usize) {
        let Some(frame) = &mut self.open_frame else { return };
        frame.left -= count;
        let channel = self.channels.get_mut(usize::from(frame.channel)).and_then(Option::as_deref_mut);
        if let Some(channel) = channel {
            channel.has_assembled(&mut self.connection, count);
        }
    }

    /// Takes what there is of a body frame that is not all there, if it belongs to a large message.
    #[cold]
    #[inline(never)]
    pub(super) fn begin_body_frame(&mut self, input: &[u8]) -> Option<usize> {
        let Head { kind, channel: number, payload_bytes, rest } = Head::split(input)?;
        let is_watched = self.connection.watch.as_ref().is_some_and(|watch| watch.looks_at_input());
        if kind != FrameKind::Body as u8 || self.phase != Phase::Running || is_watched {
            return None;
        }
        let channel = self.channels.get_mut(usize::from(number))?.as_deref_mut()?;
        let Incoming::Body(body) = &channel.incoming else { return None };
        let fits = body.received + u64::from(payload_bytes) <= body.expected;
        if channel.closing || body.expected < READ_SO_BYTES_MIN || !fits {
            return None;
        }
        let payload_bytes = payload_bytes as usize;
        let payload = rest.get(..payload_bytes).unwrap_or(rest);
        let left = payload_bytes - payload.len();
        channel.assemble(&mut self.connection, payload, left + BEYOND_BYTES);
        self.open_frame = Some(OpenFrame { channel: number, payload_bytes, left });
        Some(input.len() - rest.len() + payload.len())
    }

    /// The same as [`receive`](Self::receive) where a frame was begun.
    #[cold]
    #[inline(never)]
    pub(super) fn receive_in_frame(&mut self, now: Time, open: OpenFrame, input: &[u8]) -> Received {
        let OpenFrame { channel: number, payload_bytes, left } = open;
        let (payload, rest) = input.split_at_checked(left).unwrap_or((input, &[]));
        // It may have gone meanwhile: what is left of the frame is skipped.
        if let Some(channel) = self.channels.get_mut(usize::from(number)).and_then(Option::as_deref_mut)
            && channel.assembly().is_some()
        {
            channel.assemble(&mut self.connection, payload, 0);
        }
        let Some((end, rest)) = rest.split_first() else {
            self.open_frame = Some(OpenFrame { left: left - payload.len(), ..open });
            return Received { consumed: payload.len(), request: None };
        };
        self.open_frame = None;
        if *end != FRAME_END {
            let channel = self.channels.get_mut(usize::from(number)).and_then(Option::as_deref_mut);
            let block = channel.and_then(Channel::assembly);
            let octets = block.map(|block| block.last(payload_bytes)).unwrap_or_default();
            let error = FrameError::BadEnd { kind: FrameKind::Body as u8, octets: octets.into(), end: *end };
            self.broken_frame(now, &error);
            return Received { consumed: input.len(), request: None };
        }
        self.frames_in += 1;
        if self.connection.watch.is_some() {
            self.tell_time(now);
        }
        let consumed = payload.len() + 1;
        let request = self.end_body_frame(now, number);
        if request.is_some() {
            return Received { consumed, request };
        }
        let Received { consumed: more, request } = self.receive(now, rest);
        Received { consumed: consumed + more, request }
    }

    fn end_body_frame(&mut self, now: Time, number: u16) -> Option<Request> {
        let channel = self.channels.get_mut(usize::from(number))?.as_deref_mut()?;
        channel.note(&mut self.noted_channels);
        let handled = channel.end_body_frame(&mut self.connection);
        self.handled(now, number, handled)
    }
}

impl Channel {
    fn end_body_frame(&mut self, connection: &mut Connection) -> Result<Handled, Exception> {
        self.complete_if_assembled(connection)?;
        Ok(published(connection))
    }
}
