//! Graceful shutdown with unacked messages.

use coney::Countable;
use lapin::options::*;

use super::support::*;

#[tokio::test]
async fn a_worker_that_stops_gives_back_what_it_has_not_done() {
    let (_broker, world) = start().await;
    let uri = world.uri().unwrap();
    let channel = connect(&uri).await.unwrap();
    declare(&channel, "orders", &[]).await;
    for number in 0..10 {
        publish(&channel, "orders", &number.to_string(), Default::default()).await.unwrap();
    }

    let stopping = connect(&uri).await.unwrap();
    let mut consumer = consume(&stopping, "orders", 10).await.unwrap();
    next(&mut consumer).await.unwrap().acker.ack(BasicAckOptions::default()).await.unwrap();
    // As a handler of SIGTERM does.
    stopping.close(200, "".into()).await.unwrap();
    let given_back = world
        .queue("orders")
        .wait(|counts| counts.get(Countable::Ready) == 9 && counts.get(Countable::Unacked) == 0);
    assert_eq!(given_back.await.unwrap().get(Countable::Acked), 1);

    let mut consumer = consume(&channel, "orders", 10).await.unwrap();
    for number in 1..10 {
        let order = next(&mut consumer).await.unwrap();
        assert_eq!(order.data, number.to_string().into_bytes());
        order.acker.ack(BasicAckOptions::default()).await.unwrap();
    }
    world.idle().await.unwrap();
}
