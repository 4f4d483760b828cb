//! Deliveries on which a rule hits.

use std::sync::Arc;
use std::time::Duration;

use crate::faults::{Action, Armed, Happening, Verdict};
use crate::message::{Message, Parts, QueueId};
use crate::queue::Delivery;
use crate::session::machine::session::Session;
use crate::session::watch::{Doom, HeldDelivery, NotedMessage};
use crate::time::Time;

/// How long a delivery waits for those that are to go before it.
const REORDER_WAITS: Duration = Duration::from_secs(1);

impl Session {
    /// Writes deliveries as rules say; `false` if they have nothing to say.
    #[cold]
    pub(in crate::session::machine) fn deliver_watched(
        &mut self,
        number: u32,
        deliveries: &[Delivery],
    ) -> bool {
        let Some(watch) = &self.connection.watch else { return false };
        let is_held = watch.held.iter().any(|held| held.consumer == number);
        if !watch.armed().has(Armed::DELIVER | Armed::SETTLE) && !is_held {
            return false;
        }
        for delivery in deliveries {
            let verdict = self.look_at(number, delivery);
            if !self.deliver_as(number, delivery, verdict.map(|verdict| verdict.action)) {
                // The queue has what is not delivered when the connection ends.
                return true;
            }
        }
        true
    }

    fn look_at(&self, number: u32, delivery: &Delivery) -> Option<Verdict> {
        let (watch, consumer) = (self.connection.watch.as_ref()?, self.consumers.get(&number)?);
        if !watch.armed().has(Armed::DELIVER) {
            return None;
        }
        let queues = watch.names_of(consumer.queue);
        let consumer_tag = Some(Arc::from(consumer.tag.as_str()));
        let noted = NotedMessage { message: Some(delivery.message.clone()), queues, consumer_tag };
        watch.decide_on(Happening::Deliver, consumer.channel, Some(&noted))
    }

    /// `false` if the connection ends.
    fn deliver_as(&mut self, number: u32, delivery: &Delivery, action: Option<Action>) -> bool {
        let Some(watch) = &mut self.connection.watch else { return false };
        match action {
            None => self.deliver_one(number, delivery),
            Some(Action::Drop) => self.deliver_unseen(number, delivery),
            Some(Action::Duplicate) => self.deliver_twice(number, delivery),
            Some(Action::Corrupt) => {
                let message = corrupted(&delivery.message);
                self.deliver_one(number, &Delivery { message, ..delivery.clone() });
            }
            Some(Action::Delay(ms)) => {
                let due = watch.now.plus_ms(ms);
                watch.held.push(HeldDelivery {
                    consumer: number,
                    delivery: delivery.clone(),
                    due,
                    behind: 0,
                });
            }
            Some(Action::Reorder(count)) => {
                let (due, behind) = (watch.now + REORDER_WAITS, count - 1);
                watch.held.push(HeldDelivery { consumer: number, delivery: delivery.clone(), due, behind });
            }
            Some(Action::Close(refusal)) => {
                watch.doom = Some(Doom::Close(refusal));
                return false;
            }
            Some(_) => {
                watch.doom = Some(Doom::Reset);
                return false;
            }
        }
        true
    }

    /// Writes one, and after it those that waited for it.
    fn deliver_one(&mut self, number: u32, delivery: &Delivery) {
        self.note_delivery(number, delivery);
        self.write_deliveries(number, std::slice::from_ref(delivery));
        let Some(watch) = &mut self.connection.watch else { return };
        for held in watch.held.iter_mut().filter(|held| held.consumer == number && held.behind > 0) {
            held.behind -= 1;
            if held.behind == 0 {
                held.due = Time::ZERO;
            }
        }
        self.deliver_due(Time::ZERO);
    }

    /// Acks are told by what was delivered.
    fn note_delivery(&mut self, number: u32, delivery: &Delivery) {
        let Some(consumer) = self.consumers.get(&number).filter(|consumer| !consumer.no_ack) else { return };
        let Some(watch) = self.connection.watch.as_mut().filter(|watch| watch.armed().has(Armed::SETTLE))
        else {
            return;
        };
        let channel = self.channels.get(usize::from(consumer.channel)).and_then(Option::as_ref);
        let Some(tag) = channel.map(|channel| channel.tags.upcoming()) else { return };
        let queues = watch.names_of(consumer.queue);
        let consumer_tag = Some(Arc::from(consumer.tag.as_str()));
        let noted = NotedMessage { message: Some(delivery.message.clone()), queues, consumer_tag };
        watch.delivered.insert((consumer.channel, tag), noted);
    }

    /// It has its tag, and the client never sees it.
    fn deliver_unseen(&mut self, number: u32, delivery: &Delivery) {
        let out = std::mem::take(&mut self.connection.out);
        self.write_deliveries(number, std::slice::from_ref(delivery));
        self.connection.out = out;
    }

    /// The second has a tag of its own, by which the first is settled, too.
    fn deliver_twice(&mut self, number: u32, delivery: &Delivery) {
        let Some((channel, no_ack)) =
            self.consumers.get(&number).map(|consumer| (consumer.channel, consumer.no_ack))
        else {
            return;
        };
        let upcoming = |session: &Self| {
            let channel = session.channels.get(usize::from(channel)).and_then(Option::as_ref);
            channel.map_or(0, |channel| channel.tags.upcoming())
        };
        let first = upcoming(self);
        self.deliver_one(number, delivery);
        let second = upcoming(self);
        if let Some(watch) = self.connection.watch.as_mut().filter(|_| !no_ack) {
            watch.twins.insert((channel, second), first);
        }
        self.set_no_ack(number, true);
        let again = Delivery { redelivered: true, ..delivery.clone() };
        self.write_deliveries(number, std::slice::from_ref(&again));
        self.set_no_ack(number, no_ack);
        self.count_duplicate(number, channel, no_ack);
        // Its queue knows of one: credit for the other was never taken.
        self.unwritten.pop();
    }

    /// A second delivery counts as what the first was.
    fn count_duplicate(&mut self, number: u32, channel: u16, no_ack: bool) {
        if let Some(channel) = self.channel(channel).filter(|_| !no_ack) {
            channel.counted.delivered_no_ack -= 1;
            channel.counted.delivered += 1;
        }
        let queue = self.consumers.get(&number).and_then(|consumer| consumer.queue);
        if let (Some(watch), Some(queue)) = (&mut self.connection.watch, queue) {
            watch.duplicated.push((queue, !no_ack));
        }
    }

    /// Takes the second deliveries since the last call: of which queue, and whether they are acked.
    pub fn take_duplicated(&mut self) -> Vec<(QueueId, bool)> {
        self.connection.watch.as_mut().map(|watch| std::mem::take(&mut watch.duplicated)).unwrap_or_default()
    }

    fn set_no_ack(&mut self, number: u32, no_ack: bool) {
        if let Some(consumer) = self.consumers.get_mut(&number) {
            consumer.no_ack = no_ack;
        }
    }

    pub(super) fn deliver_due(&mut self, now: Time) {
        self.deliver_held(|held| held.due <= now);
    }

    /// A consumer goes, and its client will be told so: what is held back for it goes out first.
    pub(in crate::session::machine) fn release_held(&mut self, number: u32) {
        self.deliver_held(|held| held.consumer == number);
    }

    fn deliver_held(&mut self, goes: impl Fn(&HeldDelivery) -> bool) {
        let Some(watch) = &mut self.connection.watch else { return };
        let held: Vec<HeldDelivery> = watch.held.extract_if(.., |held| goes(held)).collect();
        for HeldDelivery { consumer, delivery, .. } in held {
            self.deliver_one(consumer, &delivery);
        }
    }
}

/// The same with another first byte of its body, if it has one.
fn corrupted(message: &Message) -> Message {
    let parts = message.parts();
    let mut body = parts.body.to_vec();
    if let Some(first) = body.first_mut() {
        *first ^= 0xFF;
    }
    Message::new(Parts { body: &body, ..parts })
}
