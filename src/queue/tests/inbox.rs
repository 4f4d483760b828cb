//! Consumers of one connection share its inbox.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::message::QueueId;
use crate::queue::inbox::{Inbox, InboxShare};

/// With room for so many bytes; the connection takes them in when the test says so.
#[derive(Debug)]
struct TestInbox {
    room: usize,
    waiting: AtomicUsize,
    line: Mutex<Vec<QueueId>>,
}

impl Inbox for TestInbox {
    fn has_room(&self, queue: QueueId) -> bool {
        let has_room = self.waiting.load(Ordering::Relaxed) < self.room;
        if !has_room {
            self.line.lock().unwrap().push(queue);
        }
        has_room
    }

    fn enter(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
    }

    fn take_back(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::Relaxed);
    }
}

const Q: QueueId = QueueId(7);

fn inbox(room: usize) -> Arc<TestInbox> {
    Arc::new(TestInbox { room, waiting: AtomicUsize::new(0), line: Mutex::default() })
}

fn share(inbox: &Arc<TestInbox>) -> Option<InboxShare> {
    Some(InboxShare::new(Arc::clone(inbox) as Arc<dyn Inbox>, Q))
}

impl TestInbox {
    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn is_asked_by(&self, queue: QueueId) -> bool {
        self.line.lock().unwrap().drain(..).any(|asked| asked == queue)
    }
}

/// Large enough that each is entered by itself.
fn large() -> String {
    "x".repeat(20_000)
}

fn cost(bench: &Bench) -> usize {
    bench.got.iter().map(|(_, delivery)| delivery.cost()).sum()
}

#[test]
fn what_waits_for_all_consumers_of_a_connection_is_bounded_and_they_take_turns_beyond_a_stop() {
    let mut bench = Bench::new(QueueOptions::default());
    let inbox = inbox(100_000);
    for number in 1..=3 {
        bench.consume_with(number, |consume| consume.inbox = share(&inbox));
    }
    let body = large();
    let publish =
        |sequence| Publish { message: message(&body), channel: 1, sequence, ttl_ms: None, priority: 0 };
    bench.command(Command::Publish(PUBLISHER, (1..=20).map(publish).collect()));
    assert_eq!(bench.takers(), [1, 2, 3, 1, 2]);
    assert_eq!(inbox.waiting(), cost(&bench));
    assert!(inbox.is_asked_by(Q));
    // Not a moment before it is told.
    bench.command(Command::Written(key(3), body.len()));
    assert_eq!(bench.got.len(), 5);
    inbox.waiting.store(0, Ordering::Relaxed);
    bench.got.clear();
    bench.command(Command::InboxHasRoom(PUBLISHER));
    assert_eq!(bench.got.len(), 0);
    bench.command(Command::InboxHasRoom(CONSUMER));
    assert_eq!(bench.takers(), [3, 1, 2, 3, 1]);
    assert_eq!(inbox.waiting(), cost(&bench));
}

#[test]
fn consumers_of_other_connections_go_on() {
    let mut bench = Bench::new(QueueOptions::default());
    let inbox = inbox(1);
    bench.consume_with(1, |consume| consume.inbox = share(&inbox));
    let other = ConsumerKey { connection: ConnectionId(9), channel: 1, number: 2 };
    bench.command(Command::Consume(consume_as(other).into()));
    bench.publish(&["a", "b", "c", "d"]);
    assert_eq!(bench.takers(), [1, 2, 2, 2]);
}

#[test]
fn what_was_given_is_entered_when_it_is_handed_over_in_whichever_way() {
    for (no_ack, last) in [
        (false, Command::Cancel(key(1))),
        (true, Command::ChannelGone(CONSUMER, 1, Ending::Returned)),
        (false, Command::Delete { if_unused: false, if_empty: false }),
        (false, Command::Unreadable("damaged".into())),
    ] {
        let mut bench = Bench::new(QueueOptions::default());
        let inbox = inbox(usize::MAX);
        bench.consume_with(1, |consume| (consume.inbox, consume.no_ack) = (share(&inbox), no_ack));
        let publish =
            Publish { message: message("small"), channel: 1, sequence: 1, ttl_ms: None, priority: 0 };
        // An answer that depends on it has it given at once.
        bench.batch(vec![Command::Publish(PUBLISHER, vec![publish]), Command::Inspect, last]);
        assert_eq!((bench.got.len(), inbox.waiting()), (1, cost(&bench)));
    }
}

#[test]
fn what_is_not_handed_over_is_taken_back() {
    let mut bench = Bench::new(QueueOptions::default());
    let inbox = inbox(usize::MAX);
    bench.consume_with(1, |consume| consume.inbox = share(&inbox));
    let publish =
        |body: &str| Publish { message: message(body), channel: 1, sequence: 1, ttl_ms: None, priority: 0 };
    let publishes = vec![publish("small"), publish(&large()), publish("small")];
    bench.batch(vec![
        Command::Publish(PUBLISHER, publishes),
        Command::Inspect,
        Command::ConnectionGone(CONSUMER),
    ]);
    assert_eq!((bench.got.len(), bench.ready(), inbox.waiting()), (0, 3, 0));
}
