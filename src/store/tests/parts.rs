//! Chunks, runs, confirms and the ephemeral store by themselves.

use super::*;
use crate::store::chunk::Summary;
use crate::store::chunk::{self, ChunkWriter, EncodedChunk};
use crate::store::confirms::Confirms;
use crate::store::index::{Chunk, QueueIndex};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn encode(entries: &[StoredMessage], split_at_gaps: bool) -> Vec<EncodedChunk> {
    let mut writer = ChunkWriter::new(split_at_gaps);
    entries.iter().for_each(|entry| writer.push(entry, None));
    writer.finish()
}

fn decode(chunks: &[EncodedChunk]) -> Vec<StoredMessage> {
    chunks
        .iter()
        .flat_map(|c| chunk::decode_chunk(QueueId(1), c.first, c.value.clone(), None, &no_bodies).unwrap())
        .collect()
}

fn no_bodies(_: u64) -> Result<Option<Vec<u8>>, Error> {
    Ok(None)
}

fn any_entry() -> impl Strategy<Value = (u64, Vec<u8>, Option<u64>, bool, bool, u8)> {
    (
        1_u64..1 << 30,
        prop::collection::vec(any::<u8>(), 0..300),
        any::<Option<u64>>(),
        any::<bool>(),
        any::<bool>(),
        0..3_u8,
    )
}

proptest! {
    #[test]
    fn chunks_round_trip(input in prop::collection::vec(any_entry(), 1..40), split: bool) {
        let mut position = 0;
        let entries: Vec<_> = input.into_iter().map(|(gap, body, expires, redelivered, persistent, level)| {
            position += gap;
            let parts = Parts { body: &body, routing_key: b"key", persistent, ..Parts::default() };
            StoredMessage {
                position: Position(position),
                message: Message::new(parts).with_dead_lettered(gap % 2 == 0).with_bcc(gap % 3 == 0),
                level,
                expires_at: expires.map(Timestamp::from_millis),
                redelivered,
            }
        }).collect();
        let chunks = encode(&entries, split);
        prop_assert_eq!(decode(&chunks), entries);
        for chunk in &chunks {
            prop_assert_eq!(Summary::decode(chunk.first, &chunk.summary.encode(chunk.first)).unwrap(), chunk.summary.clone());
            let wanted: Runs = chunk.summary.positions().iter().filter(|p| p.0 % 3 != 0).collect();
            let some = chunk::decode_chunk(QueueId(1), chunk.first, chunk.value.clone(), Some(&wanted), &no_bodies).unwrap();
            prop_assert_eq!(some.iter().map(|m| m.position).collect::<Runs>(), wanted);
        }
    }

    #[test]
    fn damaged_chunks_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Summary::decode(Position(7), &bytes);
        let _ = chunk::decode_chunk(QueueId(1), Position(7), bytes.clone(), None, &no_bodies);
        let _ = Runs::decode(Position(7), &bytes);
    }

    #[test]
    fn runs_behave_as_a_set(
        start in prop::collection::btree_set(0_u64..60, 1..60),
        removed in prop::collection::vec(0_u64..60, 0..40),
        before in 0_u64..70,
        keep in prop::collection::btree_set(0_u64..60, 0..20),
    ) {
        let mut set = start.clone();
        let mut runs = Runs::default();
        start.iter().for_each(|p| runs.push(Position(*p)));
        for position in removed {
            prop_assert_eq!(runs.remove(Position(position)), set.remove(&position));
        }
        let kept: Vec<_> = keep.iter().copied().map(Position).collect();
        let changed = runs.purge(Position(before), &kept);
        let left: BTreeSet<_> = set.iter().copied().filter(|p| *p >= before || keep.contains(p)).collect();
        prop_assert_eq!(changed, left != set);
        prop_assert_eq!((0..70).filter(|p| runs.contains(Position(*p))).collect::<BTreeSet<_>>(), left.clone());
        prop_assert_eq!(runs.len(), left.len() as u64);
        let kept: Runs = kept.into_iter().collect();
        let both = set.iter().copied().filter(|p| keep.contains(p) && left.contains(p)).map(Position).collect();
        prop_assert_eq!(runs.intersection(&kept), both);
        let mut all = runs.clone();
        all.merge(&kept);
        prop_assert_eq!(all, left.union(&keep).copied().map(Position).collect::<Runs>());
        let mut ascending = runs.ascending();
        prop_assert!((0..70).all(|p| ascending.contains(Position(p)) == left.contains(&p)));
        prop_assert_eq!(Runs::decode(Position(0), &runs.encode(Position(0))), Some(runs));
    }
}

#[test]
fn chunks_stay_below_their_limit_unless_one_message_is_larger() {
    let big = vec![1; chunk::CHUNK_BYTES_MAX * 2];
    let mut entries: Vec<_> = (1..3000).map(|position| entry(position, &[7; 100])).collect();
    entries.push(entry(3000, &big));
    entries.push(entry(3001, b"after"));
    let chunks = encode(&entries, false);
    assert_eq!(decode(&chunks), entries);
    let over: Vec<_> = chunks.iter().filter(|c| c.value.len() > chunk::CHUNK_BYTES_MAX).collect();
    assert_eq!(over.iter().map(|c| c.first).collect::<Vec<_>>(), [Position(3000)]);
    assert!(chunks.len() < 12, "chunks are filled: {}", chunks.len());
}

#[test]
fn a_chunk_inside_the_span_of_another_is_found() {
    let live = |positions: &[u64]| {
        let mut live = Runs::default();
        positions.iter().for_each(|p| live.push(Position(*p)));
        Chunk { live, has_state: false, bytes: 1, bodies: Vec::new() }
    };
    let mut index = QueueIndex::default();
    index.insert(Position(1), live(&[1, 2, 9]));
    index.insert(Position(20), live(&[20]));
    index.insert(Position(4), live(&[4, 5]));
    for position in [5, 9, 4, 20, 1, 2] {
        assert!(index.remove(Position(position)), "{position} is there");
        assert!(!index.remove(Position(position)), "{position} is gone");
    }
    assert!(!index.remove(Position(3)));
    assert_eq!(index.take_changes().len(), 3);
}

#[test]
fn confirms_of_a_channel_are_merged() {
    let (sink, other) = (Arc::new(Sink::default()), Arc::new(Sink::default()));
    let mut confirms = Confirms::default();
    for (first, last) in [(5, 6), (1, 2), (3, 3), (9, 9), (7, 7)] {
        confirms.add(confirm(&sink, 1, first, last));
    }
    confirms.add(confirm(&sink, 2, 4, 4));
    confirms.add(confirm(&other, 1, 8, 8));
    confirms.release();
    let mut taken = sink.taken();
    taken.sort_unstable();
    assert_eq!(taken, [(1, 1, 3), (1, 5, 7), (1, 9, 9), (2, 4, 4)]);
    assert_eq!(other.taken(), [(1, 8, 8)]);
}

#[test]
fn an_ephemeral_store_is_done_at_once_but_for_joins() {
    let handle = StoreHandle::ephemeral();
    let sink = Arc::new(Sink::default());
    let part = |number| Submission {
        confirms: vec![confirm(&sink, 1, number, number)],
        ..joined(append(1, [number]), 7, 2)
    };
    handle.submit(part(1));
    assert_eq!(sink.taken(), []);
    handle.submit(part(2));
    assert_eq!(sink.taken(), [(1, 1, 1), (1, 2, 2)]);
    submit_and_wait(&handle, Submission::default());
    assert_eq!(handle.pending_bytes(), 0);
}
