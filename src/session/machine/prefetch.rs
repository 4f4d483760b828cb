//! basic.qos: the prefetch of consumers to come, and the one that all consumers of a channel share
//! ([`ChannelPrefetch`]).

use std::sync::Arc;

use amq_protocol::protocol::{AMQPClass, basic};

use super::channel::Channel;
use super::connection::Connection;
use super::methods::Outcome;
use super::session::Session;
use crate::message::QueueId;
use crate::queue::{ChannelPrefetch, Command, PrefetchShare};
use crate::session::exception::Exception;

impl Channel {
    /// As in RabbitMQ, without `global` it sets the prefetch of consumers to come and lifts the channel's own.
    pub(super) fn qos(
        &mut self,
        connection: &mut Connection,
        size: u32,
        count: u16,
        global: bool,
    ) -> Outcome {
        if size != 0 {
            return Err(Exception::not_implemented(format!("prefetch_size!=0 ({size})")));
        }
        let global = global && connection.persona.has_channel_prefetch();
        if !global {
            self.prefetch = count;
        }
        match &self.channel_prefetch {
            _ if !global || count == 0 => self.lift_channel_prefetch(connection),
            Some(prefetch) => self.tell_turns(connection, prefetch.set(count)),
            None => self.set_channel_prefetch(connection, count),
        }
        self.answer(connection, AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {})))
    }

    fn set_channel_prefetch(&mut self, connection: &mut Connection, count: u16) {
        self.prefetches_made += 1;
        let prefetch = ChannelPrefetch::new(self.prefetches_made, count, self.tags.held());
        self.channel_prefetch = Some(Arc::new(prefetch));
        self.announce_channel_prefetch(connection);
    }

    fn lift_channel_prefetch(&mut self, connection: &mut Connection) {
        if self.channel_prefetch.take().is_some() {
            self.announce_channel_prefetch(connection);
        }
    }

    fn announce_channel_prefetch(&self, connection: &mut Connection) {
        let mut queues: Vec<QueueId> =
            self.consumers.values().filter_map(|consumer| consumer.queue).collect();
        queues.sort_unstable();
        queues.dedup();
        for queue in queues {
            let prefetch = self.channel_prefetch.clone();
            let share = prefetch.map(|prefetch| PrefetchShare::new(prefetch, queue));
            let command = Command::SetChannelPrefetch(connection.id, self.number, share);
            connection.outgoing.command(queue, command);
        }
    }

    /// The client settled so many deliveries: the channel's consumers may have as many more.
    pub(super) fn give_credit_back(&self, connection: &mut Connection, count: usize) {
        if let (Some(prefetch), true) = (&self.channel_prefetch, count > 0) {
            self.tell_turns(connection, prefetch.give_back(count));
        }
    }

    fn tell_turns(&self, connection: &mut Connection, queues: Vec<QueueId>) {
        for queue in queues {
            connection.outgoing.command(queue, Command::TakeTurn(connection.id, self.number));
        }
    }
}

impl Session {
    /// A queue had no use for its turn to take of the channel's prefetch.
    pub fn turn_passed_on(&mut self, channel: u16) {
        let slot = self.channels.get(usize::from(channel)).and_then(Option::as_deref);
        let Some(channel) = slot.filter(|channel| !channel.closing) else { return };
        if let Some(prefetch) = &channel.channel_prefetch {
            channel.tell_turns(&mut self.connection, prefetch.next_turns());
        }
    }
}
