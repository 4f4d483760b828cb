//! Vhosts that move from shard to shard, for whoever runs the meta shard's broker.

use super::handle::BrokerHandle;
use crate::broker::OperationError;
use crate::broker::operations::{Caller, Step, move_vhost};

impl BrokerHandle {
    /// Begins to move a vhost to another shard of the cluster, durably, or goes on with it; to the one where it is, it gives the move up. Only the meta
    /// shard's broker can.
    ///
    /// # Errors
    /// `NoVhost`; `Shard` if there is no such shard.
    pub async fn begin_move(&self, vhost: &str, shard: u32) -> Result<(), OperationError> {
        move_vhost(&self.shared, Caller::Operator, vhost, Step::Begin(shard)).await
    }

    /// Ends the move of this id, when all of the vhost is in the other shard.
    ///
    /// # Errors
    /// `NoVhost`; `Shard` if it does not move there by that id.
    pub async fn end_move(&self, vhost: &str, shard: u32, id: u64) -> Result<(), OperationError> {
        move_vhost(&self.shared, Caller::Operator, vhost, Step::End(shard, id)).await
    }

    /// Whether clients are let into a vhost here: it is served by this broker's shard, and does not move.
    #[must_use]
    pub fn serves(&self, vhost: &str) -> bool {
        self.shared.vhost(vhost).is_some_and(|vhost| vhost.settings().home.is_none_or(|home| home.is_open()))
    }
}
