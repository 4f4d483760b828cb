//! The suite of the store over a replicated engine, on a log whose answers are lost now and then.

use super::*;
use crate::cluster::{Fault, Follower, MemoryLog, ReplicatedEngine, Tenure};
use std::cell::RefCell;
use std::time::Duration;

thread_local! {
    static LOG: RefCell<Option<MemoryLog>> = const { RefCell::new(None) };
}

const NODE: &str = "node";

/// Every store that is opened within has this log.
pub(super) fn over_a_log<T>(test: impl FnOnce() -> T) -> T {
    LOG.set(Some(MemoryLog::default()));
    let out = test();
    LOG.set(None);
    out
}

pub(super) fn is_on() -> bool {
    LOG.with_borrow(Option::is_some)
}

/// Brings a disk to the end of the log, fences that, and opens the store on it; `None` without a log.
pub(super) fn open(disk: &MemoryDisk) -> Option<Result<(StoreHandle, ManualCommitter, Recovered), Error>> {
    let log = LOG.with_borrow(Clone::clone)?;
    let mut client = log.client(NODE);
    client.patience = Duration::ZERO;
    let mut follower = Follower::open(disk.engine(), 1).unwrap();
    while follower.step(&mut client).unwrap().has_read {}
    let tenure = Tenure::default();
    let fence = follower.fence(&mut client, NODE, &tenure).unwrap().unwrap();
    let faults = [Fault::LostReply, Fault::LostRequest, Fault::LostReply];
    log.plan(NODE, faults.into_iter().cycle().take(fence.term as usize % 5));
    // Batches have parts.
    client.frame_bytes_max = 300;
    Some(open_manual_with(Box::new(ReplicatedEngine::new(disk.engine(), client, fence, tenure))))
}

/// What the store promises. Not among it are tests that count what one disk has, or has not synced, and one in which an earlier committer
/// writes after a later one, which a log forbids.
#[test]
fn the_suite_holds_over_a_replicated_engine() {
    let suite: &[fn()] = &[
        memory::everything_comes_back,
        memory::positions_and_queue_ids_are_never_reused,
        memory::an_epoch_that_overflowed_is_passed,
        memory::a_message_acked_before_its_commit_is_never_written,
        memory::a_chunk_that_is_acked_whole_leaves_nothing_behind,
        memory::what_was_delivered_comes_back_redelivered,
        memory::a_purge_keeps_the_unacked_and_a_deletion_nothing,
        memory::a_join_is_all_or_nothing,
        memory::what_is_removed_while_it_waits_in_a_join_is_not_written,
        memory::another_format_is_refused,
        memory::a_load_finds_what_was_submitted_before_it_and_waits_for_joins,
        memory::a_page_is_read_once_beside_the_chunks,
        bodies::a_message_to_ten_queues_is_written_once,
        bodies::small_messages_and_those_of_one_queue_stay_in_their_chunks,
        bodies::a_message_stays_while_one_queue_loses_it_and_another_gets_it,
        bodies::purges_and_deletions_let_go_of_messages,
        bodies::chunks_of_shared_messages_are_as_small_as_others,
        bodies::a_shared_message_costs_each_queue_its_share,
        bodies::a_missing_message_is_damage,
        logs::a_read_begins_with_the_chunk_that_holds_its_offset_and_keeps_to_its_bytes,
        logs::a_place_is_found_by_its_time,
        logs::times_never_fall,
        logs::what_waits_for_a_join_gets_its_offsets_when_that_is_whole,
        logs::a_join_that_misses_a_part_leaves_no_gap,
        logs::a_stream_that_was_deleted_gets_nothing_more,
        logs::a_trim_removes_segments,
        logs::only_a_store_with_streams_has_the_new_format,
        logs::a_damaged_chunk_costs_its_readers_and_nobody_else,
    ];
    for test in suite {
        over_a_log(test);
    }
}
