//! From publish, header and body frames to what queues get; confirms, returns, transactions.

use super::*;
use crate::protocol::content::Properties;
use crate::protocol::table::{FieldValue, TableWriter};

const NO_ROUTE: (u16, &str) = (312, "NO_ROUTE");

fn unroutable(channel: u16) -> Vec<u8> {
    publish(channel, ("", "nowhere"), true, &[0, 0], b"lost", 4096)
}

fn with_headers(headers: &[u8], rest: &[u8], flags: u16) -> Vec<u8> {
    let length = (headers.len() as u32).to_be_bytes();
    [&(flags | 1 << 13).to_be_bytes()[..], &length, headers, rest].concat()
}

fn key_lists(lists: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = TableWriter::new(&mut bytes);
    for (name, key) in lists {
        writer.array(name, |keys| keys.value(FieldValue::LongString(key)));
    }
    bytes
}

fn transaction(method: tx::AMQPMethod) -> AMQPClass {
    AMQPClass::Tx(method)
}

impl Client {
    /// The one message for one queue.
    fn message(&mut self) -> Message {
        let [(_, Command::Publish(_, publishes))] = &self.commands()[..] else { panic!("not one command") };
        let [publish] = &publishes[..] else { panic!("{publishes:?}") };
        publish.message.clone()
    }
}

#[test]
fn a_publish_arrives_whole_however_it_is_cut() {
    let properties = [&0x9000_u16.to_be_bytes()[..], b"\x04text\x02"].concat();
    let bytes = publish(1, ("amq.fanout", "key"), false, &properties, b"hello world", 4);
    for cut in 0..=bytes.len() {
        let mut client = Client::running(&[], 0);
        let first = client.session.receive(client.now, &bytes[..cut]);
        assert!(first.consumed <= cut);
        assert!(client.bytes(&bytes[first.consumed..]).is_none());
        let commands = client.commands();
        assert_eq!(commands.iter().map(|(queue, _)| *queue).collect::<Vec<_>>(), [Q, R], "{cut}");
        for (_, command) in commands {
            let Command::Publish(_, publishes) = command else { panic!("{command:?}") };
            let expected = Parts {
                exchange: b"amq.fanout",
                routing_key: b"key",
                properties: &properties,
                body: b"hello world",
                persistent: true,
            };
            assert_eq!(publishes[0].message, Message::new(expected), "{cut}");
        }
    }
}

#[test]
fn bodies_of_every_size_come_through() {
    for (length, piece) in [(0, 1), (1, 1), (8184, 8184), (8185, 8184), (30_000, 8184), (5, 1)] {
        let mut client = Client::running(&[], 0);
        let body: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        assert!(client.bytes(&publish(1, ("", "q"), false, &[0, 0], &body, piece)).is_none());
        assert!(client.message().body() == body, "{length} in pieces of {piece}");
    }
}

#[test]
fn channels_assemble_side_by_side() {
    let mut client = Client::running(&[], 0);
    let [one, two] = [(1, "one"), (2, "two")]
        .map(|(channel, body)| publish(channel, ("", "q"), false, &[0, 0], body.as_bytes(), 1));
    let frames = |bytes: &[u8]| {
        let mut rest = bytes.to_vec();
        std::iter::from_fn(|| {
            let length = crate::protocol::frame::frame_bytes(&rest)?;
            Some(rest.drain(..length).collect::<Vec<u8>>())
        })
        .collect::<Vec<_>>()
    };
    for (one, two) in frames(&one).into_iter().zip(frames(&two)) {
        client.bytes(&[one, two].concat());
    }
    let bodies: Vec<_> = client.published().into_iter().map(|(_, body, _)| body).collect();
    assert_eq!(bodies, ["one", "two"]);
}

#[test]
fn what_queues_need_to_know_comes_from_the_properties() {
    let mut client = Client::running(&[], 0);
    let properties = [&0x1910_u16.to_be_bytes()[..], b"\x02\x09\x04", b"1500", b"\x03ann"].concat();
    client.bytes(&publish(1, ("", "q"), false, &properties, b"m", 9));
    client.publish(2, "q", "plain");
    let commands = client.commands();
    let [(Q, Command::Publish(_, publishes))] = &commands[..] else { panic!("{commands:?}") };
    let about: Vec<_> =
        publishes.iter().map(|p| (p.channel, p.ttl_ms, p.priority, p.message.is_persistent())).collect();
    assert_eq!(about, [(1, Some(1500), 9, true), (2, None, 0, false)]);
    assert_eq!(client.counted().messages.published, 2);
}

#[test]
fn a_route_is_found_anew_when_the_topology_changes() {
    let mut client = Client::running(&[], 0);
    client.publish(1, "q", "a");
    client.topology.change(|topology| drop(topology.remove_queue("q")));
    client.publish(1, "q", "b");
    client.topology.change(|topology| topology.add_queue("q", QueueId(9)));
    client.publish(1, "q", "c");
    let published = client.published();
    assert_eq!(published, [(Q, "a".to_owned(), 0), (QueueId(9), "c".to_owned(), 0)]);
}

#[test]
fn line_breaks_are_no_part_of_an_exchanges_name() {
    let mut client = Client::running(&[], 0);
    client.bytes(&publish(1, ("amq.\r\nfanout", ""), false, &[0, 0], b"m", 9));
    assert_eq!(client.published().len(), 2);
}

// ---- Confirms and returns ----

#[test]
fn confirms_are_one_multiple_ack() {
    let mut client = Client::running(&[], 0);
    client.publish(1, "q", "before the select");
    client.confirm_select(1);
    (1..=3).for_each(|_| client.publish(1, "q", "m"));
    let sequences: Vec<u64> = client.published().into_iter().map(|(_, _, sequence)| sequence).collect();
    assert_eq!((sequences[0], sequences[3] - sequences[1]), (0, 2));
    assert!(client.session.has_unconfirmed() && client.frames().is_empty());
    client.session.confirmed(1, sequences[1], sequences[3], false);
    client.session.send_confirms();
    assert_eq!(client.confirms(), [(3, Some(true))]);
    assert!(!client.session.has_unconfirmed());
}

#[test]
fn every_queue_has_to_answer_and_one_refusal_is_a_nack() {
    let mut client = Client::running(&[], 0);
    client.confirm_select(1);
    client.bytes(&publish(1, ("amq.fanout", ""), false, &[0, 0], b"m", 9));
    let [(Q, _, first), (R, _, second)] = client.published()[..] else { panic!("two queues") };
    assert_eq!(first, second);
    client.session.confirmed(1, first, first, true);
    client.session.send_confirms();
    assert_eq!(client.confirms(), []);
    client.session.confirmed(1, first, first, false);
    client.session.send_confirms();
    assert_eq!(client.confirms(), [(1, None)]);
}

#[test]
fn a_return_comes_before_its_ack() {
    let mut client = Client::running(&[], 0);
    client.confirm_select(1);
    client.bytes(&unroutable(1));
    let methods = client.methods();
    let [(1, AMQPClass::Basic(first)), (1, AMQPClass::Basic(second))] = &methods[..] else {
        panic!("{methods:?}")
    };
    let basic::AMQPMethod::Return(returned) = first else { panic!("{first:?}") };
    assert_eq!((returned.reply_code, returned.reply_text.as_str()), NO_ROUTE);
    assert_eq!((returned.exchange.as_str(), returned.routing_key.as_str()), ("", "nowhere"));
    assert_eq!(*second, basic::AMQPMethod::Ack(basic::Ack { delivery_tag: 1, multiple: false }));
    assert!(client.commands().is_empty());
    assert_eq!(client.counted().messages.returned, 1);
}

#[test]
fn what_nobody_wants_back_is_confirmed_and_forgotten() {
    let mut client = Client::running(&[], 0);
    client.confirm_select(1);
    client.publish(1, "nowhere", "m");
    assert_eq!(client.confirms(), [(1, Some(false))]);
    client.publish(2, "nowhere", "m");
    assert!(client.frames().is_empty());
}

#[test]
fn confirms_of_channels_do_not_mix() {
    let mut client = Client::running(&[], 0);
    [1, 2].into_iter().for_each(|channel| client.confirm_select(channel));
    client.publish(1, "q", "one");
    client.publish(2, "q", "two");
    let [(_, _, one), (_, _, two)] = client.published()[..] else { panic!("two publishes") };
    assert_ne!(one, two);
    client.session.confirmed(2, two, two, false);
    client.session.send_confirms();
    let ack = basic::AMQPMethod::Ack(basic::Ack { delivery_tag: 1, multiple: false });
    assert_eq!(client.methods(), [(2, AMQPClass::Basic(ack))]);
}

/// However the first channel ended, by the client or by an exception.
#[test]
fn a_late_confirm_means_nothing_to_the_channels_successor() {
    for by_exception in [false, true] {
        let mut client = Client::running(&[], 0);
        client.confirm_select(1);
        client.publish(1, "q", "of the first");
        let first = client.published()[0].2;
        if by_exception {
            let exception = Exception::not_found("no queue");
            client.session.fail(client.now, 1, exception);
            client.session.confirmed(1, first, first, false);
            client.channel(1, channel::AMQPMethod::CloseOk(channel::CloseOk {}));
        } else {
            client.close_channel(1);
        }
        client.session.confirmed(1, first, first, false);
        client.open_channel(1);
        client.session.confirmed(1, first, first, false);
        client.confirm_select(1);
        client.publish(1, "q", "of the second");
        client.session.confirmed(1, first, first, true);
        client.session.send_confirms();
        let is_told = |(_, method): &(u16, AMQPClass)| matches!(method, AMQPClass::Basic(_));
        assert!(!client.methods().iter().any(is_told), "by exception: {by_exception}");
        let second = client.commands().into_iter().find_map(|(_, command)| match command {
            Command::Publish(_, publishes) => Some(publishes[0].sequence),
            _ => None,
        });
        client.session.confirmed(1, second.unwrap(), second.unwrap(), false);
        client.session.send_confirms();
        assert_eq!(client.confirms(), [(1, Some(false))]);
    }
}

#[test]
fn what_was_confirmed_is_told_before_the_channel_closes() {
    let mut client = Client::running(&[], 0);
    client.confirm_select(1);
    client.publish(1, "q", "m");
    let sequence = client.published()[0].2;
    client.session.confirmed(1, sequence, sequence, false);
    client.close_channel(1);
    let methods = client.methods();
    assert!(matches!(
        methods[..],
        [(1, AMQPClass::Basic(basic::AMQPMethod::Ack(_))), (1, AMQPClass::Channel(_))]
    ));
}

// ---- CC, BCC, direct reply-to ----

#[test]
fn cc_and_bcc_route_and_bcc_is_marked() {
    let mut client = Client::running(&[], 0);
    let headers = key_lists(&[(b"BCC", b"r"), (b"CC", b"q")]);
    let properties = with_headers(&headers, b"\x02", 1 << 12);
    client.bytes(&publish(1, ("", "nowhere"), true, &properties, b"m", 9));
    let commands = client.commands();
    let [(Q, Command::Publish(_, one)), (R, Command::Publish(_, two))] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(one[0].message, two[0].message);
    assert_eq!(one[0].message.properties(), properties, "its dead letters go by BCC, too");
    assert!(one[0].message.has_bcc());
    assert!(client.frames().is_empty(), "it was routed, so nothing returns");
    client.publish(1, "nowhere", "the extra keys were that message's");
    assert!(client.commands().is_empty());
}

#[test]
fn a_direct_reply_to_becomes_an_address_that_leads_back() {
    let mut client = Client::running(&[], 0);
    let key = client.session.new_consumer(1).key;
    client.session.add_consumer(key, "c", None, AckPolicy::None);
    let properties = [&(1_u16 << 9).to_be_bytes()[..], &[21], b"amq.rabbitmq.reply-to"].concat();
    client.bytes(&publish(1, ("", "q"), false, &properties, b"request", 99));
    let request = client.message();
    let address = Properties::parse(request.properties()).unwrap().reply_to().unwrap().to_vec();
    let address = String::from_utf8(address).unwrap();
    client.bytes(&publish(2, ("", &address), false, &[0, 0], b"reply", 99));
    let replies = client.session.outgoing().take_direct();
    let [reply] = &replies[..] else { panic!("{replies:?}") };
    assert_eq!((reply.connection, reply.consumer, reply.secret), (key.connection, key.number, 0xABCD));
    client.session.deliver_direct(key.number, reply.message.clone());
    assert_eq!(delivered(client.methods()), [(1, "c".to_owned(), 1)]);
    client.session.drained(false);
    assert!(client.commands().is_empty(), "no queue waits for credit");
}

#[test]
fn a_reply_consumer_is_there_until_its_cancel_or_its_channels_close() {
    let mut client = Client::running(&[], 0);
    let (first, second) = (client.session.new_consumer(1).key, client.session.new_consumer(2).key);
    client.session.add_consumer(first, "c", None, AckPolicy::None);
    client.session.add_consumer(second, "c", None, AckPolicy::None);
    let seen_by_others = client.session.reply_consumers().clone();
    let there = || [first, second].map(|key| seen_by_others.has(key.number));
    assert_eq!(there(), [true, true]);
    client.session.remove_consumer(1, "c");
    assert_eq!(there(), [false, true]);
    client.close_channel(2);
    assert_eq!(there(), [false, false]);
}

// ---- Transactions ----

#[test]
fn a_transaction_holds_publishes_and_acks_until_its_commit() {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(1, "c", false);
    client.deliver(key, &[1]);
    client.send(1, transaction(tx::AMQPMethod::Select(tx::Select {})));
    client.frames();
    client.publish(1, "q", "m");
    client.bytes(&unroutable(1));
    client.ack(1, 1, false);
    assert!(client.commands().is_empty() && client.frames().is_empty());
    let request = client.send(1, transaction(tx::AMQPMethod::Commit(tx::Commit {})));
    let Some(Request::Channel(1, ChannelRequest::TxCommit(work))) = request else { panic!("{request:?}") };
    let routes: Vec<_> = work.publishes.iter().map(|publish| publish.queues.clone()).collect();
    assert_eq!(routes, [vec![Q], vec![]]);
    assert!(matches!(work.settles[..], [(Q, Settlement::Ack, Handle { position: Position(1), .. })]));
    let methods = client.methods();
    assert!(matches!(methods[..], [(1, AMQPClass::Basic(basic::AMQPMethod::Return(_)))]), "{methods:?}");
}

#[test]
fn a_rollback_forgets_publishes_and_takes_acks_back() {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(1, "c", false);
    client.send(1, transaction(tx::AMQPMethod::Select(tx::Select {})));
    client.deliver(key, &[1]);
    client.publish(1, "q", "m");
    client.ack(1, 1, false);
    client.frames();
    assert!(client.send(1, transaction(tx::AMQPMethod::Rollback(tx::Rollback {}))).is_none());
    let ok = transaction(tx::AMQPMethod::RollbackOk(tx::RollbackOk {}));
    assert_eq!(client.methods(), [(1, ok)]);
    client.ack(1, 1, false);
    let request = client.send(1, transaction(tx::AMQPMethod::Commit(tx::Commit {})));
    let Some(Request::Channel(1, ChannelRequest::TxCommit(work))) = request else { panic!("{request:?}") };
    assert_eq!((work.publishes.len(), work.settles.len()), (0, 1));
}

#[test]
fn a_committed_ack_is_done_with_and_gives_credit_back() {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(1, "c", false);
    client.basic(1, basic::AMQPMethod::Qos(basic::Qos { prefetch_count: 1, global: true }));
    let limit = PrefetchShare::new(client.session.new_consumer(1).channel_prefetch.unwrap(), Q);
    client.deliver(key, &[1]);
    client.send(1, transaction(tx::AMQPMethod::Select(tx::Select {})));
    client.ack(1, 1, false);
    assert!(!limit.try_take(true), "not before the commit");
    client.send(1, transaction(tx::AMQPMethod::Commit(tx::Commit {})));
    assert!(limit.try_take(true));
    client.frames();
    client.send(1, transaction(tx::AMQPMethod::Rollback(tx::Rollback {})));
    client.frames();
    client.ack(1, 1, false);
    let text = "PRECONDITION_FAILED - unknown delivery tag 1".to_owned();
    assert_eq!(client.exception(), (1, 406, text, (60, 80)));
}

/// The messages of one read, and how many of them each queue has before others have a turn.
fn taken_at_once(client: &mut Client, input: &[u8]) -> (usize, usize) {
    let received = client.session.receive(client.now, input);
    assert!(matches!(received.request, Some(Request::Pause)), "{:?}", received.request);
    let counts: Vec<usize> = client
        .commands()
        .iter()
        .map(|(_, command)| match command {
            Command::Publish(_, publishes) => publishes.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(counts.iter().all(|count| *count == counts[0]), "each queue has every message");
    (received.consumed, counts[0])
}

#[test]
fn others_have_a_turn_when_messages_to_many_queues_have_cost_much() {
    let mut client = Client::running(&[], 0);
    client.topology.change(|topology| {
        for number in 10..8010 {
            let name = format!("q{number}");
            topology.add_queue(&name, QueueId(number));
            let (destination, routing_key) = (Destination::Queue(name), String::new());
            let (source, arguments) = ("amq.fanout".to_owned(), FieldTable::default());
            topology.bind(Binding { source, destination, routing_key, arguments });
        }
    });
    let one = publish(1, ("amq.fanout", "key"), false, &[0, 0], b"hello", 4096);
    let input = one.repeat(7);
    let (consumed, count) = taken_at_once(&mut client, &input);
    assert_eq!((consumed, count), (2 * one.len(), 2), "the route itself costs as well");
    let (more, count) = taken_at_once(&mut client, &input[consumed..]);
    assert_eq!((more, count), (3 * one.len(), 3));
    let rest = client.session.receive(client.now, &input[consumed + more..]);
    assert!(rest.consumed == 2 * one.len() && rest.request.is_none());
}

#[test]
fn messages_to_one_queue_are_taken_in_one_go() {
    let mut client = Client::running(&[], 0);
    let input = publish(1, ("", "q"), false, &[0, 0], b"hello", 4096).repeat(50_000);
    let received = client.session.receive(client.now, &input);
    assert!(received.consumed == input.len() && received.request.is_none());
}

/// A queue's messages stay in one batch, in their order, however many queues there are.
#[test]
fn a_queue_is_found_again_among_many() {
    let mut client = Client::running(&[], 0);
    client.topology.change(|topology| {
        for number in 10..110 {
            topology.add_queue(&format!("q{number}"), QueueId(number));
        }
    });
    let mut input = Vec::new();
    for round in 0..3_u64 {
        for number in 0..100 {
            let name = format!("q{}", 10 + number * 37 % 100);
            input.extend(publish(1, ("", &name), false, &[0, 0], &round.to_be_bytes(), 4096));
        }
    }
    assert!(client.bytes(&input).is_none());
    let commands = client.commands();
    assert_eq!(commands.len(), 100);
    for (_, command) in commands {
        let Command::Publish(_, publishes) = command else { panic!("{command:?}") };
        let bodies: Vec<_> = publishes.iter().map(|publish| publish.message.body().to_vec()).collect();
        assert_eq!(bodies, (0..3_u64).map(|round| round.to_be_bytes().to_vec()).collect::<Vec<_>>());
    }
}
