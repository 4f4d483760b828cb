//! From the first bytes to Running and to the end; heartbeats, blocking, and the time each phase may take.

use std::time::Duration;

use super::*;
use crate::auth::{Credentials, External};

fn names(methods: &[(u16, AMQPClass)]) -> Vec<&'static str> {
    let name = |(channel, method): &(u16, AMQPClass)| match (channel, method) {
        (0, AMQPClass::Connection(method)) => match method {
            connection::AMQPMethod::Start(_) => "start",
            connection::AMQPMethod::Tune(_) => "tune",
            connection::AMQPMethod::OpenOk(_) => "open-ok",
            connection::AMQPMethod::Close(_) => "close",
            connection::AMQPMethod::CloseOk(_) => "close-ok",
            connection::AMQPMethod::Blocked(_) => "blocked",
            connection::AMQPMethod::Unblocked(_) => "unblocked",
            connection::AMQPMethod::UpdateSecretOk(_) => "update-secret-ok",
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    methods.iter().map(name).collect()
}

fn heartbeats(client: &mut Client) -> usize {
    let frames = client.frames();
    assert!(frames.iter().all(|frame| *frame == AMQPFrame::Heartbeat), "{frames:?}");
    frames.len()
}

#[test]
fn a_handshake_leads_to_running() {
    let mut client = Client::new();
    assert!(client.bytes(b"AMQP\0\0\x09\x01").is_none());
    let methods = client.methods();
    let [(0, AMQPClass::Connection(connection::AMQPMethod::Start(start)))] = &methods[..] else {
        panic!("{methods:?}")
    };
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    assert_eq!(
        (start.mechanisms.to_string(), start.locales.to_string()),
        ("PLAIN AMQPLAIN".into(), "en_US".into())
    );
    let request = client.connection(start_ok(&[]));
    let Some(Request::Authenticate(credentials)) = request else { panic!("{request:?}") };
    assert_eq!(credentials, Credentials::password("PLAIN", "ann".to_owned(), b"pw".to_vec()));
    client.session.authenticated(client.now, "ann", false);
    let tune = connection::Tune { channel_max: 20, frame_max: FRAME_MAX, heartbeat: 60 };
    assert_eq!(client.methods(), [(0, AMQPClass::Connection(connection::AMQPMethod::Tune(tune)))]);
    assert!(client.connection(tune_ok(5, 4096, 0)).is_none());
    let request = client.connection(open());
    assert!(matches!(&request, Some(Request::OpenVhost(name)) if name == "/"), "{request:?}");
    assert!(!client.session.is_running());
    client.session.opened(client.now, "/", topology(), everything());
    assert_eq!(names(&client.methods()), ["open-ok"]);
    assert!(client.session.is_running());
    assert_eq!(client.session.user(), "ann");
    assert!(client.session.client_properties().contains_key("capabilities"));
}

/// The methods of a handshake by EXTERNAL, and whom it would log in.
fn external_start(external: Option<External>) -> (String, Option<Request>) {
    let mut client = Client::with(SessionConfig { external, ..config() });
    assert!(client.bytes(b"AMQP\0\0\x09\x01").is_none());
    let methods = client.methods();
    let [(0, AMQPClass::Connection(connection::AMQPMethod::Start(start)))] = &methods[..] else {
        panic!("{methods:?}")
    };
    let connection::AMQPMethod::StartOk(mut start_ok) = start_ok(&[]) else { panic!("not start-ok") };
    (start_ok.mechanism, start_ok.response) = ("EXTERNAL".into(), "".into());
    (start.mechanisms.to_string(), client.connection(connection::AMQPMethod::StartOk(start_ok)))
}

#[test]
fn external_is_offered_where_the_transport_may_say_who_a_client_is() {
    for external in [External::User("ann".to_owned()), External::NoCertificate, External::NoName] {
        let (offered, request) = external_start(Some(external.clone()));
        assert_eq!(offered, "PLAIN AMQPLAIN EXTERNAL");
        let Some(Request::Authenticate(credentials)) = request else { panic!("{request:?}") };
        assert_eq!(credentials, Credentials::external(external));
    }
    let (offered, request) = external_start(None);
    assert_eq!((offered.as_str(), request.is_none()), ("PLAIN AMQPLAIN", true));
}

#[test]
fn a_handshake_may_come_byte_by_byte() {
    let mut client = Client::new();
    let methods = [start_ok(&[]), tune_ok(5, 4096, 0), open()];
    let frames = methods.into_iter().flat_map(|method| encoded(0, AMQPClass::Connection(method)));
    let (mut buffer, mut requests) = (Vec::new(), 0);
    for byte in b"AMQP\0\0\x09\x01".iter().copied().chain(frames) {
        buffer.push(byte);
        let received = client.session.receive(client.now, &buffer);
        buffer.drain(..received.consumed);
        match received.request {
            Some(Request::Authenticate(_)) => client.session.authenticated(client.now, "ann", false),
            Some(Request::OpenVhost(_)) => client.session.opened(client.now, "/", topology(), everything()),
            None => continue,
            other => panic!("{other:?}"),
        }
        requests += 1;
    }
    assert!((requests, client.session.is_running()) == (2, true) && buffer.is_empty());
    assert_eq!(names(&client.methods()), ["start", "tune", "open-ok"]);
}

#[test]
fn input_behind_a_request_waits_for_its_answer() {
    let mut client = Client::new();
    client.bytes(b"AMQP\0\0\x09\x01");
    let first = encoded(0, AMQPClass::Connection(start_ok(&[])));
    let both = [&first[..], &encoded(0, AMQPClass::Connection(tune_ok(5, 4096, 0)))].concat();
    let received = client.session.receive(client.now, &both);
    assert_eq!((received.consumed, received.request.is_some()), (first.len(), true));
}

#[test]
fn another_protocol_is_told_ours() {
    for wrong in [&b"HTTP"[..], b"AMQP\0\0\x09\x02", b"AMQP\x00\x01\x00\x00", b"X"] {
        let mut client = Client::new();
        client.bytes(wrong);
        assert_eq!(client.session.out().take(), b"AMQP\0\0\x09\x01"[..]);
        assert!(client.session.is_closed());
    }
    let mut client = Client::new();
    assert_eq!(client.session.receive(client.now, b"AMQP\0").consumed, 0);
    assert!(!client.session.is_closed());
}

/// What a client gets wrong before connection.open, after the start, the login or the tuning.
#[test]
fn a_broken_handshake_ends_without_a_word() {
    let mechanism = |mechanism: &str, response: &str| {
        let (mechanism, response, locale) = (mechanism.into(), response.into(), "en_US".into());
        let client_properties = FieldTable::default();
        connection::AMQPMethod::StartOk(connection::StartOk {
            client_properties,
            mechanism,
            response,
            locale,
        })
    };
    let cases = [
        (0, 0, mechanism("EXTERNAL", "")),
        (0, 0, mechanism("PLAIN", "no separators")),
        (0, 0, open()),
        (0, 0, tune_ok(5, 4096, 0)),
        (0, 1, start_ok(&[])),
        (1, 0, start_ok(&[])),
        (1, 0, open()),
        (1, 0, tune_ok(21, 4096, 0)),
        (1, 0, tune_ok(0, 4096, 0)),
        (1, 0, tune_ok(5, 4095, 0)),
        (1, 0, tune_ok(5, FRAME_MAX + 1, 0)),
        (1, 0, tune_ok(5, 0, 0)),
        (2, 0, tune_ok(5, 4096, 0)),
    ];
    for (stage, channel, method) in cases {
        let mut client = Client::new();
        client.bytes(b"AMQP\0\0\x09\x01");
        if stage > 0 {
            client.connection(start_ok(&[]));
            client.session.authenticated(client.now, "ann", false);
        }
        if stage > 1 {
            client.connection(tune_ok(5, 4096, 0));
        }
        client.frames();
        let case = format!("{stage} {channel} {method:?}");
        assert!(client.send(channel, AMQPClass::Connection(method)).is_none(), "{case}");
        assert!(client.session.is_closed() && client.frames().is_empty(), "{case}");
    }
}

#[test]
fn bytes_that_are_no_frame_end_a_handshake() {
    let bad_end = [&frame(1, 0, &[0, 10, 0, 40])[..11], &[0]].concat();
    for bytes in
        [frame(9, 0, b""), bad_end, frame(1, 0, &[0, 10]), frame(3, 0, b"x"), frame(1, 0, &[0, 60, 0, 40])]
    {
        let mut client = Client::new();
        client.log_in(&[]);
        client.frames();
        client.bytes(&bytes);
        assert!(client.session.is_closed() && client.frames().is_empty(), "{bytes:?}");
    }
}

#[test]
fn a_close_in_the_handshake_is_answered() {
    let mut client = Client::new();
    client.log_in(&[]);
    client.frames();
    let close = connection::Close { reply_code: 200, reply_text: "".into(), class_id: 0, method_id: 0 };
    client.connection(connection::AMQPMethod::Close(close));
    assert_eq!((names(&client.methods()), client.session.is_closed()), (vec!["close-ok"], true));
}

#[test]
fn a_refusal_is_told_to_those_who_can_take_it() {
    let refused = Exception::access_refused("Login was refused");
    let mut plain = Client::new();
    plain.bytes(b"AMQP\0\0\x09\x01");
    plain.connection(start_ok(&[]));
    plain.frames();
    plain.session.refused(plain.now, &refused);
    assert!(plain.session.is_closed() && plain.frames().is_empty());
    let mut capable = Client::new();
    capable.bytes(b"AMQP\0\0\x09\x01");
    capable.connection(start_ok(&["authentication_failure_close"]));
    capable.frames();
    capable.session.refused(capable.now, &refused);
    assert_eq!(capable.exception(), (0, 403, "ACCESS_REFUSED - Login was refused".to_owned(), (0, 0)));
    capable.connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
    assert!(capable.session.is_closed());
}

#[test]
fn a_vhost_that_is_not_there_is_530() {
    let mut client = Client::new();
    client.log_in(&[]);
    client.connection(tune_ok(5, 4096, 0));
    client.connection(open());
    client.frames();
    client.session.open_refused(client.now, Exception::new(ReplyCode::NotAllowed, "vhost / not found"));
    assert_eq!(client.exception(), (0, 530, "NOT_ALLOWED - vhost / not found".to_owned(), (10, 40)));
    assert!(client.session.is_closing());
}

#[test]
fn a_handshake_has_ten_seconds_in_all() {
    let mut client = Client::new();
    assert_eq!(client.session.poll_timeout(), Some(seconds(10)));
    client.now = seconds(9);
    client.log_in(&[]);
    client.connection(tune_ok(5, 4096, 0));
    client.session.handle_timeout(client.now);
    assert!(!client.session.is_closed());
    assert_eq!(client.session.poll_timeout(), Some(seconds(10)), "a step gains no time");
    client.session.handle_timeout(seconds(10));
    assert!(client.session.is_closed());
    assert_eq!(client.session.poll_timeout(), None);
}

#[test]
fn a_silent_client_is_given_up_after_two_intervals() {
    let mut client = Client::running(&[], 10);
    assert_eq!(client.session.poll_timeout(), Some(seconds(5)), "time to write");
    client.session.wrote(seconds(19));
    assert_eq!(client.session.poll_timeout(), Some(seconds(20)), "time to be heard");
    client.session.handle_timeout(Time::from_micros(19_999_999));
    assert!(!client.session.is_closed());
    client.session.heard(seconds(1));
    client.session.handle_timeout(seconds(20));
    assert!(!client.session.is_closed());
    client.session.handle_timeout(seconds(21));
    assert!(client.session.is_closed());
}

#[test]
fn heartbeats_go_out_when_nothing_else_does() {
    let mut client = Client::running(&[], 10);
    client.session.heard(seconds(100));
    client.session.handle_timeout(Time::from_micros(4_999_999));
    assert_eq!(heartbeats(&mut client), 0);
    client.session.handle_timeout(seconds(5));
    assert_eq!((heartbeats(&mut client), client.session.poll_timeout()), (1, Some(seconds(10))));
    client.session.wrote(seconds(8));
    client.session.handle_timeout(seconds(10));
    assert_eq!((heartbeats(&mut client), client.session.poll_timeout()), (0, Some(seconds(13))));
}

#[test]
fn no_heartbeat_means_no_timeout() {
    let mut client = Client::running(&[], 0);
    assert_eq!(client.session.poll_timeout(), None);
    client.session.handle_timeout(seconds(1_000_000));
    assert!(client.session.is_running() && client.frames().is_empty());
}

#[test]
fn a_clients_heartbeat_is_taken_in_silence() {
    let mut client = Client::running(&[], 10);
    assert!(client.bytes(&[8, 0, 0, 0, 0, 0, 0, 0xCE]).is_none());
    assert!(client.session.is_running() && client.frames().is_empty());
}

#[test]
fn blocking_is_told_once_to_those_who_can_take_it() {
    let mut client = Client::running(&["connection.blocked"], 0);
    for reason in [Some("low on memory"), Some("low on disk"), None, None] {
        client.session.set_blocked(client.now, reason);
    }
    let methods = client.methods();
    assert_eq!(names(&methods), ["blocked", "unblocked"]);
    let reason = "low on memory".into();
    let blocked = connection::AMQPMethod::Blocked(connection::Blocked { reason });
    assert_eq!(methods[0].1, AMQPClass::Connection(blocked));
    let mut plain = Client::running(&[], 0);
    plain.session.set_blocked(plain.now, Some("low on memory"));
    assert!(plain.frames().is_empty());
}

#[test]
fn a_blocked_client_may_be_silent() {
    let mut client = Client::running(&[], 10);
    client.session.set_blocked(seconds(1), Some("low on memory"));
    client.session.handle_timeout(seconds(500));
    assert!(client.session.is_running(), "its heartbeats may have stopped");
    assert_eq!(heartbeats(&mut client), 1, "ours go on");
    client.session.set_blocked(seconds(500), None);
    client.session.wrote(seconds(519));
    assert_eq!(client.session.poll_timeout(), Some(seconds(520)));
    client.session.handle_timeout(seconds(520));
    assert!(client.session.is_closed(), "silent since it was unblocked");
}

#[test]
fn a_client_that_leaves_gives_everything_back_first() {
    let mut client = Client::running(&[], 0);
    let key = client.consumer(2, "c", false);
    client.deliver(key, &[1]);
    client.frames();
    let close = connection::Close { reply_code: 200, reply_text: "bye".into(), class_id: 0, method_id: 0 };
    let request = client.connection(connection::AMQPMethod::Close(close));
    assert!(matches!(request, Some(Request::Close)), "{request:?}");
    assert!(client.frames().is_empty(), "the answer comes when all is given back");
    client.session.release_all(crate::queue::Ending::Failed);
    assert!(matches!(client.commands()[..], [(Q, Command::ChannelGone(_, 2, crate::queue::Ending::Failed))]));
    client.session.closed(client.now);
    assert_eq!((names(&client.methods()), client.session.is_answered()), (vec!["close-ok"], true));
}

#[test]
fn a_close_that_crosses_ours_is_answered() {
    let mut client = Client::running(&[], 0);
    client.session.close_for_shutdown(client.now);
    let text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
    assert_eq!(client.exception(), (0, 320, text.to_owned(), (0, 0)));
    client.publish(1, "q", "ignored");
    assert!(client.commands().is_empty());
    let close = connection::Close { reply_code: 200, reply_text: "".into(), class_id: 0, method_id: 0 };
    assert!(client.connection(connection::AMQPMethod::Close(close)).is_none());
    assert_eq!((names(&client.methods()), client.session.is_answered()), (vec!["close-ok"], true));
    client.connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
    assert!(client.session.is_closed());
}

/// The client asked for the close, all is given back, and it was answered at the third second.
fn answered() -> Client {
    let mut client = Client::running(&[], 10);
    let close = connection::Close { reply_code: 200, reply_text: "".into(), class_id: 0, method_id: 0 };
    client.connection(connection::AMQPMethod::Close(close));
    client.session.release_all(crate::queue::Ending::Returned);
    client.commands();
    client.session.closed(seconds(3));
    client.frames();
    client
}

#[test]
fn a_client_whose_close_was_answered_has_thirty_seconds_to_go() {
    let mut client = answered();
    assert_eq!(client.session.poll_timeout(), Some(seconds(33)));
    client.session.handle_timeout(seconds(32));
    assert!(client.session.is_answered());
    client.session.handle_timeout(seconds(33));
    assert!(client.session.is_closed());
}

#[test]
fn what_follows_a_close_is_ignored_but_another_close() {
    let mut client = answered();
    client.publish(1, "q", "ignored");
    client.bytes(&frame(8, 0, &[]));
    client.bytes(&encoded(3, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}))));
    assert!(client.commands().is_empty() && client.frames().is_empty());
    let close = connection::Close { reply_code: 200, reply_text: "".into(), class_id: 0, method_id: 0 };
    client.connection(connection::AMQPMethod::Close(close));
    assert_eq!((names(&client.methods()), client.session.is_answered()), (vec!["close-ok"], true));
    client.bytes(b"no frame at all");
    assert!(client.session.is_closed());
}

#[test]
fn a_stop_of_the_broker_shortens_the_wait_for_the_end() {
    let mut client = answered();
    client.session.close_for_shutdown(seconds(4));
    assert!(client.frames().is_empty());
    assert_eq!(client.session.poll_timeout(), Some(seconds(4) + Duration::from_millis(500)));
}

#[test]
fn a_close_at_shutdown_is_waited_for_half_a_second() {
    let mut client = Client::running(&[], 10);
    client.session.close_for_shutdown(seconds(3));
    let end = seconds(3) + Duration::from_millis(500);
    assert_eq!(client.session.poll_timeout(), Some(end));
    client.session.handle_timeout(seconds(3) + Duration::from_millis(499));
    assert!(client.session.is_closing());
    client.session.handle_timeout(end);
    assert!(client.session.is_closed());
}

#[test]
fn a_close_by_an_operator_is_waited_for_five_seconds() {
    let mut client = Client::running(&[], 10);
    client.session.close_by_force(seconds(3), "go");
    assert_eq!(client.session.poll_timeout(), Some(seconds(8)));
    client.session.handle_timeout(seconds(7));
    assert!(client.session.is_closing());
    client.session.handle_timeout(seconds(8));
    assert!(client.session.is_closed());
}

#[test]
fn a_client_has_thirty_seconds_to_answer_a_close() {
    let mut client = Client::running(&[], 10);
    client.now = seconds(3);
    client.bytes(b"no frame at all");
    assert!(client.session.is_closing());
    assert_eq!(client.session.poll_timeout(), Some(seconds(33)));
    client.session.handle_timeout(seconds(32));
    assert!(client.session.is_closing());
    client.session.handle_timeout(seconds(33));
    assert!(client.session.is_closed());
}

#[test]
fn any_new_secret_is_accepted() {
    let mut client = Client::running(&[], 0);
    let (new_secret, reason) = ("pw2".into(), "rotated".into());
    let update = connection::AMQPMethod::UpdateSecret(connection::UpdateSecret { new_secret, reason });
    let request = client.connection(update);
    assert!(request.is_none() && client.session.is_running(), "{request:?}");
    assert_eq!(names(&client.methods()), ["update-secret-ok"]);
}
