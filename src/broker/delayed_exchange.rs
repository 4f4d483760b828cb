//! Messages of a delayed exchange whose time has come: they are routed as if they had been published now.
//!
//! As with dead letters their removal and their arrival are one unit in the store.

use super::journal::{QueueEvents, Surroundings, Why};
use super::mailbox::Mailbox;
use super::transfer::{Load, Transfer};
use crate::message::{Message, QueueId};
use crate::protocol::content::{Properties, replace_headers};
use crate::protocol::table::{FieldValue, Table, TableWriter};
use crate::queue::sender_selected::{has_bcc, routing_keys};
use crate::queue::{Due, Publish};
use crate::session::PropertySource;
use crate::topology::{DELAY, HeaderSource, RouteScratch, Undelayed};

/// Messages that leave a delayed exchange.
pub(super) struct DueMessages<'a> {
    pub(super) at: Surroundings<'a>,
    pub(super) events: &'a mut QueueEvents,
}

impl DueMessages<'_> {
    /// Sends each to where it is routed to now. One that has nowhere to go is dropped, as any that is not mandatory. Gives
    /// the mailboxes that are too full for more.
    pub(super) fn carry_out(self, due: Vec<Due>) -> Vec<Mailbox> {
        let (mut load, mut stored, mut noted) = (Load::default(), Vec::new(), Vec::new());
        let (mut unroutable, mut scratch) = (0, RouteScratch::default());
        for Due { message, position, stored: in_store } in due {
            stored.extend(in_store);
            let queues = self.targets(&message, &mut scratch);
            unroutable += u64::from(queues.is_empty());
            if self.at.vhost.journal.is_on() {
                noted.push(self.events.moved(&self.at, &message, position, Why::Due, &queues));
            }
            let publish = publish(undelayed(&message).for_queues(queues.len()));
            for queue in queues {
                load.add(queue, publish.clone(), Some(self.at.place(position)));
            }
        }
        self.at.shared.counters.dropped.unroutable.add(unroutable);
        // Before a target can note anything of it.
        self.at.vhost.journal.note(noted);
        let targets = load.queues().filter_map(|queue| self.at.vhost.queue(queue));
        let mailboxes: Vec<Mailbox> = targets.map(|record| record.mailbox.clone()).collect();
        Transfer { shared: self.at.shared, vhost: self.at.vhost, from: self.at.record.id, as_new: true }
            .carry_out(load, stored);
        mailboxes.into_iter().filter(Mailbox::is_full).collect()
    }

    fn targets(&self, message: &Message, scratch: &mut RouteScratch) -> Vec<QueueId> {
        let mut queues = Vec::new();
        let Ok(properties) = Properties::parse(message.properties()) else { return queues };
        let keys = routing_keys(message);
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        // It may have come by a binding from the exchange that it names. It waits nowhere else: its delay is negated.
        let exchange = self.at.record.name.as_bytes();
        let source = Undelayed(PropertySource(properties));
        if self.at.vhost.topology.route(exchange, &keys, Some(&source), &mut queues, scratch).is_err() {
            tracing::debug!(exchange = self.at.record.name, "the delayed exchange is gone");
        }
        queues
    }
}

/// The message as it goes on: with its delay negated, so that it is delayed once (as RabbitMQ's plugin
/// does it).
fn undelayed(message: &Message) -> Message {
    let Ok(properties) = Properties::parse(message.properties()) else { return message.clone() };
    let Some(headers) = properties.headers() else { return message.clone() };
    let delay_ms = PropertySource(properties).delay_ms().ok().flatten().and_then(|ms| i64::try_from(ms).ok());
    let mut table = Vec::with_capacity(headers.bytes().len());
    negate_delay(headers, delay_ms, &mut TableWriter::new(&mut table));
    match replace_headers(message.properties(), &table) {
        Ok(edited) => message.with_properties(&edited).with_bcc(has_bcc(Some(headers))),
        Err(_) => message.clone(),
    }
}

fn negate_delay(headers: Table<'_>, delay_ms: Option<i64>, writer: &mut TableWriter<'_>) {
    for (key, raw) in headers.iter_raw() {
        match delay_ms {
            Some(delay_ms) if key == DELAY => writer.entry(key, FieldValue::I64(-delay_ms)),
            _ => writer.entry_raw(key, raw),
        }
    }
}

/// Its own TTL begins when it comes to a queue.
pub(super) fn publish(message: Message) -> Publish {
    let properties = Properties::parse(message.properties()).ok();
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let ttl_ms = properties.and_then(|p| p.expiration()).and_then(text).and_then(|ttl| ttl.parse().ok());
    let priority = properties.and_then(|properties| properties.priority()).unwrap_or(0);
    Publish { message, channel: 0, sequence: 0, ttl_ms, priority }
}
