//! Single properties of a stream, by example.

use super::*;

const TINY: StreamOptions =
    StreamOptions { age_max_ms: None, bytes_max: None, segment_bytes: 200, filter_bytes: 16 };

pub(super) fn all(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn nothing_is_delivered_before_it_is_durable() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.consume(1, 10, from(text("first")));
    bench.publish_all([message("a", false), message("b", false)]);
    assert!(bench.offsets(1).is_empty());
    assert_eq!(bench.confirmed, []);
    bench.commit_all();
    assert_eq!(bench.offsets(1), [0, 1]);
    assert_eq!(bench.confirmed, [Range { connection: PUBLISHER, channel: 1, first: 1, last: 2 }]);
}

#[test]
fn consumers_begin_where_they_say() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    for (first, at_ms) in [(0, 0), (10, 10_000), (20, 20_000)] {
        bench.now = Time::from_micros(at_ms * 1000);
        bench.fill(first..first + 10);
    }
    let wall_s = EPOCH.as_secs();
    let timestamp = |after_s: u64| AMQPValue::Timestamp(wall_s + after_s);
    let cases = [
        (text("first"), 0),
        (text("last"), 20),
        (text("next"), 30),
        (AMQPValue::LongLongInt(7), 7),
        (AMQPValue::ShortInt(7), 7),
        (AMQPValue::LongLongInt(1000), 1000),
        (AMQPValue::LongInt(-4), 26),
        (AMQPValue::LongInt(-400), 0),
        (timestamp(0), 0),
        (timestamp(9), 10),
        (timestamp(10), 10),
        (timestamp(11), 20),
        (timestamp(21), 30),
        (text("100D"), 0),
        (text("10s"), 10),
        (text("5s"), 20),
    ];
    for round in ["in memory", "from the disk"] {
        for (number, (value, expected)) in (1..).zip(&cases) {
            bench.consume(number, 100, from(value.clone()));
            assert_eq!(bench.offsets(number), all(*expected..30), "{value:?} {round}");
            bench.command(Command::Cancel(key(number)));
        }
        bench.restart();
    }
}

#[test]
fn a_prefetch_is_exact_and_each_answer_is_worth_one_more() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.fill(0..20);
    bench.consume(1, 3, from(text("first")));
    let got = bench.got(1);
    assert_eq!(got.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0, 1, 2]);
    bench.ack(vec![got[2].1]);
    assert_eq!(bench.offsets(1), [3], "an ack out of order is worth one, not all before it");
    bench.command(Command::Settle(Settlement::Requeue, vec![got[0].1]));
    assert_eq!(bench.offsets(1), [4], "nothing is redelivered");
    bench.command(Command::Settle(Settlement::Reject, vec![got[1].1]));
    assert_eq!(bench.offsets(1), [5]);
}

#[test]
fn a_late_ack_of_another_consumer_is_worth_nothing() {
    let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
    bench.fill(0..20);
    bench.consume(1, 1, from(text("first")));
    let late = bench.got(1);
    bench.command(Command::Cancel(key(1)));
    bench.consume(2, 1, from(text("first")));
    assert_eq!(bench.offsets(2), [0]);
    bench.ack(vec![late[0].1]);
    assert!(bench.offsets(2).is_empty());
}

#[test]
fn what_is_not_in_memory_is_read() {
    let mut bench = Bench::new(TINY, 100);
    for first in (0..100).step_by(5) {
        bench.fill(first..first + 5);
    }
    bench.consume(1, 1000, from(text("first")));
    assert!(bench.got(1).is_empty(), "it has to be read first");
    assert_eq!(bench.offsets(1), all(0..100));
}

#[test]
fn whole_segments_go_and_readers_jump() {
    let mut bench = Bench::new(StreamOptions { bytes_max: Some(1000), ..TINY }, 100);
    bench.fill(0..5);
    bench.consume(1, 1, from(text("first")));
    let had = {
        bench.serve_all();
        bench.got(1)
    };
    assert_eq!(had.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0]);
    for first in (5..500).step_by(5) {
        bench.fill(first..first + 5);
    }
    let first = bench.disk.front().unwrap().first;
    assert!(first > 400, "little is left: {first}");
    assert_eq!(bench.segments.front().unwrap().first, first, "segments go as a whole");
    bench.consume(2, 1000, from(text("first")));
    assert_eq!(bench.offsets(2), all(first..500));
    bench.command(Command::Settle(Settlement::Ack, Vec::new()));
    let counts = bench.stream.counts();
    assert_eq!(counts.ready as u64, 500 - first);
    bench.ack(had.into_iter().map(|(_, handle)| handle).collect());
    assert_eq!(bench.offsets(1), [first]);
    assert_eq!(bench.missed.iter().map(|(_, missed)| missed.end - missed.start).sum::<u64>(), first - 1);
    assert!(bench.missed.iter().all(|(consumer, _)| consumer == "1"), "{:?}", bench.missed);
    let Reply::Described(details) = bench.apply(Command::Describe) else { panic!("no details") };
    let missed = details.consumers.iter().map(|it| (&*it.name.tag, it.missed)).collect::<Vec<_>>();
    assert_eq!(missed, [("1", first - 1), ("2", 0)]);
}

#[test]
fn what_goes_while_it_is_read_is_missed_from_where_the_consumer_is() {
    let mut bench = Bench::new(StreamOptions { bytes_max: Some(1000), ..TINY }, 100);
    bench.fill(0..5);
    bench.fill(5..10);
    bench.consume(1, 1000, from(text("first")));
    let asked = bench.reads.len();
    for first in (10..500).step_by(5) {
        bench.fill(first..first + 5);
    }
    let first = bench.disk.front().unwrap().first;
    assert_eq!((asked, bench.offsets(1)), (1, all(first..500)));
    let missed = bench.missed.iter().map(|(_, missed)| missed.end - missed.start).sum::<u64>();
    assert_eq!((missed, bench.missed.first().map(|(_, missed)| missed.start)), (first, Some(0)));
}

#[test]
fn what_is_too_old_goes_with_time_but_never_the_newest_segment() {
    let mut bench = Bench::new(StreamOptions { age_max_ms: Some(60_000), ..TINY }, 1 << 20);
    bench.fill(0..20);
    bench.now = Time::from_micros(30_000_000);
    bench.fill(20..40);
    let due = bench.stream.poll_timeout().expect("the oldest is to go some day");
    assert_eq!(due, Time::from_micros(60_001_000));
    bench.now = due;
    bench.settle();
    assert_eq!(bench.disk.front().unwrap().first, 20);
    assert_eq!(bench.stream.poll_timeout(), None, "the newest stays");
}

#[test]
fn a_policy_holds_at_once() {
    let mut bench = Bench::new(TINY, 1 << 20);
    for first in (0..100).step_by(5) {
        bench.fill(first..first + 5);
    }
    let stream = Some(StreamOptions { bytes_max: Some(500), ..TINY });
    bench.command(Command::Configure(Box::new(QueueOptions { stream, ..bench.options.clone() })));
    assert!(bench.disk.front().unwrap().first > 50);
}

#[test]
fn filters_are_exact() {
    for in_memory in [1 << 20, 1] {
        let mut bench = Bench::new(TINY, in_memory);
        for first in 0..30_u8 {
            let with = |letter: u8| message(&char::from(b'a' + letter).to_string(), true);
            bench.publish_all([with(first % 3), with(first % 3), message("none", false)]);
            bench.commit_all();
        }
        let filter =
            |value: AMQPValue| arguments(&[("x-stream-filter", value), ("x-stream-offset", text("first"))]);
        bench.consume(1, 1000, filter(text("b")));
        let expected: Vec<u64> = (0..90).filter(|offset| offset / 3 % 3 == 1 && offset % 3 != 2).collect();
        assert_eq!(bench.offsets(1), expected);
        let any = AMQPValue::FieldArray(vec![text("a"), AMQPValue::Boolean(true), text("b")].into());
        let mut with_unfiltered = filter(any);
        with_unfiltered.insert("x-stream-match-unfiltered".into(), AMQPValue::Boolean(true));
        bench.consume(2, 1000, with_unfiltered);
        let expected: Vec<u64> = (0..90).filter(|offset| offset / 3 % 3 != 2 || offset % 3 == 2).collect();
        assert_eq!(bench.offsets(2), expected);
    }
}

#[test]
fn a_set_of_many_values_has_all_of_them() {
    use crate::queue::filter_set::{FilterSet, hash_of, may_have};
    for count in [1, 16, 17, 60] {
        let mut set = FilterSet::default();
        (0..count).for_each(|number: u32| set.add(Some(&number.to_be_bytes()), 255));
        let bytes = set.encode();
        let has = |number: u32| may_have(&bytes, &[hash_of(&number.to_be_bytes())], false);
        assert!((0..count).all(has), "{count}");
        let wrong = (1000..2000).filter(|number| has(*number)).count();
        assert!(wrong < 50, "{wrong} of 1000 values that are not there, of {count}");
        assert!(!may_have(&bytes, &[], true), "none is without a value");
    }
}

#[test]
fn a_reader_whose_messages_cannot_be_read_is_cancelled() {
    let mut bench = Bench::new(TINY, 1);
    bench.fill(0..50);
    bench.fill(50..100);
    bench.apply(Command::Unreadable("the file x is damaged".into()));
    assert!(matches!(
        bench.apply(Command::Consume(Box::new(Consume {
            key: key(1),
            no_ack: false,
            exclusive: false,
            prefetch: 1,
            priority: 0,
            channel_prefetch: None,
            inbox: None,
            ack_timeout: OwnTimeout::TheQueues,
            name: ConsumerName::default(),
            arguments: Arc::default(),
            is_passing: false,
        }))),
        Reply::Unreadable(_)
    ));
}

#[test]
fn headers_are_wanted_all_of_them_or_any() {
    let with = |entries: &[(&str, FieldValue<'_>)]| {
        let mut table = Vec::new();
        let mut writer = TableWriter::new(&mut table);
        entries.iter().for_each(|(key, value)| writer.entry(key.as_bytes(), *value));
        let properties = crate::protocol::content::replace_headers(&[0, 0], &table).unwrap();
        Message::new(Parts {
            routing_key: b"s",
            properties: &properties,
            persistent: true,
            ..Parts::default()
        })
    };
    let (eu, us) = (FieldValue::LongString(b"eu"), FieldValue::LongString(b"us"));
    let messages = [
        with(&[("region", eu), ("tier", FieldValue::I8(1))]),
        with(&[("region", us), ("tier", FieldValue::I64(1))]),
        with(&[("region", eu), ("tier", FieldValue::U16(2))]),
        with(&[("tier", FieldValue::LongString(b"1"))]),
        with(&[]),
    ];
    let both: &[(&str, AMQPValue)] = &[("region", text("eu")), ("tier", AMQPValue::LongInt(1))];
    for (headers, kind, expected) in [
        (both, None, vec![0]),
        (both, Some("all"), vec![0]),
        (both, Some("any"), vec![0, 1, 2]),
        (&[("region", AMQPValue::Void)], None, vec![0, 1, 2]),
        (&[("tier", text("1"))], None, vec![3]),
        (&[], None, vec![0, 1, 2, 3, 4]),
    ] {
        let mut bench = Bench::new(StreamOptions::default(), 1 << 20);
        bench.publish_all(messages.clone());
        bench.commit_all();
        let mut wanted = from(text("first"));
        wanted.insert("x-stream-filter".into(), AMQPValue::FieldTable(arguments(headers)));
        if let Some(kind) = kind {
            wanted.insert("x-filter-match-type".into(), text(kind));
        }
        bench.consume(1, 100, wanted);
        assert_eq!(bench.offsets(1), expected, "{headers:?} {kind:?}");
    }
    let wrong = |entries: &[(&str, AMQPValue)]| Filter::parse(&arguments(entries)).unwrap_err().key;
    let table = AMQPValue::FieldTable(arguments(&[("a", AMQPValue::FieldTable(FieldTable::default()))]));
    assert_eq!(wrong(&[("x-stream-filter", table)]), "x-stream-filter");
    let table = AMQPValue::FieldTable(arguments(both));
    assert_eq!(
        wrong(&[("x-stream-filter", table), ("x-filter-match-type", text("most"))]),
        "x-filter-match-type"
    );
}
