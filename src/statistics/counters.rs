//! What is counted. Every counter only grows; names are those of RabbitMQ's statistics where it has them.

/// A set of `N` counters.
pub trait Counters<const N: usize>: Copy + Default {
    /// The counters, in the order of their fields.
    fn to_array(self) -> [u64; N];
    /// The reverse of [`to_array`](Self::to_array).
    fn from_array(counts: [u64; N]) -> Self;
}

macro_rules! counters {
    ($(#[$of_set:meta])* $name:ident[$len:literal] { $($(#[$of_field:meta])* $field:ident,)+ }) => {
        $(#[$of_set])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$of_field])* pub $field: u64,)+
        }

        impl $name {
            /// How many there are.
            pub const LEN: usize = $len;

            /// Adds another set to this one.
            pub const fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)+
            }

            /// Whether nothing was counted.
            #[must_use]
            pub fn is_zero(&self) -> bool {
                *self == Self::default()
            }
        }

        impl Counters<$len> for $name {
            fn to_array(self) -> [u64; $len] {
                [$(self.$field),+]
            }

            fn from_array([$($field),+]: [u64; $len]) -> Self {
                Self { $($field),+ }
            }
        }
    };
}

counters! {
    /// Of one queue.
    QueueCounters[23] {
        /// Messages that came in: published, dead-lettered to it, or due after a delay.
        published,
        /// Of those, the ones whose publisher is told when they are safe.
        confirmed,
        /// Deliveries to consumers that ack.
        delivered,
        /// Deliveries to consumers that do not (`no_ack`).
        delivered_no_ack,
        /// Messages that basic.get got and that are to be acked.
        got,
        /// Messages that basic.get got with `no_ack`.
        got_no_ack,
        /// basic.get that found nothing.
        got_empty,
        /// Acks.
        acked,
        /// Deliveries and gets with the redelivered flag.
        redelivered,
        /// Messages that returned to the queue, at once or after a delay: nacked, rejected with requeue, recovered, not acked in
        /// time, or left by a channel that closed.
        returned,
        /// Of those, the ones that wait for their next attempt first.
        delayed,
        /// Of those, the ones that were parked.
        parked,
        /// Rejected, with nowhere to go.
        dropped_rejected,
        /// Expired, with nowhere to go.
        dropped_expired,
        /// Too many, or refused because there were too many, with nowhere to go.
        dropped_maxlen,
        /// Delivered too often, with nowhere to go.
        dropped_delivery_limit,
        /// Dead-lettered with this reason.
        dead_lettered_rejected,
        /// Dead-lettered with this reason.
        dead_lettered_expired,
        /// Dead-lettered with this reason.
        dead_lettered_maxlen,
        /// Dead-lettered with this reason.
        dead_lettered_delivery_limit,
        /// Messages of a stream that were gone before a consumer came to them, once for each consumer.
        missed,
        /// Bytes of the bodies that came in.
        bytes_in,
        /// Bytes of the bodies that were delivered or got.
        bytes_out,
    }
}

counters! {
    /// Of one exchange.
    ExchangeCounters[3] {
        /// Messages published to it, or sent on to it by another exchange.
        published_in,
        /// Copies that it sent on to queues.
        published_out,
        /// Messages that it had nowhere to send to.
        unroutable,
    }
}

impl QueueCounters {
    /// Messages that were dead and sent on, for whatever reason.
    #[must_use]
    pub const fn dead_lettered(&self) -> u64 {
        self.dead_lettered_rejected
            + self.dead_lettered_expired
            + self.dead_lettered_maxlen
            + self.dead_lettered_delivery_limit
    }

    /// Messages that were dead and had nowhere to go, for whatever reason.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped_rejected + self.dropped_expired + self.dropped_maxlen + self.dropped_delivery_limit
    }
}

impl ExchangeCounters {
    /// A message that went to this many queues.
    #[must_use]
    pub const fn routed(queues: usize) -> Self {
        Self { published_in: 1, published_out: queues as u64, unroutable: (queues == 0) as u64 }
    }
}

counters! {
    /// Of one channel.
    ChannelCounters[15] {
        /// Messages published.
        published,
        /// Of those, the ones published in confirm mode.
        published_confirm,
        /// Copies of them that went to queues.
        routed,
        /// Publishes confirmed to the client.
        confirmed,
        /// Publishes refused (basic.nack to the client).
        refused,
        /// Messages returned to the publisher: mandatory and unroutable.
        returned,
        /// Messages that matched no queue and were not mandatory.
        dropped,
        /// Deliveries to consumers that ack.
        delivered,
        /// Deliveries to consumers that do not (`no_ack`).
        delivered_no_ack,
        /// Messages that basic.get got and that are to be acked.
        got,
        /// Messages that basic.get got with `no_ack`.
        got_no_ack,
        /// basic.get that found nothing.
        got_empty,
        /// Messages acked, in transactions when the ack comes, not when it is committed.
        acked,
        /// Messages nacked or rejected.
        rejected,
        /// Deliveries and gets with the redelivered flag.
        redelivered,
    }
}

counters! {
    /// Of one connection's socket.
    ConnectionCounters[4] {
        /// Frames that came in.
        frames_in,
        /// Frames that went out.
        frames_out,
        /// Bytes that came in.
        bytes_in,
        /// Bytes that went out.
        bytes_out,
    }
}

counters! {
    /// Of the whole broker.
    BrokerCounters[7] {
        /// Connections accepted.
        connections_opened,
        /// Connections that ended, however.
        connections_closed,
        /// Channels opened.
        channels_opened,
        /// Channels closed, those that went with their connection included.
        channels_closed,
        /// queue.declare that succeeded, passive ones and those of queues that were there included.
        queues_declared,
        /// Queues made.
        queues_created,
        /// Queues that went: deleted, expired, auto-deleted, or with their connection.
        queues_deleted,
    }
}
