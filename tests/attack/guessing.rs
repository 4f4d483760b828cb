//! Guessing passwords, on a virtual clock.

use std::sync::Arc;

use amq_protocol::frame::AMQPFrame;
use coney::{Broker, BrokerHandle, Clock, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::raw::{encode, start_ok};

/// connection.tune and connection.close, as they come.
const TUNE: [u8; 4] = [0, 10, 0, 30];
const REFUSED: [u8; 6] = [0, 10, 0, 50, 1, 147];

async fn start() -> BrokerHandle {
    let broker = Broker::builder().ephemeral().detached().clock(Clock::system()).start().await.unwrap();
    for user in ["ann", "bob"] {
        broker.put_user(user, Secret::Plain(b"right".to_vec()), &[]).await.unwrap();
    }
    broker
}

/// Whether the password lets the user in, and after how many ms.
async fn login(broker: &BrokerHandle, user: &str, password: &str) -> (bool, u64) {
    let begun = Clock::system();
    let (mut near, far) = tokio::io::duplex(64 * 1024);
    broker.attach(far);
    let response = format!("\0{user}\0{password}");
    near.write_all(b"AMQP\x00\x00\x09\x01").await.unwrap();
    let method = AMQPFrame::Method(0, start_ok("PLAIN", response.as_bytes(), true));
    near.write_all(&encode(&method)).await.unwrap();
    let mut seen = Vec::new();
    let has = |seen: &[u8], part: &[u8]| seen.windows(part.len()).any(|window| window == part);
    while !has(&seen, &TUNE) && !has(&seen, &REFUSED) {
        assert!(near.read_buf(&mut seen).await.unwrap() > 0, "closed without a word");
    }
    (has(&seen, &TUNE), begun.now().as_micros() / 1000)
}

#[tokio::test(start_paused = true)]
async fn guessing_is_slow_and_others_do_not_notice() {
    let broker = start().await;
    let mut waited = Vec::new();
    for _ in 0..8 {
        let (is_in, ms) = login(&broker, "ann", "wrong").await;
        assert!(!is_in);
        waited.push(ms / 250 * 250);
    }
    assert_eq!(waited, [0, 0, 0, 250, 500, 1000, 2000, 4000]);
    // The next has to wait, and while it does somebody else has not.
    let (guess, bob) = tokio::join!(login(&broker, "ann", "wrong"), login(&broker, "bob", "right"));
    assert!(!guess.0 && guess.1 >= 4000);
    assert!(bob.0 && bob.1 < 250, "{bob:?}");
    let (is_in, ms) = login(&broker, "ann", "right").await;
    assert!(is_in && (4000..4500).contains(&ms), "the right one waits as the wrong ones do: {ms}");
    assert!(login(&broker, "ann", "wrong").await.1 < 250, "and then all is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_not_there_is_answered_alike() {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (user, outcomes) in [("ann", &mut known), ("nobody", &mut unknown)] {
        let broker = start().await;
        for _ in 0..6 {
            let (is_in, ms) = login(&broker, user, "wrong").await;
            outcomes.push((is_in, ms / 250));
        }
    }
    assert_eq!(known, unknown);
}

#[tokio::test(start_paused = true)]
async fn guessing_on_many_connections_is_no_faster() {
    let broker = start().await;
    for _ in 0..7 {
        login(&broker, "ann", "wrong").await;
    }
    let begun = Clock::system();
    let broker = Arc::new(broker);
    let guesses: Vec<_> = (0..200)
        .map(|_| Arc::clone(&broker))
        .map(|broker| tokio::spawn(async move { login(&broker, "ann", "wrong").await }))
        .collect();
    for guess in guesses {
        let (is_in, ms) = guess.await.unwrap();
        assert!(!is_in && ms <= 5250, "nobody waits for ever: {ms}");
    }
    assert!(begun.now().as_micros() < 6_000_000);
    // Had each been looked at, a doubled wait would follow; the one with the right password is in after the longest.
    let (is_in, ms) = login(&broker, "ann", "right").await;
    assert!(is_in && ms <= 4250, "{ms}");
}
