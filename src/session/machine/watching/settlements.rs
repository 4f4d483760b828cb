//! Acks, nacks and rejects on which a rule hits. One for several messages is looked at as one for each.

use super::input::Intercepted;
use crate::faults::{Action, Armed, Happening};
use crate::protocol::method::Method;
use crate::queue::Settlement;
use crate::session::machine::session::Session;
use crate::session::tags::{Span, Tagged};
use crate::session::watch::NotedMessage;
use crate::time::Time;

/// What a client says of one delivery or several.
#[derive(Clone, Copy)]
struct Said {
    happening: Happening,
    tag: u64,
    multiple: bool,
    verb: Settlement,
}

impl Said {
    const fn of(method: &Method<'_>) -> Option<Self> {
        Some(match *method {
            Method::Ack { delivery_tag: tag, multiple } => {
                Self { happening: Happening::Ack, tag, multiple, verb: Settlement::Ack }
            }
            Method::Nack { delivery_tag: tag, multiple, requeue } => {
                let verb = if requeue { Settlement::Requeue } else { Settlement::Reject };
                Self { happening: Happening::Nack, tag, multiple, verb }
            }
            Method::Reject { delivery_tag: tag, requeue } => {
                let verb = if requeue { Settlement::Fail } else { Settlement::Reject };
                Self { happening: Happening::Reject, tag, multiple: false, verb }
            }
            _ => return None,
        })
    }
}

impl Session {
    pub(super) fn intercept_settlement(
        &mut self,
        now: Time,
        number: u16,
        method: &Method<'_>,
        used: usize,
    ) -> Intercepted {
        let Some(said) = Said::of(method) else { return Intercepted::Pass };
        let Some(covered) = self.covered(number, said) else { return Intercepted::Pass };
        self.note_channel(number);
        for (tag, tagged) in covered {
            if !self.settle_watched(now, number, said, tag, tagged) {
                break;
            }
        }
        Intercepted::Taken(used)
    }

    /// The messages that it is about; `None` if that is not for rules to say: the tag is none, which is the client's fault.
    fn covered(&mut self, number: u16, said: Said) -> Option<Vec<(u64, Tagged)>> {
        let channel = self.channels.get(usize::from(number)).and_then(Option::as_deref)?;
        let watch = self.connection.watch.as_mut()?;
        let at = (number, said.tag);
        if !said.multiple
            && let Some(first) = watch.twins.remove(&at)
        {
            let open = channel.tags.open_one(first);
            if open.is_some() {
                watch.settled_by_twin.insert((number, first));
            }
            return Some(open.map(|tagged| (first, tagged)).into_iter().collect());
        }
        let is_settled_by_twin = watch.settled_by_twin.remove(&at);
        let is_twin = watch.twins.contains_key(&at);
        let is_all = said.multiple && said.tag == 0;
        if channel.tags.open_one(said.tag).is_none() && !is_settled_by_twin && !is_twin && !is_all {
            return None;
        }
        let span = match said.verb {
            Settlement::Ack => channel.tags.span_of_ack(said.tag, said.multiple),
            _ if said.multiple => Span::UpTo,
            _ => Span::One,
        };
        if said.multiple {
            watch.twins.retain(|(of, tag), _| *of != number || (*tag > said.tag && said.tag != 0));
        }
        Some(channel.tags.covered(said.tag, span))
    }

    /// Settles one message if no rule says otherwise; `false` if there is no connection any more.
    fn settle_watched(&mut self, now: Time, number: u16, said: Said, tag: u64, tagged: Tagged) -> bool {
        let Some(watch) = &mut self.connection.watch else { return false };
        let noted = watch.delivered.get(&(number, tag)).cloned();
        let verdict = match noted {
            _ if !watch.armed().has(Armed::SETTLE) => None,
            Some(noted) => watch.decide_on(said.happening, number, Some(&noted)),
            // It was delivered before there was a rule: its queue is all that is known.
            None => {
                let noted =
                    NotedMessage { queues: watch.names_of([tagged.queue]), ..NotedMessage::default() };
                watch.decide_on(said.happening, number, Some(&noted))
            }
        };
        let verb = match verdict.map(|verdict| verdict.action) {
            None => said.verb,
            Some(Action::Redeliver) => Settlement::Requeue,
            Some(Action::Drop) => return true,
            Some(Action::Close(refusal)) => {
                self.close_by_rule(now, &refusal);
                return false;
            }
            Some(_) => {
                self.reset(now);
                return false;
            }
        };
        watch.delivered.remove(&(number, tag));
        if let Some(channel) = self.channels.get_mut(usize::from(number)).and_then(Option::as_deref_mut) {
            // It is open: that was looked at.
            let _ = channel.settle_span(&mut self.connection, tag, Span::One, verb);
        }
        true
    }
}
