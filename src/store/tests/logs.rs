//! Streams, example by example.

use super::*;
use crate::store::logs::keys::{CHUNKS, ChunkKey};
use crate::store::logs::{ParsedChunk, REMOVED_KEYS_MAX};
use proptest::prelude::*;

/// Remembers what was told of appends, and of confirms among them, in order.
#[derive(Default)]
pub(super) struct Told(Mutex<Vec<Heard>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Log(LogCommitted),
    Confirm(u64, u64),
}

impl Told {
    fn taken(&self) -> Vec<Heard> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Tickets with their first offsets.
    pub(super) fn offsets(&self) -> Vec<(u64, u64)> {
        let heard = self.taken().into_iter();
        heard
            .filter_map(|heard| match heard {
                Heard::Log(LogCommitted { ticket, first }) => Some((ticket, first)),
                Heard::Confirm(..) => None,
            })
            .collect()
    }
}

impl LogSink for Told {
    fn committed(&self, committed: LogCommitted) {
        self.0.lock().unwrap().push(Heard::Log(committed));
    }
}

impl ConfirmSink for Told {
    fn confirmed(&self, _channel: u16, first: u64, last: u64) {
        self.0.lock().unwrap().push(Heard::Confirm(first, last));
    }
}

pub(super) fn chunk(told: &Arc<Told>, stream: u64, ticket: u64, count: u8) -> LogAppend {
    LogAppend {
        stream: QueueId(stream),
        at: Timestamp::from_millis(1000 + ticket * 10),
        filter: ticket.to_be_bytes().to_vec(),
        entries: (0..count).map(|number| message(&[ticket as u8, number])).collect(),
        begins_segment: false,
        ticket,
        sink: told.clone(),
    }
}

fn append_log(told: &Arc<Told>, stream: u64, ticket: u64, count: u8) -> Op {
    Op::AppendLog(chunk(told, stream, ticket, count))
}

fn begin_segment(told: &Arc<Told>, stream: u64, ticket: u64, count: u8) -> Op {
    Op::AppendLog(LogAppend { begins_segment: true, ..chunk(told, stream, ticket, count) })
}

fn trim(stream: u64, before: u64) -> Op {
    Op::TrimLog { stream: QueueId(stream), before }
}

struct Manual {
    disk: MemoryDisk,
    handle: StoreHandle,
    committer: ManualCommitter,
    recovered: Recovered,
    told: Arc<Told>,
}

impl Manual {
    fn new() -> Self {
        Self::on(MemoryDisk::new())
    }

    fn on(disk: MemoryDisk) -> Self {
        let (handle, committer, recovered) = open_manual(disk.clone()).unwrap();
        Self { disk, handle, committer, recovered, told: Arc::default() }
    }

    fn commit(&mut self, op: Op) {
        self.handle.submit(Submission::of(op));
        self.committer.commit_pending();
    }

    fn crash(self, keep: usize) -> Self {
        self.disk.crash(keep);
        Self::on(self.disk)
    }

    fn log(&self, stream: u64) -> Option<RecoveredLog> {
        self.recovered.queues.get(&QueueId(stream))?.log.clone()
    }

    fn read(&mut self, stream: u64, from: u64, bytes_max: usize) -> Result<Vec<LogChunk>, Unreadable> {
        read_log(&self.handle, stream, from, bytes_max, || {
            self.committer.commit_pending();
        })
    }

    fn firsts(&mut self, stream: u64, from: u64) -> Vec<u64> {
        let read = self.read(stream, from, usize::MAX);
        read.unwrap().iter().map(|chunk| chunk.first).collect()
    }

    fn seek(&mut self, stream: u64, first: u64, next: u64, at: u64) -> u64 {
        let committer = &mut self.committer;
        seek(&self.handle, stream, first..next, at, || {
            committer.commit_pending();
        })
    }
}

pub(super) fn read_log(
    handle: &StoreHandle,
    stream: u64,
    from: u64,
    bytes_max: usize,
    pump: impl FnOnce(),
) -> Result<Vec<LogChunk>, Unreadable> {
    let (sender, receiver) = channel();
    let done = Box::new(move |read| sender.send(read).unwrap());
    handle.read_log(LogRead { stream: QueueId(stream), from, bytes_max, done });
    pump();
    receiver.recv().unwrap()
}

pub(super) fn seek(
    handle: &StoreHandle,
    stream: u64,
    range: std::ops::Range<u64>,
    at: u64,
    pump: impl FnOnce(),
) -> u64 {
    let (sender, receiver) = channel();
    let done = Box::new(move |found: Result<u64, Unreadable>| sender.send(found.unwrap()).unwrap());
    let (first, next, at) = (range.start, range.end, Timestamp::from_millis(at));
    handle.find_log_time(LogSeek { stream: QueueId(stream), first, next, at, done });
    pump();
    receiver.recv().unwrap()
}

fn ms(at: u64) -> Timestamp {
    Timestamp::from_millis(at)
}

#[test]
fn offsets_are_dense_and_told_before_confirms() {
    let mut store = Manual::new();
    let told = store.told.clone();
    let sink: Arc<dyn ConfirmSink> = told.clone();
    let confirms = vec![Confirm { sink, channel: 1, first: 5, last: 9 }];
    store.handle.submit(Submission { confirms, ..Submission::of(append_log(&told, 1, 1, 3)) });
    store.handle.submit(Submission::of(append_log(&told, 2, 1, 4)));
    store.handle.submit(Submission::of(begin_segment(&told, 1, 2, 2)));
    assert!(store.handle.pending_bytes() > 0);
    assert_eq!(told.taken(), [], "nothing is said before it is durable");
    store.committer.commit_pending();
    assert_eq!((store.handle.pending_bytes(), store.disk.buffered()), (0, 0));
    let heard = |ticket, first| Heard::Log(LogCommitted { ticket, first });
    assert_eq!(told.taken(), [heard(1, 0), heard(1, 0), heard(2, 3), Heard::Confirm(5, 9)]);

    let mut store = store.crash(0);
    let segment = LogSegment { first: 0, next: 3, bytes: 52, first_at: ms(1010), last_at: ms(1010) };
    let open = LogSegment { first: 3, next: 5, bytes: 38, first_at: ms(1020), last_at: ms(1020) };
    let expected = RecoveredLog { sealed: vec![segment], open, last_chunk: 3, next: 5 };
    assert_eq!(store.log(1), Some(expected));
    assert_eq!(store.log(2).unwrap().next, 4);
    let told = store.told.clone();
    store.commit(append_log(&told, 1, 1, 1));
    assert_eq!(told.offsets(), [(1, 5)], "it goes on where it ended");
    let chunks = store.read(1, 0, usize::MAX).unwrap();
    let entries = [message(&[1, 0]), message(&[1, 1]), message(&[1, 2])].to_vec();
    let first = LogChunk { first: 0, at: ms(1010), filter: vec![0, 0, 0, 0, 0, 0, 0, 1], entries };
    assert_eq!(chunks[0], first);
    assert_eq!(chunks.iter().map(|chunk| chunk.first).collect::<Vec<_>>(), [0, 3, 5]);
}

#[test]
pub(super) fn a_read_begins_with_the_chunk_that_holds_its_offset_and_keeps_to_its_bytes() {
    let mut store = Manual::new();
    let told = store.told.clone();
    for ticket in 0..4 {
        store.commit(append_log(&told, 1, ticket, 10));
        store.commit(append_log(&told, 2, ticket, 1));
    }
    assert_eq!(store.firsts(1, 0), [0, 10, 20, 30]);
    assert_eq!(store.firsts(1, 19), [10, 20, 30]);
    assert_eq!(store.firsts(1, 20), [20, 30]);
    assert_eq!(store.firsts(1, 40), [] as [u64; 0]);
    assert_eq!(store.firsts(3, 0), [] as [u64; 0]);
    let bytes = store.disk.bytes();
    store.commit(append_log(&told, 1, 4, 10));
    let one = store.disk.bytes() - bytes - 33;
    for (bytes_max, chunks) in [(0, 1), (one, 1), (2 * one - 1, 1), (2 * one, 2), (4 * one + 1, 4)] {
        assert_eq!(store.read(1, 5, bytes_max).unwrap().len(), chunks, "{bytes_max} bytes");
    }
}

#[test]
pub(super) fn a_place_is_found_by_its_time() {
    let mut store = Manual::new();
    let told = store.told.clone();
    for ticket in 0..20 {
        store.commit(append_log(&told, 1, ticket, 1 + (ticket % 3) as u8));
    }
    let chunks = store.read(1, 0, usize::MAX).unwrap();
    let next = chunks.last().unwrap().first + chunks.last().unwrap().entries.len() as u64;
    for at in 990..1210 {
        let expected = chunks.iter().find(|chunk| chunk.at >= ms(at)).map_or(next, |chunk| chunk.first);
        assert_eq!(store.seek(1, 0, next, at), expected, "{at}");
        let expected = chunks.iter().find(|chunk| chunk.first >= chunks[7].first && chunk.at >= ms(at));
        let expected = expected.map_or(next, |chunk| chunk.first);
        assert_eq!(store.seek(1, chunks[7].first, next, at), expected, "{at}");
    }
    assert_eq!(store.seek(9, 0, 0, 5), 0);
}

#[test]
pub(super) fn times_never_fall() {
    let mut store = Manual::new();
    let told = store.told.clone();
    store.commit(append_log(&told, 1, 50, 1));
    store.commit(begin_segment(&told, 1, 3, 1));
    let store = store.crash(0);
    let log = store.log(1).unwrap();
    assert_eq!((log.sealed[0].last_at, log.open.first_at, log.open.last_at), (ms(1500), ms(1500), ms(1500)));
}

#[test]
pub(super) fn what_waits_for_a_join_gets_its_offsets_when_that_is_whole() {
    let mut store = Manual::new();
    let told = store.told.clone();
    store.handle.submit(joined(append_log(&told, 1, 1, 2), 7, 2));
    let sink: Arc<dyn ConfirmSink> = told.clone();
    let confirms = vec![Confirm { sink, channel: 1, first: 1, last: 1 }];
    store.handle.submit(Submission { confirms, after: Some(QueueId(1)), ..Submission::default() });
    store.commit(append_log(&told, 1, 2, 3));
    assert_eq!(told.offsets(), [(2, 0)], "it overtakes, and the confirm waits");
    store.handle.submit(joined(append(2, [1]), 7, 2));
    store.committer.commit_pending();
    let heard = told.taken();
    assert_eq!(heard, [Heard::Log(LogCommitted { ticket: 1, first: 3 }), Heard::Confirm(1, 1)]);
    let store = store.crash(0);
    assert_eq!((store.log(1).unwrap().next, positions(&store.recovered, 2)), (5, vec![1]));
}

#[test]
pub(super) fn a_join_that_misses_a_part_leaves_no_gap() {
    let mut store = Manual::new();
    let told = store.told.clone();
    store.handle.submit(joined(append_log(&told, 1, 1, 2), 7, 2));
    store.commit(append_log(&told, 1, 2, 3));
    let mut store = store.crash(9);
    let told = store.told.clone();
    store.commit(append_log(&told, 1, 3, 1));
    assert_eq!(told.offsets(), [(3, 3)]);
}

#[test]
pub(super) fn a_stream_that_was_deleted_gets_nothing_more() {
    let mut store = Manual::new();
    let told = store.told.clone();
    let empty = store.disk.pairs();
    store.commit(append_log(&told, 1, 1, 2));
    store.handle.submit(joined(append_log(&told, 1, 2, 2), 7, 2));
    store.handle.submit(Submission::of(append_log(&told, 1, 3, 2)));
    store.commit(Op::DeleteQueue { queue: QueueId(1) });
    store.handle.submit(joined(append(2, [1]), 7, 2));
    store.commit(remove(2, [1]));
    assert_eq!(told.offsets(), [(1, 0)]);
    assert_eq!(store.disk.pairs(), empty + 1, "nothing is left of it but the heartbeat of streams");
    assert!(store.crash(0).recovered.queues.is_empty());
}

#[test]
pub(super) fn a_trim_removes_segments() {
    let mut store = Manual::new();
    let told = store.told.clone();
    for ticket in 0..6 {
        store.commit(append_log(&told, 1, 2 * ticket, 5));
        store.commit(begin_segment(&told, 1, 2 * ticket + 1, 5));
    }
    store.commit(append_log(&told, 2, 1, 1));
    let pairs = store.disk.pairs();
    store.commit(trim(1, 25));
    assert_eq!(store.disk.pairs(), pairs - 5 - 3 + 1, "chunks and segments, and where it begins now");
    assert_eq!(store.firsts(1, 0), [25, 30, 35, 40, 45, 50, 55]);
    for before in [5, 25] {
        store.commit(trim(1, before));
    }
    store.commit(trim(3, 5));
    let mut store = store.crash(usize::MAX);
    let log = store.log(1).unwrap();
    assert_eq!(
        log.sealed.iter().map(|segment| (segment.first, segment.next)).collect::<Vec<_>>(),
        [(25, 35), (35, 45), (45, 55)]
    );
    assert_eq!((log.open.first, log.next, log.last_chunk), (55, 60, 55));
    store.commit(trim(1, 1000));
    let mut store = store.crash(usize::MAX);
    let log = store.log(1).unwrap();
    assert_eq!((log.sealed, log.open.first, log.next), (vec![], 55, 60), "the last segment stays");
    assert_eq!(store.log(2).unwrap().next, 1);
    store.commit(Op::DeleteQueue { queue: QueueId(1) });
    assert_eq!(store.firsts(1, 0), [] as [u64; 0]);
    assert!(store.crash(0).log(1).is_none());
}

/// More keys than one commit removes.
fn long_stream() -> Manual {
    let mut store = Manual::new();
    let told = store.told.clone();
    for ticket in 0..REMOVED_KEYS_MAX as u64 * 2 {
        store.handle.submit(Submission::of(append_log(&told, 1, ticket, 1)));
    }
    store.commit(begin_segment(&told, 1, 1 << 40, 1));
    store
}

#[test]
fn a_long_trim_is_done_in_pieces_and_counts_at_once() {
    let mut store = long_stream();
    let (front, full) = (REMOVED_KEYS_MAX as u64 * 2, store.disk.pairs());
    store.commit(trim(1, front));
    assert_eq!(store.disk.pairs(), full - REMOVED_KEYS_MAX + 1 - 1, "its front, and not the segment");
    let mut store = store.crash(usize::MAX);
    let log = store.log(1).unwrap();
    assert_eq!((log.sealed, log.open.first, log.next), (vec![], front, front + 1));
    while store.disk.pairs() > 7 {
        let before = store.disk.pairs();
        store.committer.commit_pending();
        assert!(store.disk.pairs() < before, "it stops with {before} pairs");
    }
    let buffered = store.disk.buffered();
    store.committer.commit_pending();
    assert_eq!(store.disk.buffered(), buffered, "there is nothing to do any more");
    assert_eq!(store.firsts(1, 0), [front]);
}

#[test]
fn a_crash_amid_a_deletion_does_not_undo_it() {
    let mut store = long_stream();
    store.commit(Op::DeleteQueue { queue: QueueId(1) });
    let mut store = store.crash(0);
    assert!(store.recovered.queues.is_empty());
    while store.disk.pairs() > 5 {
        store.committer.commit_pending();
    }
    assert!(store.crash(usize::MAX).recovered.queues.is_empty());
}

#[test]
pub(super) fn only_a_store_with_streams_has_the_new_format() {
    let version = |disk: &MemoryDisk| {
        let value = disk.engine().reader().read(Space::Definitions, b"v").unwrap().unwrap();
        u32::from_be_bytes(value.try_into().unwrap())
    };
    let mut store = Manual::new();
    let told = store.told.clone();
    store.commit(append(1, [1]));
    assert_eq!(version(&store.disk), 3);
    store.commit(append_log(&told, 2, 1, 1));
    assert_eq!(version(&store.disk), 4, "in the same commit");
    let mut store = store.crash(0);
    assert_eq!(version(&store.disk), 4);
    store.commit(Op::DeleteQueue { queue: QueueId(2) });
    let store = store.crash(usize::MAX);
    assert_eq!(version(&store.disk), 3);
}

#[test]
pub(super) fn a_damaged_chunk_costs_its_readers_and_nobody_else() {
    let mut store = Manual::new();
    let told = store.told.clone();
    for ticket in 0..4 {
        store.commit(append_log(&told, 1, ticket, 10));
    }
    let key = ChunkKey::parse(&keys_of(&store.disk, CHUNKS)[2]).unwrap();
    let value = store.disk.engine().reader().read(Space::Streams, &key.encode()).unwrap().unwrap();
    for damaged in [vec![], vec![0; value.len()], value[..value.len() - 1].to_vec()] {
        store.disk.overwrite(Space::Streams, &key.encode(), damaged);
        assert_eq!(store.firsts(1, 0), [0, 10], "what stands before it comes");
        let unreadable = store.read(1, 20, 1).unwrap_err();
        assert!(unreadable.0.contains("stream 1 at offset 20"), "{unreadable:?}");
        assert_eq!(store.firsts(1, 30), [30]);
        assert_eq!(store.seek(1, 0, 40, 1020), 20, "its time stands elsewhere");
        assert!(!store.committer.has_failed());
        store = Manual::on(store.disk);
        assert_eq!(store.log(1).unwrap().next, 40, "a start does not read it");
    }
}

pub(super) fn keys_of(disk: &MemoryDisk, kind: u8) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let reader = disk.engine().reader();
    let visit = &mut |key: &[u8]| {
        keys.push(key.to_vec());
        Ok(std::ops::ControlFlow::Continue(()))
    };
    reader.keys(Space::Streams, &[kind], &[kind + 1], visit).unwrap();
    keys
}

proptest! {
    #[test]
    fn damaged_chunks_do_not_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        count in any::<u32>(),
        few in 0_u32..20,
    ) {
        let mut versioned = bytes.clone();
        versioned.insert(0, 1);
        for (value, count) in [(bytes.clone(), count), (versioned.clone(), count), (versioned, few)] {
            let _ = ParsedChunk::parse(value, count);
        }
        let _ = ChunkKey::parse(&bytes);
    }

    #[test]
    fn whoever_cuts_or_extends_a_chunk_is_noticed(bodies in prop::collection::vec(0_usize..300, 1..20)) {
        let mut store = Manual::new();
        let entries: Vec<_> = bodies.iter().map(|len| {
            message(&vec![7; *len]).with_dead_lettered(len % 2 == 0).with_bcc(len % 3 == 0).with_persistent(len % 5 > 0)
        }).collect();
        let told = store.told.clone();
        store.commit(Op::AppendLog(LogAppend { entries: entries.clone(), ..chunk(&told, 1, 1, 0) }));
        let read = store.read(1, 0, 0).unwrap();
        prop_assert_eq!(&read[0].entries, &entries);
        let key = keys_of(&store.disk, CHUNKS).remove(0);
        let value = store.disk.engine().reader().read(Space::Streams, &key).unwrap().unwrap();
        let count = bodies.len() as u32;
        prop_assert!(ParsedChunk::parse(value.clone(), count).is_some());
        for count in [0, count - 1, count + 1, u32::MAX] {
            prop_assert!(ParsedChunk::parse(value.clone(), count).is_none());
        }
        for len in 0..value.len() {
            prop_assert!(ParsedChunk::parse(value[..len].to_vec(), count).is_none());
        }
        prop_assert!(ParsedChunk::parse([&value[..], &[0]].concat(), count).is_none());
    }
}

#[test]
fn an_ephemeral_store_gives_offsets_at_once() {
    let handle = StoreHandle::ephemeral();
    let told = Arc::<Told>::default();
    let sink: Arc<dyn ConfirmSink> = told.clone();
    let confirms = vec![Confirm { sink, channel: 1, first: 1, last: 1 }];
    handle.submit(Submission { confirms, ..joined(append_log(&told, 1, 1, 2), 7, 2) });
    handle.submit(Submission::of(append_log(&told, 1, 2, 3)));
    handle.submit(Submission::of(append_log(&told, 2, 3, 3)));
    handle.submit(joined(begin_segment(&told, 1, 4, 1), 7, 2));
    let heard = |ticket, first| Heard::Log(LogCommitted { ticket, first });
    let expected = [heard(2, 0), heard(3, 0), heard(1, 3), Heard::Confirm(1, 1), heard(4, 5)];
    assert_eq!(told.taken(), expected);
    assert_eq!(read_log(&handle, 1, 0, 99, || ()), Ok(vec![]));
    assert_eq!(seek(&handle, 1, 0..6, 5, || ()), 6);
    handle.submit(joined(append_log(&told, 1, 5, 2), 8, 2));
    handle.submit(Submission::of(Op::DeleteQueue { queue: QueueId(1) }));
    handle.submit(joined(append_log(&told, 2, 6, 2), 8, 2));
    assert_eq!(told.offsets(), [(6, 3)], "a deleted stream gets nothing more");
}
