//! What a program is: operations, each said on a channel of a connection.
//!
//! Queues and exchanges have short names that the interpreter makes unique: `q1`, `x2`, and `s1` for a queue that the
//! broker names. Within keys and argument values such a name stands in braces: `{q1}`. Every other name is sent as it is.

use crate::codec::{Props, Table};

/// A program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Milliseconds that are let pass after each operation, so that every message with a shorter TTL has expired.
    pub outlive_ms: Option<i32>,
    /// What is done, in order.
    pub operations: Vec<Operation>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Who does it.
    pub actor: Actor,
    /// What is done.
    pub action: Action,
    /// Whether its effects are awaited before the next one. If not, the next one should be on the same channel.
    pub awaited: bool,
}

/// A channel of a connection. Both are opened when they are first used, and again after they were closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Actor {
    /// The connection: an upper-case letter.
    pub connection: char,
    /// The channel.
    pub channel: u16,
}

/// What an operation does. `bits` are the method's, as `methods::q`, `methods::x` and `methods::c` name them.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Action {
    DeclareQueue {
        queue: String,
        bits: u8,
        arguments: Table,
    },
    /// Declares and, if that worked, deletes again: for arguments that would change what the rest of a program means.
    ProbeQueue {
        queue: String,
        bits: u8,
        arguments: Table,
    },
    DeleteQueue {
        queue: String,
        bits: u8,
    },
    PurgeQueue {
        queue: String,
    },
    DeclareExchange {
        exchange: String,
        kind: String,
        bits: u8,
        arguments: Table,
    },
    DeleteExchange {
        exchange: String,
        bits: u8,
    },
    Bind {
        way: Way,
        key: String,
        arguments: Table,
    },
    Unbind {
        way: Way,
        key: String,
        arguments: Table,
    },
    Publish(Box<Publish>),
    Get {
        queue: String,
        no_ack: bool,
    },
    Consume {
        queue: String,
        tag: String,
        bits: u8,
        arguments: Table,
    },
    Cancel {
        tag: String,
    },
    Qos {
        size: u32,
        count: u16,
        global: bool,
    },
    Ack {
        delivery: Delivery,
        multiple: bool,
    },
    Nack {
        delivery: Delivery,
        multiple: bool,
        requeue: bool,
    },
    Reject {
        delivery: Delivery,
        requeue: bool,
    },
    Recover {
        requeue: bool,
    },
    SelectConfirm,
    SelectTx,
    Commit,
    Rollback,
    Flow {
        active: bool,
    },
    CloseChannel,
    CloseConnection,
    /// Ends the socket without a word.
    Drop,
    /// Shares out messages among competing consumers; see `shares`.
    Shares(Shares),
}

/// From where to where a binding goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Way {
    Queue { queue: String, source: String },
    Exchange { destination: String, source: String },
}

/// Messages published in one go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Publish {
    /// To which exchange.
    pub exchange: String,
    /// With which routing key.
    pub key: String,
    /// 1: mandatory, 2: immediate.
    pub bits: u8,
    /// The properties of each.
    pub props: Props,
    /// How the bodies begin; `.0`, `.1`, .. follows.
    pub body: String,
    /// How many.
    pub count: usize,
}

/// Which delivery of the channel is settled. Tags depend on how deliveries of different queues mix, which nobody promises;
/// these do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The nth unsettled one of a queue, from the oldest (0) or the newest (-1).
    Held(String, i32),
    /// The last that came in the nth oldest step of the program that left unsettled ones. Made for `multiple`.
    Step(usize),
    /// The one that was settled last: a mistake.
    Settled,
    /// A tag.
    Tag(u64),
}

/// The measure of how a channel's consumers share: `acks` messages are acked one by one, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// How many queues.
    pub queues: usize,
    /// How many consumers each has, all on one channel.
    pub consumers: usize,
    /// The prefetch.
    pub prefetch: u16,
    /// Whether it is the channel's.
    pub global: bool,
    /// How many messages each queue has.
    pub messages: usize,
    /// How many of them are acked.
    pub acks: usize,
}

impl Program {
    /// The channels that it uses.
    pub fn actors(&self) -> Vec<Actor> {
        let mut actors: Vec<Actor> = self.operations.iter().map(|operation| operation.actor).collect();
        actors.sort_unstable();
        actors.dedup();
        actors
    }
}

impl Action {
    /// Whether a broker has done all of it when it answers, unless it closes something.
    pub fn is_done_when_answered(&self) -> bool {
        matches!(
            self,
            Self::DeclareQueue { .. }
                | Self::ProbeQueue { .. }
                | Self::DeclareExchange { .. }
                | Self::DeleteExchange { .. }
                | Self::Bind { .. }
                | Self::Unbind { .. }
                | Self::SelectConfirm
                | Self::SelectTx
                | Self::Flow { .. }
        )
    }
}

impl Way {
    /// Where it ends.
    pub fn destination(&self) -> &str {
        match self {
            Self::Queue { queue: end, .. } | Self::Exchange { destination: end, .. } => end,
        }
    }

    /// Where it begins.
    pub fn source(&self) -> &str {
        match self {
            Self::Queue { source, .. } | Self::Exchange { source, .. } => source,
        }
    }
}
