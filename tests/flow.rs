//! Publishers that are faster than consumers, on a virtual clock: how far they get ahead, and when they don't have to wait.

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic, channel, queue};
use coney::{Broker, BrokerHandle, Clock};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, split};

use crate::support::raw::{declare, encode, open, publish, raw_frame, start_ok, tune_ok};
use crate::support::virtual_time::pass;

const PIPE_BYTES: usize = 64 * 1024;
const BODY_BYTES: usize = 64 * 1024;
/// A body with all frames around it.
const DELIVERY_BYTES_MAX: usize = BODY_BYTES + 200;
/// 64 MiB.
const MESSAGES: usize = 1024;
/// The lead of publishers (2 MiB), a full mailbox (1 MiB), a consumer's window (512 KiB), and what is in pipes and buffers.
const AHEAD_MAX: usize = 5 * 1024 * 1024 / BODY_BYTES;
/// A held publisher is let go after this, if consumers take nothing.
const LOOK_MS: u64 = 5;

fn method(channel: u16, method: AMQPClass) -> Vec<u8> {
    encode(&AMQPFrame::Method(channel, method))
}

async fn connect(broker: &BrokerHandle) -> DuplexStream {
    let (mut near, far) = tokio::io::duplex(PIPE_BYTES);
    broker.attach(far);
    near.write_all(b"AMQP\x00\x00\x09\x01").await.unwrap();
    for hello in [start_ok("PLAIN", b"\0guest\0guest", true), tune_ok(10, 131_072, 0), open("/")] {
        near.write_all(&method(0, hello)).await.unwrap();
    }
    near.write_all(&method(1, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))))
        .await
        .unwrap();
    let open_ok = [0, 20, 0, 11];
    let mut seen = Vec::new();
    while !seen.windows(4).any(|ids| ids == open_ok) {
        near.read_buf(&mut seen).await.unwrap();
    }
    near
}

/// With a prefetch, messages have to be acked.
async fn consume(stream: &mut DuplexStream, prefetch_count: u16) {
    let qos = AMQPClass::Basic(basic::AMQPMethod::Qos(basic::Qos { prefetch_count, global: false }));
    stream.write_all(&method(1, qos)).await.unwrap();
    let consume =
        basic::Consume { queue: "q".into(), no_ack: prefetch_count == 0, ..basic::Consume::default() };
    let declare = AMQPClass::Queue(queue::AMQPMethod::Declare(declare("q")));
    stream.write_all(&method(1, declare)).await.unwrap();
    stream.write_all(&method(1, AMQPClass::Basic(basic::AMQPMethod::Consume(consume)))).await.unwrap();
    let consume_ok = [0, 60, 0, 21];
    let mut seen = Vec::new();
    while !seen.windows(4).any(|ids| ids == consume_ok) {
        stream.read_buf(&mut seen).await.unwrap();
    }
    // Its tag may not have come whole.
    pass(0).await;
}

fn message() -> Vec<u8> {
    let header = [&[0, 60, 0, 0][..], &(BODY_BYTES as u64).to_be_bytes(), &[0, 0]].concat();
    [method(1, publish("", "q")), raw_frame(2, 1, &header), raw_frame(3, 1, &vec![b'x'; BODY_BYTES])].concat()
}

fn ack_up_to(delivery_tag: u64) -> Vec<u8> {
    method(1, AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple: true })))
}

/// Takes in bytes until there must have been that many messages, slower than a publisher can send, and returns how many
/// messages the publisher was ahead at most.
async fn take_all(
    mut from: ReadHalf<DuplexStream>,
    mut acks: Option<WriteHalf<DuplexStream>>,
    sent: &std::cell::Cell<usize>,
) -> usize {
    let (mut bytes, mut ahead, mut acked) = (0, 0, 0);
    let mut piece = vec![0; PIPE_BYTES];
    while bytes < MESSAGES * BODY_BYTES {
        let count = from.read(&mut piece).await.unwrap();
        assert!(count > 0, "closed after {bytes} bytes");
        bytes += count;
        ahead = ahead.max(sent.get() - (bytes / BODY_BYTES).min(sent.get()));
        let whole = bytes / DELIVERY_BYTES_MAX;
        if let Some(acks) = acks.as_mut().filter(|_| whole > acked) {
            acked = whole;
            acks.write_all(&ack_up_to(acked as u64)).await.unwrap();
        }
        for _ in 0..20 {
            pass(0).await;
        }
    }
    ahead
}

async fn send_all(mut to: WriteHalf<DuplexStream>, sent: &std::cell::Cell<usize>) {
    let message = message();
    for _ in 0..MESSAGES {
        to.write_all(&message).await.unwrap();
        sent.set(sent.get() + 1);
    }
}

async fn broker() -> BrokerHandle {
    Broker::builder().ephemeral().detached().clock(Clock::system()).start().await.unwrap()
}

/// Whoever publishes and whoever consumes; how far one was ahead.
async fn through(publisher: DuplexStream, consumer: DuplexStream, acks: bool) -> usize {
    let sent = std::cell::Cell::new(0);
    let ((from, acks_to), (_from, to)) = (split(consumer), split(publisher));
    tokio::join!(take_all(from, acks.then_some(acks_to), &sent), send_all(to, &sent)).0
}

async fn check_pace(prefetch: u16) {
    let broker = broker().await;
    let mut consumer = connect(&broker).await;
    consume(&mut consumer, prefetch).await;
    let publisher = connect(&broker).await;
    let begun = Clock::system();
    let ahead = through(publisher, consumer, prefetch > 0).await;
    assert!((AHEAD_MAX / 4..=AHEAD_MAX).contains(&ahead), "{ahead} messages ahead");
    // The clock only goes on when everybody waits.
    assert_eq!(begun.now().as_micros(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_waits_for_consumers_that_keep_up_and_they_wait_for_nothing() {
    check_pace(0).await;
}

#[tokio::test(start_paused = true)]
async fn acks_do_not_wait_with_publishers() {
    check_pace(20).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_gets_its_own_messages_while_it_may_not_publish() {
    let broker = broker().await;
    let mut both = connect(&broker).await;
    consume(&mut both, 0).await;
    let begun = Clock::system();
    let sent = std::cell::Cell::new(0);
    let (from, to) = split(both);
    let (ahead, ()) = tokio::join!(take_all(from, None, &sent), send_all(to, &sent));
    assert!((AHEAD_MAX / 4..=AHEAD_MAX).contains(&ahead), "{ahead} messages ahead");
    assert_eq!(begun.now().as_micros(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_does_not_read_holds_a_publisher_for_moments_only() {
    let broker = broker().await;
    let mut consumer = connect(&broker).await;
    consume(&mut consumer, 0).await;
    let publisher = connect(&broker).await;
    let begun = Clock::system();
    let sent = std::cell::Cell::new(0);
    let (_from, to) = split(publisher);
    send_all(to, &sent).await;
    let passed_ms = begun.now().as_micros() / 1000;
    assert!((LOOK_MS..100).contains(&passed_ms), "held for {passed_ms} ms");
}
