//! The one writer: collects submissions into drains and commits each drain as one batch.
//!
//! Invariants:
//! - A submission, and all submissions of a join, take effect in one batch.
//! - An entry whose removal comes before its commit is never written. That goes for entries of joins that still
//!   wait for their other parts, too.
//! - A confirm or `done` fires after the batch with everything submitted before it is as durable as it needs: synced
//!   if anybody waits for a write in it. Removals alone are only buffered: losing one is a redelivery, no loss.
//! - Each key is written at most once in a batch, and the heartbeat is the first write of each. A batch with anything for
//!   definitions or streams has a heartbeat for them, too.
//! - After a failed commit nothing is committed and nothing fires any more.

#[cfg(feature = "cluster")]
use super::adopting::AdoptStep;
use super::bodies::Bodies;
use super::chunk::{self, ChunkWriter, EncodedChunk};
use super::confirms::Confirms;
use super::engine::{Durability, Engine, Space, WriteBatch};
use super::error::Error;
use super::handle::Shared;
use super::index::{Change, Chunk, Index, QueueIndex};
use super::load::{Load, Look, Request};
use super::logs::{LogAppend, Logs, Notice};
use super::recovery::{self, Start};
use super::reserve::RESERVE_BYTES;
use super::room::Written;
use super::rounds::Rounds;
use super::submission::{Confirm, Join, Op, StoredMessage, Submission};
use crate::message::{Position, QueueId};
use crate::time::Time;
use foldhash::{HashMap, HashMapExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Sender;
use std::time::Duration;

#[cfg(feature = "cluster")]
mod adopting;

/// On a disk of its own a drain is committed when it holds this much: more gains nothing and delays the first confirm.
pub const DRAIN_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The same while the disk is short of space and the store is not idle.
const MAINTENANCE_BYTES_HURRIED: u64 = 4 * 1024 * 1024;
/// Removing this much makes an idle store worth tidying: fjall does nothing by itself when nothing is written.
const MAINTENANCE_BYTES: u64 = 64 * 1024 * 1024;

/// What a journal is filled up with in one go, so that neither memory fills up nor, should it come to tables, the disk.
const FILLED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The same for one batch.
const PADDING_BYTES: u64 = 1024 * 1024;
/// While the disk is short of space, so much in memory is worth being written to tables: some of it may be gone already.
const OWED_BYTES: u64 = 1024 * 1024;

/// While the disk is short of space, a batch of so much waits for its room.
const LARGE_BATCH_BYTES: u64 = 64 * 1024;
/// Beside what it takes itself, in the journal and in tables, so much.
const SPARE_BYTES: u64 = 2 * 1024 * 1024;
/// So often it looks whether a flush under way has given back a journal, and so long it waits between two looks.
const LOOKS_MAX: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

pub(super) struct Committer<E> {
    engine: E,
    index: Index,
    bodies: Bodies,
    logs: Logs,
    joins: HashMap<u64, HeldJoin>,
    /// Positions that wait in joins; of streams the tickets of chunks. One that is removed meanwhile is taken out, and not written
    /// later.
    held: HashMap<QueueId, BTreeSet<Position>>,
    drain: Drain,
    /// Confirms that wait for units that miss parts: those in which a queue has positions up to the one given.
    late_confirms: Vec<(QueueId, Position, Vec<Confirm>)>,
    /// Messages to be read once what was submitted before is committed.
    loads: Vec<Load>,
    /// Queues to be looked at then.
    looks: Vec<Look>,
    /// Taken in then.
    #[cfg(feature = "cluster")]
    adoptions: Vec<AdoptStep>,
    pager: Sender<Request>,
    commit_number: u64,
    synced_number: u64,
    /// The last commit that had anything for streams; 0 if there was none.
    streams_number: u64,
    live_bytes: u64,
    removed_bytes: u64,
    /// Whether the engine has maintenance to do when nothing else happens.
    untidy: bool,
    rounds: Rounds,
    written: Written,
    /// Whether the disk may soon be short of space.
    is_near: bool,
    shared: Arc<Shared>,
    clock: Box<dyn Fn() -> Time + Send>,
    /// A drain is committed when it holds this much.
    drain_bytes_max: usize,
}

#[derive(Default)]
struct HeldJoin {
    missing: u32,
    cost: usize,
    parts: Vec<Submission>,
}

/// What the next commit consists of.
#[derive(Default)]
struct Drain {
    queues: HashMap<QueueId, Pending>,
    /// Chunks of streams, in their order.
    logs: Vec<LogAppend>,
    /// Chunks of deleted queues.
    gone: Vec<Vec<u8>>,
    /// Small records by key: the last value counts, `None` removes.
    records: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    definitions: BTreeMap<String, Option<Vec<u8>>>,
    confirms: Confirms,
    done: Vec<Box<dyn FnOnce() + Send>>,
    /// Whether somebody waits for a write other than an entry.
    waits: bool,
    cost: usize,
}

/// New entries of a queue.
#[derive(Default)]
struct Pending {
    entries: Vec<(Position, Option<StoredMessage>)>,
    unsorted: bool,
}

impl<E: Engine> Committer<E> {
    pub(super) fn new(
        start: Start<E>,
        pager: Sender<Request>,
        shared: Arc<Shared>,
        clock: Box<dyn Fn() -> Time + Send>,
    ) -> Self {
        let live_bytes = start.index.values().map(QueueIndex::bytes).sum();
        Self {
            engine: start.engine,
            index: start.index,
            bodies: start.bodies,
            logs: start.logs,
            joins: HashMap::new(),
            held: HashMap::new(),
            drain: Drain::default(),
            late_confirms: Vec::new(),
            loads: Vec::new(),
            looks: Vec::new(),
            #[cfg(feature = "cluster")]
            adoptions: Vec::new(),
            pager,
            commit_number: start.commit_number,
            synced_number: start.commit_number,
            streams_number: start.streams_number,
            live_bytes,
            removed_bytes: 0,
            untidy: false,
            rounds: Rounds::default(),
            written: Written::default(),
            is_near: false,
            shared,
            clock,
            drain_bytes_max: DRAIN_BYTES_MAX,
        }
    }

    /// The same with other drains.
    pub(super) fn with_drain_bytes_max(self, drain_bytes_max: usize) -> Self {
        Self { drain_bytes_max, ..self }
    }

    /// Takes a submission into the drain; `cost` is what it counted as pending.
    pub(super) fn add(&mut self, submission: Submission, cost: usize) {
        match submission.join {
            Some(join) => self.add_part(join, submission, cost),
            None => {
                self.drain.cost += cost;
                self.apply(submission, false);
            }
        }
    }

    /// Takes a load, to be passed on after the next commit.
    pub(super) fn add_load(&mut self, load: Load) {
        self.loads.push(load);
    }

    /// Takes a look at queues, to be had after the next commit.
    pub(super) fn add_look(&mut self, look: Look) {
        self.looks.push(look);
    }

    /// Whether the drain should be committed before more is added.
    pub(super) const fn is_full(&self) -> bool {
        self.drain.cost >= self.drain_bytes_max
    }

    /// Commits the drain, then fires what waited for it.
    ///
    /// # Errors
    /// What the engine fails with. Nothing was fired, and the committer must not be used any more.
    pub(super) fn commit(&mut self) -> Result<(), Error> {
        self.release_late_confirms();
        let mut drain = std::mem::take(&mut self.drain);
        let mut batch = WriteBatch::default();
        batch.put(Space::Messages, vec![chunk::KIND_HEARTBEAT], self.next_heartbeat());
        let heartbeat_bytes = batch.bytes();
        let entries = self.write_queues(&mut drain, &mut batch);
        self.removed_bytes += self.logs.write_trims(&mut batch)?;
        let notices = self.write_logs(&mut drain, &mut batch);
        self.write_rest(&mut drain, &mut batch);
        if batch.has_streams() {
            recovery::put_streams_heartbeat(&mut batch, self.commit_number + 1, self.streams_number);
        }
        let waits = drain.waits || entries > 0;
        let unsynced = self.synced_number < self.commit_number;
        if batch.bytes() > heartbeat_bytes || (waits && unsynced) {
            self.wait_for_room(batch.bytes() as u64);
            self.commit_batch(batch, waits)?;
        }
        self.shared.pending_bytes.fetch_sub(drain.cost, Relaxed);
        notices.into_iter().for_each(Notice::tell);
        drain.confirms.release();
        drain.done.into_iter().for_each(|done| done());
        self.forward_loads();
        for Look { queues, done } in std::mem::take(&mut self.looks) {
            done(recovery::look(&self.engine, &queues)?);
        }
        #[cfg(feature = "cluster")]
        for step in std::mem::take(&mut self.adoptions) {
            self.adopt(step)?;
        }
        Ok(())
    }

    /// Takes in what comes of another store, after the next commit.
    #[cfg(feature = "cluster")]
    pub(super) fn add_adoption(&mut self, step: AdoptStep) {
        self.adoptions.push(step);
    }

    /// Those whose units are whole now go with this drain.
    fn release_late_confirms(&mut self) {
        for (queue, last, confirms) in std::mem::take(&mut self.late_confirms) {
            let waits = self.held.get(&queue).is_some_and(|held| held.range(..=last).next().is_some());
            if waits {
                self.late_confirms.push((queue, last, confirms));
            } else {
                confirms.into_iter().for_each(|confirm| self.drain.confirms.add(confirm));
            }
        }
    }

    /// Everything submitted before a load is in the index now, but for messages that are held for a join: a load of such
    /// a one waits until the join is whole.
    fn forward_loads(&mut self) {
        for load in std::mem::take(&mut self.loads) {
            let held = self.held.get(&load.queue);
            let (first, last) = load.positions.first().zip(load.positions.last()).unwrap_or_default();
            let waits =
                held.is_some_and(|held| held.range(first..=last).any(|held| load.positions.contains(*held)));
            if waits {
                self.loads.push(load);
                continue;
            }
            let index = self.index.get(&load.queue);
            let chunks = index.map(|index| index.chunks_with(&load.positions)).unwrap_or_default();
            // Without a pager there is no store any more.
            drop(self.pager.send(Request::Read { load, chunks }));
        }
    }

    /// Commits the drain and a last synced heartbeat: it proves at the next start that the commits before it were
    /// whole. Joins that are still incomplete are forgotten, as a crash would do.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub(super) fn close(&mut self) -> Result<(), Error> {
        self.commit()?;
        let batch = self.heartbeat_batch();
        self.commit_batch(batch, true)
    }

    /// Nothing was submitted for a while.
    ///
    /// # Errors
    /// What the engine fails with; the committer must not be used any more.
    pub(super) fn idle(&mut self) -> Result<(), Error> {
        self.look();
        let worth = if self.is_hurried() { 1 } else { MAINTENANCE_BYTES };
        self.tidy(worth)
    }

    /// Whether the disk is short of space, and what was removed is wanted back.
    pub(super) fn is_hurried(&self) -> bool {
        self.shared.disk.is_short()
    }

    /// Whether it is, or may be soon.
    pub(super) fn is_watchful(&self) -> bool {
        self.is_near || self.is_hurried()
    }

    fn look(&mut self) {
        let room = self.engine.disk_room();
        self.is_near = room.is_some_and(|room| self.shared.disk.look(room));
    }

    /// Near the end of the disk, what was on its way when publishers were blocked waits a little for journals that a flush under way
    /// gives back. Small batches do not: acks are what gives room back. After a while it is tried all the same.
    fn wait_for_room(&self, bytes: u64) {
        if bytes < LARGE_BATCH_BYTES || !self.is_hurried() {
            return;
        }
        for _ in 0..LOOKS_MAX {
            let room = self.engine.disk_room();
            if room.is_none_or(|room| room.left() >= 2 * bytes + SPARE_BYTES) {
                return;
            }
            if !self.engine.release_reserve() {
                pause();
            }
        }
    }

    /// Called after a commit: while the disk is short of space nobody waits for a quiet moment to tidy.
    pub(super) fn hurry(&mut self) -> Result<(), Error> {
        if self.is_hurried() { self.tidy(MAINTENANCE_BYTES_HURRIED) } else { Ok(()) }
    }

    /// Whether there is something to remove that nobody has to wait for.
    pub(super) fn is_trimming(&self) -> bool {
        self.logs.is_trimming()
    }

    /// Does the next step of maintenance; begins anew if at least `worth` bytes were removed since.
    fn tidy(&mut self, worth: u64) -> Result<(), Error> {
        if self.removed_bytes >= worth {
            self.removed_bytes = 0;
            self.untidy = true;
        }
        if self.untidy {
            self.commit_before_flush(self.heartbeat_batch())?;
            self.untidy = self.engine.maintain(self.live_bytes + self.bodies.bytes())?;
        } else if self.is_hurried() {
            self.press()?;
        }
        Ok(())
    }

    /// The engine needs something to flush in every space. If it has failed in the background, it says so here.
    fn commit_before_flush(&mut self, mut batch: WriteBatch) -> Result<(), Error> {
        recovery::put_definitions_heartbeat(&mut batch, self.commit_number + 1);
        if self.streams_number > 0 {
            recovery::put_streams_heartbeat(&mut batch, self.commit_number + 1, self.streams_number);
        }
        self.commit_batch(batch, false)
    }

    /// Nothing was removed since the last round, and the disk is still short of space: looks for what may be given back all the same.
    fn press(&mut self) -> Result<(), Error> {
        let live = self.live_bytes + self.bodies.bytes();
        if self.rounds.is_due(self.engine.file_bytes().saturating_sub(live), (self.clock)()) {
            self.untidy = true;
            return Ok(());
        }
        let room = self.engine.disk_room().unwrap_or_default();
        if room.owed >= OWED_BYTES {
            self.commit_before_flush(self.heartbeat_batch())?;
            return self.engine.flush();
        }
        match self.engine.journal_gap() {
            Some(gap) => self.fill_journal(gap)?,
            // It is not the backlog that takes the room: then the reserve is not what keeps publishers out.
            None if live < RESERVE_BYTES && self.is_free_with_reserve(room.free) => {
                self.engine.release_reserve();
            }
            None => {}
        }
        Ok(())
    }

    /// Whether the disk would not be short of space if the reserve were not there.
    fn is_free_with_reserve(&self, free: u64) -> bool {
        let limit = self.shared.disk.limit();
        free + RESERVE_BYTES > limit + limit / 10
    }

    /// When nothing else can be given back there is still the engine's newest journal, which it keeps until that is full. A piece at
    /// a time it is filled up with nothing, and then let go.
    fn fill_journal(&mut self, gap: u64) -> Result<(), Error> {
        let mut left = gap.min(FILLED_BYTES_MAX);
        while left > 0 {
            let bytes = left.min(PADDING_BYTES);
            let mut batch = self.heartbeat_batch();
            batch.put(Space::Messages, vec![chunk::KIND_PADDING], vec![0; bytes as usize]);
            self.commit_batch(batch, false)?;
            left -= bytes;
        }
        let mut batch = self.heartbeat_batch();
        batch.remove(Space::Messages, vec![chunk::KIND_PADDING]);
        self.commit_before_flush(batch)?;
        self.untidy = gap <= FILLED_BYTES_MAX;
        // Nothing is left of it in tables, and until that is so it counts as owed.
        if self.untidy { Ok(()) } else { self.engine.flush() }
    }

    fn heartbeat_batch(&self) -> WriteBatch {
        let mut batch = WriteBatch::default();
        batch.put(Space::Messages, vec![chunk::KIND_HEARTBEAT], self.next_heartbeat());
        batch
    }

    #[cfg(test)]
    pub(super) const fn is_untidy(&self) -> bool {
        self.untidy
    }

    #[cfg(test)]
    pub(super) const fn engine(&self) -> &E {
        &self.engine
    }

    fn next_heartbeat(&self) -> Vec<u8> {
        chunk::heartbeat(self.commit_number + 1, self.synced_number)
    }

    fn commit_batch(&mut self, batch: WriteBatch, sync: bool) -> Result<(), Error> {
        let stats = &self.shared.stats;
        stats.bytes_written.fetch_add(batch.bytes() as u64, Relaxed);
        let durability = if sync { Durability::Synced } else { Durability::Buffered };
        let begun = (self.clock)();
        let has_streams = batch.has_streams();
        let is_time = self.written.add(batch.bytes() as u64);
        self.engine.commit(batch, durability)?;
        let took_us = (self.clock)().since(begun).as_micros();
        stats.commit_us.add(u64::try_from(took_us).unwrap_or(u64::MAX));
        self.commit_number += 1;
        if has_streams {
            self.streams_number = self.commit_number;
        }
        stats.commits.fetch_add(1, Relaxed);
        if sync {
            self.synced_number = self.commit_number;
            stats.syncs.fetch_add(1, Relaxed);
        }
        if is_time {
            self.look();
        }
        Ok(())
    }

    fn add_part(&mut self, join: Join, part: Submission, cost: usize) {
        self.hold(&part);
        let held = self
            .joins
            .entry(join.id)
            .or_insert_with(|| HeldJoin { missing: join.parts, ..HeldJoin::default() });
        held.missing = held.missing.saturating_sub(1);
        held.cost += cost;
        // What is held waits for its other parts, not for a commit: a queue that is made to wait until there is less to
        // commit may be the very one whose part is missing.
        self.shared.pending_bytes.fetch_sub(cost, Relaxed);
        held.parts.push(part);
        if held.missing == 0
            && let Some(whole) = self.joins.remove(&join.id)
        {
            self.drain.waits = true;
            self.drain.cost += whole.cost;
            self.shared.pending_bytes.fetch_add(whole.cost, Relaxed);
            whole.parts.into_iter().for_each(|part| self.apply(part, true));
        }
    }

    fn hold(&mut self, part: &Submission) {
        for op in &part.ops {
            match op {
                Op::Append { queue, entries } => {
                    let positions = entries.iter().map(|entry| entry.position);
                    self.held.entry(*queue).or_default().extend(positions);
                }
                Op::AppendLog(LogAppend { stream, ticket, .. }) => {
                    self.held.entry(*stream).or_default().insert(Position(*ticket));
                }
                _ => {}
            }
        }
    }

    fn apply(&mut self, submission: Submission, was_held: bool) {
        for op in submission.ops {
            self.apply_op(op, was_held);
        }
        let held = submission.after.and_then(|queue| Some((queue, *self.held.get(&queue)?.last()?)));
        if let Some((queue, last)) = held {
            self.late_confirms.push((queue, last, submission.confirms));
        } else {
            submission.confirms.into_iter().for_each(|confirm| self.drain.confirms.add(confirm));
        }
        if let Some(done) = submission.done {
            self.drain.waits = true;
            self.drain.done.push(done);
        }
    }

    fn apply_op(&mut self, op: Op, was_held: bool) {
        match op {
            Op::Append { queue, entries } if was_held => self.append_held(queue, entries),
            Op::Append { queue, entries } => self.pending(queue).append(entries),
            Op::AppendLog(append) if was_held && !self.is_still_held(&append) => {}
            Op::AppendLog(append) => {
                self.drain.waits = true;
                self.drain.logs.push(append);
            }
            Op::TrimLog { stream, before } => self.logs.trim(stream, before),
            Op::Remove { queue, positions } => self.remove(queue, &positions),
            Op::Delivered { queue, up_to } => {
                self.drain.queues.entry(queue).or_default();
                self.index.entry(queue).or_default().delivered(up_to);
            }
            Op::Note { queue, position, note } => {
                // Synced: what failed three times must not have failed twice after a crash.
                self.drain.waits = true;
                self.index.entry(queue).or_default().note(position);
                self.drain.records.insert(chunk::note_key(queue, position), Some(note));
            }
            Op::Record { queue, key, value } => {
                // Synced if it is set: what was confirmed because of it must not come as new after a crash.
                let is_set = value.is_some();
                self.drain.waits |= is_set;
                self.drain.records.insert(chunk::record_key(queue, &key), value);
                self.index.entry(queue).or_default().record(key, is_set);
            }
            Op::Purge { queue, before, keep } => self.purge(queue, before, &keep),
            Op::DeleteQueue { queue } => self.delete_queue(queue),
            Op::PutDefinition { key, value } => self.define(key, Some(value)),
            Op::RemoveDefinition { key } => self.define(key, None),
        }
    }

    fn pending(&mut self, queue: QueueId) -> &mut Pending {
        self.drain.queues.entry(queue).or_default()
    }

    fn append_held(&mut self, queue: QueueId, mut entries: Vec<StoredMessage>) {
        let before = entries.len();
        match self.held.get_mut(&queue) {
            Some(held) => entries.retain(|entry| held.remove(&entry.position)),
            None => entries.clear(),
        }
        self.forget_held_if_none(queue);
        self.shared.stats.entries_elided.fetch_add((before - entries.len()) as u64, Relaxed);
        self.pending(queue).append(entries);
    }

    /// Lets go of a chunk whose unit is whole; `false` if its stream was deleted meanwhile.
    fn is_still_held(&mut self, append: &LogAppend) -> bool {
        let held = self.held.get_mut(&append.stream);
        let was_held = held.is_some_and(|held| held.remove(&Position(append.ticket)));
        self.forget_held_if_none(append.stream);
        was_held
    }

    fn forget_held_if_none(&mut self, queue: QueueId) {
        if self.held.get(&queue).is_some_and(BTreeSet::is_empty) {
            self.held.remove(&queue);
        }
    }

    fn remove(&mut self, queue: QueueId, positions: &[Position]) {
        let pending = self.drain.queues.entry(queue).or_default();
        let mut index = self.index.get_mut(&queue);
        let mut held = self.held.get_mut(&queue);
        let mut elided = 0;
        for position in positions {
            if index.as_mut().is_some_and(|index| index.forget_note(*position)) {
                self.drain.records.insert(chunk::note_key(queue, *position), None);
            }
            if pending.remove(*position) {
                elided += 1;
            } else if !index.as_mut().is_some_and(|index| index.remove(*position)) {
                held.as_mut().map(|held| held.remove(position));
            }
        }
        self.shared.stats.entries_elided.fetch_add(elided, Relaxed);
    }

    fn purge(&mut self, queue: QueueId, before: Position, keep: &[Position]) {
        self.drain.waits = true;
        let elided = self.pending(queue).purge(before, keep);
        self.shared.stats.entries_elided.fetch_add(elided, Relaxed);
        if let Some(index) = self.index.get_mut(&queue) {
            index.purge(before, keep);
            for position in index.forget_notes(before, keep) {
                self.drain.records.insert(chunk::note_key(queue, position), None);
            }
        }
        if let Some(held) = self.held.get_mut(&queue) {
            held.retain(|position| *position >= before || keep.binary_search(position).is_ok());
        }
    }

    fn delete_queue(&mut self, queue: QueueId) {
        self.drain.waits = true;
        self.held.remove(&queue);
        let elided = self.drain.queues.remove(&queue).map_or(0, |pending| pending.count());
        self.shared.stats.entries_elided.fetch_add(elided, Relaxed);
        self.drain.logs.retain(|append| append.stream != queue);
        self.logs.delete(queue);
        let Some(mut index) = self.index.remove(&queue) else { return };
        for position in index.forget_notes(Position(u64::MAX), &[]) {
            self.drain.records.insert(chunk::note_key(queue, position), None);
        }
        for name in index.take_records() {
            self.drain.records.insert(chunk::record_key(queue, &name), None);
        }
        if index.has_delivered() {
            self.drain.records.insert(chunk::delivered_key(queue), None);
        }
        for (first, chunk) in index.into_chunks() {
            self.drain.gone.push(chunk::chunk_key(queue, first));
            self.drain.gone.push(chunk::summary_key(queue, first));
            if chunk.has_state {
                self.drain.records.insert(chunk::state_key(queue, first), None);
            }
            self.bodies.release(&chunk.bodies);
            self.live_bytes = self.live_bytes.saturating_sub(chunk.bytes as u64);
            self.removed_bytes += chunk.bytes as u64;
        }
    }

    fn define(&mut self, key: String, value: Option<Vec<u8>>) {
        self.drain.waits = true;
        self.drain.definitions.insert(key, value);
    }

    /// Writes what changed in each queue of the drain; returns how many entries were written.
    fn write_queues(&mut self, drain: &mut Drain, batch: &mut WriteBatch) -> u64 {
        let mut written = 0;
        for (queue, pending) in std::mem::take(&mut drain.queues) {
            if !pending.any() && !self.index.contains_key(&queue) {
                continue;
            }
            let index = self.index.entry(queue).or_default();
            let removed = write_changes(queue, index, &mut self.bodies, drain, batch);
            let (added, count) = write_entries(queue, index, &mut self.bodies, pending, batch);
            if let Some(up_to) = index.delivered_to_write() {
                drain.records.insert(chunk::delivered_key(queue), Some(up_to.0.to_be_bytes().to_vec()));
            }
            self.live_bytes = (self.live_bytes + added).saturating_sub(removed);
            self.removed_bytes += removed;
            written += count;
        }
        self.removed_bytes += self.bodies.remove_unreferenced(batch);
        self.shared.stats.entries_written.fetch_add(written, Relaxed);
        written
    }

    /// Writes chunks of streams, which get their offsets here; returns who is to be told of them.
    fn write_logs(&mut self, drain: &mut Drain, batch: &mut WriteBatch) -> Vec<Notice> {
        let mut written = 0;
        let mut notices = Vec::with_capacity(drain.logs.len());
        for append in drain.logs.drain(..) {
            written += append.entries.len() as u64;
            notices.extend(self.logs.append(append, batch));
        }
        self.shared.stats.entries_written.fetch_add(written, Relaxed);
        notices
    }

    fn write_rest(&mut self, drain: &mut Drain, batch: &mut WriteBatch) {
        for key in drain.gone.drain(..) {
            batch.remove_weak(Space::Messages, key);
        }
        for (key, value) in std::mem::take(&mut drain.records) {
            match value {
                Some(value) => batch.put(Space::Messages, key, value),
                None => batch.remove(Space::Messages, key),
            }
        }
        let is_first_stream = self.logs.take_mark();
        if is_first_stream {
            recovery::put_version(batch, true);
        }
        if is_first_stream || !drain.definitions.is_empty() {
            recovery::put_definitions_heartbeat(batch, self.commit_number + 1);
        }
        for (name, value) in std::mem::take(&mut drain.definitions) {
            let key = recovery::definition_key(&name);
            match value {
                Some(value) => batch.put(Space::Definitions, key, value),
                None => batch.remove(Space::Definitions, key),
            }
        }
    }
}

/// Writes what is left of the chunks that lost messages; returns the bytes of those that are gone.
fn write_changes(
    queue: QueueId,
    index: &mut QueueIndex,
    bodies: &mut Bodies,
    drain: &mut Drain,
    batch: &mut WriteBatch,
) -> u64 {
    let mut removed = 0;
    for (first, change) in index.take_changes() {
        match change {
            Change::Left(runs) => drop(drain.records.insert(chunk::state_key(queue, first), Some(runs))),
            Change::Gone(gone) => {
                bodies.release(&gone.bodies);
                batch.remove_weak(Space::Messages, chunk::chunk_key(queue, first));
                batch.remove_weak(Space::Messages, chunk::summary_key(queue, first));
                if gone.has_state {
                    drain.records.insert(chunk::state_key(queue, first), None);
                }
                removed += gone.bytes as u64;
            }
        }
    }
    removed
}

/// Writes new entries in chunks; returns their bytes and how many there were. Entries below ones that are stored
/// already come from a join that had to wait; their chunks may lie inside others, so they have no gaps.
fn write_entries(
    queue: QueueId,
    index: &mut QueueIndex,
    bodies: &mut Bodies,
    pending: Pending,
    batch: &mut WriteBatch,
) -> (u64, u64) {
    let stored_to = index.highest();
    let (mut late, mut ascending) = (ChunkWriter::new(true), ChunkWriter::new(false));
    let mut count = 0;
    for entry in pending.into_entries() {
        let chunks = if entry.position <= stored_to { &mut late } else { &mut ascending };
        chunks.push(&entry, bodies.refer(&entry.message, batch));
        count += 1;
    }
    let mut bytes = 0;
    // The index takes chunks in ascending order.
    for EncodedChunk { first, summary, value } in late.finish().into_iter().chain(ascending.finish()) {
        bytes += value.len() as u64;
        let (live, bodies) = (summary.positions(), summary.body_numbers());
        index.insert(first, Chunk { live, has_state: false, bytes: value.len(), bodies });
        batch.put(Space::Messages, chunk::summary_key(queue, first), summary.encode(first));
        batch.put(Space::Messages, chunk::chunk_key(queue, first), value);
    }
    (bytes, count)
}

impl Pending {
    fn append(&mut self, entries: Vec<StoredMessage>) {
        self.entries.reserve(entries.len());
        for entry in entries {
            self.unsorted |= self.entries.last().is_some_and(|(last, _)| *last >= entry.position);
            self.entries.push((entry.position, Some(entry)));
        }
    }

    /// Sorts if a late join left it out of order; at most once per such join.
    fn sort(&mut self) {
        if std::mem::take(&mut self.unsorted) {
            self.entries.sort_by_key(|(position, _)| *position);
        }
    }

    fn remove(&mut self, position: Position) -> bool {
        self.sort();
        if self.entries.last().is_none_or(|(last, _)| *last < position) {
            return false;
        }
        let found = self.entries.binary_search_by_key(&position, |(position, _)| *position);
        found.ok().and_then(|at| self.entries.get_mut(at)).and_then(|(_, entry)| entry.take()).is_some()
    }

    fn purge(&mut self, before: Position, keep: &[Position]) -> u64 {
        let had = self.count();
        self.entries.retain(|(position, _)| *position >= before || keep.binary_search(position).is_ok());
        had - self.count()
    }

    fn any(&self) -> bool {
        self.entries.iter().any(|(_, entry)| entry.is_some())
    }

    fn count(&self) -> u64 {
        self.entries.iter().filter(|(_, entry)| entry.is_some()).count() as u64
    }

    fn into_entries(mut self) -> impl Iterator<Item = StoredMessage> {
        self.sort();
        self.entries.into_iter().filter_map(|(_, entry)| entry)
    }
}

#[allow(clippy::disallowed_methods, reason = "the engine tells nobody when it has given a journal back")]
fn pause() {
    std::thread::sleep(BETWEEN_LOOKS);
}
