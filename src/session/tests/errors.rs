//! What clients get wrong: which close it is, what it says, and whom it leaves alone.

use amq_protocol::protocol::{access, queue};

use super::*;

/// A payload as method frame on a channel.
fn raw(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    frame(1, channel, &[&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat())
}

fn publish_method(channel: u16, immediate: bool) -> Vec<u8> {
    let publish =
        basic::Publish { exchange: "".into(), routing_key: "q".into(), mandatory: false, immediate };
    encoded(channel, AMQPClass::Basic(basic::AMQPMethod::Publish(publish)))
}

/// With properties of these flags and values.
fn publish_with(flags: u16, values: &[u8]) -> Vec<u8> {
    publish(1, ("", "q"), false, &[&flags.to_be_bytes()[..], values].concat(), b"m", 9)
}

fn basic_class(method: basic::AMQPMethod) -> Vec<u8> {
    encoded(1, AMQPClass::Basic(method))
}

/// Sends the bytes after a good start; checks the one close that follows.
fn check(name: &str, bytes: &[u8], on: u16, code: u16, text: &str, cause: (u16, u16)) {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(1, "t", false);
    client.deliver(key, &[1]);
    client.frames();
    let request = client.session.receive(client.now, bytes).request;
    assert!(request.is_none(), "{name}: {request:?}");
    let (channel, its_code, its_text, its_cause) = client.exception();
    assert_eq!((channel, its_code, its_cause), (on, code, cause), "{name}: {its_text}");
    assert!(its_text.starts_with(text), "{name}: {its_text}");
    assert_eq!((client.session.is_closing(), client.session.is_running()), (on == 0, on != 0), "{name}");
}

#[test]
fn frames_out_of_sequence_close_the_connection() {
    let expected = "UNEXPECTED_FRAME - expected ";
    let no_method = format!("{expected}method frame, got non method frame instead");
    let no_header = format!("{expected}content header for class 60, got non content header frame instead");
    let no_body = format!("{expected}content body, got non content body frame instead");
    let other_class = format!("{expected}content header for class 60, got one for class 50 instead");
    let (publish, head) = (publish_method(1, false), header(1, &[0, 0], 5));
    let ack = basic_class(basic::AMQPMethod::Ack(basic::Ack { delivery_tag: 1, multiple: false }));
    let weight = frame(2, 1, &[0, 60, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let class = frame(2, 1, &[0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let cases = [
        ("body without publish", frame(3, 1, b"x"), &no_method, (0, 0)),
        ("header without publish", head.clone(), &no_method, (0, 0)),
        ("method for header", [&publish[..], &ack].concat(), &no_header, (60, 40)),
        ("body for header", [&publish[..], &frame(3, 1, b"x")].concat(), &no_header, (60, 40)),
        ("header of class 50", [&publish[..], &class].concat(), &other_class, (60, 40)),
        ("header with weight", [&publish[..], &weight].concat(), &no_header, (60, 40)),
        ("header too short", [&publish[..], &frame(2, 1, &[0, 60])].concat(), &no_header, (60, 40)),
        ("method for body", [&publish[..], &head, &ack].concat(), &no_body, (60, 40)),
        ("header for body", [&publish[..], &head, &head].concat(), &no_body, (60, 40)),
        (
            "body on channel 0",
            frame(3, 0, b"abc"),
            &"UNEXPECTED_FRAME - type 3, all octets = ".to_owned(),
            (0, 0),
        ),
        ("heartbeat on channel 1", frame(8, 1, b""), &"UNEXPECTED_FRAME - type 8".to_owned(), (0, 0)),
    ];
    for (name, bytes, text, cause) in cases {
        check(name, &bytes, 0, 505, text, cause);
    }
}

#[test]
fn broken_frames_and_methods_close_the_connection() {
    let too_large = [&[3, 0, 1][..], &200_000_u32.to_be_bytes()].concat();
    let body_too_long = [publish_method(1, false), header(1, &[0, 0], 3), frame(3, 1, b"four")].concat();
    let cases = [
        ("frame type 4", frame(4, 1, b"ab"), 501, "FRAME_ERROR - type 4", (0, 0)),
        (
            "too large",
            too_large,
            501,
            "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,200000,8184}",
            (0, 0),
        ),
        ("method too short", raw(1, 60, 40, &[0]), 501, "FRAME_ERROR - cannot decode <<0>>", (60, 40)),
        (
            "payload of 2 bytes",
            frame(1, 1, &[0, 60]),
            501,
            "FRAME_ERROR - type 1, all octets = <<0,60>>",
            (0, 0),
        ),
        ("unknown method", raw(1, 60, 99, &[]), 503, "COMMAND_INVALID - ", (60, 99)),
        (
            "a server's method",
            raw(1, 50, 11, &[1, b'q', 0, 0, 0, 0, 0, 0, 0, 0]),
            503,
            "COMMAND_INVALID - unimplemented method",
            (50, 11),
        ),
        ("connection method on a channel", raw(1, 10, 51, &[]), 503, "COMMAND_INVALID - ", (10, 51)),
        ("body too long", body_too_long, 501, "FRAME_ERROR - ", (60, 40)),
        ("bad properties", publish_with(0x8000, &[9]), 502, "SYNTAX_ERROR - malformed properties", (60, 40)),
        (
            "bad headers",
            publish_with(0x2000, &[0, 0, 0, 3, 1, b'k', b'z']),
            502,
            "SYNTAX_ERROR - malformed headers",
            (60, 40),
        ),
        (
            "not UTF-8",
            raw(1, 50, 10, &[0, 0, 1, 0xFF, 0, 0, 0, 0, 0]),
            501,
            "FRAME_ERROR - Malformed UTF-8 in shortstr",
            (0, 0),
        ),
    ];
    for (name, bytes, code, text, cause) in cases {
        check(name, &bytes, 0, code, text, cause);
    }
}

#[test]
fn channels_out_of_order_close_the_connection() {
    let open = |channel| encoded(channel, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})));
    let text = "CHANNEL_ERROR - ";
    check("second open", &open(1), 0, 504, &format!("{text}second 'channel.open' seen"), (20, 10));
    check(
        "not open",
        &raw(3, 50, 10, &[0, 0, 0, 0, 0, 0, 0, 0]),
        0,
        504,
        &format!("{text}expected 'channel.open'"),
        (50, 10),
    );
    check("body, not open", &frame(3, 3, b"x"), 0, 504, &format!("{text}expected 'channel.open'"), (0, 0));
    let on_zero = format!("{text}unexpected method in connection state running");
    check("open on channel 0", &open(0), 0, 504, &on_zero, (20, 10));
    check("a server's method on channel 0", &raw(0, 10, 41, &[0]), 0, 504, &on_zero, (10, 41));
    let mut client = Client::running(&[], 0);
    (3..=20).for_each(|channel| client.open_channel(channel));
    client.frames();
    client.bytes(&open(30_000));
    let text = "NOT_ALLOWED - number of channels opened (20) has reached the negotiated channel_max (20)";
    assert_eq!(client.exception(), (0, 530, text.to_owned(), (20, 10)));
}

#[test]
fn channel_numbers_may_be_any_and_closed_ones_do_not_count() {
    let mut client = Client::running(&[], 0);
    for _ in 0..50 {
        client.open_channel(60_000);
        client.close_channel(60_000);
    }
    assert!(client.session.is_running());
    assert_eq!(client.methods().len(), 100);
}

#[test]
fn what_coney_does_not_do_is_540() {
    let consume = |tag: &str| {
        basic_class(basic::AMQPMethod::Consume(basic::Consume {
            queue: "q".into(),
            consumer_tag: tag.into(),
            no_local: false,
            no_ack: false,
            exclusive: false,
            nowait: false,
            arguments: FieldTable::default(),
        }))
    };
    let flow = encoded(1, AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active: false })));
    let recover = basic_class(basic::AMQPMethod::Recover(basic::Recover { requeue: false }));
    let cases = [
        ("immediate", publish_method(1, true), 540, "NOT_IMPLEMENTED - immediate=true", (60, 40)),
        (
            "prefetch_size",
            raw(1, 60, 10, &[0, 0, 0, 9, 0, 1, 0]),
            540,
            "NOT_IMPLEMENTED - prefetch_size!=0 (9)",
            (60, 10),
        ),
        ("recover", recover, 540, "NOT_IMPLEMENTED - requeue=false", (60, 110)),
        ("flow", flow, 540, "NOT_IMPLEMENTED - active=false", (20, 20)),
        ("tag reused", consume("t"), 530, "NOT_ALLOWED - attempt to reuse consumer tag 't'", (60, 20)),
    ];
    for (name, bytes, code, text, cause) in cases {
        check(name, &bytes, 0, code, text, cause);
    }
}

#[test]
fn exchanges_that_take_no_publish_close_the_channel() {
    let to = |exchange| publish(1, (exchange, "k"), false, &[0, 0], b"m", 9);
    let text = "NOT_FOUND - no exchange 'nox' in vhost '/'";
    check("unknown exchange", &to("nox"), 1, 404, text, (60, 40));
    let text = "ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'";
    check("internal exchange", &to("amq.rabbitmq.trace"), 1, 403, text, (60, 40));
}

#[test]
fn soft_errors_close_their_channel() {
    let settle = |method: u16, bits: u8| raw(1, 60, method, &[0, 0, 0, 0, 0, 0, 0, 99, bits]);
    let unknown = "PRECONDITION_FAILED - unknown delivery tag 99";
    let large = [publish_method(1, false), header(1, &[0, 0], BODY_MAX as usize + 1)].concat();
    let select =
        encoded(1, AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: true })));
    let tx_select = encoded(1, AMQPClass::Tx(tx::AMQPMethod::Select(tx::Select {})));
    let reply_to = [&[21][..], b"amq.rabbitmq.reply-to"].concat();
    let failed = "PRECONDITION_FAILED - ";
    let cases = [
        ("ack", settle(80, 0), 406, unknown.to_owned(), (60, 80)),
        ("ack multiple", settle(80, 1), 406, unknown.to_owned(), (60, 80)),
        ("reject", settle(90, 0), 406, unknown.to_owned(), (60, 90)),
        ("nack", settle(120, 0), 406, unknown.to_owned(), (60, 120)),
        (
            "expiration",
            publish_with(0x100, b"\x03abc"),
            406,
            format!("{failed}invalid expiration 'abc': no_integer"),
            (60, 40),
        ),
        (
            "negative",
            publish_with(0x100, b"\x02-1"),
            406,
            format!("{failed}invalid expiration '-1': {{value_negative,-1}}"),
            (60, 40),
        ),
        (
            "user",
            publish_with(0x10, b"\x03bob"),
            406,
            format!("{failed}user_id property set to 'bob' but authenticated user was 'ann'"),
            (60, 40),
        ),
        (
            "reply-to",
            publish_with(0x200, &reply_to),
            406,
            format!("{failed}fast reply consumer does not exist"),
            (60, 40),
        ),
        ("too large", large, 311, "CONTENT_TOO_LARGE - message size 1000001 is larger".to_owned(), (60, 40)),
        ("commit", raw(1, 90, 20, &[]), 406, format!("{failed}channel is not transactional"), (90, 20)),
        ("rollback", raw(1, 90, 30, &[]), 406, format!("{failed}channel is not transactional"), (90, 30)),
        (
            "tx after confirm",
            [select, tx_select].concat(),
            406,
            format!("{failed}cannot switch from confirm to tx mode"),
            (90, 10),
        ),
        (
            "no queue declared",
            raw(1, 60, 70, &[0, 0, 0, 0]),
            404,
            "NOT_FOUND - no previously declared queue".to_owned(),
            (60, 70),
        ),
    ];
    for (name, bytes, code, text, cause) in cases {
        check(name, &bytes, 1, code, &text, cause);
    }
}

#[test]
fn a_channel_exception_leaves_the_other_channels_alone() {
    let mut client = Client::running(&[], 0);
    let (lost, stays) = (client.consumer(1, "c", false), client.consumer(2, "c", false));
    client.deliver(lost, &[1]);
    client.deliver(stays, &[2]);
    client.confirm_select(2);
    client.publish(2, "q", "waits for its confirm");
    let sequence = client.published()[0].2;
    client.frames();
    client.session.fail(client.now, 1, Exception::not_found("no queue 'x' in vhost '/'"));
    assert_eq!(client.exception().0, 1);
    let commands = client.commands();
    assert!(
        matches!(commands[..], [(Q, Command::ChannelGone(_, 1, crate::queue::Ending::Returned))]),
        "{commands:?}"
    );
    client.deliver(lost, &[3]);
    client.deliver(stays, &[4]);
    assert_eq!(delivered(client.methods()), [(2, "c".to_owned(), 2)]);
    client.ack(2, 1, false);
    assert_eq!(client.settled(), [(Settlement::Ack, vec![2])]);
    client.session.confirmed(2, sequence, sequence, false);
    client.session.send_confirms();
    assert_eq!(client.confirms(), [(1, Some(false))]);
}

#[test]
fn a_closing_channel_ignores_all_but_the_end_of_its_close() {
    let mut client = Client::running(&[], 0);
    client.session.fail(client.now, 1, Exception::not_found("x"));
    client.frames();
    client.publish(1, "q", "sent before the client knew");
    client.ack(1, 99, false);
    client.bytes(&publish_method(1, true));
    client.bytes(&frame(3, 1, b"a stray body"));
    client.session.fail(client.now, 2, Exception::not_found("y"));
    assert!(client.commands().is_empty());
    assert_eq!(client.exception().0, 2);
    client.channel(1, channel::AMQPMethod::CloseOk(channel::CloseOk {}));
    client.close_channel(2);
    let ok = AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}));
    assert_eq!(client.methods(), [(2, ok)], "closes that cross are both answered");
    client.channel(2, channel::AMQPMethod::CloseOk(channel::CloseOk {}));
    [1, 2].into_iter().for_each(|channel| client.open_channel(channel));
    client.publish(1, "q", "anew");
    assert_eq!(client.published().len(), 1);
}

#[test]
fn a_channel_whose_close_is_not_answered_cannot_be_opened() {
    for crossed in [false, true] {
        let mut client = Client::running(&[], 0);
        client.session.fail(client.now, 1, Exception::not_found("x"));
        if crossed {
            client.close_channel(1);
        }
        client.frames();
        client.open_channel(1);
        let text = "CHANNEL_ERROR - second 'channel.open' seen".to_owned();
        assert_eq!(client.exception(), (0, 504, text, (20, 10)), "crossed: {crossed}");
    }
}

/// The large message's body comes all the same: the client had sent it.
#[test]
fn the_body_of_a_refused_message_is_ignored() {
    let mut client = Client::running(&[], 0);
    let body = vec![0; BODY_MAX as usize + 1];
    client.bytes(&publish(1, ("", "q"), false, &[0, 0], &body, 8000));
    assert_eq!((client.exception().1, client.commands().len()), (311, 0));
    client.publish(2, "q", "on");
    assert_eq!(client.published().len(), 1);
}

#[test]
fn nothing_counts_after_a_connection_exception_but_its_end() {
    let mut client = Client::running(&[], 10);
    let both = [publish_method(1, true), publish(2, ("", "q"), false, &[0, 0], b"m", 9)].concat();
    client.bytes(&both);
    assert_eq!(client.exception().1, 540);
    client.bytes(&publish_method(1, true));
    client.bytes(&raw(0, 10, 99, &[]));
    assert!(client.commands().is_empty() && client.frames().is_empty());
    client.session.release_all(crate::queue::Ending::Failed);
    client.connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
    assert!(client.session.is_closed());
}

#[test]
fn an_empty_queue_name_is_the_last_one_declared_on_the_channel() {
    let mut client = Client::running(&[], 0);
    client.session.declared(1, "mine");
    let purge =
        || AMQPClass::Queue(queue::AMQPMethod::Purge(queue::Purge { queue: "".into(), nowait: false }));
    let request = client.send(1, purge());
    let Some(Request::Channel(1, ChannelRequest::QueuePurge(purged))) = request else {
        panic!("{request:?}")
    };
    assert_eq!(purged.queue.as_str(), "mine");
    assert!(client.send(2, purge()).is_none());
    assert_eq!(client.exception().0, 2);
}

#[test]
fn answers_to_a_channel_that_went_are_not_sent() {
    let mut client = Client::running(&[], 0);
    let get_empty = || Some(AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {})));
    client.session.fail(client.now, 1, Exception::not_found("x"));
    client.frames();
    client.session.reply(1, get_empty());
    client.session.reply(9, get_empty());
    client.session.reply(2, None);
    assert!(client.frames().is_empty());
    client.session.reply(2, get_empty());
    assert_eq!(client.methods().len(), 1);
}

#[test]
fn courtesies_are_answered() {
    let mut client = Client::running(&[], 0);
    client.channel(1, channel::AMQPMethod::Flow(channel::Flow { active: true }));
    let flow_ok = AMQPClass::Channel(channel::AMQPMethod::FlowOk(channel::FlowOk { active: true }));
    let request = access::Request {
        realm: "/data".into(),
        exclusive: false,
        passive: true,
        active: true,
        write: true,
        read: true,
    };
    assert!(client.send(1, AMQPClass::Access(access::AMQPMethod::Request(request))).is_none());
    let request_ok = AMQPClass::Access(access::AMQPMethod::RequestOk(access::RequestOk {}));
    let cancel = basic::Cancel { consumer_tag: "unknown".into(), nowait: false };
    client.basic(1, basic::AMQPMethod::Cancel(cancel));
    let cancel_ok = basic::AMQPMethod::CancelOk(basic::CancelOk { consumer_tag: "unknown".into() });
    assert_eq!(client.methods(), [(1, flow_ok), (1, request_ok), (1, AMQPClass::Basic(cancel_ok))]);
}
