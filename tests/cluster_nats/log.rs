//! What the cluster expects of a log, of the one on JetStream.

use std::time::{Duration, Instant};

use coney::cluster::{AppendError, Bounds, Log, NatsLog, Sequence};
use rustix::process::Signal;
use tokio::runtime::Runtime;

use crate::servers::{Servers, answer, until};

const SOON: Duration = Duration::from_secs(60);

#[test]
fn the_log_keeps_its_contract() {
    let Some(mut servers) = Servers::start(3) else { return };
    let runtime = Runtime::new().unwrap();
    let log_id = runtime.block_on(servers.init(3));
    let [one, other] = [0, 1].map(|index| runtime.block_on(servers.open(index)));
    assert_eq!((one.log_id, other.log_id), (log_id, log_id));
    assert_eq!(one.secret, other.secret);
    assert_eq!(one.unchecked, Vec::<String>::new());
    let (mut one, mut other) = (one.log, other.log);
    appends_come_after_the_last(&mut one, &mut other);
    an_append_whose_answer_was_lost_is_found(&mut one, &mut other);
    frames_are_read_in_order(&mut one, &mut other);
    what_was_trimmed_is_gone(&mut one, &mut other);
    a_wait_ends_with_a_frame(&mut one, &mut other);
    an_append_of_which_nothing_was_heard_is_there_or_fenced(&mut servers, &mut one, &mut other);
}

/// Reads until something is there: a replica may be behind.
fn read(log: &mut NatsLog, after: u64, bytes_max: usize) -> Vec<(Sequence, Vec<u8>)> {
    until("frames are read", SOON, || {
        let frames = log.read(Sequence(after), bytes_max).ok()?;
        (!frames.is_empty()).then_some(frames)
    })
}

/// The first and the last frame; and bytes are those of what is between.
fn ends(log: &mut NatsLog) -> (u64, u64) {
    let Bounds { first, last, bytes } = answer(|| log.bounds());
    assert_eq!(bytes > 0, first <= last, "{bytes} bytes");
    (first.0, last.0)
}

fn appends_come_after_the_last(one: &mut NatsLog, other: &mut NatsLog) {
    assert_eq!(ends(one), (1, 0));
    assert!(answer(|| one.read(Sequence(0), 1)).is_empty());
    append_for_sure(one, 0, b"first");
    append_for_sure(other, 1, b"second");
    for wrong in [0, 1, 3, 7] {
        let refused = one.append(Sequence(wrong), b"third");
        assert!(matches!(refused, Err(AppendError::Fenced)), "after {wrong}: {refused:?}");
    }
    // What was refused leaves no gap.
    append_for_sure(one, 2, b"third");
    assert_eq!(ends(other), (1, 3));
}

fn an_append_whose_answer_was_lost_is_found(one: &mut NatsLog, other: &mut NatsLog) {
    // Whoever sent it did not hear of it.
    append_for_sure(other, 3, b"fourth");
    assert!(matches!(one.append(Sequence(3), b"fourth"), Err(AppendError::Fenced)));
    assert_eq!(read(one, 3, 1), [(Sequence(4), b"fourth".to_vec())]);
}

fn frames_are_read_in_order(one: &mut NatsLog, other: &mut NatsLog) {
    let largest = one.frame_bytes_max();
    assert!(largest > 1_000_000, "{largest}");
    let frames: Vec<Vec<u8>> = (0..200_u8).map(|frame| vec![frame; 1 + usize::from(frame) * 100]).collect();
    for (after, frame) in (4..).zip(&frames) {
        append_for_sure(one, after, frame);
    }
    append_for_sure(one, 204, &vec![7; largest]);
    let mut found = Vec::new();
    while found.len() < 201 {
        let some = read(other, 4 + found.len() as u64, 4 * 1024 * 1024);
        assert!(some.iter().zip(5 + found.len() as u64..).all(|((at, _), expected)| at.0 == expected));
        found.extend(some.into_iter().map(|(_, frame)| frame));
    }
    assert_eq!(found[..200], frames);
    assert_eq!(found[200].len(), largest);
    assert_eq!(read(other, 4, 1).len(), 1, "one at least, and no more than there is room for");
}

fn what_was_trimmed_is_gone(one: &mut NatsLog, other: &mut NatsLog) {
    answer(|| one.trim(Sequence(101)));
    assert_eq!(ends(other), (101, 205));
    assert_eq!(read(other, 100, 1)[0].0, Sequence(101));
    until("what was trimmed is gone", SOON, || {
        answer(|| other.read(Sequence(50), 1)).is_empty().then_some(())
    });
    answer(|| one.trim(Sequence(1)));
    // Past its end it goes on where it was.
    answer(|| one.trim(Sequence(1000)));
    assert_eq!(ends(other), (206, 205));
    append_for_sure(one, 205, b"more");
    assert_eq!(ends(other), (206, 206));
}

fn a_wait_ends_with_a_frame(one: &mut NatsLog, other: &mut NatsLog) {
    let began = Instant::now();
    other.wait(Sequence(206));
    let idle = began.elapsed();
    assert!(idle >= Duration::from_millis(400) && idle < SOON, "{idle:?} without a frame");
    let mut waiting = other.clone();
    let waiter = std::thread::spawn(move || {
        let mut waits = 0_u128;
        while answer(|| waiting.bounds()).last < Sequence(207) {
            waiting.wait(Sequence(206));
            waits += 1;
        }
        waits
    });
    let began = Instant::now();
    append_for_sure(one, 206, b"awaited");
    let waits = waiter.join().unwrap();
    // Each that finds nothing takes half a second.
    let expected = 3 + began.elapsed().as_millis() / 500;
    assert!(waits <= expected, "{waits} waits, {expected} at most");
    assert_eq!(read(other, 206, 1), [(Sequence(207), b"awaited".to_vec())]);
}

/// The server that one client was connected to stands still, perhaps the one that leads the stream. What that client hears is that nobody knows: its
/// frame may have been taken before, or be on its way to another server. Whoever comes next is told which of the two stands there, and
/// that stays so.
fn an_append_of_which_nothing_was_heard_is_there_or_fenced(
    servers: &mut Servers,
    one: &mut NatsLog,
    other: &mut NatsLog,
) {
    servers.by_name("s1").stand_still();
    let asked = Instant::now();
    let late = one.append(Sequence(207), b"late");
    assert!(matches!(late, Err(AppendError::Unknown(_))), "{late:?}");
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    let began = Instant::now();
    let first = append_or_find(other, 207, b"other");
    println!("another is told {:?} after one server stood still", began.elapsed());
    assert!(first == b"other" || first == b"late", "{first:?}");
    servers.by_name("s1").signal(Signal::CONT);
    // As a leader does that was not told: it asks again.
    assert_eq!(append_or_find(one, 207, b"late"), first);
    assert_eq!(append_or_find(other, 208, b"next"), b"next");
    for log in [one, other] {
        assert_eq!(answer(|| log.bounds()).last, Sequence(209));
        assert_eq!(read(log, 207, 1), [(Sequence(208), first.clone())]);
        assert_eq!(read(log, 208, 1), [(Sequence(209), b"next".to_vec())]);
    }
}

/// Appends until the frame is there, whatever answers are lost.
pub fn append_for_sure(log: &mut NatsLog, after: u64, frame: &[u8]) {
    assert!(append_or_find(log, after, frame) == frame, "another frame comes after {after}");
}

/// What stands after that place when a frame was appended there: this one, or another that came before it.
fn append_or_find(log: &mut NatsLog, after: u64, frame: &[u8]) -> Vec<u8> {
    let appended = until("a frame is appended", Duration::from_secs(60), || {
        let appended = log.append(Sequence(after), frame);
        (!matches!(appended, Err(AppendError::Unknown(_)))).then_some(appended)
    });
    match appended {
        Ok(at) => {
            assert_eq!(at, Sequence(after + 1));
            frame.to_vec()
        }
        Err(AppendError::Unknown(why)) => panic!("{why}"),
        Err(AppendError::Fenced) => {
            // A server that is behind may answer a read.
            let there = until("it can be read", Duration::from_secs(60), || {
                Some(read(log, after, 1)).filter(|read| !read.is_empty())
            });
            let (at, found) = there.into_iter().next().unwrap();
            assert_eq!(at, Sequence(after + 1));
            found
        }
    }
}
