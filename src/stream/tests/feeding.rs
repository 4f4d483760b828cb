//! Queues that are fed, by example.

use super::examples::all;
use super::*;
use crate::message::QueueId;
use crate::queue::options::Source;
use crate::queue::{Fed, FeedCount, FeedRequest, OffsetSpec};

const QUEUE: QueueId = QueueId(7);
const KEY: &[u8] = b"camq.queue.work";

fn request(taken: u64, until: u64, bytes: u64, arguments: FieldTable) -> Command {
    request_of(QUEUE, false, [taken, until, bytes], arguments)
}

fn request_of(
    queue: QueueId,
    is_new: bool,
    [taken, until, bytes]: [u64; 3],
    arguments: FieldTable,
) -> Command {
    let source = Source { stream: "s".into(), from: OffsetSpec::First, arguments: Arc::new(arguments) };
    let (taken, until) = (FeedCount { messages: taken, bytes: 0 }, FeedCount { messages: until, bytes });
    Command::Feed(Box::new(FeedRequest { queue, name: "work".into(), source, is_new, taken, until }))
}

fn plain(taken: u64, until: u64) -> Command {
    request(taken, until, u64::MAX, FieldTable::default())
}

impl Bench {
    /// What the queue was given since the last time, and where its cursor is with that.
    fn fed(&mut self) -> (Vec<u64>, Option<u64>) {
        self.serve_all();
        let fed: Vec<Fed> = std::mem::take(&mut self.fed);
        let floor = fed.last().map(|fed| {
            assert_eq!(fed.cursor.0, KEY);
            let records = [(fed.cursor.0.clone(), fed.cursor.1.clone())];
            RecoveredCursors::restored(&records).unwrap().0[0].floor().unwrap()
        });
        (fed.into_iter().flat_map(|fed| fed.messages).map(|(offset, _)| offset).collect(), floor)
    }
}

#[test]
fn a_queue_is_given_as_much_as_it_asked_for() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.fill(0..100);
    bench.command(plain(0, 10));
    assert_eq!(bench.fed(), (all(0..10), Some(10)));
    // Said twice, it is the same.
    bench.command(plain(5, 10));
    assert_eq!(bench.fed(), (vec![], None));
    bench.command(plain(10, 25));
    assert_eq!(bench.fed(), (all(10..25), Some(25)));
    bench.command(request(25, 1000, 3, FieldTable::default()));
    // Bytes count from the beginning as well: more than these were given.
    assert_eq!(bench.fed(), (vec![], None));
    assert_eq!(bench.stream.counts().consumers, 0);
}

#[test]
fn its_cursor_is_written_where_it_begins_and_then_only_with_what_it_is_given() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.command(plain(0, 0));
    bench.fill(0..10);
    bench.sync(usize::MAX);
    let begun = bench.records.get(KEY).cloned().expect("it begins somewhere");
    bench.command(plain(0, 4));
    assert_eq!(bench.fed(), (all(0..4), Some(4)));
    bench.sync(usize::MAX);
    assert_eq!(bench.records.get(KEY), Some(&begun));
    // A crash before that was written: it is given the same again.
    bench.restart();
    bench.command(plain(0, 4));
    assert_eq!(bench.fed(), (all(0..4), Some(4)));
}

#[test]
fn what_it_does_not_want_is_passed_over() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.publish_all(["a", "b", "a", "b"].map(|body| message(body, true)));
    bench.commit_all();
    let wanted = arguments(&[("x-stream-filter", text("a"))]);
    bench.command(request(0, 100, u64::MAX, wanted));
    assert_eq!(bench.fed(), (vec![0, 2], Some(4)));
}

#[test]
fn a_long_way_without_anything_for_it_is_noted_now_and_then() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.command(request(0, 100, u64::MAX, arguments(&[("x-stream-filter", text("a"))])));
    for _ in 0..120 {
        bench.publish_all((0..100).map(|_| message("b", true)));
        bench.commit_all();
    }
    let (given, floor) = bench.fed();
    assert!(given.is_empty() && floor.is_some_and(|floor| floor >= 100), "{given:?} {floor:?}");
}

#[test]
fn a_queue_that_is_no_more_leaves_no_cursor() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.fill(0..10);
    bench.command(plain(0, 4));
    bench.command(Command::FeedGone(QueueId(8)));
    bench.sync(usize::MAX);
    assert!(bench.records.contains_key(KEY));
    bench.command(Command::FeedGone(QUEUE));
    bench.sync(usize::MAX);
    assert!(bench.records.is_empty());
}

/// The stream may not have heard yet that the older one is gone; or a crash has left its cursor.
#[test]
fn a_new_queue_of_an_older_ones_name_begins_where_it_says_itself() {
    for is_left_by_a_crash in [false, true] {
        let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
        bench.fill(0..10);
        bench.command(plain(0, 4));
        let (key, value) = bench.fed.last().unwrap().cursor.clone();
        assert_eq!(bench.fed(), (all(0..4), Some(4)));
        if is_left_by_a_crash {
            bench.sync(usize::MAX);
            bench.records.insert(key, value);
            bench.restart();
        }
        let newer = QueueId(8);
        bench.command(request_of(newer, true, [0, 3, u64::MAX], FieldTable::default()));
        assert_eq!(bench.fed(), (all(0..3), Some(3)), "left by a crash: {is_left_by_a_crash}");
        bench.command(Command::FeedGone(QUEUE));
        bench.command(request_of(newer, false, [3, 5, u64::MAX], FieldTable::default()));
        assert_eq!(bench.fed(), (all(3..5), Some(5)));
    }
}

/// The stream was made anew, and the queue has taken much from the one before.
#[test]
fn what_a_queue_took_from_an_earlier_stream_is_no_room() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.fill(0..100);
    bench.command(request_of(QUEUE, true, [0, 0, 0], FieldTable::default()));
    bench.command(plain(5000, 5010));
    assert_eq!(bench.fed(), (all(0..10), Some(10)));
}
