//! What many cases do with a raw connection in the same way: holding messages, reading them with their flags.

use crate::check::{Check, fail};
use crate::codec::{Reader, Table, table};
use crate::methods::{self, c};
use crate::raw::{Event, Raw};

/// A message as the order of a queue shows it: its text, and whether it is redelivered.
pub type Seen = (String, bool);

/// Texts that all have the same redelivered flag.
pub fn all_seen(texts: &[&str], redelivered: bool) -> Vec<Seen> {
    texts.iter().map(|&text| (text.to_owned(), redelivered)).collect()
}

/// Whether a broker made this name as RabbitMQ does: the prefix and 16 random bytes in URL-safe base64 without padding.
pub fn is_generated(prefix: &str, name: &str) -> bool {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.strip_prefix(prefix).is_some_and(|random| random.len() == 22 && random.chars().all(is_base64))
}

/// The numbers of a range as texts.
pub fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

impl Raw {
    /// Opens another channel and goes on with it.
    pub async fn switch(&mut self, channel: u16) -> Check {
        self.open_channel(channel).await?;
        self.channel = channel;
        Ok(())
    }

    /// Gets so many messages of a queue and leaves them unacked; their tags.
    pub async fn hold(&mut self, queue: &str, count: usize) -> Check<Vec<u64>> {
        let mut tags = Vec::new();
        for _ in 0..count {
            match self.get(queue, false).await? {
                Some(message) => tags.push(message.tag),
                None => return fail(format!("{queue} is empty after {} messages", tags.len())),
            }
        }
        Ok(tags)
    }

    /// The next deliveries, text and flag.
    pub async fn seen(&mut self, count: usize) -> Check<Vec<Seen>> {
        let mut seen = Vec::new();
        for _ in 0..count {
            let message = self.delivery().await?;
            seen.push((message.text(), message.redelivered));
        }
        Ok(seen)
    }

    /// The consumers that the next deliveries are for.
    pub async fn turns(&mut self, count: usize) -> Check<Vec<String>> {
        let mut turns = Vec::new();
        for _ in 0..count {
            turns.push(self.delivery().await?.consumer);
        }
        Ok(turns)
    }

    /// Everything in a queue, text and flag.
    pub async fn drain_seen(&mut self, queue: &str) -> Check<Vec<Seen>> {
        let mut seen = Vec::new();
        while let Some(message) = self.get(queue, true).await? {
            seen.push((message.text(), message.redelivered));
        }
        Ok(seen)
    }

    /// Publishes the numbers of a range to a queue.
    pub async fn fill_numbers(&mut self, queue: &str, range: std::ops::Range<usize>) {
        for text in numbered(range) {
            self.publish("", queue, &text).await;
        }
    }

    /// Starts a consumer with arguments.
    pub async fn consume_with(&mut self, queue: &str, tag: &str, bits: u8, args: Table) -> Check {
        self.call(methods::basic_consume(queue, tag, bits, args)).await.map(|_| ())
    }

    /// Sets a prefetch and starts a consumer that acks.
    pub async fn consume_few(&mut self, queue: &str, tag: &str, prefetch: u16) -> Check {
        self.call(methods::basic_qos(0, prefetch, false)).await?;
        self.consume(queue, tag, c::NONE).await.map(|_| ())
    }

    /// The tag of the consumer that the broker cancels next; anything else that comes first is a failure.
    pub async fn cancelled(&mut self) -> Check<String> {
        match self.event().await? {
            Event::Method(_, (60, 30), args) => Reader(&args).short(),
            other => fail(format!("{other:?}, expected basic.cancel")),
        }
    }

    /// Lets `milliseconds` pass: as long as a message lives in a queue of the broker that dead-letters it.
    pub async fn outlive(&mut self, clock: &str, milliseconds: i32) -> Check {
        let rung = format!("{clock}.rung");
        self.queue(&rung).await?;
        let way =
            [("x-dead-letter-exchange", "".into()), ("x-dead-letter-routing-key", rung.as_str().into())];
        let args = [table([("x-message-ttl", milliseconds.into())]), table(way)].concat();
        self.declare(clock, methods::q::EXCLUSIVE, args).await?;
        self.publish("", clock, "tick").await;
        self.arrival(&rung).await.map(|_| ())
    }
}
