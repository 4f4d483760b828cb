//! A queue some of whose messages cannot be read.

use super::*;

/// Two messages or so in memory.
const TINY: Window = Window { start_bytes: 200, head_bytes: 100, segment_bytes: 100 };

/// A queue of twenty whose first load does not come; a consumer has what was in memory.
fn unreadable() -> Bench {
    let mut bench = Bench::durable(|options| options.window = TINY);
    bench.publish(&["x"; 20]);
    bench.store.late = true;
    bench.consume(1, 0);
    assert!(!bench.got.is_empty() && bench.got.len() < 20 && !bench.store.loads.is_empty());
    bench.command(Command::Unreadable("a file".into()));
    bench
}

fn get(bench: &mut Bench) -> Reply {
    bench.command(Command::Get { connection: CONSUMER, channel: 1, no_ack: false })
}

#[test]
fn it_delivers_nothing_and_says_why() {
    let mut bench = unreadable();
    assert_eq!(bench.effects.cancelled, [key(1)]);
    assert!(matches!(get(&mut bench), Reply::Unreadable(why) if &*why == "a file"));
    assert!(matches!(bench.consume_with(2, |_| ()), Reply::Unreadable(_)));
    bench.store.loads.clear();
    let (got, ready) = (bench.got.len(), bench.ready());
    bench.publish(&["it takes more"]);
    bench.command(Command::Unreadable("twice".into()));
    assert_eq!((bench.got.len(), bench.ready()), (got, ready + 1));
    assert!(bench.store.loads.is_empty(), "it asks for nothing");
    assert!(matches!(bench.command(Command::Inspect), Reply::Counts(counts) if counts.ready == ready + 1));
}

#[test]
fn who_waits_is_answered() {
    let mut bench = Bench::durable(|options| options.window = TINY);
    bench.publish(&["x"; 20]);
    bench.store.late = true;
    let waits = loop {
        match get(&mut bench) {
            Reply::Got { .. } => {}
            Reply::Deferred(ticket) => break ticket,
            other => panic!("{other:?}"),
        }
    };
    bench.command(Command::Unreadable("a file".into()));
    let answers = std::mem::take(&mut bench.effects.deferred_replies);
    assert!(matches!(&answers[..], [(ticket, Reply::Unreadable(_))] if *ticket == waits), "{answers:?}");
}

#[test]
fn a_purge_makes_it_a_queue_as_any_other() {
    let mut bench = unreadable();
    let ready = bench.ready();
    let late = bench.store.loads[0].id;
    assert!(matches!(bench.command(Command::Purge), Reply::Purged(count) if count == ready));
    // The load that failed comes after all: nobody waits for it.
    bench.command(Command::Loaded(late, Vec::new()));
    assert_eq!(bench.effects.missing, 0);
    bench.store.late = false;
    bench.got.clear();
    bench.publish(&["a", "b"]);
    bench.consume(2, 0);
    assert_eq!(bench.bodies(), ["a", "b"]);
}

#[test]
fn a_purge_drops_what_returns_and_cannot_be_read() {
    let mut bench = Bench::durable(|options| options.window = TINY);
    bench.consume(1, 0);
    bench.publish(&["x"; 20]);
    assert_eq!(bench.got.len(), 20);
    bench.store.late = true;
    bench.command(Command::Cancel(key(1)));
    let handles = bench.got[..10].iter().map(|(_, delivery)| delivery.handle).collect();
    bench.command(Command::Settle(Settlement::Requeue, handles));
    assert_eq!(bench.ready(), 10);
    bench.command(Command::Unreadable("a file".into()));
    assert!(matches!(bench.command(Command::Purge), Reply::Purged(10)));
    assert_eq!((bench.ready(), bench.queue.counts().unacked), (0, 10));
    for index in 10..20 {
        bench.settle(Settlement::Ack, index);
    }
    let mut removed: Vec<u64> = bench.effects.removed.iter().map(|position| position.0).collect();
    removed.sort_unstable();
    let purged = bench.effects.purged.as_ref().map(|(before, keep)| (before.0, keep.len()));
    assert!(
        removed.len() >= 10 && purged.is_none_or(|(before, keep)| before == 21 && keep == 10),
        "{removed:?} {purged:?}"
    );
}

#[test]
fn it_can_be_deleted() {
    let mut bench = unreadable();
    let ready = bench.ready();
    let delete = Command::Delete { if_unused: true, if_empty: false };
    assert!(matches!(bench.command(delete), Reply::Deleted(count) if count == ready));
}
