//! What goes through the broker: each flow has its queues, its publishers and its consumers, and a ledger.

use std::ops::Range;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use crate::random::Random;

/// The exchange to all queues of a flow.
pub const FANOUT: &str = "soak.all";
/// The exchange whose messages wait.
pub const LATER: &str = "soak.later";

/// Messages of one kind.
pub struct Flow {
    /// The key that its messages are published with, and the queue that they go to if there is no other.
    pub name: &'static str,
    pub per_second: u64,
    /// Of a body.
    pub bytes: Range<u64>,
    pub way: Way,
    /// Where it is published to.
    pub exchange: &'static str,
    pub queues: Vec<(&'static str, FieldTable)>,
    pub consumers: Vec<Consumer>,
    /// In so many places each message comes to an end.
    pub places: u8,
    /// Whether what a consumer is done with does not come to that place again unmarked. Not so where giving up a message, by losing a connection,
    /// lets it go on elsewhere.
    pub is_strict: bool,
}

/// How it is published.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// With confirms; what was not confirmed is not published again.
    Confirmed,
    /// A few at a time, and a commit.
    Transactions,
    /// By a publisher that counts, and publishes again what was not confirmed.
    Numbered,
    /// With a key that the queue knows it by, and published again if it was not confirmed.
    Keyed,
}

/// Who takes from a queue.
#[derive(Clone)]
pub struct Consumer {
    pub queue: &'static str,
    /// Which of the flow's places this is.
    pub place: u8,
    pub habit: Habit,
    pub arguments: FieldTable,
}

/// What a consumer does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    Acks,
    /// One in twenty goes back.
    GivesBack,
    /// One in five fails.
    Fails,
    /// As the first, and is away for half of the time.
    Naps,
}

/// A table of arguments.
fn table(arguments: &[(&'static str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    table
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

const fn number(number: i64) -> AMQPValue {
    AMQPValue::LongLongInt(number)
}

/// Dead letters go to this queue.
fn dying(queue: &'static str, others: &[(&'static str, AMQPValue)]) -> FieldTable {
    let dead = [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(queue))];
    table(&[&dead, others].concat())
}

fn consumer(queue: &'static str, habit: Habit) -> Consumer {
    Consumer { queue, place: 0, habit, arguments: FieldTable::default() }
}

impl Flow {
    /// Small messages with confirms, through a queue of that name that two take from.
    fn new(name: &'static str, per_second: u64, habit: Habit, arguments: FieldTable) -> Self {
        Self {
            name,
            per_second,
            bytes: 8..400,
            way: Way::Confirmed,
            exchange: "",
            queues: vec![(name, arguments)],
            consumers: vec![consumer(name, habit); 2],
            places: 1,
            is_strict: true,
        }
    }

    /// What fails goes to another queue in the end.
    fn failing(
        name: &'static str,
        dead: &'static str,
        habit: Habit,
        others: &[(&'static str, AMQPValue)],
    ) -> Self {
        let mut flow = Self::new(name, 80, habit, dying(dead, others));
        flow.queues.push((dead, FieldTable::default()));
        flow.consumers.push(consumer(dead, Habit::Acks));
        flow.is_strict = false;
        flow
    }

    /// The properties of a message.
    pub fn properties(&self, number: u64, random: &mut Random) -> BasicProperties {
        let properties = BasicProperties::default().with_delivery_mode(2);
        let headers = |headers: &[(&'static str, AMQPValue)]| properties.clone().with_headers(table(headers));
        match self.way {
            Way::Numbered => headers(&[
                ("x-publisher-id", text("soak")),
                ("x-publishing-id", AMQPValue::LongLongInt(number as i64 + 1)),
            ]),
            Way::Keyed => properties.with_message_id(number.to_string().into()),
            _ if self.exchange == LATER => {
                headers(&[("x-delay", AMQPValue::LongInt(random.below(3000) as i32))])
            }
            _ => properties.with_priority(random.below(10) as u8),
        }
    }
}

/// All of them.
pub fn flows() -> Vec<Flow> {
    let plain = FieldTable::default;
    let mut flows = vec![
        Flow::new("soak.plain", 200, Habit::GivesBack, plain()),
        Flow::new("soak.backlog", 100, Habit::Naps, plain()),
        Flow { bytes: 100_000..1_000_000, ..Flow::new("soak.large", 5, Habit::Acks, plain()) },
        Flow::new("soak.ranked", 100, Habit::GivesBack, table(&[("x-max-priority", number(10))])),
        Flow::new("soak.quorum", 100, Habit::GivesBack, table(&[("x-queue-type", text("quorum"))])),
        Flow { way: Way::Transactions, ..Flow::new("soak.committed", 50, Habit::Acks, plain()) },
        Flow { way: Way::Numbered, ..Flow::new("soak.numbered", 100, Habit::Acks, plain()) },
        Flow {
            way: Way::Keyed,
            ..Flow::new(
                "soak.keyed",
                100,
                Habit::Acks,
                table(&[("x-message-deduplication", AMQPValue::Boolean(true))]),
            )
        },
        Flow { exchange: LATER, ..Flow::new("soak.delayed", 100, Habit::Acks, plain()) },
        Flow::failing(
            "soak.failing",
            "soak.failed",
            Habit::Fails,
            &[
                ("x-delivery-limit", number(2)),
                ("x-delayed-retry-type", text("all")),
                ("x-delayed-retry-min", number(50)),
                ("x-delayed-retry-max", number(500)),
            ],
        ),
        Flow::failing(
            "soak.parking",
            "soak.given-up",
            Habit::Fails,
            &[("x-parking-after", number(1)), ("x-parking-ttl", number(300)), ("x-parking-limit", number(2))],
        ),
        Flow::failing("soak.expiring", "soak.expired", Habit::Naps, &[("x-message-ttl", number(700))]),
    ];
    flows.push(fanout());
    flows.push(stream());
    flows
}

/// To three queues, and done in each.
fn fanout() -> Flow {
    const QUEUES: [&str; 3] = ["soak.all.1", "soak.all.2", "soak.all.3"];
    let consumers =
        (0..).zip(QUEUES).map(|(place, queue)| Consumer { place, ..consumer(queue, Habit::Acks) });
    Flow {
        exchange: FANOUT,
        queues: QUEUES.map(|queue| (queue, FieldTable::default())).into(),
        consumers: consumers.collect(),
        places: 3,
        ..Flow::new("soak.all", 50, Habit::Acks, FieldTable::default())
    }
}

/// A stream: two readers with one cursor, of which one waits, and a queue that is fed from it.
fn stream() -> Flow {
    const STREAM: &str = "soak.stream";
    const FED: &str = "soak.fed";
    let limits = [("x-queue-type", text("stream")), ("x-max-length-bytes", number(256 << 20))];
    let reader = Consumer {
        arguments: table(&[("x-stream-cursor", text("soak")), ("x-stream-offset", text("first"))]),
        ..consumer(STREAM, Habit::Acks)
    };
    let fed = [("x-stream-source", text(STREAM)), ("x-stream-offset", text("first"))];
    Flow {
        queues: vec![(STREAM, table(&limits)), (FED, table(&fed))],
        consumers: vec![reader.clone(), reader, Consumer { place: 1, ..consumer(FED, Habit::GivesBack) }],
        places: 2,
        ..Flow::new(STREAM, 200, Habit::Acks, FieldTable::default())
    }
}
