//! Batches, wakers and ends of the channel, and threads that use it at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};

use super::{Receiver, Sender, batch_channel};

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn poll(receiver: &mut Receiver<u32>, woken: &Arc<Woken>, max: usize) -> Poll<Vec<u32>> {
    let waker = Waker::from(Arc::clone(woken));
    receiver.poll_receive(&mut Context::from_waker(&waker), max)
}

fn idle() -> (Sender<u32>, Receiver<u32>, Arc<Woken>) {
    let (sender, mut receiver) = batch_channel();
    let woken = Arc::default();
    assert_eq!(poll(&mut receiver, &woken, 10), Poll::Pending);
    (sender, receiver, woken)
}

#[test]
fn a_receiver_that_waits_is_woken_once_and_takes_no_more_than_it_asks_for() {
    let (sender, mut receiver, woken) = idle();
    for item in 0..5 {
        sender.send(item).expect("open");
    }
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll(&mut receiver, &woken, 3), Poll::Ready(vec![0, 1, 2]));
    sender.send(5).expect("open");
    assert_eq!(poll(&mut receiver, &woken, 3), Poll::Ready(vec![3, 4]));
    assert_eq!(poll(&mut receiver, &woken, 3), Poll::Ready(vec![5]));
    assert_eq!(poll(&mut receiver, &woken, 3), Poll::Pending);
}

#[test]
fn when_the_last_sender_is_gone_what_is_there_comes_and_then_the_end() {
    let (sender, mut receiver, woken) = idle();
    let other = sender.clone();
    drop(sender);
    assert_eq!(poll(&mut receiver, &woken, 1), Poll::Pending);
    other.send(7).expect("open");
    assert_eq!(poll(&mut receiver, &woken, 1), Poll::Ready(vec![7]));
    assert_eq!(poll(&mut receiver, &woken, 1), Poll::Pending);
    let before = woken.0.load(Ordering::SeqCst);
    drop(other);
    assert_eq!(woken.0.load(Ordering::SeqCst), before + 1);
    assert_eq!(poll(&mut receiver, &woken, 1), Poll::Ready(vec![]));
}

#[tokio::test]
async fn what_is_closed_gives_back_what_comes_and_tells_those_who_wait_for_it() {
    let (sender, mut receiver) = batch_channel();
    sender.send(1).expect("open");
    let waiting = tokio::spawn({
        let sender = sender.clone();
        async move { sender.closed().await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    assert_eq!(receiver.close(), [1]);
    waiting.await.expect("it is told");
    assert!(sender.is_closed());
    assert_eq!(sender.send(2), Err(2));
    drop(receiver);
    sender.closed().await;
}

#[test]
fn what_is_at_hand_comes_behind_what_was_left_of_a_batch() {
    let (sender, mut receiver, woken) = idle();
    for item in 0..4 {
        sender.send(item).expect("open");
    }
    assert_eq!(poll(&mut receiver, &woken, 1), Poll::Ready(vec![0]));
    sender.send(4).expect("open");
    assert_eq!(receiver.at_hand(), [1, 2, 3, 4]);
    for item in 5..8 {
        sender.send(item).expect("open");
    }
    assert_eq!(poll(&mut receiver, &woken, 1), Poll::Ready(vec![5]));
    assert_eq!(receiver.close(), [6, 7]);
}

#[tokio::test]
async fn a_receiver_that_is_gone_has_closed_it() {
    let (sender, receiver) = batch_channel();
    let held = Arc::new(());
    sender.send(Arc::clone(&held)).expect("open");
    drop(receiver);
    assert_eq!(Arc::strong_count(&held), 1, "what nobody will take is let go of");
    assert!(sender.send(held).is_err());
}

#[test]
fn room_goes_with_what_was_in_it() {
    let (sender, mut receiver, woken) = idle();
    for item in 0..1000 {
        sender.send(item).expect("open");
    }
    assert!(poll(&mut receiver, &woken, 1000).is_ready());
    assert_eq!(receiver.inner.lock().items.capacity(), 0);
}

/// Each sender's items come in its order, none is lost and none comes twice, whatever threads do; and a receiver that waits is woken.
#[test]
fn threads_lose_nothing() {
    const SENDERS: u32 = 4;
    const ITEMS: u32 = 20_000;
    let (sender, mut receiver) = batch_channel();
    let start = Arc::new(Barrier::new(SENDERS as usize));
    let threads: Vec<_> = (0..SENDERS)
        .map(|id| {
            let (sender, start) = (sender.clone(), Arc::clone(&start));
            std::thread::spawn(move || {
                start.wait();
                for item in 0..ITEMS {
                    sender.send((id, item)).expect("open");
                }
            })
        })
        .collect();
    drop(sender);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let next = runtime.block_on(async {
        let mut next = [0; SENDERS as usize];
        loop {
            let taken = receiver.receive(64).await;
            if taken.is_empty() {
                return next;
            }
            assert!(taken.len() <= 64);
            for (id, item) in taken {
                assert_eq!(std::mem::replace(&mut next[id as usize], item + 1), item);
            }
        }
    });
    assert_eq!(next, [ITEMS; SENDERS as usize]);
    threads.into_iter().for_each(|thread| thread.join().expect("a sender"));
}
