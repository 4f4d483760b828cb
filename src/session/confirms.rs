//! Publisher confirms of one channel: which publishes wait for how many queues, and what the publisher is to be sent.
//!
//! Sequence numbers inside the broker are offset by a base of the channel's own, so that a confirm that was under way for
//! an earlier channel of the same number means nothing to its successor.

use std::collections::VecDeque;

/// Sequence numbers a channel may use before they could meet those of its successor: 2^40, a million a second for 12 days.
const SEQUENCE_BITS: u32 = 40;

/// The state of one publish: queues it still waits for, and whether one refused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unconfirmed {
    queues: u32,
    refused: bool,
    is_sent: bool,
}

/// An ack or a nack for the publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// basic.ack.
    Ack {
        /// The publish's delivery tag.
        tag: u64,
        /// All up to it as well.
        multiple: bool,
    },
    /// basic.nack.
    Nack {
        /// The publish's delivery tag.
        tag: u64,
    },
}

/// Publishes whose confirm was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentConfirm {
    /// The channel.
    pub channel: u16,
    /// Sequence number of the first of them. Of a run, some may have been confirmed before.
    pub first: u64,
    /// Sequence number of the last.
    pub last: u64,
    /// Whether they were acked; if not, a queue refused them.
    pub is_ack: bool,
}

impl SentConfirm {
    /// Of a channel whose sequence numbers begin after `base`.
    #[must_use]
    pub const fn of(channel: u16, base: u64, confirmation: Confirmation) -> Self {
        let (tag, is_run, is_ack) = match confirmation {
            Confirmation::Ack { tag, multiple } => (tag, multiple, true),
            Confirmation::Nack { tag } => (tag, false, false),
        };
        Self { channel, first: base + if is_run { 1 } else { tag }, last: base + tag, is_ack }
    }
}

/// A publish's delivery tag, of its sequence number within the broker.
#[must_use]
pub const fn delivery_tag(sequence: u64) -> u64 {
    sequence & ((1 << SEQUENCE_BITS) - 1)
}

/// Outstanding confirms of a channel in confirm mode.
#[derive(Debug)]
pub struct Confirms {
    base: u64,
    /// Tag of the first entry of `waiting`.
    first: u64,
    waiting: VecDeque<Unconfirmed>,
    /// Tags that were completed out of order since the last [`take_confirmations`](Self::take_confirmations).
    completed: Vec<u64>,
    /// Whether a confirm was kept from the publisher.
    has_gaps: bool,
}

impl Confirms {
    /// For the channel with this incarnation number, unique on its connection.
    #[must_use]
    pub fn new(incarnation: u64) -> Self {
        let base = incarnation << SEQUENCE_BITS;
        Self { base, first: 1, waiting: VecDeque::new(), completed: Vec::new(), has_gaps: false }
    }

    /// Notes a publish that waits for that many queues; gives its sequence number within the broker.
    pub fn publish(&mut self, queues: usize) -> u64 {
        let tag = self.first + self.waiting.len() as u64;
        self.waiting.push_back(Unconfirmed { queues: queues as u32, refused: false, is_sent: false });
        if queues == 0 {
            self.completed.push(tag);
        }
        self.base + tag
    }

    /// Notes a publish that goes to no queue and is refused.
    pub fn publish_refused(&mut self) {
        self.publish(0);
        if let Some(last) = self.waiting.back_mut() {
            last.refused = true;
        }
    }

    /// The delivery tag of the next publish.
    #[must_use]
    pub fn next_tag(&self) -> u64 {
        self.first + self.waiting.len() as u64
    }

    /// A confirm is kept from the publisher: from now on none may say 'multiple'.
    pub const fn note_gap(&mut self) {
        self.has_gaps = true;
    }

    /// Whether one was.
    #[must_use]
    pub const fn has_gaps(&self) -> bool {
        self.has_gaps
    }

    /// As [`take_confirmations`](Self::take_confirmations), each publish by itself: its tag, and whether it was refused.
    pub fn take_singly(&mut self) -> Vec<(u64, bool)> {
        let mut tags = std::mem::take(&mut self.completed);
        tags.sort_unstable();
        let mut taken = Vec::with_capacity(tags.len());
        for tag in tags {
            let index = tag.checked_sub(self.first).map(|index| index as usize);
            let Some(waiting) = index.and_then(|index| self.waiting.get_mut(index)) else { continue };
            if !std::mem::replace(&mut waiting.is_sent, true) {
                taken.push((tag, waiting.refused));
            }
        }
        while self.waiting.front().is_some_and(|front| front.queues == 0) {
            self.waiting.pop_front();
            self.first += 1;
        }
        taken
    }

    /// One queue has taken the publishes from `first` to `last`.
    pub fn confirmed(&mut self, first: u64, last: u64) {
        self.settled(first, last, false);
    }

    /// One queue has refused them.
    pub fn refused(&mut self, first: u64, last: u64) {
        self.settled(first, last, true);
    }

    /// What its sequence numbers begin after.
    #[must_use]
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// Publishes not yet confirmed.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.waiting.len()
    }

    fn settled(&mut self, first: u64, last: u64, refused: bool) {
        let tag = |sequence: u64| sequence.checked_sub(self.base);
        let (Some(first), Some(last)) = (tag(first), tag(last)) else { return };
        for tag in first.max(self.first)..=last {
            let Some(waiting) = self.waiting.get_mut((tag - self.first) as usize) else { return };
            waiting.refused |= refused;
            waiting.queues = waiting.queues.saturating_sub(1);
            if waiting.queues == 0 && !waiting.is_sent {
                self.completed.push(tag);
            }
        }
    }

    /// What the publisher is to be sent of all that was completed since the last call: one multiple ack for the unbroken run
    /// at the front, single ones for what lies beyond. Gives how many publishes were acked.
    pub fn take_confirmations(&mut self, mut each: impl FnMut(Confirmation)) -> u64 {
        if self.completed.is_empty() {
            return 0;
        }
        let (run_end, mut acked) = self.pop_run(&mut each);
        for tag in std::mem::take(&mut self.completed) {
            if tag <= run_end {
                continue;
            }
            let Some(waiting) = self.waiting.get_mut((tag - self.first) as usize) else { continue };
            waiting.is_sent = true;
            acked += u64::from(!waiting.refused);
            each(if waiting.refused {
                Confirmation::Nack { tag }
            } else {
                Confirmation::Ack { tag, multiple: false }
            });
        }
        acked
    }

    /// Takes the completed run off the front and tells of it; gives its last tag, and how many were acked.
    fn pop_run(&mut self, each: &mut impl FnMut(Confirmation)) -> (u64, u64) {
        let mut acked = None;
        let (mut count, mut sum) = (0_u64, 0);
        while let Some(waiting) = self.waiting.front().filter(|waiting| waiting.queues == 0) {
            let tag = self.first;
            if waiting.refused && !waiting.is_sent {
                flush(&mut acked, &mut count, each);
                each(Confirmation::Nack { tag });
            } else if !waiting.is_sent {
                acked = Some(tag);
                count += 1;
                sum += 1;
            }
            self.waiting.pop_front();
            self.first += 1;
        }
        flush(&mut acked, &mut count, each);
        (self.first - 1, sum)
    }
}

/// A run that follows nacks may say 'multiple' too: what lies before it was confirmed already.
fn flush(acked: &mut Option<u64>, count: &mut u64, each: &mut impl FnMut(Confirmation)) {
    if let Some(tag) = acked.take() {
        each(Confirmation::Ack { tag, multiple: *count > 1 });
    }
    *count = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(confirms: &mut Confirms) -> Vec<Confirmation> {
        let mut taken = Vec::new();
        confirms.take_confirmations(|confirmation| taken.push(confirmation));
        taken
    }

    fn with(queues: &[usize]) -> Confirms {
        let mut confirms = Confirms::new(3);
        for count in queues {
            confirms.publish(*count);
        }
        confirms
    }

    const BASE: u64 = 3 << SEQUENCE_BITS;

    #[test]
    fn a_run_is_one_multiple_ack() {
        let mut confirms = with(&[1, 1, 1, 1]);
        confirms.confirmed(BASE + 1, BASE + 3);
        assert_eq!(taken(&mut confirms), [Confirmation::Ack { tag: 3, multiple: true }]);
        confirms.confirmed(BASE + 4, BASE + 4);
        assert_eq!(taken(&mut confirms), [Confirmation::Ack { tag: 4, multiple: false }]);
        assert_eq!(confirms.outstanding(), 0);
    }

    #[test]
    fn every_queue_has_to_confirm() {
        let mut confirms = with(&[2]);
        confirms.confirmed(BASE + 1, BASE + 1);
        assert_eq!(taken(&mut confirms), []);
        confirms.confirmed(BASE + 1, BASE + 1);
        assert_eq!(taken(&mut confirms), [Confirmation::Ack { tag: 1, multiple: false }]);
    }

    #[test]
    fn out_of_order_ones_are_told_once() {
        let mut confirms = with(&[1, 1, 1]);
        confirms.confirmed(BASE + 3, BASE + 3);
        assert_eq!(taken(&mut confirms), [Confirmation::Ack { tag: 3, multiple: false }]);
        confirms.confirmed(BASE + 1, BASE + 2);
        assert_eq!(taken(&mut confirms), [Confirmation::Ack { tag: 2, multiple: true }]);
        assert_eq!((confirms.outstanding(), taken(&mut confirms)), (0, vec![]));
    }

    #[test]
    fn a_refusal_by_one_queue_is_a_nack() {
        let mut confirms = with(&[1, 2, 1]);
        confirms.confirmed(BASE + 1, BASE + 3);
        confirms.refused(BASE + 2, BASE + 2);
        let expected = [
            Confirmation::Ack { tag: 1, multiple: false },
            Confirmation::Nack { tag: 2 },
            Confirmation::Ack { tag: 3, multiple: false },
        ];
        assert_eq!(taken(&mut confirms), expected);
    }

    #[test]
    fn unroutable_ones_are_complete_at_once() {
        let mut confirms = with(&[0, 0]);
        assert_eq!(taken(&mut confirms), [Confirmation::Ack { tag: 2, multiple: true }]);
    }

    #[test]
    fn what_was_sent_is_known_by_its_sequence_numbers() {
        let run = SentConfirm::of(1, BASE, Confirmation::Ack { tag: 7, multiple: true });
        assert_eq!(run, SentConfirm { channel: 1, first: BASE + 1, last: BASE + 7, is_ack: true });
        let one = SentConfirm::of(1, BASE, Confirmation::Nack { tag: 7 });
        assert_eq!(one, SentConfirm { channel: 1, first: BASE + 7, last: BASE + 7, is_ack: false });
        assert_eq!(delivery_tag(one.last), 7);
    }

    #[test]
    fn confirms_for_an_earlier_channel_mean_nothing() {
        let mut confirms = with(&[1]);
        confirms.confirmed((2 << SEQUENCE_BITS) + 1, (2 << SEQUENCE_BITS) + 1);
        assert_eq!((taken(&mut confirms), confirms.outstanding()), (vec![], 1));
    }
}
