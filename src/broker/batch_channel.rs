//! A channel without bounds for many senders, whose receiver takes what is there in batches.
//!
//! Each connection and each queue has one, and most of them are idle: an empty one takes a hundred bytes or two, where a channel that is
//! made of blocks keeps at least one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::sync::Notify;
use tokio::task::coop;

/// Room for so many items is kept when all are taken; more is given back.
const KEPT_ITEMS: usize = 16;

/// A channel's two ends.
#[must_use]
pub fn batch_channel<T>() -> (Sender<T>, Receiver<T>) {
    let inner = Arc::new(Inner {
        state: Mutex::new(State { items: VecDeque::new(), waker: None }),
        senders: AtomicUsize::new(1),
        is_closed: AtomicBool::new(false),
        closed: Notify::new(),
    });
    (Sender(Arc::clone(&inner)), Receiver(inner))
}

#[derive(Debug)]
struct Inner<T> {
    state: Mutex<State<T>>,
    senders: AtomicUsize,
    /// Nothing more is let in. Set only while the state is locked.
    is_closed: AtomicBool,
    closed: Notify,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    /// The receiver, if it waits.
    waker: Option<Waker>,
}

impl<T> Inner<T> {
    /// No panic happens while it is locked.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

/// The end that takes items in. Its clones are senders too.
#[derive(Debug)]
pub struct Sender<T>(Arc<Inner<T>>);

impl<T> Sender<T> {
    /// Puts an item in. If the receiver is gone, or has closed the channel, it comes back.
    pub fn send(&self, item: T) -> Result<(), T> {
        let waker = {
            let mut state = self.0.lock();
            if self.0.is_closed() {
                return Err(item);
            }
            state.items.push_back(item);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Whether nothing more is let in.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until nothing more is let in.
    pub async fn closed(&self) {
        let closed = self.0.closed.notified();
        if !self.0.is_closed() {
            closed.await;
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            let waker = self.0.lock().waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// The end that gives items out.
#[derive(Debug)]
pub struct Receiver<T>(Arc<Inner<T>>);

impl<T> Receiver<T> {
    /// Adds what is there to `taken`, up to `max` items, and tells how many; none: nothing more will come.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, taken: &mut Vec<T>, max: usize) -> Poll<usize> {
        let turn = ready!(coop::poll_proceed(cx));
        let mut state = self.0.lock();
        let count = state.take(taken, max);
        if count == 0 && !self.0.is_closed() && self.0.senders.load(Ordering::Acquire) > 0 {
            if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                state.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        turn.made_progress();
        Poll::Ready(count)
    }

    /// Waits for items and adds up to `max` of them to `taken`; tells how many, and none if nothing more will come.
    pub async fn receive(&mut self, taken: &mut Vec<T>, max: usize) -> usize {
        std::future::poll_fn(|cx| self.poll_receive(cx, taken, max)).await
    }

    /// Waits for an item; `None`: nothing more will come.
    pub async fn next(&mut self) -> Option<T> {
        let mut taken = Vec::with_capacity(1);
        self.receive(&mut taken, 1).await;
        taken.pop()
    }

    /// An item, if there is one.
    pub fn next_at_hand(&mut self) -> Option<T> {
        self.0.lock().items.pop_front()
    }

    /// Lets nothing more in, and takes what is there.
    pub fn close(&mut self) -> VecDeque<T> {
        let items = {
            let mut state = self.0.lock();
            self.0.is_closed.store(true, Ordering::Release);
            std::mem::take(&mut state.items)
        };
        self.0.closed.notify_waiters();
        items
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl<T> State<T> {
    fn take(&mut self, taken: &mut Vec<T>, max: usize) -> usize {
        let count = self.items.len().min(max);
        taken.extend(self.items.drain(..count));
        if self.items.is_empty() && self.items.capacity() > KEPT_ITEMS {
            self.items = VecDeque::new();
        }
        count
    }
}

#[cfg(test)]
mod tests;
