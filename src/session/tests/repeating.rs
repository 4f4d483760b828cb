//! What comes all at once is published as it is frame by frame: a publish that is as the one before takes a shorter way, of which nobody
//! may see anything.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::protocol::frame::frame_bytes;

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Publish(Published),
    Confirm(u16),
    Transaction(u16),
    Reopen(u16),
    /// The default exchange's `q` or `r` gets another queue, or amq.fanout another binding.
    Change,
    /// The consumer of the channel, while it has one, gets so many messages.
    Deliver(u16, u64),
    /// A channel acks a tag, which may be none, or all up to it.
    Ack(u16, u64, bool),
    /// What was published so far goes to its queues.
    Flush,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Published {
    channel: u16,
    target: (&'static str, &'static str),
    mandatory: bool,
    properties: &'static [u8],
    body_bytes: usize,
    piece: usize,
    /// Changes a byte that says something else or nothing.
    ticket: u8,
    times: usize,
}

const TARGETS: [(&str, &str); 7] = [
    ("", "q"),
    ("", "r"),
    ("", "nowhere"),
    ("amq.fanout", "q"),
    ("amq.fanout", ""),
    ("amq.direct", "q"),
    ("no such exchange", "q"),
];

const PROPERTIES: [&[u8]; 11] = [
    &[0, 0],
    &[0x10, 0, 2],
    &[0x10, 0, 1],
    // The reserved flag.
    &[0x10, 2, 2],
    &[0x88, 0, 1, b't', 7],
    // An expiration, one that is none, a user id, another's, an address to reply to.
    &[0x01, 0, 2, b'5', b'0'],
    &[0x01, 0, 1, b'x'],
    &[0, 0x10, 3, b'a', b'n', b'n'],
    &[0, 0x10, 3, b'b', b'o', b'b'],
    &[0x02, 0, 1, b'r'],
    // An empty table of headers.
    &[0x20, 0, 0, 0, 0, 0],
];

fn published() -> impl Strategy<Value = Step> {
    let what = (
        1..=2_u16,
        prop::sample::select(&TARGETS[..]),
        prop::bool::weighted(0.2),
        prop::sample::select(&PROPERTIES[..]),
        prop::sample::select(vec![0_usize, 1, 1, 5, 5, 300]),
    );
    let how = (prop::sample::select(vec![4096_usize, 4096, 4096, 4]), prop::bool::weighted(0.05), 1..6_usize);
    (what, how).prop_map(|((channel, target, mandatory, properties, body_bytes), (piece, ticket, times))| {
        let ticket = u8::from(ticket);
        Step::Publish(Published { channel, target, mandatory, properties, body_bytes, piece, ticket, times })
    })
}

/// Mostly one of few publishes again and again.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let other = prop_oneof![
        (1..=2_u16).prop_map(Step::Confirm),
        (1..=2_u16).prop_map(Step::Transaction),
        (1..=2_u16).prop_map(Step::Reopen),
        Just(Step::Change),
        (1..=2_u16, 1..6_u64).prop_map(|(channel, count)| Step::Deliver(channel, count)),
        (1..=2_u16, 1..6_u64, any::<bool>())
            .prop_map(|(channel, tag, multiple)| Step::Ack(channel, tag, multiple)),
        Just(Step::Flush),
    ];
    prop::collection::vec(published(), 1..4).prop_flat_map(move |few| {
        let again = prop::sample::select(few);
        prop::collection::vec(prop_oneof![6 => again, 1 => published(), 2 => other.clone()], 1..20)
    })
}

/// All frames of some publishes that are the same but for their bodies.
fn frames_of(publishes: Published) -> Vec<u8> {
    let Published { channel, target, mandatory, properties, body_bytes, piece, ticket, times } = publishes;
    let mut bytes = Vec::new();
    for number in 0..times {
        let body: Vec<u8> = (0..body_bytes).map(|at| (at + number) as u8).collect();
        let mut one = publish(channel, target, mandatory, properties, &body, piece);
        one[12] = ticket;
        bytes.extend(one);
    }
    bytes
}

pub(super) type Confirmed = BTreeSet<(u16, u64, bool)>;

/// What the client is told. Confirms may be sent one by one or several at once, so only which there were so far counts.
fn said(client: &mut Client, confirmed: &mut Confirmed) -> Vec<AMQPFrame> {
    let mut rest = Vec::new();
    for frame in client.frames() {
        match frame {
            AMQPFrame::Method(channel, AMQPClass::Basic(basic::AMQPMethod::Ack(ack))) => {
                let first = if ack.multiple { 1 } else { ack.delivery_tag };
                confirmed.extend((first..=ack.delivery_tag).map(|tag| (channel, tag, true)));
            }
            AMQPFrame::Method(channel, AMQPClass::Basic(basic::AMQPMethod::Nack(nack))) => {
                confirmed.insert((channel, nack.delivery_tag, false));
            }
            other => rest.push(other),
        }
    }
    rest
}

/// What anybody can see of it.
pub(super) fn seen(client: &mut Client, confirmed: &mut Confirmed) -> String {
    let commands = client.commands().into_iter().map(|(queue, command)| match command {
        Command::Publish(connection, publishes) => {
            let all = publishes.iter().map(|publish| {
                let message = &publish.message;
                let bytes = (message.head(), message.body(), message.is_persistent(), message.queues());
                format!(
                    "{} {} {:?} {} {bytes:?}",
                    publish.channel, publish.sequence, publish.ttl_ms, publish.priority
                )
            });
            format!("{queue:?} {connection:?} {:?}", all.collect::<Vec<_>>())
        }
        other => format!("{queue:?} {other:?}"),
    });
    let commands: Vec<String> = commands.collect();
    let out = said(client, confirmed);
    let (counted, held) = (client.counted(), client.session.held());
    let (unrouted, frames_in) = (client.session.take_unrouted(), client.session.take_frames().0);
    let raised = client.session.take_raised();
    format!(
        "{commands:#?}\n{out:?}\n{confirmed:?}\n{counted:?}\n{held:?}\n{unrouted:?}\n{frames_in:?}\n{raised:?}"
    )
}

/// How a session gets what there is for it.
pub(super) struct Way<'a> {
    /// All at once, or frame by frame.
    pub(super) is_whole: bool,
    /// What is done before it gets anything.
    pub(super) begin: &'a dyn Fn(&mut Client),
    /// What is done before it gets more; how often it got something.
    pub(super) before: &'a dyn Fn(usize),
}

/// What anybody can see of it each time that a session got something.
pub(super) fn run(steps: &[Step], way: &Way<'_>) -> Vec<String> {
    let mut client = Client::running(&["basic.nack"], 0);
    (way.begin)(&mut client);
    let consumers = [1, 2].map(|channel| client.consumer(channel, "tag", false));
    let (mut story, mut confirmed) = (Vec::new(), Confirmed::new());
    let mut waiting = Vec::new();
    for step in steps.iter().chain([&Step::Flush]) {
        waiting.extend(bytes_of(*step));
        if matches!(step, Step::Change | Step::Flush | Step::Deliver(..)) {
            (way.before)(story.len());
            give(&mut client, &std::mem::take(&mut waiting), way.is_whole);
            story.push(seen(&mut client, &mut confirmed));
        }
        match *step {
            Step::Change => {
                let added = QueueId(100 + story.len() as u64);
                client.topology.change(|topology| topology.add_queue("nowhere", added));
            }
            Step::Deliver(channel, count) => {
                client.session.tell_time(client.now);
                let positions: Vec<u64> = (0..count).map(|at| story.len() as u64 * 100 + at).collect();
                client.deliver(consumers[usize::from(channel) - 1], &positions);
            }
            _ => {}
        }
    }
    story
}

fn bytes_of(step: Step) -> Vec<u8> {
    match step {
        Step::Publish(publishes) => frames_of(publishes),
        Step::Confirm(channel) => {
            let select = confirm::AMQPMethod::Select(confirm::Select { nowait: true });
            encoded(channel, AMQPClass::Confirm(select))
        }
        Step::Transaction(channel) => encoded(channel, AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {}))),
        Step::Reopen(channel) => {
            let text = String::new().as_str().into();
            let close = channel::Close { reply_code: 200, reply_text: text, class_id: 0, method_id: 0 };
            let close = encoded(channel, AMQPClass::Channel(channel::AMQPMethod::Close(close)));
            let open = AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}));
            [close, encoded(channel, open)].concat()
        }
        Step::Ack(channel, delivery_tag, multiple) => {
            encoded(channel, AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple })))
        }
        Step::Change | Step::Flush | Step::Deliver(..) => Vec::new(),
    }
}

/// All of it at once, or frame by frame.
fn give(client: &mut Client, mut bytes: &[u8], is_whole: bool) {
    while !bytes.is_empty() {
        let next = if is_whole { bytes.len() } else { frame_bytes(bytes).unwrap() };
        let received = client.session.receive(client.now, &bytes[..next]);
        assert!(received.consumed > 0 && received.request.is_none(), "{:?}", received.request);
        bytes = &bytes[received.consumed..];
    }
}

proptest! {
    #[test]
    fn all_at_once_is_as_frame_by_frame(steps in steps()) {
        let [whole, single] = [true, false].map(|is_whole| run(&steps, &Way { is_whole, begin: &|_| (), before: &|_| () }));
        prop_assert_eq!(whole, single);
    }
}

/// The test above would not notice if nothing ever took the shorter way.
#[test]
fn the_third_of_a_kind_is_known() {
    let mut client = Client::running(&[], 0);
    let one = publish(1, ("", "q"), false, &[0, 0], b"body", 4096);
    for _ in 0..2 {
        client.bytes(&one);
    }
    assert!(client.session.known_publishes(&one).is_some_and(|(used, _)| used == one.len()));
    let other = publish(1, ("", "r"), false, &[0, 0], b"body", 4096);
    assert!(client.session.known_publishes(&other).is_none());
    client.topology.change(|topology| topology.add_queue("another", QueueId(9)));
    assert!(client.session.known_publishes(&one).is_none(), "the topology has changed");
}
