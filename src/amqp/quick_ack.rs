//! Acknowledging at once what a client sent, for clients that leave Nagle's algorithm on, as Node's amqplib does.
//!
//! Such a client holds a small write back until its last one is acknowledged (RFC 896), and the kernel delays an acknowledgement
//! that no answer carries by 40 ms (RFC 1122, 4.2.3.2). An ack after a publish, say, then takes 40 ms to arrive, with any broker.
//! A busy connection is read in large pieces, or has something to write, and pays nothing for this.

use std::any::Any;

use tokio::net::TcpStream;

use super::socket;

/// A read of fewer bytes may be followed by another that the client holds back.
pub(super) const BELOW_BYTES: usize = 4096;

/// Sends the acknowledgement that the kernel delays, if there is a TCP socket beneath the stream. Failing is no fault: it would go a little later.
pub(super) fn send<S: Any>(stream: &S) {
    if let Some(socket) = socket::beneath(stream) {
        acknowledge(socket);
    }
}

#[cfg(target_os = "linux")]
fn acknowledge(socket: &TcpStream) {
    let _ = rustix::net::sockopt::set_tcp_quickack(socket, true);
}

/// Elsewhere there is no such option.
#[cfg(not(target_os = "linux"))]
const fn acknowledge(_: &TcpStream) {}
