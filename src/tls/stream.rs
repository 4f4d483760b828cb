//! The stream behind a handshake.
//!
//! rustls reads 4 KiB of a socket at a time, and tokio-rustls gives out a record at a time. A busy AMQP connection wants a quarter of
//! a megabyte in one go, for all that it does it does once per read: so sockets are read ahead, and records are gathered.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server;

/// Read of a socket at a time when much comes.
const READ_AHEAD_BYTES: usize = 64 * 1024;

/// A stream of what was encrypted.
#[derive(Debug)]
pub(crate) struct TlsStream<S>(Box<server::TlsStream<ReadAhead<S>>>);

impl<S> TlsStream<S> {
    pub(super) fn new(stream: server::TlsStream<ReadAhead<S>>) -> Self {
        Self(Box::new(stream))
    }

    /// The socket beneath.
    pub(crate) fn socket(&self) -> &S {
        &self.0.get_ref().0.socket
    }

    /// What was agreed on, for another who serves the client.
    #[cfg(feature = "cluster")]
    pub(crate) fn ended(&self) -> super::ended::EndedTls {
        super::ended::EndedTls::of(self.0.get_ref().1)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    /// Reads as much as there is. An end without TLS's own word for it (close_notify) is an end: AMQP and HTTP say by themselves what
    /// is complete, and many clients just close their sockets.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            let so_far = buf.filled().len();
            match Pin::new(&mut self.0).poll_read(cx, buf) {
                Poll::Ready(Ok(())) => {
                    if buf.filled().len() == so_far || buf.remaining() == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                // Errors stay, and so does the end: who has read something finds them the next time.
                _ if so_far > before => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(()));
                }
                other => return other,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    /// Says close_notify, and that nothing more comes.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A socket of which more is read than was asked for, while much comes. An idle one keeps no buffer.
#[derive(Debug)]
pub(super) struct ReadAhead<S> {
    socket: S,
    ahead: Vec<u8>,
    /// Bytes of `ahead` that are filled.
    filled: usize,
    /// Bytes of them that were given out.
    taken: usize,
    /// Whether the last read took all that it had room for.
    is_busy: bool,
}

impl<S> ReadAhead<S> {
    pub(super) const fn new(socket: S) -> Self {
        Self { socket, ahead: Vec::new(), filled: 0, taken: 0, is_busy: false }
    }

    /// Gives out what was read ahead.
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let ahead = self.ahead.get(self.taken..self.filled).unwrap_or_default();
        let count = ahead.len().min(buf.remaining());
        buf.put_slice(ahead.get(..count).unwrap_or_default());
        self.taken += count;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken < this.filled {
            this.give(buf);
            return Poll::Ready(Ok(()));
        }
        if !this.is_busy {
            let read = Pin::new(&mut this.socket).poll_read(cx, buf);
            this.is_busy = buf.remaining() == 0;
            return read;
        }
        this.ahead.resize(READ_AHEAD_BYTES, 0);
        let mut room = ReadBuf::new(&mut this.ahead);
        let read = Pin::new(&mut this.socket).poll_read(cx, &mut room);
        let filled = room.filled().len();
        (this.filled, this.taken) = (filled, 0);
        if filled == 0 {
            this.is_busy = false;
            this.ahead = Vec::new();
        }
        ready!(read)?;
        this.give(buf);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
