//! A socket that ends with a reset.

use std::any::Any;

use tokio::net::TcpStream;

#[cfg(feature = "cluster")]
use super::replayed::Replayed;
use crate::tls::TlsStream;

/// Makes the end of a socket a reset: the peer finds that the connection is gone, and not that it was closed.
pub(super) fn reset<S: Any>(stream: &S) {
    let stream = stream as &dyn Any;
    let beneath_tls = || stream.downcast_ref::<TlsStream<TcpStream>>().map(TlsStream::socket);
    let beneath = stream.downcast_ref::<TcpStream>().or_else(beneath_tls);
    #[cfg(feature = "cluster")]
    let beneath =
        beneath.or_else(|| stream.downcast_ref::<Replayed<TcpStream>>().map(|replayed| &replayed.stream));
    if let Some(socket) = beneath {
        // One that is gone already is as good.
        let _ = socket.set_zero_linger();
    }
}
