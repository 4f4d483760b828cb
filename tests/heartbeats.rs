//! Heartbeats, on a virtual clock.

use std::time::Duration;

use coney::{Broker, BrokerHandle, Clock};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use amq_protocol::frame::AMQPFrame;

use crate::support::raw::{encode, open, start_ok, tune_ok};
use crate::support::virtual_time::pass;

const HEARTBEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, 0xCE];

async fn connect(heartbeat_s: u16) -> (BrokerHandle, DuplexStream) {
    let broker = Broker::builder().ephemeral().detached().clock(Clock::system()).start().await.unwrap();
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    broker.attach(far);
    near.write_all(b"AMQP\x00\x00\x09\x01").await.unwrap();
    for method in [start_ok("PLAIN", b"\0guest\0guest", true), tune_ok(10, 131_072, heartbeat_s), open("/")] {
        near.write_all(&encode(&AMQPFrame::Method(0, method))).await.unwrap();
    }
    // start, tune, open-ok: the last ends with an empty argument.
    let mut seen = Vec::new();
    while !seen.windows(4).any(|ids| ids == [0, 10, 0, 41]) {
        near.read_buf(&mut seen).await.unwrap();
    }
    (broker, near)
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_at_half_the_interval() {
    let (_broker, mut stream) = connect(10).await;
    let begun = Clock::system();
    for count in 1..=3 {
        let mut frame = [0; 8];
        stream.read_exact(&mut frame).await.unwrap();
        assert_eq!(frame, HEARTBEAT);
        let passed = begun.now().as_micros().div_ceil(1_000_000);
        assert!((5 * count..=5 * count + 1).contains(&passed), "heartbeat {count} after {passed} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed_after_two_intervals() {
    let (_broker, mut stream) = connect(10).await;
    let begun = Clock::system();
    let mut sink = Vec::new();
    stream.read_to_end(&mut sink).await.unwrap();
    let passed = begun.now().as_micros() / 1_000_000;
    assert!((19..=23).contains(&passed), "closed after {passed} s");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_sends_heartbeats_stays() {
    let (broker, mut stream) = connect(10).await;
    for _ in 0..10 {
        pass(9_000).await;
        stream.write_all(&HEARTBEAT).await.unwrap();
    }
    assert_eq!(broker.connections().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn zero_is_no_heartbeat() {
    let (broker, mut stream) = connect(0).await;
    pass(3_600_000).await;
    assert_eq!(broker.connections().len(), 1);
    let mut buffer = [0; 8];
    let read = tokio::time::timeout(Duration::from_secs(1), stream.read(&mut buffer)).await;
    assert!(read.is_err(), "{read:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_logs_in_is_closed() {
    let broker = Broker::builder().ephemeral().detached().start().await.unwrap();
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    broker.attach(far);
    near.write_all(b"AMQP").await.unwrap();
    let begun = Clock::system();
    let mut sink = Vec::new();
    near.read_to_end(&mut sink).await.unwrap();
    let passed = begun.now().as_micros() / 1_000_000;
    assert!((9..=12).contains(&passed), "closed after {passed} s");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_publishes_gets_its_heartbeats_all_the_same() {
    use crate::support::raw::{publish, raw_frame};
    use amq_protocol::protocol::{AMQPClass, channel};

    let (_broker, mut stream) = connect(10).await;
    let open = AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}));
    stream.write_all(&encode(&AMQPFrame::Method(1, open))).await.unwrap();
    let content = raw_frame(2, 1, &[&[0, 60, 0, 0][..], &0_u64.to_be_bytes(), &[0, 0]].concat());
    let message = [encode(&AMQPFrame::Method(1, publish("amq.fanout", "k"))), content].concat();
    for _ in 0..120 {
        stream.write_all(&message).await.unwrap();
        pass(100).await;
    }
    let mut seen = Vec::new();
    stream.read_buf(&mut seen).await.unwrap();
    assert_eq!(seen.windows(8).filter(|bytes| *bytes == HEARTBEAT).count(), 2);
}

/// Ten seconds for the whole of it, not ten for each step.
#[tokio::test(start_paused = true)]
async fn a_client_that_stops_in_mid_handshake_is_closed() {
    let header = b"AMQP\x00\x00\x09\x01".to_vec();
    let start_ok = encode(&AMQPFrame::Method(0, start_ok("PLAIN", b"\0guest\0guest", true)));
    let tune_ok = encode(&AMQPFrame::Method(0, tune_ok(10, 131_072, 1)));
    let steps = [("header", header), ("start-ok", start_ok), ("tune-ok", tune_ok)];
    for stop in 1..=steps.len() {
        let broker = Broker::builder().ephemeral().detached().start().await.unwrap();
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        broker.attach(far);
        let begun = Clock::system();
        for (_, bytes) in &steps[..stop] {
            near.write_all(bytes).await.unwrap();
            pass(3_000).await;
        }
        let mut sink = Vec::new();
        near.read_to_end(&mut sink).await.unwrap();
        let passed = begun.now().as_micros() / 1_000_000;
        let name = steps[stop - 1].0;
        assert!((9..=12).contains(&passed), "stopped after {name}, closed after {passed} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_answers_a_close_is_closed() {
    let (broker, mut stream) = connect(0).await;
    let begun = Clock::system();
    stream.write_all(&[9, 0, 0, 0, 0, 0, 0, 0xCE]).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    assert!(said.windows(4).any(|ids| ids == [0, 10, 0, 50]), "{said:?}");
    let passed = begun.now().as_micros() / 1_000_000;
    assert!((29..=31).contains(&passed), "closed after {passed} s");
    drop(stream);
    tokio::time::timeout(Duration::from_secs(10), async {
        while !broker.connections().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the connection is left behind");
}

/// Bytes are a sign of life whatever they are part of; half a frame and then silence is silence.
#[tokio::test(start_paused = true)]
async fn half_a_frame_does_not_keep_a_client() {
    let (_broker, mut stream) = connect(10).await;
    let begun = Clock::system();
    for byte in &HEARTBEAT[..3] {
        stream.write_all(&[*byte]).await.unwrap();
        pass(5_000).await;
    }
    let mut sink = Vec::new();
    stream.read_to_end(&mut sink).await.unwrap();
    let passed = begun.now().as_micros() / 1_000_000;
    assert!((29..=33).contains(&passed), "closed after {passed} s");
}
