//! The TCP socket beneath a connection's stream.

use std::any::Any;

use tokio::net::TcpStream;

#[cfg(feature = "cluster")]
use super::replayed::Replayed;
#[cfg(feature = "cluster")]
use crate::tls::Socket;
use crate::tls::TlsStream;

/// The socket, if there is one.
pub(super) fn beneath<S: Any>(stream: &S) -> Option<&TcpStream> {
    let stream = stream as &dyn Any;
    let beneath_tls = || stream.downcast_ref::<TlsStream<TcpStream>>().map(TlsStream::socket);
    let beneath = stream.downcast_ref::<TcpStream>().or_else(beneath_tls);
    #[cfg(feature = "cluster")]
    let beneath = beneath
        .or_else(|| stream.downcast_ref::<Replayed<Socket>>().map(|replayed| replayed.stream.beneath()));
    beneath
}
