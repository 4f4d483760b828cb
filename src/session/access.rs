//! What a session's client may do.

use std::sync::Arc;

use crate::auth::{Grant, Quota};

/// What a session's client may do.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// The user's rights on the session's vhost.
    pub(super) grant: Arc<Grant>,
    /// Messages may carry another user's name.
    pub(super) impersonator: bool,
    /// How many channels the user may have, on all connections together.
    pub(super) channels: Arc<Quota>,
}
