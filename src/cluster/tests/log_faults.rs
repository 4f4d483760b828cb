//! Appends of which the answer is lost.

use super::*;
use crate::store::Error;
use proptest::prelude::*;

#[test]
fn lost_answers_and_lost_requests_are_found_out() {
    for fault in [Fault::LostReply, Fault::LostRequest] {
        let (log, [a, b]) = (MemoryLog::default(), [(); 2].map(|()| MemoryDisk::new()));
        let mut leader = lead(&a, &log, "a");
        for number in 1..=9 {
            log.plan("a", vec![fault; number as usize % 4]);
            leader.commit(batch(number, b"x"), Durability::Synced).unwrap();
        }
        drop(follow(&b, &log, "b").unwrap());
        assert_eq!(common(&a), common(&b));
        assert_eq!(log.entries().len(), 10, "each once");
    }
}

#[test]
fn an_append_that_comes_late_comes_once_or_never() {
    let (log, [a, b]) = (MemoryLog::default(), [(); 2].map(|()| MemoryDisk::new()));
    let mut leader = lead(&a, &log, "a");
    log.plan("a", [Fault::Late]);
    leader.commit(batch(1, b"x"), Durability::Synced).unwrap();
    log.deliver_late();
    leader.commit(batch(2, b"x"), Durability::Synced).unwrap();
    assert_eq!(log.entries().len(), 3);
    drop(follow(&b, &log, "b").unwrap());
    assert_eq!(common(&a), common(&b));
}

#[test]
fn a_leader_whose_lease_ends_gives_up_and_what_it_wrote_counts_for_all() {
    let (log, [a, b]) = (MemoryLog::default(), [(); 2].map(|()| MemoryDisk::new()));
    let mut follower = follow(&a, &log, "a").unwrap();
    let tenure = Tenure::default();
    let fence = follower.fence(&mut client(&log, "a"), "a", &tenure).unwrap().unwrap();
    let mut leader = ReplicatedEngine::new(a.engine(), client(&log, "a"), fence, tenure.clone());
    log.plan("a", [Fault::Late]);
    log.cut_off("a", true);
    let waiting = std::thread::spawn(move || leader.commit(batch(1, b"x"), Durability::Synced));
    tenure.end();
    let given_up = waiting.join().unwrap().unwrap_err();
    assert!(matches!(given_up, Error::Deposed { .. }), "{given_up}");
    assert_eq!(common(&a), [], "nothing is applied before it is in the log");
    log.cut_off("a", false);
    log.deliver_late();
    for disk in [&a, &b] {
        drop(follow(disk, &log, "b").unwrap());
    }
    assert_eq!(common(&a), common(&b));
}

/// One step of a random story of two nodes.
#[derive(Clone, Debug)]
enum Step {
    Commit { node: usize, faults: Vec<u8> },
    Lead { node: usize },
    Follow { node: usize },
    Deliver,
    Crash { node: usize, keep: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let faults = prop::collection::vec(0_u8..3, 0..3);
    prop_oneof![
        6 => (0_usize..2, faults).prop_map(|(node, faults)| Step::Commit { node, faults }),
        1 => (0_usize..2).prop_map(|node| Step::Lead { node }),
        2 => (0_usize..2).prop_map(|node| Step::Follow { node }),
        2 => Just(Step::Deliver),
        1 => (0_usize..2, 0_usize..4).prop_map(|(node, keep)| Step::Crash { node, keep }),
    ]
}

proptest! {
    #[test]
    fn what_was_committed_is_there_and_all_nodes_have_the_same(steps in prop::collection::vec(step(), 1..60)) {
        let log = MemoryLog::default();
        let disks = [(); 2].map(|()| MemoryDisk::new());
        let names = ["a", "b"];
        let mut engines = [None, None];
        let (mut number, mut committed) = (100, Vec::new());
        for step in steps {
            match step {
                Step::Commit { node, faults } => {
                    let Some(engine) = engines[node].as_mut() else { continue };
                    let faults = faults.iter().map(|fault| [Fault::LostReply, Fault::LostRequest, Fault::Late][*fault as usize]);
                    log.plan(names[node], faults);
                    number += 1;
                    match Engine::commit(engine, batch(number, &[node as u8]), Durability::Synced) {
                        Ok(()) => committed.push(number),
                        Err(Error::Deposed { .. }) => engines[node] = None,
                        Err(other) => return Err(TestCaseError::fail(other.to_string())),
                    }
                    while log.client(names[node]).take_fault() {}
                }
                Step::Lead { node } => engines[node] = Some(lead(&disks[node], &log, names[node])),
                Step::Follow { node } => {
                    engines[node] = None;
                    drop(follow(&disks[node], &log, names[node]).unwrap());
                }
                Step::Deliver => log.deliver_late(),
                Step::Crash { node, keep } => {
                    engines[node] = None;
                    disks[node].crash(keep);
                }
            }
        }
        log.deliver_late();
        drop(engines);
        for (disk, name) in disks.iter().zip(names) {
            drop(follow(disk, &log, name).unwrap());
        }
        prop_assert_eq!(common(&disks[0]), common(&disks[1]));
        for number in committed {
            let there = disks[0].contents().contains_key(&(Space::Messages, u64::to_be_bytes(number).to_vec()));
            prop_assert!(there, "{number} was committed");
        }
    }
}
