//! What a connection has in the ledger of memory.

use std::sync::Arc;

use crate::ledger::{Kind, Ledger, Share};
use crate::session::Held;

/// An idle connection: its task, its session, its overview (measured with 1,000 of them: 7.3 KiB).
const CONNECTION_BYTES: usize = 8 * 1024;
/// What TLS adds to it.
const TLS_BYTES: usize = 16 * 1024;
/// An idle channel, and what others can see of it.
const CHANNEL_BYTES: usize = 1024;
/// A consumer as its connection knows it.
const CONSUMER_BYTES: usize = 256;

/// Its share of each kind.
#[derive(Debug)]
pub(super) struct Shares {
    bodies: Share,
    transactions: Share,
    deliveries: Share,
    output: Share,
    input: Share,
    clients: Share,
    held: usize,
    /// What a connection takes without channels and consumers.
    connection_bytes: usize,
}

impl Shares {
    pub(super) fn new(ledger: &Arc<Ledger>, is_over_tls: bool) -> Self {
        let share = |kind| Share::new(Arc::clone(ledger), kind);
        Self {
            bodies: share(Kind::Bodies),
            transactions: share(Kind::Transactions),
            deliveries: share(Kind::Deliveries),
            output: share(Kind::Output),
            input: share(Kind::Input),
            clients: share(Kind::Clients),
            held: 0,
            connection_bytes: CONNECTION_BYTES + if is_over_tls { TLS_BYTES } else { 0 },
        }
    }

    /// Enters what there is now; tells whether there are more channels and consumers than before.
    pub(super) fn set(&mut self, held: Held, output: usize, channels: usize, consumers: usize) -> bool {
        self.bodies.set(held.bodies);
        self.transactions.set(held.transactions);
        self.deliveries.set(held.deliveries);
        self.output.set(output);
        self.held = held.sent() + held.deliveries + output;
        let before = self.clients.bytes();
        self.clients.set(self.connection_bytes + channels * CHANNEL_BYTES + consumers * CONSUMER_BYTES);
        self.clients.bytes() > before
    }

    /// What of it is held for the client alone.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// Enters the size of the buffer for what is read.
    pub(super) fn set_input(&mut self, bytes: usize) {
        self.input.set(bytes);
    }
}
