//! Who a session's client is allowed to be, and the exception that it gets for what it may not do.

use std::sync::Arc;

use super::Exception;
use super::link::Link;
use crate::auth::{Grant, Operation};

/// Who a session's client is allowed to be.
#[derive(Debug, Default)]
pub(super) struct Access {
    /// The user's rights on the session's vhost.
    pub(super) grant: Arc<Grant>,
    /// Messages may carry another user's name.
    pub(super) impersonator: bool,
}

impl Link {
    /// Whether the client may do this.
    pub(super) fn permit(&self, operation: Operation<'_>) -> Result<(), Exception> {
        let refused = operation.check(&self.access.grant.rights()).err();
        match refused.map(|refusal| refusal.text(&self.vhost, &self.user)) {
            Some(text) => Err(Exception::access_refused(text)),
            None => Ok(()),
        }
    }
}
