//! A channel without bounds for many senders, whose receiver takes what is there in batches.
//!
//! Each connection and each queue has one, and most of them are idle: an empty one takes a hundred bytes or two, where a channel that is
//! made of blocks keeps at least one. A batch goes over as it stands, and its room with it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::vec;

use tokio::sync::Notify;
use tokio::task::coop;

/// A channel's two ends.
#[must_use]
pub fn batch_channel<T>() -> (Sender<T>, Receiver<T>) {
    let inner = Arc::new(Inner {
        state: Mutex::new(State { items: Vec::new(), waker: None }),
        senders: AtomicUsize::new(1),
        is_closed: AtomicBool::new(false),
        closed: Notify::new(),
    });
    (Sender(Arc::clone(&inner)), Receiver { inner, left: Vec::new().into_iter() })
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
    items: Vec<T>,
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
            state.items.push(item);
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
pub struct Receiver<T> {
    inner: Arc<Inner<T>>,
    /// What was taken and was more than one batch: comes next.
    left: vec::IntoIter<T>,
}

impl<T> Receiver<T> {
    /// What is there, up to `max` items; none: nothing more will come.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Vec<T>> {
        let turn = ready!(coop::poll_proceed(cx));
        if self.left.len() > 0 {
            turn.made_progress();
            return Poll::Ready(self.left.by_ref().take(max).collect());
        }
        let mut state = self.inner.lock();
        if state.items.is_empty() && !self.inner.is_closed() && self.inner.senders.load(Ordering::Acquire) > 0
        {
            if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                state.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        turn.made_progress();
        let items = std::mem::take(&mut state.items);
        if items.len() <= max {
            return Poll::Ready(items);
        }
        drop(state);
        self.left = items.into_iter();
        Poll::Ready(self.left.by_ref().take(max).collect())
    }

    /// Waits for items and takes up to `max` of them; none: nothing more will come.
    pub async fn receive(&mut self, max: usize) -> Vec<T> {
        std::future::poll_fn(|cx| self.poll_receive(cx, max)).await
    }

    /// All that is there.
    pub fn at_hand(&mut self) -> Vec<T> {
        let items = std::mem::take(&mut self.inner.lock().items);
        self.behind_left(items)
    }

    fn behind_left(&mut self, mut items: Vec<T>) -> Vec<T> {
        if self.left.len() == 0 {
            return items;
        }
        let mut all: Vec<T> = std::mem::take(&mut self.left).collect();
        all.append(&mut items);
        all
    }

    /// Lets nothing more in, and takes what is there.
    pub fn close(&mut self) -> Vec<T> {
        let items = {
            let mut state = self.inner.lock();
            self.inner.is_closed.store(true, Ordering::Release);
            std::mem::take(&mut state.items)
        };
        self.inner.closed.notify_waiters();
        self.behind_left(items)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        drop(self.close());
    }
}

#[cfg(test)]
mod tests;
