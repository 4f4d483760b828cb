//! What a queue did first is on the wire first.

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic, queue};
use amq_protocol::types::FieldTable;

use crate::support::broker::Embedded;
use crate::support::raw::{Raw, declare, encode, publish, raw_frame};

/// One word for each frame.
fn word(frame: &AMQPFrame) -> &'static str {
    let AMQPFrame::Method(_, method) = frame else { return "content" };
    match method {
        AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(_)) => "consume-ok",
        AMQPClass::Basic(basic::AMQPMethod::Deliver(_)) => "deliver",
        AMQPClass::Basic(basic::AMQPMethod::GetOk(_)) => "get-ok",
        AMQPClass::Basic(basic::AMQPMethod::GetEmpty(_)) => "get-empty",
        AMQPClass::Basic(basic::AMQPMethod::Cancel(_)) => "cancel",
        AMQPClass::Basic(basic::AMQPMethod::CancelOk(_)) => "cancel-ok",
        AMQPClass::Queue(queue::AMQPMethod::DeclareOk(_)) => "declare-ok",
        AMQPClass::Queue(queue::AMQPMethod::PurgeOk(_)) => "purge-ok",
        AMQPClass::Queue(queue::AMQPMethod::DeleteOk(_)) => "delete-ok",
        _ => "another",
    }
}

fn consume() -> AMQPClass {
    AMQPClass::Basic(basic::AMQPMethod::Consume(basic::Consume {
        queue: "q".into(),
        consumer_tag: "t".into(),
        no_local: false,
        no_ack: true,
        exclusive: false,
        nowait: false,
        arguments: FieldTable::default(),
    }))
}

/// The requests that a queue answers, and what comes of each after the delivery.
fn requests() -> [(AMQPClass, &'static [&'static str]); 5] {
    let passive = queue::Declare { passive: true, ..declare("q") };
    let get = basic::Get { queue: "q".into(), no_ack: true };
    let purge = queue::Purge { queue: "q".into(), nowait: false };
    let cancel = basic::Cancel { consumer_tag: "t".into(), nowait: false };
    let delete = queue::Delete { queue: "q".into(), if_unused: false, if_empty: false, nowait: false };
    [
        (AMQPClass::Basic(basic::AMQPMethod::Get(get)), &["get-empty"]),
        (AMQPClass::Queue(queue::AMQPMethod::Declare(passive)), &["declare-ok"]),
        (AMQPClass::Queue(queue::AMQPMethod::Purge(purge)), &["purge-ok"]),
        (AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel)), &["cancel-ok"]),
        (AMQPClass::Queue(queue::AMQPMethod::Delete(delete)), &["delete-ok", "cancel"]),
    ]
}

#[test]
fn deliveries_come_before_the_answer_to_what_followed_them() {
    let broker = Embedded::start();
    for (request, after) in requests() {
        let mut raw = Raw::with_channel(broker.address());
        raw.declare("q", |declare| declare.exclusive = true);
        let header = [&[0, 60, 0, 0][..], &[0; 8], &[0, 0]].concat();
        let methods = [consume(), publish("", "q")].map(|method| encode(&AMQPFrame::Method(1, method)));
        let request = encode(&AMQPFrame::Method(1, request));
        raw.send(&[methods.concat(), raw_frame(2, 1, &header), request].concat());
        let expected = [&["consume-ok", "deliver", "content"][..], after].concat();
        let got: Vec<_> = expected.iter().map(|_| raw.next().as_ref().map_or("the end", word)).collect();
        assert_eq!(got, expected);
    }
}
