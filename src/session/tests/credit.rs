//! Deliveries: tags in wire order, what settles them, and the credit that goes back.

use super::*;

fn written(commands: Vec<(QueueId, Command)>) -> Vec<(QueueId, u32, usize)> {
    let written = |(queue, command)| match command {
        Command::Written(key, bytes) => (queue, key.number, bytes),
        other => panic!("{other:?}"),
    };
    commands.into_iter().map(written).collect()
}

fn nack(delivery_tag: u64, multiple: bool, requeue: bool) -> basic::AMQPMethod {
    basic::AMQPMethod::Nack(basic::Nack { delivery_tag, multiple, requeue })
}

fn qos(prefetch_count: u16, global: bool) -> basic::AMQPMethod {
    basic::AMQPMethod::Qos(basic::Qos { prefetch_count, global })
}

// ---- Tags ----

#[test]
fn tags_count_a_channels_deliveries_in_wire_order() {
    let mut client = Client::running(&[], 0);
    let (one, two, other) =
        (client.consumer(1, "one", false), client.consumer(1, "two", true), client.consumer(2, "one", false));
    client.deliver(one, &[1]);
    client.deliver(two, &[2]);
    client.deliver(other, &[3]);
    client.deliver(one, &[4, 5]);
    let expected = [(1, "one", 1), (1, "two", 2), (2, "one", 1), (1, "one", 3), (1, "one", 4)]
        .map(|(c, t, n)| (c, t.to_owned(), n));
    assert_eq!(delivered(client.methods()), expected);
    client.session.get_ok(1, Q, false, &delivery(6, b"got"), 3);
    let methods = client.methods();
    let [(1, AMQPClass::Basic(basic::AMQPMethod::GetOk(got)))] = &methods[..] else { panic!("{methods:?}") };
    assert_eq!((got.delivery_tag, got.message_count, got.redelivered), (5, 3, false));
    let counted = client.counted().messages;
    assert_eq!((counted.delivered, counted.delivered_no_ack, counted.got), (4, 1, 1));
}

#[test]
fn each_verb_reaches_the_queue_with_its_handles() {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(1, "c", false);
    client.deliver(key, &[10, 11, 12, 13, 14, 15]);
    client.ack(1, 2, true);
    client.basic(1, nack(3, false, true));
    client.basic(1, nack(4, false, false));
    client.basic(1, basic::AMQPMethod::Reject(basic::Reject { delivery_tag: 5, requeue: true }));
    let expected = [
        (Settlement::Ack, vec![10, 11]),
        (Settlement::Requeue, vec![12]),
        (Settlement::Reject, vec![13]),
        (Settlement::Fail, vec![14]),
    ];
    assert_eq!(client.settled(), expected);
    client.ack(1, 0, true);
    assert_eq!(client.settled(), [(Settlement::Ack, vec![15])]);
    client.ack(1, 0, true);
    assert!(client.commands().is_empty() && client.session.is_running(), "all of nothing is no error");
    assert_eq!(client.counted().messages.acked, 3);
}

#[test]
fn a_batch_of_acks_is_one_command_a_queue() {
    let mut client = Client::running(&[], 0);
    let q = client.consumer(1, "q", false);
    let r = client.session.new_consumer(1).key;
    client.session.add_consumer(
        r,
        "r",
        Some(crate::session::Source { queue: R, is_stream: false }),
        AckPolicy::Explicit,
    );
    client.deliver(q, &[1]);
    client.deliver(r, &[1]);
    client.deliver(q, &[2]);
    for tag in [1, 2, 3] {
        client.ack(1, tag, false);
    }
    let commands = client.commands();
    let [(Q, Command::Settle(Settlement::Ack, at_q)), (R, Command::Settle(Settlement::Ack, at_r))] =
        &commands[..]
    else {
        panic!("{commands:?}")
    };
    assert_eq!((at_q.len(), at_r.len()), (2, 1));
}

#[test]
fn acks_come_before_the_publishes_of_the_same_read() {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(1, "c", false);
    client.deliver(key, &[1]);
    client.publish(1, "q", "m");
    client.ack(1, 1, false);
    let commands = client.commands();
    assert!(matches!(commands[..], [(Q, Command::Settle(..)), (Q, Command::Publish(_, _))]), "{commands:?}");
}

#[test]
fn recover_requeues_all_of_its_channel() {
    let mut client = Client::running(&[], 0);
    let (one, two) = (client.consumer(1, "one", false), client.consumer(2, "two", false));
    client.deliver(one, &[1, 2]);
    client.deliver(two, &[3]);
    client.ack(1, 1, false);
    client.commands();
    client.frames();
    client.basic(1, basic::AMQPMethod::Recover(basic::Recover { requeue: true }));
    assert_eq!(client.settled(), [(Settlement::Requeue, vec![2])]);
    let ok = basic::AMQPMethod::RecoverOk(basic::RecoverOk {});
    assert_eq!(client.methods(), [(1, AMQPClass::Basic(ok))]);
    client.basic(2, basic::AMQPMethod::RecoverAsync(basic::RecoverAsync { requeue: true }));
    assert_eq!((client.settled(), client.frames().len()), (vec![(Settlement::Requeue, vec![3])], 0));
}

// ---- Credit for what was written ----

#[test]
fn credit_goes_back_when_enough_was_written() {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(1, "c", false);
    let quarter = delivery(1, &vec![0; WINDOW_BYTES / 4 - 200]);
    let cost = quarter.cost();
    assert!(cost < WINDOW_BYTES / 4 && 2 * cost > WINDOW_BYTES / 4);
    client.session.deliver(key.number, std::slice::from_ref(&quarter));
    client.session.drained(false);
    assert_eq!(written(client.commands()), [], "little is owed yet");
    client.session.deliver(key.number, &[quarter]);
    assert_eq!(written(client.commands()), [], "it is not written yet");
    client.session.drained(false);
    assert_eq!(written(client.commands()), [(Q, key.number, 2 * cost)]);
    client.session.drained(false);
    assert_eq!(written(client.commands()), [], "it went back once");
}

/// All but less than a piece comes back, or a consumer would run dry.
#[test]
fn nothing_is_owed_for_long() {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(1, "c", true);
    let (mut used, mut back) = (0, 0);
    for length in (0..200).map(|index| index * 37 % 9000) {
        let delivery = delivery(1, &vec![0; length]);
        used += delivery.cost();
        client.session.deliver(key.number, &[delivery]);
        client.session.drained(false);
        back += written(client.commands()).iter().map(|(_, _, bytes)| bytes).sum::<usize>();
        assert!(back <= used && used - back < WINDOW_BYTES / 4, "{used} used, {back} back");
    }
    assert!(back > WINDOW_BYTES / 2);
}

#[test]
fn a_consumer_that_went_gives_nothing_back() {
    let mut client = Client::running(&[], 0);
    let (gone, stays) = (client.consumer(1, "gone", false), client.consumer(2, "stays", false));
    let large = delivery(1, &vec![0; WINDOW_BYTES]);
    client.session.deliver(gone.number, std::slice::from_ref(&large));
    client.session.deliver(stays.number, std::slice::from_ref(&large));
    client.session.remove_consumer(1, "gone");
    client.session.drained(false);
    assert_eq!(written(client.commands()), [(Q, stays.number, large.cost())]);
}

#[test]
fn deliveries_to_a_consumer_that_went_are_not_written() {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(1, "c", false);
    client.close_channel(1);
    client.frames();
    client.deliver(key, &[1]);
    assert!(client.frames().is_empty());
}

// ---- Prefetch ----

#[test]
fn prefetch_is_for_consumers_to_come() {
    let mut client = Client::running(&[], 0);
    assert_eq!(client.session.new_consumer(1).prefetch, 0);
    client.basic(1, qos(7, false));
    let ok = basic::AMQPMethod::QosOk(basic::QosOk {});
    assert_eq!(client.methods(), [(1, AMQPClass::Basic(ok))]);
    let consumer = client.session.new_consumer(1);
    assert!((consumer.prefetch, consumer.channel_prefetch.is_none()) == (7, true));
    assert_eq!(client.session.new_consumer(2).prefetch, 0, "another channel's is its own");
    assert!(client.commands().is_empty());
}

#[test]
fn a_channels_prefetch_has_room_again_when_a_consumers_message_is_settled() {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(1, "c", false);
    client.basic(1, qos(1, true));
    let commands = client.commands();
    let [(Q, Command::SetChannelPrefetch(_, 1, Some(share)))] = &commands[..] else { panic!("{commands:?}") };
    client.deliver(key, &[1]);
    assert!(!share.try_take(true));
    client.session.get_ok(1, Q, false, &delivery(2, b"got"), 0);
    client.ack(1, 2, false);
    assert!(!share.try_take(true), "what was got never took of it");
    let commands = client.commands();
    assert!(matches!(commands[..], [(Q, Command::Settle(..))]), "{commands:?}");
    client.ack(1, 1, false);
    let commands = client.commands();
    assert!(matches!(commands[..], [(Q, Command::Settle(..)), (Q, Command::TakeTurn(_, 1))]), "{commands:?}");
    assert!(share.try_take(true));
}

#[test]
fn a_new_consumer_shares_its_channels_prefetch() {
    let mut client = Client::running(&[], 0);
    client.basic(1, qos(2, true));
    let share = PrefetchShare::new(client.session.new_consumer(1).channel_prefetch.unwrap(), Q);
    assert!(share.try_take(true) && share.try_take(true) && !share.try_take(true));
    assert!(client.session.new_consumer(2).channel_prefetch.is_none());
}

#[test]
fn what_is_unacked_counts_when_the_prefetch_is_set() {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(1, "c", false);
    client.deliver(key, &[1, 2]);
    client.session.get_ok(1, Q, false, &delivery(3, b"got"), 0);
    client.basic(1, qos(4, true));
    let share = PrefetchShare::new(client.session.new_consumer(1).channel_prefetch.unwrap(), Q);
    assert!(share.try_take(true) && !share.try_take(true));
    // One that was under way uncounted.
    client.deliver(key, &[4]);
    client.ack(1, 1, false);
    assert!(!share.try_take(true));
    client.ack(1, 2, false);
    assert!(share.try_take(true) && !share.try_take(true));
}

#[test]
fn the_prefetch_of_a_channel_ends_with_0_and_with_one_for_consumers() {
    for lift in [qos(0, true), qos(7, false), qos(0, false)] {
        let mut client = Client::running(&[], 0);
        client.consumer(1, "c", false);
        client.basic(1, qos(1, true));
        client.commands();
        client.basic(1, lift);
        let commands = client.commands();
        assert!(matches!(commands[..], [(Q, Command::SetChannelPrefetch(_, 1, None))]), "{commands:?}");
        assert!(client.session.new_consumer(1).channel_prefetch.is_none());
    }
}

// ---- Consumers ----

#[test]
fn a_lost_queue_is_told_to_those_who_can_take_it() {
    for capabilities in [&["consumer_cancel_notify"][..], &[]] {
        let mut client = Client::running(capabilities, 0);
        let key = client.consumer(1, "c", false);
        client.session.consumer_cancelled(key.number);
        client.session.consumer_cancelled(key.number);
        let cancel = basic::AMQPMethod::Cancel(basic::Cancel { consumer_tag: "c".into(), nowait: true });
        let expected: Vec<_> = capabilities.iter().map(|_| (1, AMQPClass::Basic(cancel.clone()))).collect();
        assert_eq!(client.methods(), expected);
        assert!(client.session.consumer(1, "c").is_none());
    }
}
