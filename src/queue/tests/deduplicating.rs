//! Messages that come in once: windows of fingerprints, numbered publishers, and what a restart finds of both.

use super::*;
use crate::dedup::{DedupKeys, Deduplication, PublisherSequence};
use crate::protocol::table::{FieldValue, TableWriter};
use crate::time::Timestamp;

/// A queue that keeps its records, as the store would.
struct DedupBench {
    bench: Bench,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
}

fn window(size: u32, ttl_ms: Option<u64>) -> Deduplication {
    Deduplication { size, ttl_ms, header: "key".into() }
}

fn message_with_key(key: i64, persistent: bool) -> Message {
    let mut headers = Vec::new();
    TableWriter::new(&mut headers).entry(b"key", FieldValue::I64(key));
    let mut properties = 0x2000_u16.to_be_bytes().to_vec();
    properties.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
    properties.extend_from_slice(&headers);
    let body = key.to_string();
    let parts =
        Parts { routing_key: b"q", properties: &properties, body: body.as_bytes(), ..Parts::default() };
    Message::new(Parts { persistent, ..parts })
}

fn numbered(id: &str, epoch: u64, number: u64) -> Arc<DedupKeys> {
    let publisher = Some(PublisherSequence { id: id.as_bytes().into(), epoch, number });
    Arc::new(DedupKeys { publisher, exchange: None })
}

impl DedupBench {
    fn new(deduplication: Option<Deduplication>, change: impl FnOnce(&mut QueueOptions)) -> Self {
        let mut bench = Bench::durable(|options| {
            options.deduplication = deduplication;
            change(options);
        });
        bench.queue = bench.queue.with_epoch(Timestamp::from_millis(1_000_000));
        Self { bench, records: BTreeMap::new() }
    }

    fn publish(&mut self, publish: Publish, keys: Option<Arc<DedupKeys>>) -> Outcome {
        self.bench.sequence += 1;
        let sequence = self.bench.sequence;
        let before = self.bench.queue.counts().ready;
        let publish = Publish { sequence, ..publish };
        self.bench.command(match keys {
            None => Command::Publish(PUBLISHER, vec![publish]),
            Some(keys) => Command::PublishDedup(PUBLISHER, vec![DedupPublish { publish, keys }]),
        });
        let effects = &mut self.bench.effects;
        let has = |ranges: &[Range]| ranges.iter().any(|r| (r.first..=r.last).contains(&sequence));
        let outcome = match (has(&effects.duplicate_confirms), has(&effects.refusals)) {
            (true, _) => Outcome::Duplicate,
            (_, true) => Outcome::Refused,
            _ => Outcome::New,
        };
        assert_eq!(self.bench.queue.counts().ready > before, outcome == Outcome::New);
        for (key, value) in std::mem::take(&mut effects.records) {
            match value {
                Some(value) => drop(self.records.insert(key, value)),
                None => drop(self.records.remove(&key)),
            }
        }
        outcome
    }

    fn key(&mut self, key: i64) -> Outcome {
        self.keyed(key, true)
    }

    fn keyed(&mut self, key: i64, persistent: bool) -> Outcome {
        let message = message_with_key(key, persistent);
        self.publish(Publish { message, channel: 1, sequence: 0, ttl_ms: None, priority: 0 }, None)
    }

    fn number(&mut self, id: &str, epoch: u64, number: u64) -> Outcome {
        let keys = numbered(id, epoch, number);
        let message = message("m");
        self.publish(Publish { message, channel: 1, sequence: 0, ttl_ms: None, priority: 0 }, Some(keys))
    }

    /// An empty queue that remembers what was stored.
    fn restart(&mut self) {
        let options = self.bench.queue.options().clone();
        let now = self.bench.now;
        self.bench = Bench::new(options);
        self.bench.now = now;
        let records: Vec<_> = self.records.clone().into_iter().collect();
        self.bench.queue.restore_dedup(DedupState::restored(&records).unwrap());
        self.bench.queue.set_epoch(Timestamp::from_millis(1_000_000));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    New,
    Duplicate,
    Refused,
}
use Outcome::{Duplicate, New, Refused};

#[test]
fn a_duplicate_is_confirmed_and_does_not_come_in() {
    let mut once = DedupBench::new(Some(window(10, None)), |_| ());
    assert_eq!([once.key(1), once.key(2), once.key(1)], [New, New, Duplicate]);
    assert_eq!(once.bench.effects.duplicates, 1);
    once.bench.consume(1, 0);
    assert_eq!(once.bench.bodies(), ["1", "2"]);
    // What was consumed is remembered all the same.
    assert_eq!(once.key(2), Duplicate);
}

#[test]
fn the_window_holds_the_newest() {
    let mut once = DedupBench::new(Some(window(2, None)), |_| ());
    assert_eq!([once.key(1), once.key(2), once.key(3)], [New, New, New]);
    assert_eq!([once.key(3), once.key(2), once.key(1)], [Duplicate, Duplicate, New]);
    assert_eq!(once.bench.queue.remembered(""), 2);
    assert_eq!(once.records.len(), 2);
}

#[test]
fn the_window_ends_in_time() {
    let mut once = DedupBench::new(Some(window(100, Some(50))), |_| ());
    assert_eq!(once.key(1), New);
    once.bench.advance_ms(49);
    assert_eq!(once.key(1), Duplicate);
    once.bench.advance_ms(1);
    assert_eq!(once.key(1), New);
    assert_eq!(once.records.len(), 1, "the first run's record is gone");
}

#[test]
fn the_window_survives_a_restart_but_for_transient_messages() {
    let mut once = DedupBench::new(Some(window(100, Some(50))), |_| ());
    assert_eq!([once.key(1), once.keyed(2, false), once.keyed(2, false)], [New, New, Duplicate]);
    once.restart();
    assert_eq!([once.key(1), once.key(2)], [Duplicate, New]);
    once.bench.advance_ms(50);
    assert_eq!(once.key(1), New);
}

#[test]
fn a_batch_is_one_record_and_is_confirmed_after_its_messages() {
    let mut once = DedupBench::new(Some(window(100, None)), |_| ());
    let publish = |key, sequence| Publish {
        message: message_with_key(key, true),
        channel: 1,
        sequence,
        ttl_ms: None,
        priority: 0,
    };
    let batch = vec![publish(1, 1), publish(2, 2), publish(1, 3)];
    once.bench.command(Command::Publish(PUBLISHER, batch));
    let effects = &once.bench.effects;
    assert_eq!(effects.records.len(), 1);
    assert_eq!((effects.append_confirms[0].first, effects.append_confirms[0].last), (1, 2));
    assert_eq!((effects.duplicate_confirms[0].first, effects.duplicate_confirms[0].last), (3, 3));
}

#[test]
fn what_is_refused_is_not_remembered() {
    let mut once = DedupBench::new(Some(window(100, None)), |options| {
        options.length_max = Some(1);
        options.overflow = Overflow::RejectPublish;
    });
    assert_eq!([once.key(1), once.key(2), once.number("p", 0, 1)], [New, Refused, Refused]);
    once.bench.command(Command::Purge);
    assert_eq!([once.key(1), once.key(2)], [Duplicate, New]);
    once.bench.command(Command::Purge);
    assert_eq!(once.number("p", 0, 1), New);
}

#[test]
fn dead_letters_come_back_to_a_queue_that_knows_them() {
    let mut once = DedupBench::new(Some(window(100, None)), |_| ());
    assert_eq!(once.key(1), New);
    let moved_in =
        || Publish { message: message_with_key(1, true), channel: 0, sequence: 0, ttl_ms: None, priority: 0 };
    once.bench.command(Command::PublishDeadLettered(vec![moved_in()], Provenance::new()));
    assert_eq!(once.bench.queue.counts().ready, 2);
    once.bench.command(Command::PublishDue(vec![moved_in()], Provenance::new()));
    assert_eq!(once.bench.queue.counts().ready, 2, "one that is new is judged");
}

#[test]
fn a_window_that_is_turned_off_is_forgotten() {
    let mut once = DedupBench::new(Some(window(100, None)), |_| ());
    assert_eq!(once.key(1), New);
    once.bench.configure(QueueOptions { durable: true, ..QueueOptions::default() });
    assert_eq!([once.key(1), once.key(1)], [New, New]);
    assert!(once.records.is_empty());
}

#[test]
fn a_publisher_counts_without_gaps_and_repeats_itself() {
    let mut once = DedupBench::new(None, |_| ());
    assert_eq!([once.number("p", 0, 5), once.number("p", 0, 6)], [New, New]);
    assert_eq!([once.number("p", 0, 5), once.number("p", 0, 6)], [Duplicate, Duplicate]);
    assert_eq!([once.number("p", 0, 8), once.number("p", 0, 7), once.number("p", 0, 8)], [Refused, New, New]);
    assert_eq!(once.number("other", 0, 1), New);
    assert_eq!(once.bench.effects.out_of_turn, 1);
}

#[test]
fn a_new_epoch_counts_anew_and_the_old_one_is_over() {
    let mut once = DedupBench::new(None, |_| ());
    assert_eq!([once.number("p", 1, 7), once.number("p", 2, 1)], [New, New]);
    assert_eq!(
        [once.number("p", 1, 8), once.number("p", 2, 1), once.number("p", 2, 2)],
        [Refused, Duplicate, New]
    );
    once.restart();
    assert_eq!(
        [once.number("p", 1, 8), once.number("p", 2, 2), once.number("p", 2, 3)],
        [Refused, Duplicate, New]
    );
}

#[test]
fn the_publisher_that_was_silent_longest_is_forgotten() {
    let mut once = DedupBench::new(None, |_| ());
    assert_eq!([once.number("first", 0, 1), once.number("second", 0, 1)], [New, New]);
    assert_eq!(once.number("first", 0, 2), New);
    for number in 2..dedup::PUBLISHERS_MAX {
        once.number(&number.to_string(), 0, 1);
    }
    assert_eq!(once.records.len(), dedup::PUBLISHERS_MAX);
    assert_eq!(once.number("one more", 0, 1), New);
    assert_eq!([once.number("first", 0, 2), once.number("second", 0, 1)], [Duplicate, New]);
    assert_eq!(once.records.len(), dedup::PUBLISHERS_MAX);
}

#[test]
fn unreadable_records_are_refused() {
    for (key, value) in
        [(&b"d\0\0\0\0\0\0\0\x01"[..], &b"short"[..]), (b"p", b"0"), (b"d", b""), (b"x", b""), (b"", b"")]
    {
        assert!(DedupState::restored(&[(key.to_vec(), value.to_vec())]).is_none(), "{key:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// The last `size` different keys are known, restarts or not, and nothing else.
    #[test]
    fn a_window_is_a_list_of_the_newest(
        size in 1..8_u32,
        steps in proptest::collection::vec(prop_oneof![9 => (0..12_i64).prop_map(Some), 1 => Just(None)], 1..80),
    ) {
        let mut once = DedupBench::new(Some(window(size, None)), |_| ());
        let mut newest: Vec<i64> = Vec::new();
        for step in steps {
            let Some(key) = step else {
                once.restart();
                continue;
            };
            let expected = if newest.contains(&key) { Duplicate } else { New };
            prop_assert_eq!(once.key(key), expected);
            if expected == New {
                newest.push(key);
                let too_many = newest.len().saturating_sub(size as usize);
                newest.drain(..too_many);
            }
        }
        prop_assert!(once.records.len() <= size as usize);
    }
}
