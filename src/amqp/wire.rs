//! A connection's socket: what was read and not yet taken, and what is to be written.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::{quick_ack, socket_reset};
use crate::broker::batch_channel::Receiver;
use crate::broker::connections::Event;
use crate::protocol::Output;
use crate::session::body_room::{BEYOND_BYTES, BodyRoom, SocketSide};

/// Read at a time by a connection that says little: thousands of them may be idle.
const READ_BYTES_MIN: usize = 1024;
/// Read at a time by a busy one: a socket buffer's worth, so that it costs few system calls.
const READ_BYTES_MAX: usize = 256 * 1024;
/// So many reads in a row that leave most of the room empty halve it.
const SMALL_READS_MAX: u8 = 100;
/// Room that a connection that says little keeps while it says nothing.
const KEPT_BYTES: usize = 128;
/// Read after a piece of a large body: if the next message is as large, most of it goes where it will stand.
const READ_AFTER_BODY_BYTES: usize = 16 * 1024;
/// Events taken from the inbox at a time.
const EVENTS_MAX: usize = 128;

/// What a connection's socket has to be.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// A socket with what was read and not yet taken, and what is to be written.
pub(super) struct Wire<S> {
    stream: S,
    input: Vec<u8>,
    /// Taken from the front of `input`.
    taken: usize,
    /// Bytes of `input` that are filled.
    filled: usize,
    /// Read since the last report.
    pub(super) bytes_in: u64,
    /// Written since the last report.
    pub(super) bytes_out: u64,
    /// Room for the next read: doubled by a read that fills it.
    read_bytes: usize,
    /// Reads in a row that left most of the room empty.
    small_reads: u8,
    /// Whether the last read was of a large body.
    is_after_body: bool,
    /// Whether the last read brought little, and the client may wait for its acknowledgement before it sends more.
    is_owed_an_ack: bool,
    pub(super) eof: bool,
    /// Whether the stream may keep something of what was written: TLS does.
    is_unflushed: bool,
    /// How much may be read and written until there is more, by a fault; else there is no end of it.
    pub(super) budget: usize,
}

/// What woke the task.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) read: bool,
    /// Bytes read to where there was room for a body.
    pub(super) body_bytes: usize,
    pub(super) events: bool,
    pub(super) drained: bool,
}

impl<S: Stream> Wire<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self {
            stream,
            input: Vec::new(),
            taken: 0,
            filled: 0,
            bytes_in: 0,
            bytes_out: 0,
            read_bytes: READ_BYTES_MIN,
            small_reads: 0,
            is_after_body: false,
            is_owed_an_ack: false,
            eof: false,
            is_unflushed: false,
            budget: usize::MAX,
        }
    }

    /// Bytes of memory that the buffer for what is read takes.
    pub(super) const fn input_capacity(&self) -> usize {
        self.input.capacity()
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.input.get(self.taken..self.filled).unwrap_or_default()
    }

    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.filled {
            self.taken = 0;
            self.filled = 0;
        }
    }

    /// What was read has been dealt with. If there is nothing to write, which would carry the acknowledgement, it goes out by itself.
    pub(super) fn acknowledge_unless(&mut self, writes: bool) {
        if std::mem::take(&mut self.is_owed_an_ack) && !writes {
            quick_ack::send(&self.stream);
        }
    }

    /// Does all that can be done without waiting: takes events, writes, reads. Ready when anything of it was done.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        SocketSide { out, body }: &mut SocketSide<'_>,
        deliver_below: usize,
        paused: bool,
        events: &mut Receiver<Event>,
        taken: &mut Vec<Event>,
    ) -> Poll<std::io::Result<Ready>> {
        let mut done = Ready::default();
        let had_output = !out.is_empty() || self.is_unflushed;
        if had_output && self.poll_write(cx, out)?.is_ready() {
            done.drained = true;
        }
        if out.len() < deliver_below
            && let Poll::Ready(mut batch) = events.poll_receive(cx, EVENTS_MAX)
        {
            if taken.is_empty() {
                *taken = batch;
            } else {
                taken.append(&mut batch);
            }
            done.events = true;
        }
        if !paused && !self.eof && self.budget > 0 {
            match body {
                Some(room) if self.filled == 0 => {
                    if let Poll::Ready(count) = self.poll_read_body(cx, room)? {
                        (done.read, done.body_bytes) = (true, count);
                    }
                }
                _ => done.read = self.poll_read(cx)?.is_ready(),
            }
        }
        // Without a piece left nobody would wake it.
        if done.drained || done.events || done.read || self.budget == 0 {
            Poll::Ready(Ok(done))
        } else {
            Poll::Pending
        }
    }

    /// Ready when all is written.
    fn poll_write(&mut self, cx: &mut Context<'_>, out: &mut Output) -> Result<Poll<()>, std::io::Error> {
        while !out.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let run = out.run();
            let run = run.get(..self.budget).unwrap_or(run);
            let written = if self.budget == 0 {
                return Ok(Poll::Pending);
            } else if run.is_empty() {
                let written = out.with_body_slices(|slices| stream.poll_write_vectored(cx, slices));
                written.unwrap_or(Poll::Pending)
            } else {
                stream.poll_write(cx, run)
            };
            match written? {
                Poll::Ready(0) => return Err(std::io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) => {
                    out.advance(count);
                    self.budget = self.budget.saturating_sub(count);
                    self.is_unflushed = true;
                    self.bytes_out += count as u64;
                }
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
        if self.is_unflushed {
            if Pin::new(&mut self.stream).poll_flush(cx)?.is_pending() {
                return Ok(Poll::Pending);
            }
            self.is_unflushed = false;
        }
        Ok(Poll::Ready(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, std::io::Error> {
        if self.filled == 0 && self.read_bytes == READ_BYTES_MIN {
            return self.poll_read_little(cx);
        }
        self.make_room();
        let Some(room) = self.input.get_mut(self.filled..) else { return Ok(Poll::Pending) };
        let most = if self.is_after_body { READ_AFTER_BODY_BYTES } else { usize::MAX };
        let room_now = room.len().min(self.budget).min(most);
        let Some(room) = room.get_mut(..room_now) else { return Ok(Poll::Pending) };
        let mut buffer = ReadBuf::new(room);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer)? {
            Poll::Ready(()) => {
                self.is_after_body = false;
                let count = buffer.filled().len();
                self.filled += count;
                self.has_read(count, self.filled == self.input.len());
                Ok(Poll::Ready(()))
            }
            Poll::Pending => Ok(Poll::Pending),
        }
    }

    /// To where the message will stand. Tells how many bytes of its body came; what follows them is the next input.
    fn poll_read_body(
        &mut self,
        cx: &mut Context<'_>,
        room: &mut BodyRoom<'_>,
    ) -> Result<Poll<usize>, std::io::Error> {
        let body_end = room.bytes.len() + room.left;
        let most = (room.left + BEYOND_BYTES).min(self.budget);
        let mut limited = (&mut *room.bytes).limit(most);
        let reading = std::pin::pin!(self.stream.read_buf(&mut limited));
        let Poll::Ready(count) = reading.poll(cx)? else { return Ok(Poll::Pending) };
        let beyond = room.bytes.get(body_end..).unwrap_or_default();
        if self.input.len() < beyond.len() {
            self.input.resize(beyond.len(), 0);
        }
        for (place, byte) in self.input.iter_mut().zip(beyond) {
            *place = *byte;
        }
        (self.taken, self.filled) = (0, beyond.len());
        let body_bytes = count - beyond.len();
        room.bytes.truncate(body_end);
        self.is_after_body = true;
        self.has_read(count, false);
        Ok(Poll::Ready(body_bytes))
    }

    /// By way of the stack: a connection that says nothing needs no room for it.
    fn poll_read_little(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, std::io::Error> {
        let mut room = [MaybeUninit::uninit(); READ_BYTES_MIN];
        let room_now = READ_BYTES_MIN.min(self.budget);
        let Some(room) = room.get_mut(..room_now) else { return Ok(Poll::Pending) };
        let mut buffer = ReadBuf::uninit(room);
        if Pin::new(&mut self.stream).poll_read(cx, &mut buffer)?.is_pending() {
            if self.input.capacity() > KEPT_BYTES {
                self.input = Vec::new();
            }
            return Ok(Poll::Pending);
        }
        let read = buffer.filled();
        self.taken = 0;
        self.filled = read.len();
        self.input.clear();
        self.input.extend_from_slice(read);
        self.has_read(read.len(), read.len() == READ_BYTES_MIN);
        Ok(Poll::Ready(()))
    }

    /// So much was read, and the next read has more room, or less.
    fn has_read(&mut self, count: usize, is_full: bool) {
        self.budget = self.budget.saturating_sub(count);
        self.bytes_in += count as u64;
        self.eof = count == 0;
        self.is_owed_an_ack = (1..quick_ack::BELOW_BYTES).contains(&count);
        if is_full {
            self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
            self.small_reads = 0;
        } else if count >= self.read_bytes / 8 {
            self.small_reads = 0;
        } else if self.small_reads < SMALL_READS_MAX {
            self.small_reads += 1;
        } else if self.read_bytes > READ_BYTES_MIN {
            self.small_reads = 0;
            self.read_bytes /= 2;
            // What is there now is less than an eighth of it.
            self.input.truncate(self.filled);
            self.input.shrink_to(self.filled + self.read_bytes);
        }
    }

    /// What is left of the last read is part of one frame, so at most frame_max: it moves to the front.
    fn make_room(&mut self) {
        if self.taken > 0 {
            self.input.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
        }
        if self.input.len() < self.filled + self.read_bytes {
            self.input.resize(self.filled + self.read_bytes, 0);
        }
    }

    /// Writes what is left, and that there is no more.
    pub(super) async fn finish(&mut self, out: &mut Output) -> std::io::Result<()> {
        std::future::poll_fn(|cx| match self.poll_write(cx, out) {
            Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
            Ok(Poll::Pending) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        })
        .await?;
        std::future::poll_fn(|cx| Pin::new(&mut self.stream).poll_shutdown(cx)).await
    }

    /// The peer is to find the connection reset. What is to be written goes out first, as far as it goes at once.
    pub(super) async fn reset(&mut self, out: &mut Output) {
        // A peer that does not read finds out all the same.
        let _ = std::future::poll_fn(|cx| Poll::Ready(self.poll_write(cx, out))).await;
        socket_reset::reset(&self.stream);
    }

    pub(super) async fn read_to_end(&mut self) -> std::io::Result<()> {
        std::future::poll_fn(|cx| self.poll_eof(cx)).await
    }

    fn poll_eof(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let mut room = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
