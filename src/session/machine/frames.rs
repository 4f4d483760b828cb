//! Frames of an open connection: which channel they are for, and what follows when one is wrong.

use amq_protocol::protocol::{AMQPClass, channel, connection};

use super::channel::Channel;
use super::connection::Connection;
use super::methods::{Handled, opened_twice};
use super::publishing::interrupted;
use super::session::{Phase, Session};
use crate::auth::Seat;
use crate::protocol::encode;
use crate::protocol::frame::{Frame, FrameError, FrameKind, decode_frame};
use crate::protocol::method::{self, Method, MethodId};
use crate::protocol::reply::ReplyCode;
use crate::queue::{Command, Ending};
use crate::session::exception::Exception;
use crate::session::report::{ChannelChange, Raised};
use crate::session::request::Request;
use crate::time::Time;

impl Session {
    /// Takes one frame off the input; `None` if it is not all there.
    pub(super) fn frame(&mut self, now: Time, input: &[u8]) -> Option<(usize, Option<Request>)> {
        match decode_frame(input, self.connection.limits.frame_bytes) {
            Ok(None) => self.begin_body_frame(input).map(|used| (used, None)),
            Ok(Some((frame, used))) => {
                self.frames_in += 1;
                Some((used, self.whole_frame(now, frame)))
            }
            Err(error) => {
                self.broken_frame(now, &error);
                Some((input.len(), None))
            }
        }
    }

    /// After a broken frame nothing that follows can be trusted to be one.
    pub(super) fn broken_frame(&mut self, now: Time, error: &FrameError) {
        let (code, text) = error.reply();
        if matches!(self.phase, Phase::Running) {
            self.close_connection(now, &Exception::new(code, text));
        } else {
            self.enter(Phase::Closed, now);
        }
    }

    fn whole_frame(&mut self, now: Time, frame: Frame<'_>) -> Option<Request> {
        match (self.phase, frame.kind) {
            (_, FrameKind::Heartbeat) => None,
            (Phase::Running, _) if frame.channel != 0 => self.channel_frame(now, frame),
            (Phase::Running | Phase::Closing, FrameKind::Method) if frame.channel == 0 => {
                self.connection_frame(now, frame.payload)
            }
            (Phase::Running, kind) => {
                let text = format!("type {}, all octets = <<...>>", kind as u8);
                self.close_connection(now, &Exception::unexpected_frame(text));
                None
            }
            (Phase::Answered, _) => {
                self.frame_after_close(now, frame);
                None
            }
            (Phase::Closing, _) => None,
            (_, FrameKind::Method) if frame.channel == 0 => self.handshake_frame(now, frame.payload),
            _ => {
                self.enter(Phase::Closed, now);
                None
            }
        }
    }

    /// The client sent its close and goes on sending: that is ignored, as RabbitMQ does. Another close has an answer, too.
    fn frame_after_close(&mut self, now: Time, frame: Frame<'_>) {
        if frame.channel != 0 || !matches!(frame.kind, FrameKind::Method) {
            return;
        }
        match method::decode_method(frame.payload) {
            Ok(Method::Connection(connection::AMQPMethod::Close(_))) => self.send_close_ok(),
            Ok(Method::Connection(connection::AMQPMethod::CloseOk(_))) => self.enter(Phase::Closed, now),
            _ => {}
        }
    }

    fn handshake_frame(&mut self, now: Time, payload: &[u8]) -> Option<Request> {
        if let Ok(Method::Connection(method)) = method::decode_method(payload) {
            return self.handshake_method(now, method);
        }
        self.enter(Phase::Closed, now);
        None
    }

    fn connection_frame(&mut self, now: Time, payload: &[u8]) -> Option<Request> {
        let id = method::method_id(payload);
        let method = match method::decode_method(payload) {
            Ok(Method::Connection(method)) => method,
            Ok(_) => {
                self.raise_on_connection(now, &out_of_place().caused_by(id));
                return None;
            }
            Err(error) => {
                let (code, text, id) = error.reply();
                self.raise_on_connection(now, &Exception::new(code, text).caused_by(Some(id)));
                return None;
            }
        };
        self.connection_method(now, method, id)
    }

    fn raise_on_connection(&mut self, now: Time, exception: &Exception) {
        if self.phase == Phase::Running {
            self.close_connection(now, exception);
        }
    }

    fn connection_method(
        &mut self,
        now: Time,
        method: connection::AMQPMethod,
        id: Option<MethodId>,
    ) -> Option<Request> {
        match method {
            connection::AMQPMethod::Close(_) if self.phase == Phase::Closing => {
                self.closed(now);
                None
            }
            connection::AMQPMethod::Close(_) => {
                self.enter(Phase::Leaving, now);
                Some(Request::Close)
            }
            connection::AMQPMethod::CloseOk(_) if self.phase == Phase::Closing => {
                self.enter(Phase::Closed, now);
                None
            }
            connection::AMQPMethod::UpdateSecret(_) if self.phase == Phase::Running => {
                self.update_secret();
                None
            }
            _ => {
                self.raise_on_connection(now, &out_of_place().caused_by(id));
                None
            }
        }
    }

    fn channel_frame(&mut self, now: Time, frame: Frame<'_>) -> Option<Request> {
        let number = usize::from(frame.channel);
        let handled = match self.channels.get_mut(number).and_then(Option::as_deref_mut) {
            Some(channel) if channel.closing => {
                self.frame_while_closing(now, frame);
                return None;
            }
            Some(channel) => {
                channel.note(&mut self.noted_channels);
                channel.frame(&mut self.connection, frame)
            }
            None => self.frame_for_no_channel(frame),
        };
        self.handled(now, frame.channel, handled)
    }

    /// What follows from a channel's frame.
    #[inline(always)]
    pub(super) fn handled(
        &mut self,
        now: Time,
        channel: u16,
        handled: Result<Handled, Exception>,
    ) -> Option<Request> {
        match handled {
            Ok(Handled::Done) => None,
            Ok(Handled::Pause) => {
                self.connection.work = 0;
                Some(Request::Pause)
            }
            Ok(Handled::Request(request)) => Some(Request::Channel(channel, request)),
            Ok(Handled::Close) => {
                self.channel_close(channel);
                None
            }
            Err(exception) => {
                self.fail(now, channel, exception);
                None
            }
        }
    }

    /// Everything but the end of the close is ignored: the client sent it before it knew. A close of its own that crossed
    /// ours is answered, and its answer to ours still comes.
    fn frame_while_closing(&mut self, now: Time, frame: Frame<'_>) {
        if !matches!(frame.kind, FrameKind::Method) {
            return;
        }
        match method::decode_method(frame.payload) {
            Ok(Method::Channel(channel::AMQPMethod::Close(_))) => {
                self.send_channel(frame.channel, channel::AMQPMethod::CloseOk(channel::CloseOk {}));
            }
            Ok(Method::Channel(channel::AMQPMethod::CloseOk(_))) => self.forget(frame.channel),
            Ok(Method::Channel(channel::AMQPMethod::Open(_))) => {
                self.raise_on_connection(now, &opened_twice().caused_by(Some(MethodId::CHANNEL_OPEN)));
            }
            _ => {}
        }
    }

    fn forget(&mut self, number: u16) {
        if let Some(slot) = self.channels.get_mut(usize::from(number))
            && slot.take().is_some()
        {
            self.channels_open -= 1;
            self.connection.counters.channels_closed += 1;
        }
    }

    fn frame_for_no_channel(&mut self, frame: Frame<'_>) -> Result<Handled, Exception> {
        let id = method::method_id(frame.payload).filter(|_| matches!(frame.kind, FrameKind::Method));
        let not_open = || Exception::new(ReplyCode::ChannelError, "expected 'channel.open'").caused_by(id);
        if id != Some(MethodId::CHANNEL_OPEN) {
            return Err(not_open());
        }
        if self.channels_open >= usize::from(self.channels_max) {
            let max = self.channels_max;
            let text =
                format!("number of channels opened ({max}) has reached the negotiated channel_max ({max})");
            return Err(Exception::new(ReplyCode::NotAllowed, text).caused_by(id));
        }
        let seat = self.connection.access.channels.take().map_err(|reached| {
            let (user, limit) = (&self.connection.user, reached.limit);
            let text = format!(
                "number of channels opened for user '{user}' has reached the maximum allowed user limit of ({limit})"
            );
            Exception::new(ReplyCode::NotAllowed, text)
        })?;
        self.channel_open(frame.channel, seat);
        Ok(Handled::Done)
    }

    fn channel_open(&mut self, number: u16, seat: Seat) {
        self.incarnations += 1;
        let index = usize::from(number);
        if self.channels.len() <= index {
            self.channels.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.channels.get_mut(index) {
            *slot = Some(Box::new(Channel { seat: Some(seat), ..Channel::new(number, self.incarnations) }));
        }
        self.note_channel(number);
        self.channels_open += 1;
        self.connection.counters.channels_opened += 1;
        self.changes.push(ChannelChange::Opened(number));
        self.send_channel(number, channel::AMQPMethod::OpenOk(channel::OpenOk {}));
    }

    fn channel_close(&mut self, number: u16) {
        self.send_confirms();
        self.release(number, Ending::Returned);
        self.forget(number);
        self.send_channel(number, channel::AMQPMethod::CloseOk(channel::CloseOk {}));
    }

    fn send_channel(&mut self, number: u16, method: channel::AMQPMethod) {
        encode::method(&mut self.connection.out, number, AMQPClass::Channel(method));
    }

    /// Gives back all that a channel holds: its consumers go, its unacked messages return to their queues.
    fn release(&mut self, number: u16, ending: Ending) {
        let Some(channel) = self.channels.get_mut(usize::from(number)).and_then(Option::as_deref_mut) else {
            return;
        };
        channel.take_counted(&mut self.connection);
        channel.let_go(&mut self.connection.held);
        let is_short = !channel.closing && channel.published == 1 && channel.incarnation > 1;
        self.connection.unusual.short_channels += u64::from(is_short);
        if let Some(watch) = &mut self.connection.watch {
            watch.forget_channel(number);
        }
        let was_open = !channel.closing;
        for queue in std::mem::take(&mut channel.queues).into_ids() {
            let command = Command::ChannelGone(self.connection.id, number, ending);
            self.connection.outgoing.command(queue, command);
        }
        for (_, consumer) in std::mem::take(&mut channel.consumers) {
            self.forget_consumer(&consumer);
        }
        if was_open {
            self.changes.push(ChannelChange::Closed(number));
        }
    }

    /// The connection ends: gives back what all of its channels hold. There are none after it.
    pub fn release_all(&mut self, ending: Ending) {
        for number in 0..self.channels.len() {
            self.release(u16::try_from(number).unwrap_or(u16::MAX), ending);
        }
        self.channels = Vec::new();
        self.connection.counters.channels_closed += std::mem::take(&mut self.channels_open) as u64;
    }

    /// A request or a method failed: closes the channel, or the connection if the code says so.
    pub fn fail(&mut self, now: Time, number: u16, exception: Exception) {
        self.note_channel(number);
        if exception.code.closes_connection() {
            self.raise_on_connection(now, &exception);
            return;
        }
        // One that is closing already is not closed twice.
        if self.channel(number).is_none() {
            return;
        }
        self.send_confirms();
        self.release(number, Ending::Returned);
        let Some(channel) = self.channels.get_mut(usize::from(number)).and_then(Option::as_mut) else {
            return;
        };
        // Keeps its place until the client answers, and forgets all else.
        **channel = Channel::new(number, channel.incarnation);
        channel.closing = true;
        let (class_id, method_id) = exception.ids();
        self.raised.push(Raised::new(Some(number), &exception));
        let reply_text = exception.reply_text().into();
        let close = channel::Close { reply_code: exception.code as u16, reply_text, class_id, method_id };
        self.send_channel(number, channel::AMQPMethod::Close(close));
    }

    /// Answers a channel's request; nothing if the client said nowait.
    pub fn reply(&mut self, channel: u16, method: Option<AMQPClass>) {
        if let (Some(method), Some(_)) = (method, self.channel(channel)) {
            encode::method(&mut self.connection.out, channel, method);
        }
    }

    /// The queue that an empty name means on this channel from now on.
    pub fn declared(&mut self, channel: u16, queue: &str) {
        if let Some(channel) = self.channel(channel) {
            channel.last_queue = Some(queue.to_owned());
        }
    }
}

impl Channel {
    fn frame(&mut self, connection: &mut Connection, frame: Frame<'_>) -> Result<Handled, Exception> {
        match frame.kind {
            FrameKind::Body => self.content_body(connection, frame.payload).map(|()| published(connection)),
            FrameKind::Header => {
                self.content_header(connection, frame.payload).map(|()| published(connection))
            }
            _ if !self.is_idle() => Err(interrupted(&self.incoming)),
            _ => self.method(connection, frame.payload),
        }
    }
}

/// After a message, or a part of one.
#[inline]
pub(super) const fn published(connection: &Connection) -> Handled {
    if connection.is_overdue() { Handled::Pause } else { Handled::Done }
}

/// A method on channel 0 that has no place on an open connection.
fn out_of_place() -> Exception {
    Exception::new(ReplyCode::ChannelError, "unexpected method in connection state running")
}
