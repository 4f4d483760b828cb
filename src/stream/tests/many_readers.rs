//! More readers than there is memory for what each could have.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::message::QueueId;
use crate::queue::{Inbox, InboxShare};

const READERS: u32 = 500;

/// With room for so many bytes; the connection takes them in when the test says so.
#[derive(Debug)]
struct TestInbox {
    room: usize,
    waiting: AtomicUsize,
}

impl Inbox for TestInbox {
    fn has_room(&self, _queue: QueueId) -> bool {
        self.waiting.load(Ordering::Relaxed) < self.room
    }

    fn enter(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
    }

    fn take_back(&self, _bytes: usize) {
        unreachable!("a stream gives nothing that it does not hand over");
    }
}

/// A stream of 100 messages of 64 KiB, nearly all of them on the disk.
fn large() -> Bench {
    let mut bench = Bench::new(StreamOptions::default(), 1);
    let body = "x".repeat(64 * 1024);
    for _ in 0..100 {
        bench.publish_all([message(&body, false)]);
        bench.commit_all();
    }
    bench
}

fn first() -> FieldTable {
    from(AMQPValue::LongString("first".into()))
}

#[test]
fn those_of_one_connection_share_its_inbox() {
    let mut bench = large();
    let inbox = Arc::new(TestInbox { room: 1024 * 1024, waiting: AtomicUsize::new(0) });
    for number in 1..=20 {
        let share = InboxShare::new(Arc::clone(&inbox) as Arc<dyn Inbox>, QueueId(1));
        bench.consume_with(key(number), 1000, first(), Some(share));
    }
    let mut received = [0; 21];
    let mut rounds = 0;
    loop {
        bench.serve_all();
        let deliveries = std::mem::take(&mut bench.deliveries);
        let waiting = inbox.waiting.swap(0, Ordering::Relaxed);
        assert_eq!(waiting, deliveries.iter().map(|(_, delivery)| delivery.cost()).sum::<usize>());
        assert!(waiting < inbox.room + 100_000, "{waiting} bytes wait");
        if deliveries.is_empty() {
            break;
        }
        for (key, delivery) in deliveries {
            assert_eq!(delivery.handle.position.0, received[key.number as usize]);
            received[key.number as usize] += 1;
            bench.apply(Command::Written(key, delivery.cost()));
        }
        bench.command(Command::InboxHasRoom(CONSUMER));
        rounds += 1;
    }
    assert_eq!(received[1..], [100; 20]);
    assert!(rounds > 100, "{rounds} times 1 MiB were 128 MiB");
}

#[test]
fn reads_are_few_at_a_time_and_each_reader_gets_its_own() {
    let mut bench = large();
    for number in 1..=READERS {
        bench.consume(number, 1, first());
    }
    let mut most = 0;
    while !bench.reads.is_empty() {
        most = most.max(bench.reads.len());
        bench.serve();
    }
    assert!(most <= 32, "{most} at a time");
    for number in 1..=READERS {
        let got = bench.got(number);
        assert_eq!(got.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0], "reader {number}");
        bench.ack(got.into_iter().map(|(_, handle)| handle).collect());
    }
    // What was read ahead for some of them is there no more, and is read again.
    for number in 1..=READERS {
        assert_eq!(bench.offsets(number), [1], "reader {number}");
    }
}
