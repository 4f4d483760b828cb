//! How a channel's consumers share what their queues have, measured apart from the rest of a program.
//!
//! Which consumer gets which message is nobody's promise, so that only sums are observed here, and of each share only whether
//! it is far too small. That is enough to see a consumer or a queue that starves.

use super::interpreter::Interpreter;
use super::observation::Log;
use super::program::{Action, Actor, Publish, Shares};
use crate::check::Check;
use crate::codec::Table;
use crate::methods;

/// A channel that programs do not use otherwise.
const CHANNEL: u16 = 99;
/// Whoever has less than this part of an even share starves. Wide enough for a broker that draws lots.
const STARVING: usize = 4;

impl Interpreter<'_> {
    /// Fills queues, consumes them all on one channel, acks one message after the other, and writes down the shares.
    pub(super) async fn shares(&mut self, actor: Actor, shares: &Shares) -> Check {
        let on = Actor { channel: CHANNEL, ..actor };
        let log = std::mem::take(&mut self.log);
        let measured = self.measure(on, shares).await;
        self.log = log;
        self.log.add(actor, "shares", &measured?);
        Ok(())
    }

    async fn measure(&mut self, on: Actor, shares: &Shares) -> Check<String> {
        self.ready(on).await?;
        let queues: Vec<String> = (0..shares.queues).map(|number| format!("q90{number}")).collect();
        self.fill(on, &queues, shares).await?;
        let mut acked = 0;
        while acked < shares.acks {
            let Some(tag) = self.channel(on).and_then(|channel| channel.held.first().map(|held| held.tag))
            else {
                break;
            };
            self.ack(on, tag).await;
            self.until_quiet().await?;
            acked += 1;
        }
        let text = self.verdict(on, acked);
        for queue in queues {
            self.act(on, Action::DeleteQueue { queue, bits: 0 }).await?;
        }
        self.act(on, Action::CloseChannel).await?;
        self.until_quiet().await?;
        self.log = Log::default();
        Ok(text)
    }

    async fn fill(&mut self, on: Actor, queues: &[String], shares: &Shares) -> Check {
        for queue in queues {
            self.act(on, Action::DeclareQueue { queue: queue.clone(), bits: 0, arguments: Table::new() })
                .await?;
            let key = format!("{{{queue}}}");
            let publish = Publish { key, body: queue.clone(), count: shares.messages, ..Publish::default() };
            self.act(on, Action::Publish(Box::new(publish))).await?;
        }
        self.act(on, Action::Qos { size: 0, count: shares.prefetch, global: shares.global }).await?;
        for queue in queues {
            for number in 0..shares.consumers {
                let (queue, tag) = (queue.clone(), format!("{queue}-{number}"));
                self.act(on, Action::Consume { queue, tag, bits: 0, arguments: Table::new() }).await?;
            }
        }
        self.until_quiet().await
    }

    async fn ack(&mut self, on: Actor, tag: u64) {
        if let Some(connection) = self.connections.get_mut(&on.connection) {
            connection.send(on.channel, methods::basic_ack(tag, false)).await;
        }
        if let Some(channel) = self.channel(on) {
            channel.settle(tag, false);
        }
    }

    fn verdict(&mut self, on: Actor, acked: usize) -> String {
        let Some(channel) = self.channel(on) else { return "the channel is gone".to_owned() };
        let mut received: Vec<(String, usize)> =
            channel.consumers.values().map(|consumer| (consumer.tag.clone(), consumer.received)).collect();
        received.sort_unstable();
        let total: usize = received.iter().map(|(_, count)| count).sum();
        let even = total / received.len().max(1);
        let starving = |count: usize| even >= STARVING && count < even / STARVING;
        let starving: Vec<String> =
            received.into_iter().filter(|(_, count)| starving(*count)).map(|(tag, _)| tag).collect();
        format!("{acked} acked, {total} delivered, {} in flight, starving: {starving:?}", channel.held.len())
    }
}
