//! What the rules of a world make of a connection, as long as they are there.

use std::sync::Arc;

use crate::broker::world::{ConnectionState, WorldFaults};
use crate::faults::Subject;
use crate::time::Time;

/// What rules make of a connection.
#[derive(Debug)]
pub(super) struct Faulty {
    pub(super) world: Arc<WorldFaults>,
    pub(super) user: String,
    pub(super) connection: String,
    pub(super) state: ConnectionState,
    /// When a slow connection may read and write its next piece.
    pub(super) next_piece: Time,
}

impl Faulty {
    /// Why rules block publishers.
    pub(super) fn blocked(&self) -> Option<&str> {
        self.state.blocked.as_deref()
    }

    /// Looks at the rules as they are now.
    pub(super) fn look(&mut self) {
        let subject = Subject { user: &self.user, connection: &self.connection, ..Subject::default() };
        self.state = self.world.state_of(&subject, &self.state);
    }
}
