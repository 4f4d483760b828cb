//! Readers with a cursor, in random order, against what they acked: nothing that was not acked is ever passed over, and nothing that was acked
//! comes again, unless a crash lost the record of it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::queue::Ending;

#[derive(Clone, Debug)]
enum Step {
    Publish {
        count: u8,
        wanted: bool,
    },
    Commit,
    Serve,
    Consume {
        prefetch: u16,
    },
    Settle {
        which: usize,
        settlement: u8,
    },
    AckAll,
    Written,
    Cancel(usize),
    ChannelGone(usize),
    Pass(u16),
    /// A crash that loses all records but the first so many.
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..20_u8, any::<bool>()).prop_map(|(count, wanted)| Step::Publish { count, wanted }),
        6 => Just(Step::Commit),
        8 => Just(Step::Serve),
        4 => (1..30_u16).prop_map(|prefetch| Step::Consume { prefetch }),
        12 => (any::<usize>(), 0..4_u8).prop_map(|(which, settlement)| Step::Settle { which, settlement }),
        4 => Just(Step::AckAll),
        2 => Just(Step::Written),
        2 => any::<usize>().prop_map(Step::Cancel),
        2 => any::<usize>().prop_map(Step::ChannelGone),
        1 => (1..2000_u16).prop_map(Step::Pass),
        1 => (0..8_usize).prop_map(Step::Restart),
    ]
}

struct Model {
    bench: Bench,
    filter: bool,
    /// Each reader has a channel of its own: the number is both. Whether it was cancelled.
    readers: BTreeMap<u32, bool>,
    next_number: u32,
    /// Who has which offset.
    held: BTreeMap<u64, (u32, Handle)>,
    bytes: BTreeMap<u32, usize>,
    /// Acked since the last crash, and ever.
    acked: BTreeSet<u64>,
    ever_acked: BTreeSet<u64>,
}

fn own_key(number: u32) -> ConsumerKey {
    ConsumerKey { connection: CONSUMER, channel: number as u16, number }
}

impl Model {
    fn new(settings: StreamOptions, in_memory: usize, filter: bool) -> Self {
        Self {
            bench: Bench::new(settings, in_memory),
            filter,
            readers: BTreeMap::new(),
            next_number: 1,
            held: BTreeMap::new(),
            bytes: BTreeMap::new(),
            acked: BTreeSet::new(),
            ever_acked: BTreeSet::new(),
        }
    }

    fn nth_reader(&self, which: usize) -> Option<u32> {
        let count = self.readers.len().max(1);
        self.readers.keys().nth(which % count).copied()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Publish { count, wanted } => {
                let body = if wanted { "a" } else { "b" };
                self.bench.publish_all((0..count).map(|_| message(body, true)));
            }
            Step::Commit => drop(self.bench.commit()),
            Step::Serve => drop(self.bench.serve()),
            Step::Consume { prefetch } if self.readers.len() < 4 => self.consume(prefetch),
            Step::Consume { .. } => {}
            Step::Settle { which, settlement } => {
                let count = self.held.len().max(1);
                if let Some(offset) = self.held.keys().nth(which % count).copied() {
                    self.settle(offset, settlement);
                }
            }
            Step::AckAll => {
                let offsets: Vec<u64> = self.held.keys().copied().collect();
                offsets.into_iter().for_each(|offset| self.settle(offset, 0));
            }
            Step::Written => {
                for (number, bytes) in std::mem::take(&mut self.bytes) {
                    self.bench.command(Command::Written(own_key(number), bytes));
                }
            }
            Step::Cancel(which) => {
                if let Some(number) = self.nth_reader(which) {
                    self.bench.command(Command::Cancel(own_key(number)));
                    self.look();
                    self.readers.insert(number, true);
                }
            }
            Step::ChannelGone(which) => {
                if let Some(number) = self.nth_reader(which) {
                    self.readers.remove(&number);
                    self.held.retain(|_, (holder, _)| *holder != number);
                    self.bench.command(Command::ChannelGone(CONSUMER, number as u16, Ending::Returned));
                }
            }
            Step::Pass(ms) => {
                self.bench.now = self.bench.now.plus_ms(ms.into());
                self.bench.settle();
            }
            Step::Restart(records) => {
                self.bench.sync(records);
                self.bench.restart();
                self.readers.clear();
                self.held.clear();
                self.acked.clear();
                self.bytes.clear();
            }
        }
        self.look();
    }

    fn consume(&mut self, prefetch: u16) {
        let mut table = arguments(&[("x-stream-cursor", text("c")), ("x-stream-offset", text("first"))]);
        if self.filter {
            table.insert("x-stream-filter".into(), text("a"));
        }
        let number = self.next_number;
        self.next_number += 1;
        self.readers.insert(number, false);
        let reply = self.bench.consume_as(own_key(number), prefetch, table);
        assert!(matches!(reply, Reply::Consuming), "{reply:?}");
    }

    fn settle(&mut self, offset: u64, settlement: u8) {
        let Some((_, handle)) = self.held.remove(&offset) else { return };
        let settlement = match settlement {
            0 | 1 => Settlement::Ack,
            2 => Settlement::Requeue,
            _ => Settlement::Reject,
        };
        if settlement != Settlement::Requeue {
            self.acked.insert(offset);
            self.ever_acked.insert(offset);
        }
        self.bench.command(Command::Settle(settlement, vec![handle]));
    }

    fn look(&mut self) {
        for (consumer, delivery) in std::mem::take(&mut self.bench.deliveries) {
            let offset = delivery.handle.position.0;
            assert_eq!(self.readers.get(&consumer.number), Some(&false), "{offset} to one that is gone");
            assert!(!self.acked.contains(&offset), "{offset} was acked");
            let is_wanted = !self.filter || delivery.message.body() == b"a";
            assert!(is_wanted, "{offset} is not wanted");
            let before = self.held.insert(offset, (consumer.number, delivery.handle));
            assert!(before.is_none(), "{offset} is with two readers");
            *self.bytes.entry(consumer.number).or_default() += delivery.cost();
        }
    }

    /// Everything that is there is acked in the end, if not before.
    fn finish(mut self) {
        self.step(&Step::Consume { prefetch: 30 });
        loop {
            self.bench.commit_all();
            self.bench.serve_all();
            self.look();
            let idle = self.held.is_empty() && self.bytes.is_empty();
            self.step(&Step::Written);
            self.step(&Step::AckAll);
            if idle {
                break;
            }
        }
        let is_read = self.readers.values().any(|is_cancelled| !is_cancelled);
        for chunk in self.bench.disk.iter().filter(|_| is_read) {
            for (offset, message) in (chunk.first..).zip(&chunk.messages) {
                let is_wanted = !self.filter || message.body() == b"a";
                assert!(!is_wanted || self.ever_acked.contains(&offset), "{offset} was passed over");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_passed_over_and_nothing_acked_comes_again(
        steps in proptest::collection::vec(step(), 1..150),
        segment_bytes in 50..3000_u64,
        bytes_max in proptest::option::of(500..5000_u64),
        in_memory in 1..3000_usize,
        filter in any::<bool>(),
    ) {
        let settings = StreamOptions { age_max_ms: None, bytes_max, segment_bytes, filter_bytes: 16 };
        let mut model = Model::new(settings, in_memory, filter);
        for step in &steps {
            model.step(step);
        }
        model.finish();
    }
}
