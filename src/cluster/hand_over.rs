//! Handing the lead to another node by an operator's wish, or because this one is to stop: its broker ends, the last batch goes through the
//! log, and then the lease is written to the successor's name.

use super::hearing::HandOverError;
use super::status::{Role, Status};
use tokio::sync::{mpsc, oneshot, watch};

/// What a node can be told to do; clones are the same node's.
#[derive(Clone, Debug)]
pub struct NodeControl {
    status: watch::Receiver<Status>,
    orders: mpsc::Sender<Order>,
}

/// Somebody wants the lead to be handed over.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) to: Option<String>,
    pub(super) done: oneshot::Sender<Result<(), HandOverError>>,
}

impl Order {
    /// One whose answer nobody waits for.
    pub(super) fn unheard() -> Self {
        Self { to: None, done: oneshot::channel().0 }
    }

    pub(super) fn answer(self, answer: Result<(), HandOverError>) {
        // Perhaps nobody waits any more.
        drop(self.done.send(answer));
    }
}

impl NodeControl {
    pub(super) const fn new(status: watch::Receiver<Status>, orders: mpsc::Sender<Order>) -> Self {
        Self { status, orders }
    }

    /// Stops leading, and names who leads next: that node, or if it is `None` of those that are caught up the one of the lowest rank.
    /// When this returns, clients have been told as at a shutdown, what they sent is in the log, and the successor has the lease, which
    /// expires by itself after 3 s if it does not use it. This node follows from then on.
    ///
    /// # Errors
    /// [`HandOverError`]. This node leads on, but after [`HandOverError::Unwritten`].
    pub async fn hand_over(&self, to: Option<String>) -> Result<(), HandOverError> {
        if self.status.borrow().role != Role::Leader {
            return Err(HandOverError::NotLeader);
        }
        let (done, answer) = oneshot::channel();
        let sent = self.orders.send(Order { to, done }).await;
        sent.map_err(|_| HandOverError::NotLeader)?;
        answer.await.unwrap_or(Err(HandOverError::NotLeader))
    }
}
