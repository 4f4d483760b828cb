//! A message: immutable and shared. Its bytes stand in one block, which the messages of one socket read share:
//! a clone is one atomic increment, and a publish costs no allocation of its own.
//!
//! Layout of an encoded message, in the block and in the store alike:
//! `exchange shortstr | routing key shortstr | property length u32 | property bytes | body`.
//! The property bytes are kept as they came off the wire (flags and values), so they arrive exactly as sent.

mod log_segment;
pub(crate) mod packed;
pub mod runs;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub use log_segment::LogSegment;

/// Names a queue within the broker; never reused, also not after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub u64);

/// A message's place in its queue. It grows with every message, is never reused, and survives a requeue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What a message is made of, borrowed: the input of [`MessageBlock::push`] and [`Message::new`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    /// The exchange it was published to; at most 255 bytes.
    pub exchange: &'a [u8],
    /// Its routing key; at most 255 bytes, not necessarily UTF-8.
    pub routing_key: &'a [u8],
    /// Property flags and values of the content header (spec section 4.2.6.1).
    pub properties: &'a [u8],
    /// The body.
    pub body: &'a [u8],
    /// Whether delivery-mode is 2.
    pub persistent: bool,
}

/// Bytes of all blocks of the process.
static BLOCK_BYTES: AtomicUsize = AtomicUsize::new(0);

/// How many bytes of memory the messages of this process take, without what queues note about each.
#[must_use]
pub fn bytes_in_memory() -> usize {
    BLOCK_BYTES.load(Ordering::Relaxed)
}

/// Blocks of the process so far.
static BLOCKS: AtomicU64 = AtomicU64::new(0);

/// A block, counted while it lives.
#[derive(Debug)]
struct Block {
    number: u64,
    bytes: Vec<u8>,
}

impl Block {
    fn shared(bytes: Vec<u8>) -> Arc<Self> {
        BLOCK_BYTES.fetch_add(bytes.capacity(), Ordering::Relaxed);
        Arc::new(Self { number: BLOCKS.fetch_add(1, Ordering::Relaxed), bytes })
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        BLOCK_BYTES.fetch_sub(self.bytes.capacity(), Ordering::Relaxed);
    }
}

/// What the clones of a message have in common, and no other message of this process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    block: u64,
    start: u32,
}

impl Identity {
    /// As a number; never 0. Blocks are far below 4 GiB, and of 4 billion of them the first is gone.
    #[must_use]
    pub const fn number(self) -> u64 {
        (self.block.wrapping_add(1) << 32) | self.start as u64 | 1 << 31
    }
}

/// An immutable message.
#[derive(Clone)]
pub struct Message {
    block: Arc<Block>,
    start: u32,
    len: u32,
    /// Bytes before the body.
    head: u32,
    persistent: bool,
    /// What the broker notes of it, beside its bytes.
    marks: u8,
    queues: u16,
}

/// A queue of this broker dead-lettered it.
const DEAD_LETTERED: u8 = 1;
/// Its headers have a BCC.
const HAS_BCC: u8 = 2;

impl Message {
    /// A message with a block of its own.
    #[must_use]
    pub fn new(parts: Parts<'_>) -> Self {
        let mut block = MessageBlock::default();
        let slot = block.push(parts);
        block.finish().message(slot)
    }

    /// A message from its [`encoded`](Self::encoded) form; `None` if those bytes are not one.
    #[must_use]
    pub fn from_encoded(encoded: &[u8], persistent: bool) -> Option<Self> {
        FinishedBlock::of(encoded.to_vec()).encoded_message(0, encoded.len(), persistent)
    }

    /// All of it as one run of bytes: what the store writes.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        let start = self.start as usize;
        self.block.bytes.get(start..start + self.len as usize).unwrap_or_default()
    }

    /// Exchange and routing key as they stand in methods: two short strings in one run.
    #[must_use]
    pub fn encoded_keys(&self) -> &[u8] {
        let encoded = self.encoded();
        let length = |at: usize| encoded.get(at).map_or(0, |length| usize::from(*length) + 1);
        let exchange = length(0);
        encoded.get(..exchange + length(exchange)).unwrap_or_default()
    }

    /// All but the body: two messages for which it is the same differ in nothing else.
    #[inline]
    #[must_use]
    pub fn head(&self) -> &[u8] {
        self.encoded().get(..self.head as usize).unwrap_or_default()
    }

    /// The pieces of the message.
    #[must_use]
    pub fn parts(&self) -> Parts<'_> {
        self.split().unwrap_or_default()
    }

    /// The exchange it was published to.
    #[must_use]
    pub fn exchange(&self) -> &[u8] {
        self.parts().exchange
    }

    /// The routing key it was published with.
    #[must_use]
    pub fn routing_key(&self) -> &[u8] {
        self.parts().routing_key
    }

    /// Property flags and values as they came off the wire.
    #[must_use]
    pub fn properties(&self) -> &[u8] {
        self.parts().properties
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.encoded().get(self.head as usize..).unwrap_or_default()
    }

    /// Length of the body in bytes, without a look at the message's bytes.
    #[must_use]
    pub const fn body_len(&self) -> usize {
        (self.len - self.head) as usize
    }

    /// Length of the encoded form in bytes: what the message costs a buffer.
    #[must_use]
    pub const fn encoded_len(&self) -> usize {
        self.len as usize
    }

    /// Whether it was published with delivery-mode 2.
    #[must_use]
    pub const fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// To how many queues it was routed at once; 65,535 stands for more, too.
    #[must_use]
    pub const fn queues(&self) -> u16 {
        self.queues
    }

    /// The same message, routed to this many queues at once.
    #[must_use]
    pub fn for_queues(mut self, queues: usize) -> Self {
        self.queues = queue_count(queues);
        self
    }

    /// Whether it is the only one that keeps its bytes in memory.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.block) == 1
    }

    /// What it can be known by among its clones.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity { block: self.block.number, start: self.start }
    }

    /// The same message with its persistence said anew.
    #[must_use]
    pub const fn with_persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// Whether a queue of this broker dead-lettered it: only then do its headers tell of that. Others may have such headers
    /// from their publisher.
    #[must_use]
    pub const fn is_dead_lettered(&self) -> bool {
        self.marks & DEAD_LETTERED != 0
    }

    /// The same message with that said anew.
    #[must_use]
    pub const fn with_dead_lettered(self, dead_lettered: bool) -> Self {
        self.with_mark(DEAD_LETTERED, dead_lettered)
    }

    /// Whether its headers have a BCC, which no client gets to see: it is kept for the message's dead letters.
    #[must_use]
    pub const fn has_bcc(&self) -> bool {
        self.marks & HAS_BCC != 0
    }

    /// The same message with that said anew.
    #[must_use]
    pub const fn with_bcc(self, has_bcc: bool) -> Self {
        self.with_mark(HAS_BCC, has_bcc)
    }

    const fn with_mark(mut self, mark: u8, set: bool) -> Self {
        self.marks = if set { self.marks | mark } else { self.marks & !mark };
        self
    }

    /// The same message with other properties.
    #[must_use]
    pub fn with_properties(&self, properties: &[u8]) -> Self {
        Self { marks: self.marks, ..Self::new(Parts { properties, ..self.parts() }) }
    }

    /// A copy that shares no block with other messages, for one that stays behind while they go.
    #[must_use]
    pub fn detached(&self) -> Self {
        if self.block.bytes.len() == self.len as usize {
            return self.clone();
        }
        Self {
            block: Block::shared(self.encoded().to_vec()),
            start: 0,
            len: self.len,
            head: self.head,
            persistent: self.persistent,
            marks: self.marks,
            queues: self.queues,
        }
    }

    fn split(&self) -> Option<Parts<'_>> {
        let (exchange, rest) = split_short(self.encoded())?;
        let (routing_key, rest) = split_short(rest)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (properties, body) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        Some(Parts { exchange, routing_key, properties, body, persistent: self.persistent })
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("exchange", &String::from_utf8_lossy(self.exchange()))
            .field("routing_key", &String::from_utf8_lossy(self.routing_key()))
            .field("body_bytes", &self.body_len())
            .field("persistent", &self.persistent)
            .finish()
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        (self.persistent, self.marks) == (other.persistent, other.marks) && self.encoded() == other.encoded()
    }
}

impl Eq for Message {}

/// As it is kept with a message.
fn queue_count(queues: usize) -> u16 {
    u16::try_from(queues).unwrap_or(u16::MAX)
}

/// Appends the encoded form of a message up to its body. Names longer than 255 bytes are cut: the wire cannot carry them.
pub fn encode_head(out: &mut Vec<u8>, exchange: &[u8], routing_key: &[u8], properties: &[u8]) {
    for name in [exchange, routing_key] {
        let name = name.get(..255).unwrap_or(name);
        out.push(name.len() as u8);
        out.extend_from_slice(name);
    }
    out.extend_from_slice(&(properties.len() as u32).to_be_bytes());
    out.extend_from_slice(properties);
}

fn split_short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

/// Where a message stands in the block it was pushed to.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    start: u32,
    len: u32,
    head: u32,
    persistent: bool,
    queues: u16,
}

impl Slot {
    /// The same, for a message routed to this many queues at once.
    #[must_use]
    pub fn for_queues(mut self, queues: usize) -> Self {
        self.queues = queue_count(queues);
        self
    }
}

/// A block may have so much room that it does not need, beside twice what it needs.
const SPARE_BYTES: usize = 4096;

/// A block being filled: the messages of one socket read.
#[derive(Debug, Default)]
pub struct MessageBlock {
    bytes: Vec<u8>,
}

impl MessageBlock {
    /// Past this many bytes a block should be [finished](Self::finish): a message that stays in a queue keeps its
    /// whole block in memory.
    pub const BYTES_FULL: usize = 32 * 1024;

    /// An empty block with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// Appends a message.
    pub fn push(&mut self, parts: Parts<'_>) -> Slot {
        let slot = self.begin(parts.exchange, parts.routing_key, parts.properties, parts.persistent);
        self.extend_body(parts.body);
        self.end(slot)
    }

    /// Appends all of a message but its body, which follows with [`extend_body`](Self::extend_body). See [`encode_head`].
    pub fn begin(
        &mut self,
        exchange: &[u8],
        routing_key: &[u8],
        properties: &[u8],
        persistent: bool,
    ) -> Slot {
        let start = self.bytes.len() as u32;
        encode_head(&mut self.bytes, exchange, routing_key, properties);
        let head = self.bytes.len() as u32 - start;
        Slot { start, len: head, head, persistent, queues: 1 }
    }

    /// Appends a message whose [head](Message::head) is encoded already.
    #[inline]
    pub fn push_encoded(&mut self, head: &[u8], body: &[u8], persistent: bool) -> Slot {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(body);
        let (len, head) = (self.bytes.len() as u32 - start, head.len() as u32);
        Slot { start, len, head, persistent, queues: 1 }
    }

    /// Appends a piece of the body of the message begun last.
    pub fn extend_body(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
    }

    /// All bytes so far: what is appended is of the body of the message begun last.
    pub const fn body(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The last `count` bytes; all, if there are no more.
    #[must_use]
    pub fn last(&self, count: usize) -> &[u8] {
        self.bytes.get(self.bytes.len().saturating_sub(count)..).unwrap_or_default()
    }

    /// Reserves room for `bytes` more.
    pub fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve_exact(bytes);
    }

    /// At most so many bytes follow, probably not many fewer.
    pub fn expect(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// Ends the message begun last.
    #[must_use]
    pub fn end(&self, slot: Slot) -> Slot {
        Slot { len: self.bytes.len() as u32 - slot.start, ..slot }
    }

    /// Bytes in the block so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory that the block takes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Closes the block; its messages can be made from their slots.
    #[must_use]
    pub fn finish(mut self) -> FinishedBlock {
        // Room for what was expected and did not come.
        if self.bytes.capacity() > 2 * self.bytes.len() + SPARE_BYTES {
            self.bytes.shrink_to_fit();
        }
        FinishedBlock { bytes: Block::shared(self.bytes) }
    }
}

/// A closed block of messages.
#[derive(Debug)]
pub struct FinishedBlock {
    bytes: Arc<Block>,
}

impl FinishedBlock {
    /// A block of bytes that hold encoded messages somewhere.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        Self { bytes: Block::shared(bytes) }
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes.bytes
    }

    /// The message whose [encoded](Message::encoded) form stands at this place; `None` if those bytes are not one.
    #[must_use]
    pub fn encoded_message(&self, start: usize, len: usize, persistent: bool) -> Option<Message> {
        let (start, len) = (u32::try_from(start).ok()?, u32::try_from(len).ok()?);
        let message = self.message(Slot { start, len, head: 0, persistent, queues: 1 });
        let body = message.split()?.body.len() as u32;
        Some(Message { head: len - body, ..message })
    }

    /// The message in a slot of this block.
    #[must_use]
    pub fn message(&self, slot: Slot) -> Message {
        Message {
            block: Arc::clone(&self.bytes),
            start: slot.start,
            len: slot.len,
            head: slot.head,
            persistent: slot.persistent,
            marks: 0,
            queues: slot.queues,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>() -> Parts<'a> {
        Parts { exchange: b"e", routing_key: b"key", properties: &[0, 0], body: b"body", persistent: true }
    }

    #[test]
    fn messages_share_a_block_and_keep_their_parts() {
        let mut block = MessageBlock::default();
        let slots = [block.push(Parts { body: b"one", ..parts() }), block.push(parts())];
        let block = block.finish();
        let [one, two] = slots.map(|slot| block.message(slot));
        assert_eq!((one.body(), two.body()), (&b"one"[..], &b"body"[..]));
        assert_eq!(
            (two.exchange(), two.routing_key(), two.properties()),
            (&b"e"[..], &b"key"[..], &[0, 0][..])
        );
        assert!(two.is_persistent());
        assert_eq!(two.detached(), two);
    }

    #[test]
    fn the_encoded_form_round_trips() {
        let message = Message::new(parts());
        assert_eq!(Message::from_encoded(message.encoded(), true), Some(message));
    }

    #[test]
    fn truncated_bytes_are_no_message() {
        let message = Message::new(Parts { body: b"", ..parts() });
        for len in 0..message.encoded_len() {
            assert_eq!(Message::from_encoded(&message.encoded()[..len], false), None);
        }
    }

    #[test]
    fn only_clones_have_one_identity() {
        let mut block = MessageBlock::default();
        let slots = [block.push(parts()), block.push(parts()).for_queues(3)];
        let block = block.finish();
        let [one, two] = slots.map(|slot| block.message(slot));
        assert_eq!(one.identity(), one.clone().with_persistent(false).identity());
        assert_ne!(one.identity(), two.identity());
        assert_ne!(one.identity(), Message::new(parts()).identity());
        assert_eq!((one.queues(), two.queues(), two.for_queues(1 << 20).queues()), (1, 3, u16::MAX));
    }

    #[test]
    fn a_message_is_three_words() {
        assert_eq!(size_of::<Message>(), 24);
    }
}
