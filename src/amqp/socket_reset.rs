//! A socket that ends with a reset.

use std::any::Any;

use tokio::net::TcpStream;

use crate::tls::TlsStream;

/// Makes the end of a socket a reset: the peer finds that the connection is gone, and not that it was closed.
pub(super) fn reset<S: Any>(stream: &S) {
    let stream = stream as &dyn Any;
    let beneath_tls = || stream.downcast_ref::<TlsStream<TcpStream>>().map(TlsStream::socket);
    if let Some(socket) = stream.downcast_ref::<TcpStream>().or_else(beneath_tls) {
        // One that is gone already is as good.
        let _ = socket.set_zero_linger();
    }
}
