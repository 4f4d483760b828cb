//! The lease, by itself and with fences.

use super::*;
use crate::time::Time;
use proptest::prelude::*;

const GONE: Seen = Seen::Gone { term: 4, revision: 7 };

fn ms(ms: u64) -> Time {
    Time::ZERO.plus_ms(ms)
}

#[test]
fn a_follower_campaigns_when_nobody_has_the_lease_and_it_is_its_turn() {
    let table = [
        // rank, what it saw when, whether it may lead; what it does then.
        (0, &[(0, Seen::Nobody, true)][..], Action::Campaign),
        (0, &[(0, Seen::Nobody, false)], Action::Wait),
        (0, &[(0, Seen::Somebody, true)], Action::Wait),
        (0, &[(0, Seen::Unknown, true)], Action::Wait),
        (2, &[(0, Seen::Named, true)], Action::Campaign),
        (0, &[(0, Seen::Named, false)], Action::Wait),
        (2, &[(0, Seen::Nobody, true)], Action::Wait),
        (2, &[(0, Seen::Nobody, true), (399, Seen::Nobody, true)], Action::Wait),
        (2, &[(0, Seen::Nobody, true), (400, Seen::Nobody, true)], Action::Campaign),
        (2, &[(0, Seen::Nobody, true), (300, Seen::Somebody, true), (400, Seen::Nobody, true)], Action::Wait),
        (2, &[(0, Seen::Nobody, true), (300, Seen::Unknown, true), (400, Seen::Nobody, true)], Action::Wait),
        (2, &[(0, Seen::Nobody, false), (400, Seen::Nobody, true)], Action::Campaign),
        (0, &[(0, GONE, true)], Action::Campaign),
        (0, &[(0, GONE, false)], Action::Wait),
        (2, &[(0, GONE, true), (399, GONE, true)], Action::Wait),
        (2, &[(0, GONE, true), (400, GONE, true)], Action::Campaign),
        // Another was first; the key vanishes meanwhile.
        (2, &[(0, GONE, true), (200, Seen::Somebody, true), (400, GONE, true)], Action::Wait),
        (2, &[(0, GONE, true), (200, Seen::Nobody, true), (400, Seen::Nobody, true)], Action::Campaign),
    ];
    for (rank, story, expected) in table {
        let mut lease = Lease::new(rank);
        let actions: Vec<_> =
            story.iter().map(|(at, seen, may)| lease.follow(ms(*at), *seen, *may)).collect();
        assert_eq!(actions.last(), Some(&expected), "rank {rank}, {story:?}");
    }
}

#[test]
fn the_lease_of_a_leader_that_is_gone_is_asked_for_once_a_term() {
    let mut lease = Lease::new(0);
    assert_eq!(lease.follow(ms(0), GONE, true), Action::Campaign);
    lease.lost();
    assert_eq!(lease.follow(ms(1), GONE, true), Action::Wait, "it did not get it");
    assert_eq!(lease.follow(ms(9000), Seen::Gone { term: 3, revision: 7 }, true), Action::Wait);
    assert_eq!(lease.turn(), None);
    // Its key vanishes as any other does.
    assert_eq!(lease.follow(ms(9001), Seen::Nobody, true), Action::Campaign);
    lease.got(ms(9001));
    lease.lost();
    assert_eq!(lease.follow(ms(9500), Seen::Gone { term: 6, revision: 9 }, true), Action::Campaign);
}

#[test]
fn who_was_gone_and_has_written_since_is_there_again() {
    let mut lease = Lease::new(2);
    assert_eq!(lease.follow(ms(0), GONE, true), Action::Wait);
    for at in [100, 400, 900] {
        assert_eq!(lease.follow(ms(at), Seen::Gone { term: 4, revision: 8 }, true), Action::Wait, "{at}");
    }
}

#[test]
fn a_follower_knows_when_it_is_its_turn() {
    let mut lease = Lease::new(2);
    assert_eq!(lease.turn(), None);
    assert_eq!(lease.follow(ms(100), GONE, true), Action::Wait);
    assert_eq!(lease.turn(), Some(ms(500)));
    assert_eq!(lease.follow(ms(200), Seen::Somebody, true), Action::Wait);
    assert_eq!(lease.turn(), None);
}

#[test]
fn a_leader_renews_each_second_as_long_as_something_moves_and_stops_in_time() {
    let table = [
        // got the lease for what it asked then, moved then, is asked now; what it does.
        (1000, 1000, 1000, Action::Wait),
        (1000, 1900, 1999, Action::Wait),
        (1000, 1900, 2000, Action::Renew),
        (1000, 0, 2000, Action::Wait),
        (1000, 1, 2000, Action::Renew),
        (1000, 3400, 3499, Action::Renew),
        (1000, 3400, 3500, Action::StepDown),
        (1000, 0, 99_000, Action::StepDown),
    ];
    for (asked, moved, now, expected) in table {
        let mut lease = Lease::new(0);
        lease.got(ms(asked));
        assert_eq!(lease.lead(ms(now), ms(moved)), expected, "{asked} {moved} {now}");
    }
    let mut lease = Lease::new(0);
    lease.got(ms(0));
    assert_eq!(lease.lead(ms(1000), ms(1000)), Action::Renew);
    assert_eq!(lease.lead(ms(1001), ms(1000)), Action::Wait, "not at once again");
    assert_eq!(lease.lead(ms(1250), ms(1000)), Action::Renew);
    lease.lost();
    assert_eq!(lease.lead(ms(1251), ms(1000)), Action::StepDown);
}

#[test]
fn a_key_vanishes_and_is_written_by_revision() {
    let directory = MemoryDirectory::default();
    let first = directory.write_at(ms(0), "a", 0).unwrap();
    assert_eq!(directory.write_at(ms(1), "b", 0), None);
    assert_eq!(directory.write_at(ms(1), "b", first + 1), None);
    let second = directory.write_at(ms(2999), "a", first).unwrap();
    assert_eq!(directory.read_at(ms(5998)).unwrap().holder, "a");
    assert_eq!(directory.read_at(ms(5999)), None);
    assert_eq!(directory.write_at(ms(5999), "a", second), None, "it is too late");
    assert!(directory.write_at(ms(5999), "b", 0).is_some());
}

/// A node whose clock may go ahead of or behind others' and which may stand still.
struct Member {
    lease: Lease,
    disk: MemoryDisk,
    revision: u64,
    leads: Option<ReplicatedEngine<crate::store::MemoryEngine, MemoryLogClient>>,
    offset_ms: u64,
}

proptest! {
    /// Whatever the nodes do when, also long after they should have: what the log takes of a term is from the one who fenced it.
    #[test]
    fn never_two_leaders_by_the_logs_word(
        steps in prop::collection::vec((0_usize..3, 0_u64..1500, 0_u8..10), 1..200),
        offsets in prop::array::uniform3(0_u64..100_000),
    ) {
        let (log, directory) = (MemoryLog::default(), MemoryDirectory::default());
        let names = ["a", "b", "c"];
        let mut members = offsets.map(|offset_ms| Member {
            lease: Lease::new(0), disk: MemoryDisk::new(), revision: 0, leads: None, offset_ms,
        });
        let (mut now_ms, mut number) = (0, 100);
        for (index, passed_ms, luck) in steps {
            now_ms += passed_ms;
            let (name, member) = (names[index], &mut members[index]);
            let (own, shared) = (ms(now_ms + member.offset_ms), ms(now_ms));
            if let Some(engine) = &mut member.leads {
                number += 1;
                // One that stands still for long looks at its lease too late: luck.
                let action = if luck < 3 { Action::Wait } else { member.lease.lead(own, own) };
                let committed = Engine::commit(engine, batch(number, b"x"), Durability::Synced);
                let renewed = directory.write_at(shared, name, member.revision);
                match (action, committed, renewed) {
                    (Action::StepDown, ..) | (_, Err(_), _) => member.leads = None,
                    (_, _, Some(revision)) => { member.revision = revision; member.lease.got(own); }
                    _ => {}
                }
                if member.leads.is_none() { member.lease.lost(); }
                continue;
            }
            let mut follower = follow(&member.disk, &log, name).unwrap();
            let claim = directory.read_at(shared);
            // Some hear that the leader is gone, which need not be so.
            let (seen, revision) = match claim {
                None => (Seen::Nobody, 0),
                Some(claim) if luck == 9 => (Seen::Gone { term: follower.term(), revision: claim.revision }, claim.revision),
                Some(_) => (Seen::Somebody, 0),
            };
            // Some do not even ask for the lease.
            if member.lease.follow(own, seen, true) != Action::Campaign && luck > 0 { continue; }
            member.revision = directory.write_at(shared, name, revision).unwrap_or_default();
            let tenure = Tenure::default();
            let fence = follower.fence(&mut client(&log, name), name, &tenure).unwrap();
            member.lease.got(own);
            member.leads = fence.map(|fence| ReplicatedEngine::new(member.disk.engine(), client(&log, name), fence, tenure));
        }
        drop(members.each_mut().map(|member| member.leads.take()));
        let (mut term, mut writer) = (0, String::new());
        for entry in log.entries() {
            let (frame, _) = Frame::decode(&entry.frame).unwrap();
            if frame.kind == Kind::Fence {
                prop_assert!(frame.term > term);
                (term, writer) = (frame.term, entry.writer.clone());
                prop_assert_eq!(frame.payload, writer.as_bytes());
            }
            prop_assert_eq!((frame.term, &entry.writer), (term, &writer));
        }
        for (member, name) in members.iter().zip(names) {
            drop(follow(&member.disk, &log, name).unwrap());
        }
        prop_assert_eq!(common(&members[0].disk), common(&members[1].disk));
        prop_assert_eq!(common(&members[1].disk), common(&members[2].disk));
    }
}
