//! Messages that are taken out of a queue by somebody who settles them later, and who may wait for the first one to come.

use std::sync::Arc;
use std::time::Duration;

use super::consumers::consume;
use super::holding::{Held, HeldMessage};
use super::scope::Scope;
use crate::broker::connections::Event;
use crate::broker::error::OperationError;
use crate::broker::shared::stopped;
use crate::queue::options::OwnTimeout;
use crate::queue::{Command, Consume, ConsumerKey, ConsumerName};
use crate::session::SessionCounters;
use crate::session::publication::CHANNEL;
use crate::statistics::ChannelCounters;

/// The tag of the consumer that waits for a first message.
const TAG: &str = "coney.take";

/// What is to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Take {
    /// Messages, at most.
    pub count: usize,
    /// No message more once their bodies have so many bytes.
    pub bytes: usize,
    /// How long to wait for a first message while there is none.
    pub wait: Duration,
}

/// Messages that were taken.
#[derive(Debug)]
pub struct Taken {
    /// Holds them until they are settled.
    pub held: Held,
    /// The messages, in their order.
    pub messages: Vec<HeldMessage>,
}

/// Takes the first ready messages of a queue. Consumers do not get them while they are held; what is dropped without being settled goes back, and
/// counts as a failed delivery. It needs the right to take messages out.
///
/// # Errors
/// `AccessRefused`, `NotFound`, `Locked`, `Unreadable`; `ExclusiveUse` if it has to wait and another consumer has the queue for itself.
pub async fn take(scope: Scope<'_>, queue: &str, take: Take) -> Result<Taken, OperationError> {
    let mut held = Held::of(scope, queue)?;
    let (mut messages, mut bytes) = (Vec::new(), 0);
    while messages.len() < take.count && bytes < take.bytes {
        let next = match held.next().await? {
            None if messages.is_empty() && !take.wait.is_zero() => wait_for_one(&mut held, take.wait).await?,
            next => next,
        };
        let Some(message) = next else { break };
        bytes += message.message.body_len();
        messages.push(message);
    }
    count(&held, &messages);
    held.hand_over();
    Ok(Taken { held, messages })
}

fn count(held: &Held, messages: &[HeldMessage]) {
    let counted = ChannelCounters {
        got: messages.len() as u64,
        got_empty: u64::from(messages.is_empty()),
        redelivered: messages.iter().filter(|message| message.redelivered).count() as u64,
        ..ChannelCounters::default()
    };
    held.scope().count(&SessionCounters { messages: counted, ..SessionCounters::default() });
}

/// Waits in line with the queue's consumers until it is given one message.
async fn wait_for_one(held: &mut Held, wait: Duration) -> Result<Option<HeldMessage>, OperationError> {
    let key = ConsumerKey { connection: held.connection.id(), channel: CHANNEL, number: 1 };
    let waiting = Consume {
        key,
        no_ack: false,
        exclusive: false,
        prefetch: 1,
        priority: 0,
        channel_prefetch: None,
        inbox: None,
        ack_timeout: OwnTimeout::TheQueues,
        name: ConsumerName { tag: TAG.into(), peer: Arc::default() },
        arguments: Arc::default(),
        is_passing: true,
    };
    consume(held.scope(), &held.record, waiting).await?;
    let clock = held.scope().shared.clock;
    let mut stopping = held.scope().shared.stopping.subscribe();
    let end = clock.now() + wait;
    let event = tokio::select! {
        event = held.connection.event() => event,
        () = clock.wait_for(Some(end)) => None,
        () = stopped(&mut stopping) => None,
    };
    if let Some(Event::Cancelled(_)) = event {
        return Err(held.scope().no_queue(&held.record.name));
    }
    held.record.mailbox.ask(Command::Cancel(key)).await;
    // What was on its way when it left is there by now.
    let delivered = event.or_else(|| held.connection.event_at_hand());
    let Some(Event::Deliver(_, deliveries)) = delivered else { return Ok(None) };
    // It may have one at a time.
    Ok(deliveries.into_iter().next().map(|delivery| held.note(delivery)))
}
