//! A socket that ends with a reset.

use std::any::Any;

use super::socket;

/// Makes the end of a socket a reset: the peer finds that the connection is gone, and not that it was closed.
pub(super) fn reset<S: Any>(stream: &S) {
    if let Some(socket) = socket::beneath(stream) {
        // One that is gone already is as good.
        let _ = socket.set_zero_linger();
    }
}
