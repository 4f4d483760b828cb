//! What a store should hold after some submissions, said in the simplest way.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The stored state: what recovery should find.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) queues: BTreeMap<u64, BTreeMap<u64, (Vec<u8>, bool)>>,
    pub(super) definitions: BTreeMap<String, Vec<u8>>,
    /// By queue and position.
    pub(super) notes: BTreeMap<(u64, u64), Vec<u8>>,
    /// By queue and name.
    pub(super) records: BTreeMap<(u64, Vec<u8>), Vec<u8>>,
}

/// The state, and what waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) state: State,
    delivered: BTreeMap<u64, u64>,
    /// Some may be on messages that are gone or not there yet.
    notes: BTreeMap<(u64, u64), Vec<u8>>,
    joins: BTreeMap<u64, Vec<Op>>,
    parts: BTreeMap<u64, u32>,
}

impl Model {
    pub(super) fn submit(&mut self, op: &Op, join: Option<Join>) {
        let Some(Join { id, parts }) = join else { return self.apply(op) };
        self.joins.entry(id).or_default().push(op.clone());
        let seen = self.parts.entry(id).or_default();
        *seen += 1;
        if *seen == parts {
            for op in self.joins.remove(&id).unwrap_or_default() {
                self.apply(&op);
            }
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Append { queue, entries } => {
                let stored = self.state.queues.entry(queue.0).or_default();
                for entry in entries {
                    stored.insert(entry.position.0, (entry.message.body().to_vec(), false));
                }
            }
            Op::Remove { queue, positions } => {
                let gone: BTreeSet<_> = positions.iter().map(|p| p.0).collect();
                self.retain(queue.0, |position| !gone.contains(&position));
            }
            Op::Delivered { queue, up_to } => {
                let mark = self.delivered.entry(queue.0).or_default();
                *mark = (*mark).max(up_to.0);
            }
            Op::Note { queue, position, note } => {
                self.notes.insert((queue.0, position.0), note.clone());
            }
            Op::Record { queue, key, value: Some(value) } => {
                self.state.records.insert((queue.0, key.clone()), value.clone());
            }
            Op::Record { queue, key, value: None } => {
                self.state.records.remove(&(queue.0, key.clone()));
            }
            Op::Purge { queue, before, keep } => {
                self.retain(queue.0, |position| position >= before.0 || keep.contains(&Position(position)));
            }
            Op::DeleteQueue { queue } => {
                self.retain(queue.0, |_| false);
                self.delivered.remove(&queue.0);
                self.state.records.retain(|(of, _), _| *of != queue.0);
            }
            Op::PutDefinition { key, value } => {
                self.state.definitions.insert(key.clone(), value.clone());
            }
            Op::RemoveDefinition { key } => {
                self.state.definitions.remove(key);
            }
            // They have a model of their own.
            Op::AppendLog(_) | Op::TrimLog { .. } => {}
        }
    }

    /// Applies to what is stored and to what waits in joins.
    fn retain(&mut self, queue: u64, mut stays: impl FnMut(u64) -> bool) {
        if let Some(stored) = self.state.queues.get_mut(&queue) {
            stored.retain(|position, _| stays(*position));
        }
        self.notes.retain(|(of, position), _| *of != queue || stays(*position));
        for op in self.joins.values_mut().flatten() {
            if let Op::Append { queue: of, entries } = op
                && of.0 == queue
            {
                entries.retain(|entry| stays(entry.position.0));
            }
        }
    }

    /// What recovery should find now.
    pub(super) fn expected(&self) -> State {
        let mut state = self.state.clone();
        for (queue, stored) in &mut state.queues {
            let mark = self.delivered.get(queue).copied().unwrap_or_default();
            for (position, (_, redelivered)) in stored {
                *redelivered |= *position <= mark;
            }
        }
        state.queues.retain(|_, stored| !stored.is_empty());
        let is_there = |queue: &u64, position| {
            state.queues.get(queue).is_some_and(|stored| stored.contains_key(position))
        };
        let notes = self.notes.iter().filter(|((queue, position), _)| is_there(queue, position));
        state.notes = notes.map(|(key, note)| (*key, note.clone())).collect();
        state
    }

    /// Forgets incomplete joins, as a crash does.
    pub(super) fn restart(&mut self) {
        self.state = self.expected();
        self.notes = self.state.notes.clone();
        self.joins.clear();
        self.parts.clear();
        self.delivered.clear();
    }
}

impl State {
    pub(super) fn of(recovered: &Recovered, contents: &Contents) -> Self {
        let body = |m: &StoredMessage| (m.position.0, (m.message.body().to_vec(), m.redelivered));
        // One may have records only.
        let queues = contents.iter().filter(|(_, messages)| !messages.is_empty());
        let queues = queues.map(|(id, messages)| (*id, messages.iter().map(body).collect()));
        let noted = recovered.queues.iter();
        let noted = noted.flat_map(|(id, q)| q.notes.iter().map(|(p, note)| ((id.0, p.0), note.clone())));
        let recorded = recovered.queues.iter();
        let recorded = recorded
            .flat_map(|(id, q)| q.records.iter().map(|(key, value)| ((id.0, key.clone()), value.clone())));
        Self {
            queues: queues.collect(),
            definitions: recovered.definitions.clone(),
            notes: noted.collect(),
            records: recorded.collect(),
        }
    }
}

/// One step of a random run; numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// With `shared`, all of them one message, which other queues get, too.
    Append {
        queue: u64,
        gaps: Vec<u64>,
        shared: Option<usize>,
        join: Option<u64>,
    },
    Remove {
        queue: u64,
        picks: Vec<usize>,
        join: Option<u64>,
    },
    Delivered {
        queue: u64,
        pick: usize,
    },
    Note {
        queue: u64,
        pick: usize,
        note: u8,
    },
    Record {
        queue: u64,
        key: u8,
        value: Option<u8>,
        join: Option<u64>,
    },
    Purge {
        queue: u64,
        back: u64,
        keep: Vec<usize>,
    },
    Delete {
        queue: u64,
    },
    Define {
        key: u64,
        value: Option<u8>,
    },
    Commit {
        max: usize,
    },
    Crash {
        keep: usize,
    },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let queue = 1_u64..4;
    let join = prop::option::weighted(0.4, 0_u64..3);
    let shared = prop::option::weighted(0.4, 0_usize..3);
    let picks = prop::collection::vec(any::<usize>(), 0..8);
    prop_oneof![
        6 => (queue.clone(), prop::collection::vec(1_u64..3, 1..6), shared, join.clone())
            .prop_map(|(queue, gaps, shared, join)| Step::Append { queue, gaps, shared, join }),
        2 => (queue.clone(), 0_u8..4, any::<Option<u8>>(), join.clone())
            .prop_map(|(queue, key, value, join)| Step::Record { queue, key, value, join }),
        6 => (queue.clone(), picks.clone(), join)
            .prop_map(|(queue, picks, join)| Step::Remove { queue, picks, join }),
        2 => (queue.clone(), any::<usize>()).prop_map(|(queue, pick)| Step::Delivered { queue, pick }),
        2 => (queue.clone(), any::<usize>(), any::<u8>())
            .prop_map(|(queue, pick, note)| Step::Note { queue, pick, note }),
        1 => (queue.clone(), 0_u64..6, picks)
            .prop_map(|(queue, back, keep)| Step::Purge { queue, back, keep }),
        1 => queue.prop_map(|queue| Step::Delete { queue }),
        1 => (0_u64..3, any::<Option<u8>>()).prop_map(|(key, value)| Step::Define { key, value }),
        6 => (0_usize..6).prop_map(|max| Step::Commit { max }),
        1 => (0_usize..4).prop_map(|keep| Step::Crash { keep }),
    ]
}

/// Turns steps into operations as a broker would submit them: positions ascend, joins have two parts.
pub(super) struct Broker {
    next: u64,
    used: BTreeMap<u64, Vec<u64>>,
    /// Joins that wait for their second part, by the step's number: the id.
    open_joins: BTreeMap<u64, u64>,
    next_join: u64,
    /// Messages that are in several queues.
    shared: [Message; 3],
}

impl Broker {
    pub(super) fn new(next_position: Position) -> Self {
        Self {
            next: next_position.0,
            used: BTreeMap::new(),
            open_joins: BTreeMap::new(),
            next_join: 0,
            shared: [1, 2, 3].map(|byte| message(&[byte; 2100]).for_queues(3)),
        }
    }

    pub(super) fn restart(&mut self, next_position: Position) {
        assert!(next_position.0 >= self.next, "positions are reused");
        self.next = next_position.0;
        self.open_joins.clear();
    }

    pub(super) fn operation(&mut self, step: &Step) -> Option<(Op, Option<Join>)> {
        let plain = |op| Some((op, None));
        match step {
            Step::Append { queue, gaps, shared, join } => {
                let positions: Vec<_> = gaps.iter().map(|gap| self.position(*gap)).collect();
                self.used.entry(*queue).or_default().extend(&positions);
                let append = match shared.and_then(|pick| self.shared.get(pick)) {
                    Some(message) => append_message(*queue, positions, message),
                    None => append(*queue, positions),
                };
                Some((append, join.map(|join| self.join(join))))
            }
            Step::Remove { queue, picks, join } => {
                let positions: Vec<_> = picks.iter().filter_map(|pick| self.pick(*queue, *pick)).collect();
                Some((remove(*queue, positions), join.map(|join| self.join(join))))
            }
            Step::Delivered { queue, pick } => {
                self.pick(*queue, *pick).map(|position| (delivered(*queue, position), None))
            }
            Step::Note { queue, pick, note } => self.pick(*queue, *pick).map(|position| {
                let (queue, position) = (QueueId(*queue), Position(position));
                (Op::Note { queue, position, note: vec![*note] }, None)
            }),
            Step::Record { queue, key, value, join } => {
                let (queue, key, value) = (QueueId(*queue), vec![*key], value.map(|value| vec![value]));
                Some((Op::Record { queue, key, value }, join.map(|join| self.join(join))))
            }
            Step::Purge { queue, back, keep } => {
                let keep: BTreeSet<_> = keep.iter().filter_map(|pick| self.pick(*queue, *pick)).collect();
                plain(purge(*queue, self.next - back, keep))
            }
            Step::Delete { queue } => plain(Op::DeleteQueue { queue: QueueId(*queue) }),
            Step::Define { key, value: Some(value) } => {
                plain(Op::PutDefinition { key: key.to_string(), value: vec![*value] })
            }
            Step::Define { key, value: None } => plain(Op::RemoveDefinition { key: key.to_string() }),
            Step::Commit { .. } | Step::Crash { .. } => None,
        }
    }

    fn position(&mut self, gap: u64) -> u64 {
        self.next += gap;
        self.next - 1
    }

    fn pick(&self, queue: u64, pick: usize) -> Option<u64> {
        let used = self.used.get(&queue)?;
        used.get(pick % used.len()).copied()
    }

    fn join(&mut self, number: u64) -> Join {
        let id = self.open_joins.remove(&number).unwrap_or_else(|| {
            self.next_join += 1;
            self.open_joins.insert(number, self.next_join);
            self.next_join
        });
        Join { id, parts: 2 }
    }
}
