//! Channels that are being closed, by one side or by both.

use super::*;

#[test]
fn a_channel_that_is_being_closed_ignores_what_was_under_way() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    let passive =
        AMQPClass::Queue(queue::AMQPMethod::Declare(queue::Declare { passive: true, ..declare("noq") }));
    let late = [
        encode(&amq_protocol::frame::AMQPFrame::Method(1, passive.clone())),
        encode(&amq_protocol::frame::AMQPFrame::Method(1, publish("", "k"))),
        raw_frame(2, 1, &header(1, 0, &[])),
        raw_frame(3, 1, b"x"),
        encode(&amq_protocol::frame::AMQPFrame::Method(1, passive)),
    ];
    raw.send(&late.concat());
    assert!(matches!(raw.closed(), Closed::Channel(404, _, (50, 10))));
    raw.method(1, AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})));
    raw.open_channel(1);
    raw.assert_alive();
}

/// The client's close and the broker's cross: each is answered, and only then is the number free again.
#[test]
fn both_sides_may_close_a_channel_at_once() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    let missing = raw_frame(1, 1, b"\0\x3c\0\x46\0\0\x03noq\0");
    raw.send(&[missing, raw_frame(1, 1, &[0, 20, 0, 40, 0, 200, 0, 0, 0, 0, 0])].concat());
    assert!(matches!(raw.closed(), Closed::Channel(404, _, (60, 70))));
    let ok = AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}));
    assert_eq!(raw.next(), Some(amq_protocol::frame::AMQPFrame::Method(1, ok.clone())));
    raw.method(1, ok);
    raw.open_channel(1);
    raw.assert_alive();
}

/// A number may be opened again only when the client has answered; it is told, not left waiting.
#[test]
fn a_channel_is_not_opened_again_before_its_close_was_answered() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    raw.raw_method(1, 60, 70, b"\0\0\x03noq\0");
    assert!(matches!(raw.closed(), Closed::Channel(404, ..)));
    raw.raw_method(1, 20, 10, &[0]);
    let text = "CHANNEL_ERROR - second 'channel.open' seen".to_owned();
    assert_eq!(raw.closed(), Closed::Connection(504, text, (20, 10)));
}

/// A second close-ok is for a channel that is not open any more.
#[test]
fn a_close_is_answered_once() {
    let broker = Embedded::start();
    let mut raw = Raw::with_channel(broker.address());
    let passive = queue::Declare { passive: true, ..declare("nowhere") };
    raw.method(1, AMQPClass::Queue(queue::AMQPMethod::Declare(passive)));
    assert!(matches!(raw.closed(), Closed::Channel(404, ..)));
    let close_ok = || AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}));
    raw.method(1, close_ok());
    raw.assert_alive();
    raw.method(1, close_ok());
    let text = "CHANNEL_ERROR - expected 'channel.open'".to_owned();
    assert_eq!(raw.closed(), Closed::Connection(504, text, (20, 41)));
}
