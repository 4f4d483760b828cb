//! A connection whose client has been through the handshake elsewhere, as far as `connection.open`: what it said there is said again, and
//! what it was told there is not told again.
//!
//! So its login is this broker's own, as every login is; whoever accepted the client only found out where it wants to go.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::answers::Answers;

/// A stream that begins with something that was read before, and of which the first answers are dropped.
#[derive(Debug)]
pub(crate) struct Replayed<S> {
    pub(super) stream: S,
    said: Vec<u8>,
    taken: usize,
    told: Answers,
}

impl<S> Replayed<S> {
    /// `said` is what the client has said so far.
    pub(super) fn new(stream: S, said: Vec<u8>) -> Self {
        Self { stream, said, taken: 0, told: Answers::default() }
    }
}

impl<S: AsyncWrite + Unpin> Replayed<S> {
    /// Ready when nothing of what was held back is left.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.told.is_over() && !self.told.held.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.told.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.told.held.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replayed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.taken == self.said.len() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let rest = self.said.get(self.taken..).unwrap_or_default();
        let some = rest.len().min(buf.remaining());
        buf.put_slice(rest.get(..some).unwrap_or_default());
        self.taken += some;
        if self.taken == self.said.len() {
            (self.said, self.taken) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replayed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.told.is_over() {
            return Poll::Ready(Ok(self.told.take(bytes)));
        }
        ready!(self.poll_head(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.told.is_over() {
            let first = slices.iter().find(|slice| !slice.is_empty());
            let taken = first.map_or(0, |first| self.told.take(first));
            return Poll::Ready(Ok(taken));
        }
        ready!(self.poll_head(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_head(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_head(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const CONNECTION: u8 = 10;

    fn frame(method: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![1, 0, 0];
        frame.extend((payload as u32 + 4).to_be_bytes());
        frame.extend([0, CONNECTION, 0, method]);
        frame.extend(vec![7; payload]);
        frame.push(0xCE);
        frame
    }

    async fn told(written: &[Vec<u8>], at_once: usize) -> Vec<u8> {
        let (ours, mut clients) = tokio::io::duplex(1 << 16);
        let mut replayed = Replayed::new(ours, b"said".to_vec());
        let mut said = [0; 4];
        replayed.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"said");
        for some in written.concat().chunks(at_once) {
            replayed.write_all(some).await.unwrap();
        }
        replayed.shutdown().await.unwrap();
        drop(replayed);
        let mut told = Vec::new();
        clients.read_to_end(&mut told).await.unwrap();
        told
    }

    #[tokio::test]
    async fn what_was_told_before_is_dropped_and_nothing_else() {
        let (start, secure, tune) = (frame(10, 300), frame(20, 3), frame(30, 8));
        let (open_ok, close) = (frame(41, 1), frame(50, 40));
        for at_once in [1, 7, 11, 12, 64, 4096] {
            let all = [start.clone(), tune.clone(), open_ok.clone(), start.clone()];
            assert_eq!(told(&all, at_once).await, [open_ok.clone(), start.clone()].concat());
            let refused = [start.clone(), secure.clone(), close.clone()];
            assert_eq!(told(&refused, at_once).await, close, "a refusal is told");
            assert_eq!(told(&[b"AMQP\0\0\x09\x01 and more".to_vec()], at_once).await.len(), 17);
        }
    }
}
