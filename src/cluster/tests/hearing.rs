//! Who was heard of, and what follows for the log and the lead.

use super::super::hearing::{HandOverError, Hearing, Retention};
use super::*;
use crate::time::Time;
use std::time::Duration;

const RETENTION: Retention = Retention {
    retain: Duration::from_secs(100),
    frames_max: 1000,
    bytes_max: 10_000,
    every: Duration::from_secs(1),
};

fn s(s: u64) -> Time {
    Time::ZERO.plus_ms(s * 1000)
}

fn told(name: &str, revision: u64, applied: u64, synced: u64) -> Told {
    let rank = u32::from(name.as_bytes()[0]);
    Told { member: Member { name: name.into(), rank, applied, synced, ..Member::default() }, revision }
}

fn before(hearing: &Hearing, at: u64, synced: u64, bounds: (u64, u64)) -> Option<u64> {
    before_of(hearing, at, synced, bounds, 0)
}

fn before_of(hearing: &Hearing, at: u64, synced: u64, bounds: (u64, u64), bytes: u64) -> Option<u64> {
    let bounds = Bounds { first: Sequence(bounds.0), last: Sequence(bounds.1), bytes };
    hearing.trim_before(s(at), ("a", Sequence(synced)), bounds, RETENTION).map(|before| before.0)
}

#[test]
fn the_log_is_trimmed_to_what_nobody_needs_who_was_heard_of() {
    let mut hearing = Hearing::default();
    assert_eq!(before(&hearing, 0, 90, (1, 100)), None, "nobody was heard of");
    hearing.hear(s(0), &[told("a", 1, 95, 90), told("b", 2, 100, 80), told("c", 3, 60, 50)]);
    assert_eq!(before(&hearing, 0, 90, (1, 100)), Some(50));
    assert_eq!(before(&hearing, 0, 40, (1, 100)), Some(40), "never what the leader itself needs");
    assert_eq!(before(&hearing, 0, 90, (50, 100)), None, "nothing more");
    // c is silent; what the directory says of it again is nothing new.
    hearing.hear(s(60), &[told("a", 4, 95, 90), told("b", 5, 100, 80), told("c", 3, 60, 50)]);
    assert_eq!(before(&hearing, 99, 90, (1, 100)), Some(50));
    assert_eq!(before(&hearing, 100, 90, (1, 100)), Some(80));
    hearing.hear(s(110), &[told("a", 6, 95, 90), told("b", 7, 100, 80)]);
    hearing.hear(s(120), &[told("c", 8, 60, 50)]);
    assert_eq!(before(&hearing, 120, 90, (1, 100)), Some(50), "it is back");
    assert_eq!(before(&hearing, 120, 90, (80, 100)), None, "b needs all of it");
    assert_eq!(
        before(&hearing, 120, 90, (70, 100)),
        Some(80),
        "what c needs is gone, so that it needs a snapshot"
    );
}

#[test]
fn a_leader_trims_no_further_than_others_know_that_it_has_synced() {
    let mut hearing = Hearing::default();
    hearing.hear(s(0), &[told("a", 1, 95, 30), told("b", 2, 100, 80)]);
    assert_eq!(before(&hearing, 0, 90, (1, 100)), Some(30));
    hearing.hear(s(1), &[told("a", 3, 95, 90)]);
    assert_eq!(before(&hearing, 1, 90, (1, 100)), Some(80));
}

#[test]
fn the_log_does_not_grow_for_ever_for_one_that_lags() {
    let mut hearing = Hearing::default();
    hearing.hear(s(0), &[told("a", 1, 5000, 4900), told("b", 2, 10, 10)]);
    assert_eq!(before(&hearing, 1, 4900, (1, 900)), Some(10));
    assert_eq!(before(&hearing, 1, 4900, (1, 5000)), Some(4000));
    assert_eq!(before(&hearing, 1, 3000, (1, 5000)), Some(3000));
}

#[test]
fn the_log_does_not_take_more_bytes_than_it_may() {
    let mut hearing = Hearing::default();
    hearing.hear(s(0), &[told("a", 1, 500, 480), told("b", 2, 10, 10)]);
    let before = |synced, bounds, bytes| before_of(&hearing, 1, synced, bounds, bytes);
    assert_eq!(before(480, (11, 110), 10_000), None, "b needs all of it, and it may have that");
    assert_eq!(before(480, (11, 110), 10_001), Some(12), "one frame more than there may be");
    assert_eq!(before(480, (11, 110), 20_000), Some(61), "half of it");
    assert_eq!(before(480, (401, 500), 100_000), Some(480), "a tenth is less than the leader needs");
    assert_eq!(before(420, (401, 500), 100_000), Some(420), "never what the leader needs");
    assert_eq!(before(400, (401, 400), 0), None, "there is nothing");
}

#[test]
fn the_lead_is_handed_to_whoever_is_there_and_caught_up() {
    let mut hearing = Hearing::default();
    let successor = |hearing: &Hearing, at, to| hearing.successor(s(at), ("a", Sequence(10_000)), to);
    hearing.hear(s(0), &[told("a", 1, 10_000, 9000), told("b", 2, 5000, 5000), told("c", 3, 9900, 0)]);
    hearing.hear(s(1), &[told("d", 4, 10_000, 0)]);
    assert_eq!(successor(&hearing, 2, None), Ok("c".into()));
    assert_eq!(successor(&hearing, 2, Some("d")), Ok("d".into()));
    assert_eq!(successor(&hearing, 2, Some("b")), Err(HandOverError::Behind("b".into())));
    for absent in ["x", "a"] {
        assert_eq!(successor(&hearing, 2, Some(absent)), Err(HandOverError::Absent(absent.into())));
    }
    assert_eq!(successor(&hearing, 3, None), Ok("d".into()), "c is silent");
    assert_eq!(successor(&hearing, 3, Some("c")), Err(HandOverError::Absent("c".into())));
    assert_eq!(successor(&hearing, 4, None), Err(HandOverError::NoSuccessor));
}

#[test]
fn who_has_room_on_the_disk_leads_rather() {
    let short = |mut told: Told| {
        told.member.is_short_of_disk = true;
        told
    };
    let own = ("a", Sequence(100));
    let mut hearing = Hearing::default();
    hearing.hear(s(0), &[short(told("a", 1, 100, 0)), short(told("b", 2, 100, 0)), told("c", 3, 100, 0)]);
    assert_eq!(hearing.successor(s(1), own, None), Ok("c".into()));
    assert_eq!(hearing.successor_with_room(s(1), own), Some("c".into()));
    assert_eq!(hearing.successor(s(1), own, Some("b")), Ok("b".into()), "who is asked for may");
    hearing.hear(s(1), &[short(told("b", 4, 100, 0)), short(told("c", 5, 100, 0))]);
    assert_eq!(hearing.successor(s(1), own, None), Ok("b".into()), "better than nobody");
    assert_eq!(hearing.successor_with_room(s(1), own), None);
    assert_eq!(hearing.successor_with_room(s(5), own), None, "nobody is there");
}

#[test]
fn snapshots_are_taken_from_those_who_do_not_lead_first() {
    let mut hearing = Hearing::default();
    let mut leader = told("b", 2, 100, 100);
    leader.member.is_leader = true;
    hearing.hear(s(0), &[told("a", 1, 0, 0), leader, told("c", 3, 90, 0), told("d", 4, 0, 0)]);
    let names = |first| {
        let sources = hearing.sources(s(1), "a", Sequence(first));
        sources.into_iter().map(|member| member.name).collect::<Vec<_>>()
    };
    assert_eq!(names(1), ["c", "b"]);
    assert_eq!(names(91), ["c", "b"]);
    assert_eq!(names(92), ["b"]);
    assert_eq!(hearing.sources(s(3), "a", Sequence(1)), []);
}
