//! Input of a session that is watched: rules are asked about methods before these are looked at.

use crate::faults::Refusal;
use crate::protocol::frame::{FrameKind, decode_frame};
use crate::protocol::method::{self, Method};
use crate::session::exception::Exception;
use crate::session::machine::session::{Phase, Received, Session};
use crate::session::request::Request;
use crate::session::watch::{Doom, Watch};
use crate::time::Time;

/// What the rules say of the frame that comes next.
pub(super) enum Intercepted {
    /// Nothing.
    Pass,
    /// It was dealt with: so many bytes.
    Taken(usize),
    /// Something has to be done first.
    First(Request),
}

impl Session {
    /// Faults can be made on it from now on, by these rules.
    pub fn watch(&mut self, watch: Watch) {
        self.connection.watch = Some(Box::new(watch));
    }

    /// Whether the socket is to be reset rather than closed.
    #[must_use]
    pub const fn is_reset(&self) -> bool {
        self.is_reset
    }

    /// Says what time it is, before deliveries and confirms are handed over: rules may hold some back. Which kinds of rules there are is
    /// looked at here alone, so that nothing changes in the midst of what is handed over.
    #[inline]
    pub fn tell_time(&mut self, now: Time) {
        let Some(watch) = &mut self.connection.watch else { return };
        watch.now = now;
        if watch.look() {
            // Where publishes go was found without asking the rules that there are now, or is asked of rules that are done.
            self.connection.last_publish.forget();
            self.channels.iter_mut().flatten().for_each(|channel| channel.target.look_anew());
        }
    }

    /// As [`receive`](Self::receive). While no rule has a say in what comes, it is taken in as if there were none; a rule that is
    /// made meanwhile sees what is read after that.
    pub(in crate::session::machine) fn receive_watched(&mut self, now: Time, input: &[u8]) -> Received {
        self.tell_time(now);
        self.meet_doom(now);
        if self.connection.watch.as_ref().is_some_and(|watch| watch.looks_at_input()) {
            return self.receive_by_frames(now, input);
        }
        let received = self.take_in(now, input);
        if received.request.is_none() {
            self.send_confirms();
            self.meet_doom(now);
        }
        received
    }

    /// Frame by frame: rules are asked about each, and may end the connection after any.
    #[cold]
    fn receive_by_frames(&mut self, now: Time, input: &[u8]) -> Received {
        let looks = self.connection.watch.as_ref().is_some_and(|watch| watch.looks_at_methods());
        let mut consumed = 0;
        while let Some(rest) = input.get(consumed..).filter(|rest| !rest.is_empty()) {
            if looks {
                match self.intercept(now, rest) {
                    Intercepted::Pass => {}
                    Intercepted::Taken(used) => {
                        consumed += used;
                        continue;
                    }
                    Intercepted::First(request) => return Received { consumed, request: Some(request) },
                }
            }
            let one = rest.get(..self.next_frame_bytes(rest)).unwrap_or(rest);
            let Received { consumed: used, request } = self.take_in(now, one);
            consumed += used;
            self.meet_doom(now);
            if request.is_some() {
                return Received { consumed, request };
            }
            if used == 0 {
                break;
            }
        }
        self.send_confirms();
        self.meet_doom(now);
        Received { consumed, request: None }
    }

    /// How long the first frame is, if it is all there; what is no frame is taken as a whole.
    fn next_frame_bytes(&self, input: &[u8]) -> usize {
        let is_frame = self.phase == Phase::Running;
        let frame = is_frame.then(|| decode_frame(input, self.connection.limits.frame_bytes).ok().flatten());
        frame.flatten().map_or(input.len(), |(_, used)| used)
    }

    fn intercept(&mut self, now: Time, input: &[u8]) -> Intercepted {
        let Some(watch) = &mut self.connection.watch else { return Intercepted::Pass };
        if self.phase != Phase::Running || std::mem::take(&mut watch.is_let_through) {
            return Intercepted::Pass;
        }
        let Ok(Some((frame, used))) = decode_frame(input, self.connection.limits.frame_bytes) else {
            return Intercepted::Pass;
        };
        if frame.channel == 0
            || !matches!(frame.kind, FrameKind::Method)
            || !self.takes_methods(frame.channel)
        {
            return Intercepted::Pass;
        }
        let (Some(id), Ok(method)) = (method::method_id(frame.payload), method::decode_method(frame.payload))
        else {
            return Intercepted::Pass;
        };
        let outcome = match method {
            Method::Publish { .. } => Intercepted::Pass,
            Method::Ack { .. } | Method::Nack { .. } | Method::Reject { .. } => {
                self.intercept_settlement(now, frame.channel, &method, used)
            }
            method => self.intercept_method(now, frame.channel, id, &method, used),
        };
        if matches!(outcome, Intercepted::Taken(_)) {
            self.frames_in += 1;
        }
        outcome
    }

    /// A method in the midst of a message, or on a channel that is being closed, is none.
    fn takes_methods(&self, number: u16) -> bool {
        let channel = self.channels.get(usize::from(number)).and_then(Option::as_ref);
        channel.is_none_or(|channel| !channel.closing && channel.is_idle())
    }

    /// Ends the connection if a rule says so.
    pub(super) fn meet_doom(&mut self, now: Time) {
        let doom = self.connection.watch.as_mut().and_then(|watch| watch.doom.take());
        match doom {
            None => {}
            Some(Doom::Reset) => self.reset(now),
            Some(Doom::Close(refusal)) => self.close_by_rule(now, &refusal),
        }
    }

    pub(super) fn close_by_rule(&mut self, now: Time, refusal: &Refusal) {
        if self.phase == Phase::Running {
            self.close_connection(now, &exception(refusal));
        }
    }

    /// The socket is to be reset: a rule says so.
    pub fn reset_by_rule(&mut self, now: Time) {
        self.reset(now);
    }

    /// Nothing more is read, and what is not written yet may never be.
    pub(super) fn reset(&mut self, now: Time) {
        self.is_reset = true;
        self.enter(Phase::Closed, now);
    }

    /// What was held back and is due goes out.
    pub(in crate::session::machine) fn release_late(&mut self, now: Time) {
        self.tell_time(now);
        self.deliver_due(now);
        self.confirm_due(now);
    }
}

pub(super) fn exception(refusal: &Refusal) -> Exception {
    Exception::new(refusal.code, refusal.text.clone())
}
