//! Streams under random submissions with crashes at any commit, and the same log on both engines.

use super::logs::{Told, chunk, read_log};
use super::*;
use proptest::prelude::*;
use std::collections::{BTreeSet, VecDeque};

/// What should be stored, said in the simplest way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct State {
    streams: BTreeMap<u64, Stream>,
    /// Positions of a queue's messages.
    queue: BTreeSet<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stream {
    chunks: Vec<Stored>,
    next: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    begins_segment: bool,
    chunk: LogChunk,
}

impl Stream {
    fn append(&mut self, append: &LogAppend) -> u64 {
        let (first, last) = (self.next, self.chunks.last());
        let at = last.map_or(append.at, |last| append.at.max(last.chunk.at));
        let begins_segment = last.is_none() || append.begins_segment;
        self.next += append.entries.len() as u64;
        let LogAppend { filter, entries, .. } = append.clone();
        self.chunks.push(Stored { begins_segment, chunk: LogChunk { first, at, filter, entries } });
        first
    }

    fn trim(&mut self, before: u64) {
        let open = self.chunks.iter().rfind(|stored| stored.begins_segment);
        let before = open.map_or(0, |open| open.chunk.first.min(before));
        self.chunks.retain(|stored| stored.chunk.first >= before);
    }

    fn segments(&self) -> Vec<u64> {
        let begins = self.chunks.iter().filter(|stored| stored.begins_segment);
        begins.map(|stored| stored.chunk.first).collect()
    }

    /// What a start should say, but for the bytes.
    fn expected(&self) -> RecoveredLog {
        let segments = self.chunks.chunk_by(|_, next| !next.begins_segment);
        let mut sealed: Vec<_> = segments
            .map(|chunks| {
                let (first, last) = (&chunks[0].chunk, &chunks[chunks.len() - 1].chunk);
                let next = last.first + last.entries.len() as u64;
                LogSegment { first: first.first, next, bytes: 0, first_at: first.at, last_at: last.at }
            })
            .collect();
        let open = sealed.pop().unwrap();
        let last_chunk = self.chunks.last().unwrap().chunk.first;
        RecoveredLog { sealed, open, last_chunk, next: self.next }
    }
}

/// The state, and what waits for it.
#[derive(Clone, Default)]
struct Model {
    state: State,
    joins: BTreeMap<u64, Vec<Op>>,
    /// First offsets by stream and ticket, as they should be told.
    given: BTreeMap<(u64, u64), u64>,
}

impl Model {
    fn submit(&mut self, op: &Op, join: Option<Join>) {
        let Some(Join { id, parts }) = join else { return self.apply(op) };
        let held = self.joins.entry(id).or_default();
        held.push(op.clone());
        if held.len() == parts as usize {
            self.joins.remove(&id).unwrap_or_default().iter().for_each(|op| self.apply(op));
        }
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::AppendLog(append) => {
                let first = self.state.streams.entry(append.stream.0).or_default().append(append);
                self.given.insert((append.stream.0, append.ticket), first);
            }
            Op::TrimLog { stream, before } => {
                self.state.streams.entry(stream.0).or_default().trim(*before);
            }
            Op::DeleteQueue { queue } => {
                self.state.streams.remove(&queue.0);
                for held in self.joins.values_mut() {
                    let of_it = |op: &Op| matches!(op, Op::AppendLog(append) if append.stream == *queue);
                    held.iter_mut().filter(|op| of_it(op)).for_each(|op| *op = append(99, []));
                }
            }
            Op::Append { entries, .. } => {
                self.state.queue.extend(entries.iter().map(|entry| entry.position.0));
            }
            _ => {}
        }
    }

    fn expected(&self) -> State {
        let mut state = self.state.clone();
        state.streams.retain(|_, stream| !stream.chunks.is_empty());
        state
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append { stream: u64, count: u8, begins_segment: bool, late: u64, join: Option<u64> },
    Queue { join: Option<u64> },
    Trim { stream: u64, pick: usize },
    Delete { stream: u64 },
    Commit { max: usize },
    Crash { keep: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let stream = 1_u64..4;
    let join = prop::option::weighted(0.3, 0_u64..3);
    prop_oneof![
        10 => (stream.clone(), 1_u8..6, any::<bool>(), 0_u64..30, join.clone()).prop_map(
            |(stream, count, begins_segment, late, join)| Step::Append { stream, count, begins_segment, late, join }
        ),
        3 => join.prop_map(|join| Step::Queue { join }),
        3 => (stream.clone(), any::<usize>()).prop_map(|(stream, pick)| Step::Trim { stream, pick }),
        1 => stream.prop_map(|stream| Step::Delete { stream }),
        6 => (0_usize..6).prop_map(|max| Step::Commit { max }),
        1 => (0_usize..4).prop_map(|keep| Step::Crash { keep }),
    ]
}

/// Turns steps into operations as a broker would submit them.
#[derive(Default)]
struct Broker {
    told: Arc<Told>,
    ticket: u64,
    /// Queue ids are never used again.
    lives: BTreeMap<u64, u64>,
    open_joins: BTreeMap<u64, u64>,
    joins: u64,
}

impl Broker {
    fn id(&self, stream: u64) -> u64 {
        stream + 10 * self.lives.get(&stream).copied().unwrap_or_default()
    }

    fn operation(&mut self, step: &Step, state: &State) -> Option<(Op, Option<Join>)> {
        match step {
            Step::Append { stream, count, begins_segment, late, join } => {
                self.ticket += 1;
                let append = chunk(&self.told, self.id(*stream), self.ticket, *count);
                let at = Timestamp::from_millis(append.at.as_millis() - late);
                let append = LogAppend { begins_segment: *begins_segment, at, ..append };
                Some((Op::AppendLog(append), join.map(|join| self.join(join))))
            }
            Step::Queue { join } => {
                self.ticket += 1;
                Some((append(99, [self.ticket]), join.map(|join| self.join(join))))
            }
            Step::Trim { stream, pick } => {
                let stream = self.id(*stream);
                let segments = state.streams.get(&stream)?.segments();
                let before = *segments.get(pick % segments.len().max(1))?;
                Some((Op::TrimLog { stream: QueueId(stream), before }, None))
            }
            Step::Delete { stream } => {
                let queue = QueueId(self.id(*stream));
                *self.lives.entry(*stream).or_default() += 1;
                Some((Op::DeleteQueue { queue }, None))
            }
            Step::Commit { .. } | Step::Crash { .. } => None,
        }
    }

    fn join(&mut self, number: u64) -> Join {
        let id = self.open_joins.remove(&number).unwrap_or_else(|| {
            self.joins += 1;
            self.open_joins.insert(number, self.joins);
            self.joins
        });
        Join { id, parts: 2 }
    }
}

/// A store with the model of what was committed to it.
struct Run {
    disk: MemoryDisk,
    handle: StoreHandle,
    committer: ManualCommitter,
    broker: Broker,
    submitted: VecDeque<(Op, Option<Join>)>,
    model: Model,
    /// The states that a crash may leave: the last one that was synced and those since.
    candidates: Vec<State>,
}

impl Run {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let (handle, committer, _) = open_manual(disk.clone()).unwrap();
        let candidates = vec![State::default()];
        let (broker, model, submitted) = (Broker::default(), Model::default(), VecDeque::new());
        Self { disk, handle, committer, broker, submitted, model, candidates }
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Commit { max } => self.commit(*max)?,
            Step::Crash { keep } => self.crash(*keep)?,
            step => {
                if let Some((op, join)) = self.broker.operation(step, &self.model.state) {
                    self.handle.submit(Submission { join, ..Submission::of(op.clone()) });
                    self.submitted.push_back((op, join));
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, max: usize) -> Result<(), TestCaseError> {
        let taken = self.committer.commit_some(max);
        for (op, join) in self.submitted.drain(..taken) {
            self.model.submit(&op, join);
        }
        if self.disk.buffered() == 0 {
            self.candidates.clear();
        }
        self.candidates.push(self.model.expected());
        // Whoever is deleted in the same commit is not told.
        let mut told = BTreeSet::new();
        for (ticket, first) in self.broker.told.offsets() {
            let given = self.model.given.iter().find(|((_, of), _)| *of == ticket);
            prop_assert_eq!(given.map(|(_, first)| *first), Some(first), "ticket {}", ticket);
            prop_assert!(told.insert(ticket), "ticket {} is told twice", ticket);
        }
        for (id, stream) in &self.model.state.streams {
            let given = self.model.given.iter().filter(|((of, _), _)| of == id);
            let mut untold = given.filter(|((_, ticket), first)| {
                let is_there = stream.chunks.iter().any(|stored| stored.chunk.first == **first);
                is_there && !told.contains(ticket)
            });
            prop_assert!(untold.next().is_none());
        }
        self.model.given.clear();
        Ok(())
    }

    fn crash(&mut self, keep: usize) -> Result<(), TestCaseError> {
        self.disk.crash(keep);
        let (handle, mut committer, recovered) = open_manual(self.disk.clone()).unwrap();
        let mut pump = || {
            committer.commit_pending();
        };
        let found = found(&handle, &recovered, &mut pump)?;
        let survivor = self.candidates.iter().rev().find(|state| **state == found).cloned();
        prop_assert!(survivor.is_some(), "found {:?}, which is none of {:?}", found, self.candidates);
        // The chunks that the crash took have no offsets that anybody knows.
        self.model = Model { state: survivor.unwrap_or_default(), ..Model::default() };
        self.candidates = vec![self.model.expected()];
        self.submitted.clear();
        self.broker.open_joins.clear();
        (self.handle, self.committer) = (handle, committer);
        Ok(())
    }
}

/// Reads all streams that were found, and compares what was found with what is read.
fn found(
    handle: &StoreHandle,
    recovered: &Recovered,
    pump: &mut dyn FnMut(),
) -> Result<State, TestCaseError> {
    let queue = positions(recovered, 99).into_iter().collect();
    let mut state = State { queue, ..State::default() };
    for (id, queue) in &recovered.queues {
        let Some(log) = &queue.log else { continue };
        let first = log.sealed.first().unwrap_or(&log.open).first;
        let chunks = read_log(handle, id.0, first, usize::MAX, &mut *pump).unwrap();
        let begins: BTreeSet<_> = log.sealed.iter().chain([&log.open]).map(|segment| segment.first).collect();
        let chunks = chunks
            .into_iter()
            .map(|chunk| Stored { begins_segment: begins.contains(&chunk.first), chunk })
            .collect();
        let stream = Stream { chunks, next: log.next };
        let without_bytes = |segment: &LogSegment| {
            assert!(segment.bytes > 0);
            LogSegment { bytes: 0, ..*segment }
        };
        let sealed = log.sealed.iter().map(without_bytes).collect();
        let log = RecoveredLog { sealed, open: without_bytes(&log.open), ..log.clone() };
        prop_assert_eq!(log, stream.expected());
        state.streams.insert(id.0, stream);
    }
    Ok(state)
}

fn crashes_leave_streams_as_they_were(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut run = Run::new();
    for step in steps {
        run.step(step)?;
    }
    run.commit(usize::MAX)?;
    let expected = run.model.expected();
    run.crash(usize::MAX)?;
    prop_assert_eq!(run.model.expected(), expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_crash_leaves_streams_as_they_were(steps in prop::collection::vec(step(), 1..80)) {
        crashes_leave_streams_as_they_were(&steps)?;
    }
}

#[cfg(feature = "cluster")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn with_a_log_a_crash_leaves_streams_as_they_were(steps in prop::collection::vec(step(), 1..80)) {
        super::replicated::over_a_log(|| crashes_leave_streams_as_they_were(&steps))?;
    }
}

proptest! {
    // Each case opens a directory several times.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn fjall_keeps_the_streams_that_memory_keeps(steps in prop::collection::vec(step(), 20..120)) {
        let dir = tempfile::tempdir().unwrap();
        let mut run = Run::new();
        let mut store = open_dir(dir.path()).unwrap().0;
        for step in steps.iter().chain([&Step::Crash { keep: 0 }]) {
            if let Step::Crash { .. } = step {
                run.commit(usize::MAX)?;
                store.shutdown().unwrap();
                let (opened, recovered) = open_dir(dir.path()).unwrap();
                let of_fjall = found(&opened.handle(), &recovered, &mut || ())?;
                run.crash(usize::MAX)?;
                prop_assert_eq!(of_fjall, run.model.expected());
                let of_memory = open_manual(run.disk.clone()).unwrap().2;
                for (id, queue) in &recovered.queues {
                    prop_assert_eq!(&queue.log, &of_memory.queues[id].log);
                }
                store = opened;
                // It was opened once more to be looked at.
                let (handle, committer, _) = open_manual(run.disk.clone()).unwrap();
                (run.handle, run.committer) = (handle, committer);
                continue;
            }
            let before = run.submitted.len();
            run.step(step)?;
            for (op, join) in run.submitted.iter().skip(before) {
                let op = match op {
                    // Nobody is to hear of it twice.
                    Op::AppendLog(append) => {
                        Op::AppendLog(LogAppend { sink: Arc::new(Told::default()), ..append.clone() })
                    }
                    // It names a segment that somebody was told of.
                    Op::TrimLog { .. } => {
                        submit_and_wait(&store.handle(), Submission::default());
                        op.clone()
                    }
                    op => op.clone(),
                };
                store.handle().submit(Submission { join: *join, ..Submission::of(op) });
            }
        }
    }
}
