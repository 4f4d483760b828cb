//! What a session knows beside the usual when tests can make faults on it: the rules, and what those that hit have left to be done.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::faults::{Armed, Faults, Happening, Refusal, Subject, Verdict};
use crate::message::{Message, QueueId};
use crate::queue::Delivery;
use crate::time::Time;

/// Finds the names of queues, for patterns.
pub type QueueNames = Box<dyn Fn(QueueId) -> Option<Arc<str>> + Send + Sync>;

/// How a rule ends the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Doom {
    /// Without a word.
    Reset,
    /// With connection.close.
    Close(Refusal),
}

/// A delivery that is held back: until its time, or until enough others of its consumer went out.
#[derive(Debug)]
pub(super) struct HeldDelivery {
    pub(super) consumer: u32,
    pub(super) delivery: Delivery,
    pub(super) due: Time,
    /// So many go first; 0: time alone counts.
    pub(super) behind: u32,
}

/// A confirm that is held back.
#[derive(Clone, Copy, Debug)]
pub(super) struct LateConfirm {
    pub(super) channel: u16,
    /// Of the channel that it is for: another of the same number has nothing to do with it.
    pub(super) incarnation: u64,
    pub(super) tag: u64,
    pub(super) refused: bool,
    pub(super) due: Time,
}

/// What becomes of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    /// It goes to its queues.
    Goes,
    /// It does so twice.
    GoesTwice,
    /// It goes nowhere, and its publisher has been told what it is to be told.
    Gone,
}

/// What is known of a message when it is confirmed or acked.
#[derive(Clone, Debug, Default)]
pub(super) struct NotedMessage {
    pub(super) message: Option<Message>,
    pub(super) queues: Vec<Arc<str>>,
    pub(super) consumer_tag: Option<Arc<str>>,
}

/// A channel's number with one of its tags.
pub(super) type ChannelTag = (u16, u64);

/// The rules of a connection's virtual host, as its session looks at them.
pub struct Watch {
    faults: Arc<Faults>,
    names: QueueNames,
    user: String,
    connection: String,
    /// What there were rules for at the last look.
    armed: Armed,
    /// The time, as the session's owner said it last.
    pub(super) now: Time,
    /// The frame that comes next was looked at before.
    pub(super) is_let_through: bool,
    pub(super) doom: Option<Doom>,
    pub(super) held: Vec<HeldDelivery>,
    pub(super) late: Vec<LateConfirm>,
    /// Publishes that wait for their confirms.
    pub(super) published: BTreeMap<ChannelTag, NotedMessage>,
    /// Deliveries that wait for their acks.
    pub(super) delivered: BTreeMap<ChannelTag, NotedMessage>,
    /// Second deliveries of a message, with the tag of the first.
    pub(super) twins: BTreeMap<ChannelTag, u64>,
    /// Second deliveries since they were last taken: of which queue, and whether they are acked. Queues know of one each.
    pub(super) duplicated: Vec<(QueueId, bool)>,
    /// First deliveries that were settled by the tag of the second.
    pub(super) settled_by_twin: BTreeSet<ChannelTag>,
}

impl Watch {
    /// Of the connection of this name and user.
    #[must_use]
    pub fn new(faults: Arc<Faults>, names: QueueNames, user: &str, connection: &str) -> Self {
        Self {
            faults,
            names,
            user: user.to_owned(),
            connection: connection.to_owned(),
            armed: Armed::NOTHING,
            now: Time::ZERO,
            is_let_through: false,
            doom: None,
            held: Vec::new(),
            late: Vec::new(),
            published: BTreeMap::new(),
            delivered: BTreeMap::new(),
            twins: BTreeMap::new(),
            duplicated: Vec::new(),
            settled_by_twin: BTreeSet::new(),
        }
    }

    /// Looks at what there are rules for; whether that has changed.
    #[inline]
    pub(super) fn look(&mut self) -> bool {
        let armed = self.faults.armed();
        std::mem::replace(&mut self.armed, armed) != armed
    }

    /// What there were rules for at the last [look](Self::look). A rule that is made after it has no say before the next.
    pub(super) const fn armed(&self) -> Armed {
        self.armed
    }

    /// Whether anything that a client sends may be met by a rule, or by what one has left.
    #[inline]
    pub(super) fn looks_at_input(&self) -> bool {
        self.armed.has(Armed::PUBLISH | Armed::CONFIRM) || self.looks_at_methods()
    }

    /// The same of methods but publishes.
    #[inline]
    pub(super) fn looks_at_methods(&self) -> bool {
        self.armed.has(Armed::METHODS | Armed::SETTLE)
            || self.is_let_through
            || !self.twins.is_empty()
            || !self.settled_by_twin.is_empty()
    }

    /// The name of a queue, in a list as subjects have it.
    pub(super) fn names_of(&self, queues: impl IntoIterator<Item = QueueId>) -> Vec<Arc<str>> {
        queues.into_iter().filter_map(|queue| (self.names)(queue)).collect()
    }

    /// Something on one of its channels.
    pub(super) fn subject(&self, channel: u16) -> Subject<'_> {
        Subject { user: &self.user, connection: &self.connection, channel, ..Subject::default() }
    }

    /// What is to be done when this happens to a message, of which nothing may be known.
    pub(super) fn decide_on(
        &self,
        happening: Happening,
        channel: u16,
        noted: Option<&NotedMessage>,
    ) -> Option<Verdict> {
        let subject = self.subject(channel);
        let Some(NotedMessage { message, queues, consumer_tag }) = noted else {
            return self.faults.decide(happening, &subject);
        };
        let subject = Subject {
            queues,
            consumer_tag: consumer_tag.as_deref(),
            exchange: message.as_ref().map(Message::exchange),
            routing_key: message.as_ref().map(Message::routing_key),
            properties: message.as_ref().map(Message::properties),
            ..subject
        };
        self.faults.decide(happening, &subject)
    }

    /// What is to be done when this happens.
    pub(super) fn decide(&self, happening: Happening, subject: &Subject<'_>) -> Option<Verdict> {
        self.faults.decide(happening, subject)
    }

    /// When something that is held back is due.
    pub(super) fn next_due(&self) -> Option<Time> {
        let deliveries = self.held.iter().map(|held| held.due);
        deliveries.chain(self.late.iter().map(|late| late.due)).min()
    }

    /// A channel is no more: what was noted of it means nothing to its successor.
    pub(super) fn forget_channel(&mut self, number: u16) {
        self.published.retain(|(channel, _), _| *channel != number);
        self.delivered.retain(|(channel, _), _| *channel != number);
        self.twins.retain(|(channel, _), _| *channel != number);
        self.settled_by_twin.retain(|(channel, _)| *channel != number);
        self.late.retain(|late| late.channel != number);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("faults", &self.faults).finish_non_exhaustive()
    }
}
