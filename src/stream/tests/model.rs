//! Random logs of commands against a model: the list of all messages that were confirmed, and for each reader where it is.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Publish { count: u8, bulky: bool },
    Commit,
    Serve,
    Consume { prefetch: u16, spec: u8, number: u8 },
    Ack { reader: usize, count: usize },
    Written { reader: usize },
    Cancel(usize),
    Pass(u16),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..20_u8, proptest::bool::weighted(0.1)).prop_map(|(count, bulky)| Step::Publish { count, bulky }),
        6 => Just(Step::Commit),
        6 => Just(Step::Serve),
        3 => (1..30_u16, 0..5_u8, any::<u8>()).prop_map(|(prefetch, spec, number)| Step::Consume { prefetch, spec, number }),
        8 => (0..6_usize, 1..20_usize).prop_map(|(reader, count)| Step::Ack { reader, count }),
        2 => (0..6_usize).prop_map(|reader| Step::Written { reader }),
        1 => (0..6_usize).prop_map(Step::Cancel),
        2 => (1..2000_u16).prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ]
}

/// What is known of a reader.
#[derive(Debug)]
struct Known {
    number: u32,
    prefetch: usize,
    /// The last offset that it got.
    last: Option<u64>,
    /// How many it was said to have missed since.
    missed: u64,
    unacked: Vec<Handle>,
    bytes: usize,
}

struct Model {
    bench: Bench,
    readers: Vec<Known>,
    next_number: u32,
    published: u64,
}

impl Model {
    fn new(settings: StreamOptions, in_memory: usize) -> Self {
        let bench = Bench::new(settings, in_memory);
        Self { bench, readers: Vec::new(), next_number: 1, published: 0 }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish { count, bulky } => {
                let size = if bulky { 20_000 } else { 1 };
                let bodies: Vec<String> = (0..count)
                    .map(|number| format!("{:0size$}", self.published + u64::from(number)))
                    .collect();
                self.published += u64::from(count);
                self.bench.publish_all(bodies.iter().map(|body| message(body, false)));
            }
            Step::Commit => drop(self.bench.commit()),
            Step::Serve => drop(self.bench.serve()),
            Step::Consume { prefetch, spec, number } => self.consume(prefetch, spec, number),
            Step::Ack { reader, count } => {
                let Some(known) = self.readers.get_mut(reader) else { return };
                let count = count.min(known.unacked.len());
                let acked = known.unacked.drain(..count).collect();
                self.bench.ack(acked);
            }
            Step::Written { reader } => {
                let Some(known) = self.readers.get_mut(reader) else { return };
                let (key, bytes) = (key(known.number), std::mem::take(&mut known.bytes));
                self.bench.command(Command::Written(key, bytes));
            }
            Step::Cancel(reader) if reader < self.readers.len() => {
                let known = self.readers.remove(reader);
                self.bench.command(Command::Cancel(key(known.number)));
                self.bench.got(known.number);
            }
            Step::Cancel(_) => {}
            Step::Pass(ms) => {
                self.bench.now = self.bench.now.plus_ms(ms.into());
                self.bench.settle();
            }
            Step::Restart => {
                self.bench.restart();
                self.readers.clear();
            }
        }
        self.look();
    }

    fn consume(&mut self, prefetch: u16, spec: u8, number: u8) {
        if self.readers.len() >= 6 {
            return;
        }
        let value = match spec {
            0 => text("first"),
            1 => text("last"),
            2 => text("next"),
            3 => AMQPValue::LongLongInt(number.into()),
            _ => text(&format!("{}s", number % 8 + 1)),
        };
        let known = Known {
            number: self.next_number,
            prefetch: prefetch.into(),
            last: None,
            missed: 0,
            unacked: Vec::new(),
            bytes: 0,
        };
        self.next_number += 1;
        self.readers.push(known);
        self.bench.consume(self.next_number - 1, prefetch, from(value));
    }

    /// What was delivered is right, and nothing more than may be.
    fn look(&mut self) {
        for (consumer, missed) in std::mem::take(&mut self.bench.missed) {
            let mut readers = self.readers.iter_mut();
            readers.find(|reader| reader.number.to_string() == consumer).expect("gone").missed +=
                missed.end - missed.start;
        }
        for (consumer, delivery) in std::mem::take(&mut self.bench.deliveries) {
            let offset = delivery.handle.position.0;
            let body = self.bench.bodies.get(usize::try_from(offset).unwrap()).expect("it is not durable");
            assert_eq!(body, delivery.message.body());
            let reader = self.readers.iter_mut().find(|reader| key(reader.number) == consumer).expect("gone");
            if let Some(last) = reader.last {
                assert_eq!(offset, last + 1 + reader.missed, "after {last}");
            }
            (reader.last, reader.missed) = (Some(offset), 0);
            reader.bytes += delivery.cost();
            reader.unacked.push(delivery.handle);
            assert!(reader.unacked.len() <= reader.prefetch, "more than the prefetch");
        }
    }

    /// When all is durable, served and acked, every reader has come to the end.
    fn finish(mut self) {
        loop {
            while self.bench.commit() {
                self.look();
            }
            while self.bench.serve() || self.bench.stream.poll_timeout() == Some(Time::ZERO) {
                self.look();
                self.bench.settle();
                self.look();
            }
            let mut idle = true;
            for index in 0..self.readers.len() {
                let Known { unacked, bytes, .. } = &self.readers[index];
                let count = unacked.len();
                idle &= count == 0 && *bytes == 0;
                self.step(Step::Written { reader: index });
                self.step(Step::Ack { reader: index, count });
            }
            if idle {
                break;
            }
        }
        let end = self.bench.next;
        for reader in &self.readers {
            if let Some(last) = reader.last {
                assert_eq!(last + 1, end, "reader {} stands still", reader.number);
            }
        }
        let first = self.bench.disk.front().map_or(end, |chunk| chunk.first);
        assert_eq!(self.bench.stream.counts().ready as u64, end - first);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn readers_get_what_is_durable_in_order_and_never_stand_still(
        steps in proptest::collection::vec(step(), 1..120),
        segment_bytes in 50..3000_u64,
        bytes_max in proptest::option::of(500..5000_u64),
        age_max_ms in proptest::option::of(500..10_000_u64),
        in_memory in 1..3000_usize,
    ) {
        let settings = StreamOptions { age_max_ms, bytes_max, segment_bytes, filter_bytes: 16 };
        let mut model = Model::new(settings, in_memory);
        for step in steps {
            model.step(step);
        }
        model.finish();
    }
}
