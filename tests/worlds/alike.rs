//! The same script in worlds with clocks of their own and in one with the system's: the same happens, in the same order.
//!
//! The system's clock is paused here, and jumps from timer to timer, so hours of it take no time. What is compared is each queue's own
//! story: two queues have no order between them.

use std::time::Duration;

use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::types::{AMQPValue, FieldTable};
use coney::broker::journal::{EventKind, Filter};
use coney::{AckMode, Broker, BrokerHandle, NewMessage, PeekState, World};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::support::virtual_time::pass;

const QUEUES: [&str; 5] = ["first", "second", "retried", "last", "few"];

#[derive(Clone, Debug)]
enum Action {
    /// To a queue by its number; persistent, with a TTL of its own.
    Publish(usize, bool, Option<u32>),
    /// To the delayed exchange.
    Later(u32),
    /// Time passes.
    Wait(u32),
    /// So many are got and settled like this.
    Get(usize, usize, AckMode),
}

fn action() -> impl Strategy<Value = Action> {
    let ttl = proptest::option::weighted(0.3, (1_u32..40).prop_map(|ttl| ttl * 97));
    let modes = select(vec![AckMode::Ack, AckMode::Fail, AckMode::Reject, AckMode::Requeue]);
    prop_oneof![
        4 => (0..QUEUES.len(), any::<bool>(), ttl).prop_map(|(queue, persistent, ttl)| Action::Publish(queue, persistent, ttl)),
        1 => (1_u32..30).prop_map(|delay| Action::Later(delay * 89)),
        4 => (0_u32..40).prop_map(|wait| Action::Wait(wait * 100)),
        2 => (0..QUEUES.len(), 1_usize..3, modes).prop_map(|(queue, count, mode)| Action::Get(queue, count, mode)),
    ]
}

/// TTLs that lead from queue to queue, retries, a limit, a delayed exchange. No two of the times add up to the same.
fn definitions() -> String {
    let dlx = |key: &str, more: serde_json::Value| {
        let mut arguments = json!({ "x-dead-letter-exchange": "", "x-dead-letter-routing-key": key });
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let retried = json!({
        "x-queue-type": "quorum", "x-delivery-limit": 3, "x-delayed-retry-type": "failed",
        "x-delayed-retry-min": 517, "x-delayed-retry-max": 4_001,
    });
    let arguments = [
        dlx("second", json!({ "x-message-ttl": 1011 })),
        dlx("retried", json!({ "x-message-ttl": 703 })),
        dlx("last", retried),
        dlx("first", json!({ "x-message-ttl": 5007 })),
        dlx("second", json!({ "x-max-length": 2 })),
    ];
    let queues = QUEUES.iter().zip(arguments);
    let queues: Vec<_> = queues
        .map(|(name, arguments)| json!({ "name": name, "durable": true, "auto_delete": false, "arguments": arguments }))
        .collect();
    let exchange = json!({
        "name": "later", "type": "x-delayed-message", "durable": true, "auto_delete": false, "internal": false,
        "arguments": { "x-delayed-type": "fanout" },
    });
    let binding = json!({
        "source": "later", "destination": "first", "destination_type": "queue", "routing_key": "", "arguments": {},
    });
    json!({ "queues": queues, "exchanges": [exchange], "bindings": [binding] }).to_string()
}

/// How a world's time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passing {
    /// By itself.
    System,
    /// In one move.
    Moved,
    /// In two moves, the first of which is so long in hundredths.
    Split(u32),
}

struct Run<'a> {
    broker: &'a BrokerHandle,
    world: World,
    passing: Passing,
    published: u64,
    /// Whether something was due as good as when the next action came.
    is_close: bool,
}

impl<'a> Run<'a> {
    async fn begin(broker: &'a BrokerHandle, passing: Passing) -> Self {
        let builder = broker.world();
        let builder = if passing == Passing::System { builder } else { builder.virtual_clock() };
        let world = builder.create().await.unwrap();
        world.import_definitions(&definitions()).await.unwrap();
        Self { broker, world, passing, published: 0, is_close: false }
    }

    async fn act(&mut self, action: &Action) {
        match action {
            Action::Publish(queue, persistent, ttl) => {
                let mode = if *persistent { 2 } else { 1 };
                let mut properties = AMQPProperties::default().with_delivery_mode(mode);
                if let Some(ttl) = ttl {
                    properties = properties.with_expiration(ttl.to_string().into());
                }
                self.publish("", QUEUES[*queue], properties).await;
            }
            Action::Later(ms) => {
                let mut headers = FieldTable::default();
                headers.insert("x-delay".into(), AMQPValue::LongUInt(*ms));
                self.publish("later", "", AMQPProperties::default().with_headers(headers)).await;
            }
            Action::Wait(ms) => self.wait(*ms).await,
            Action::Get(queue, count, mode) => {
                self.broker.get(self.world.name(), QUEUES[*queue], *count, *mode).await.unwrap();
            }
        }
        // What follows at once has happened before anything else is done.
        self.world.settled().await;
    }

    async fn publish(&mut self, exchange: &str, routing_key: &str, properties: AMQPProperties) {
        self.published += 1;
        let body = self.published.to_string();
        let message = NewMessage { exchange, routing_key, properties, body: body.as_bytes() };
        self.broker.publish(self.world.name(), message).await.unwrap();
    }

    async fn wait(&mut self, ms: u32) {
        let clock = self.world.clock();
        let advance = async |ms: u32| clock.advance(Duration::from_millis(ms.into())).await.unwrap();
        match self.passing {
            Passing::System => pass(ms.into()).await,
            Passing::Moved => {
                let moved = advance(ms).await;
                let last = moved.steps.last().map_or(0, |step| step.at.as_millis());
                self.is_close |= last + CLOSE_MS > moved.now.as_millis();
            }
            Passing::Split(hundredths) => {
                let first = ms * hundredths / 100;
                advance(first).await;
                advance(ms - first).await;
            }
        }
    }

    /// What each queue has now, and what has happened in it.
    async fn story(&self) -> Vec<Story> {
        let journal = self.broker.journal(self.world.name()).unwrap();
        let events = journal.after(0, &Filter::default(), usize::MAX).events;
        let mut stories = Vec::new();
        for queue in QUEUES {
            let mut bodies = Vec::new();
            for state in [PeekState::Ready, PeekState::Delayed] {
                let messages = self.world.messages(queue, state).await.unwrap();
                bodies.extend(messages.iter().map(|message| {
                    let body = message.message.as_ref().unwrap().body();
                    format!("{state:?} {}", String::from_utf8_lossy(body))
                }));
            }
            let own = events.iter().filter(|event| event.queue.as_deref() == Some(queue));
            let at = own.clone().map(|event| event.at.as_millis()).collect();
            let own = own.map(|event| (event.kind, event.position.map(|position| position.0)));
            stories.push(Story { bodies, events: own.collect(), at });
        }
        stories
    }
}

/// A queue's story.
#[derive(Clone, Debug)]
struct Story {
    /// Bodies that are ready or wait.
    bodies: Vec<String>,
    /// Kinds of events with positions.
    events: Vec<(EventKind, Option<u64>)>,
    /// When they were, in milliseconds.
    at: Vec<u64>,
}

impl PartialEq for Story {
    fn eq(&self, other: &Self) -> bool {
        (&self.bodies, &self.events) == (&other.bodies, &other.events)
    }
}

/// Timers of the system's clock are late by up to a millisecond, and one leads to the next: what is as close as this may change places.
const CLOSE_MS: u64 = 5;

impl Story {
    /// The same without the order of what is close.
    fn loose(&self) -> Self {
        let mut groups = vec![0];
        groups.extend(self.at.windows(2).scan(0, |group, pair| {
            *group += u32::from(pair[1] - pair[0] > CLOSE_MS);
            Some(*group)
        }));
        let mut events: Vec<_> = groups.into_iter().zip(self.events.clone()).collect();
        events.sort_by_key(|(group, (kind, position))| (*group, format!("{kind:?}"), *position));
        let mut loose = Self { events: events.into_iter().map(|(_, event)| event).collect(), ..self.clone() };
        loose.bodies.sort();
        loose
    }
}

/// Whether two things that happened in a queue were so close that they could as well have happened the other way round.
fn differ_by_what_is_close(one: &[Story], other: &[Story]) -> bool {
    let loose = |stories: &[Story]| stories.iter().map(Story::loose).collect::<Vec<_>>();
    one != other && loose(one) == loose(other)
}

fn run(script: &[Action], split: u32) -> Result<(), TestCaseError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let broker = Broker::builder().ephemeral().detached().test().start().await.unwrap();
        let (mut stories, mut is_close) = (Vec::new(), false);
        for passing in [Passing::System, Passing::Moved, Passing::Split(split)] {
            let mut run = Run::begin(&broker, passing).await;
            for action in script {
                run.act(action).await;
            }
            run.wait(20_000).await;
            run.world.settled().await;
            stories.push(run.story().await);
            is_close |= run.is_close;
            run.world.delete().await.unwrap();
        }
        if is_close || differ_by_what_is_close(&stories[0], &stories[1]) {
            return Err(TestCaseError::reject("what falls together has no order"));
        }
        prop_assert_eq!(&stories[0], &stories[1], "moved, and by itself");
        prop_assert_eq!(&stories[1], &stories[2], "in one move, and in two");
        broker.shutdown().await.unwrap();
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_clock_that_is_moved_and_one_that_goes_by_itself_tell_the_same_story(
        script in proptest::collection::vec(action(), 1..40),
        split in 0_u32..100,
    ) {
        run(&script, split)?;
    }
}
