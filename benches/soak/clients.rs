//! Publishers and consumers, which come, do their work for a while, and go, orderly or not.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::Result;
use crate::broker::Broker;
use crate::flows::{Consumer, FANOUT, Flow, Habit, LATER, Way, flows};
use crate::ledger::Ledger;
use crate::random::Random;
use crate::{operator, passing};

/// How long an answer may take while the broker is up, alarms included.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Before a client tries again.
const AGAIN: Duration = Duration::from_millis(50);
/// Publishes in a batch.
const BATCH: u64 = 10;
const PREFETCH: u16 = 50;

/// What all clients know.
pub struct Shared {
    pub broker: Arc<Broker>,
    pub flows: Vec<(Flow, Ledger)>,
    /// Clients end when they are told to, consumers after publishers.
    is_publishing: AtomicBool,
    is_ended: AtomicBool,
    pub connections: AtomicU64,
    /// Done by those who pass by, and by operators.
    pub passed: AtomicU64,
    pub operated: AtomicU64,
    findings: Mutex<Vec<String>>,
    /// Connections that operators closed.
    closed: Mutex<HashSet<String>>,
}

/// Those that are at work.
pub struct Clients {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    pub async fn end(self) {
        self.shared.is_ended.store(true, Ordering::SeqCst);
        for task in self.tasks {
            if let Err(error) = task.await {
                self.shared.find(format!("a client: {error}"));
            }
        }
    }
}

impl Shared {
    pub fn new(broker: Arc<Broker>) -> Self {
        Self {
            broker,
            flows: flows().into_iter().map(|flow| (flow, Ledger::default())).collect(),
            is_publishing: AtomicBool::new(true),
            is_ended: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            passed: AtomicU64::new(0),
            operated: AtomicU64::new(0),
            findings: Mutex::default(),
            closed: Mutex::default(),
        }
    }

    pub fn stop_publishing(&self) {
        self.is_publishing.store(false, Ordering::SeqCst);
    }

    /// Whether those that bring something new go on.
    pub fn is_publishing(&self) -> bool {
        self.is_publishing.load(Ordering::SeqCst)
    }

    fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::SeqCst)
    }

    /// Notes what should not be.
    pub fn find(&self, finding: String) {
        println!("FOUND {finding}");
        self.findings.lock().expect("nothing panics with it").push(finding);
    }

    /// What was noted, and what came twice.
    pub fn findings(&self) -> Vec<String> {
        let mut findings = self.findings.lock().expect("nothing panics with it").clone();
        for (flow, ledger) in &self.flows {
            let twice = ledger.twice();
            if !twice.is_empty() {
                findings.push(format!(
                    "{}: came again, unmarked, in one life of the broker: {twice:?}",
                    flow.name
                ));
            }
        }
        findings
    }

    /// How many places are yet to be reached by confirmed messages.
    pub fn missing(&self) -> u64 {
        self.flows.iter().map(|(flow, ledger)| ledger.missing(flow.places).1).sum()
    }

    /// The confirmed messages that did not come.
    pub fn lost(&self) -> Vec<String> {
        let mut lost = Vec::new();
        for (flow, ledger) in &self.flows {
            let (shown, count) = ledger.missing(flow.places);
            if count > 0 {
                lost.push(format!("{}: {count} confirmed and not delivered: {shown:?}..", flow.name));
            }
        }
        lost
    }

    /// A line a flow.
    pub fn summary(&self) -> String {
        let mut lines = vec![format!("{:16} {:>10} {:>10} {:>8}", "flow", "confirmed", "done", "again")];
        for (flow, ledger) in &self.flows {
            let (confirmed, done, repeated) = ledger.counts();
            lines.push(format!("{:16} {confirmed:>10} {done:>10} {repeated:>8}", flow.name));
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        lines.push(format!(
            "{} connections, {} done by those who pass by, {} by operators",
            count(&self.connections),
            count(&self.passed),
            count(&self.operated)
        ));
        lines.join("\n")
    }

    /// Confirmed messages of all flows.
    pub fn confirmed(&self) -> u64 {
        self.flows.iter().map(|(_, ledger)| ledger.counts().0).sum()
    }

    /// A name for a new connection.
    pub fn name(&self, who: &str) -> String {
        format!("{who} {}", self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// A connection of that name.
    pub async fn connect(&self, name: &str) -> Result<Connection> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let uri = self.broker.uri();
        Ok(timeout(ANSWER_MAX, Connection::connect(&uri, properties)).await??)
    }

    /// Notes that an operator closes the connection of that name.
    pub fn note_closed(&self, name: &str) {
        self.closed.lock().expect("nothing panics with it").insert(name.to_owned());
    }

    /// The queues and exchanges, and what is bound to what.
    pub async fn declare(&self) -> Result<()> {
        let connection = self.connect("to declare").await?;
        let channel = connection.create_channel().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel.exchange_declare(FANOUT.into(), ExchangeKind::Fanout, durable, FieldTable::default()).await?;
        let mut later = FieldTable::default();
        later.insert("x-delayed-type".into(), AMQPValue::LongString("direct".into()));
        let kind = ExchangeKind::Custom("x-delayed-message".into());
        channel.exchange_declare(LATER.into(), kind, durable, later).await?;
        for (flow, _) in &self.flows {
            for (queue, arguments) in &flow.queues {
                let options = QueueDeclareOptions { durable: true, ..Default::default() };
                channel.queue_declare((*queue).into(), options, arguments.clone()).await?;
                if !flow.exchange.is_empty() {
                    let (exchange, key) = (flow.exchange.into(), flow.name.into());
                    let options = QueueBindOptions::default();
                    channel
                        .queue_bind((*queue).into(), exchange, key, options, FieldTable::default())
                        .await?;
                }
            }
        }
        connection.close(200, "".into()).await?;
        Ok(())
    }

    /// Everybody begins.
    pub fn spawn(self: &Arc<Self>, random: &mut Random) -> Clients {
        let mut tasks = Vec::new();
        for index in 0..self.flows.len() {
            tasks.push(tokio::spawn(publisher(Arc::clone(self), index, random.fork())));
            for consumer in &self.flows[index].0.consumers {
                tasks.push(tokio::spawn(consuming(Arc::clone(self), index, consumer.clone(), random.fork())));
            }
        }
        tasks.push(tokio::spawn(passing::requests(Arc::clone(self), random.fork())));
        tasks.push(tokio::spawn(passing::churn(Arc::clone(self), random.fork())));
        tasks.push(tokio::spawn(operator::operate(Arc::clone(self), random.fork())));
        Clients { shared: Arc::clone(self), tasks }
    }

    /// An error counts if the broker was up all the time and no operator closed the connection, whose name this is.
    pub fn judge<T>(&self, what: &str, life: u64, outcome: Result<T>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                let text = error.to_string();
                let is_closed = || self.closed.lock().expect("nothing panics with it").contains(what);
                let is_expected = !self.broker.is_up() || self.broker.life() != life || is_closed();
                if !is_expected {
                    self.find(format!("{what}: {text}"));
                }
                None
            }
        }
    }
}

/// When a client leaves.
fn leaving(random: &mut Random) -> Instant {
    Instant::now() + Duration::from_millis(2000 + random.below(28_000))
}

/// Goes: orderly, or as a process that dies.
async fn leave(connection: Connection, random: &mut Random) {
    if !random.one_in(3) {
        // It may be closed.
        let _ = timeout(ANSWER_MAX, connection.close(200, "".into())).await;
    }
}

async fn publisher(shared: Arc<Shared>, index: usize, mut random: Random) {
    // Published, and not known to be there.
    let mut open = VecDeque::new();
    // What a publisher that counts is not sure of it does not leave so.
    while shared.is_publishing() || !open.is_empty() && !shared.is_ended() {
        let (life, name) = (shared.broker.life(), shared.name(shared.flows[index].0.name));
        let outcome = publish_for_a_while(&shared, index, &name, &mut open, &mut random).await;
        shared.judge(&name, life, outcome);
        sleep(AGAIN).await;
    }
}

async fn publish_for_a_while(
    shared: &Shared,
    index: usize,
    name: &str,
    open: &mut VecDeque<u64>,
    random: &mut Random,
) -> Result<()> {
    let (flow, ledger) = &shared.flows[index];
    let connection = shared.connect(name).await?;
    let channel = connection.create_channel().await?;
    if flow.way == Way::Transactions {
        channel.tx_select().await?;
    } else {
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
    }
    if !matches!(flow.way, Way::Numbered | Way::Keyed) {
        open.clear();
    }
    let leaves = leaving(random);
    let pause = Duration::from_millis(1000 * BATCH / flow.per_second);
    while Instant::now() < leaves {
        if shared.is_publishing() {
            open.extend((open.len() as u64..BATCH.min(flow.per_second)).map(|_| ledger.issue()));
        } else if open.is_empty() {
            break;
        }
        timeout(ANSWER_MAX, publish(&channel, flow, open, random)).await.map_err(|_| "no confirm")??;
        open.drain(..).for_each(|number| ledger.confirm(number));
        sleep(pause).await;
    }
    leave(connection, random).await;
    Ok(())
}

/// Publishes these, and returns when the broker has them.
async fn publish(channel: &Channel, flow: &Flow, numbers: &VecDeque<u64>, random: &mut Random) -> Result<()> {
    let mut confirms = Vec::new();
    for &number in numbers {
        let mut body = number.to_be_bytes().to_vec();
        let bytes = flow.bytes.start + random.below(flow.bytes.end - flow.bytes.start);
        body.resize(bytes.max(8) as usize, number as u8);
        let options = BasicPublishOptions::default();
        let properties = flow.properties(number, random);
        confirms.push(
            channel.basic_publish(flow.exchange.into(), flow.name.into(), options, &body, properties).await?,
        );
    }
    if flow.way == Way::Transactions {
        channel.tx_commit().await?;
        return Ok(());
    }
    for confirm in confirms {
        let confirmation = confirm.await?;
        if !confirmation.is_ack() {
            return Err(format!("not acked: {confirmation:?}").into());
        }
    }
    Ok(())
}

async fn consuming(shared: Arc<Shared>, index: usize, consumer: Consumer, mut random: Random) {
    while !shared.is_ended() {
        let (life, name) = (shared.broker.life(), shared.name(consumer.queue));
        let outcome = consume_for_a_while(&shared, index, &consumer, (life, &name), &mut random).await;
        shared.judge(&name, life, outcome);
        let naps = consumer.habit == Habit::Naps && shared.is_publishing();
        sleep(if naps { Duration::from_millis(random.below(20_000)) } else { AGAIN }).await;
    }
}

async fn consume_for_a_while(
    shared: &Shared,
    index: usize,
    who: &Consumer,
    (life, name): (u64, &str),
    random: &mut Random,
) -> Result<()> {
    let (flow, ledger) = &shared.flows[index];
    let connection = shared.connect(name).await?;
    let channel = connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let consuming = channel.basic_consume(who.queue.into(), "".into(), options, who.arguments.clone());
    let mut consumer = consuming.await?;
    let leaves = leaving(random);
    loop {
        let left = leaves.saturating_duration_since(Instant::now());
        // To see soon that all is over.
        let Ok(delivery) = timeout(left.min(Duration::from_millis(500)), consumer.next()).await else {
            if left.is_zero() || shared.is_ended() {
                leave(connection, random).await;
                return Ok(());
            }
            continue;
        };
        let Some(delivery) = delivery.transpose()? else {
            return Err("the consumer ended".into());
        };
        let number = delivery.data.first_chunk().map(|number| u64::from_be_bytes(*number));
        let Some(number) = number else {
            shared.find(format!("{}: a message of {} bytes", who.queue, delivery.data.len()));
            continue;
        };
        settle(who, &delivery, random, |is_marked| {
            ledger.done(number, who.place, life, is_marked || !flow.is_strict);
        })
        .await?;
    }
}

/// What it does with a delivery; `done` if that was the end of it.
async fn settle(
    who: &Consumer,
    delivery: &Delivery,
    random: &mut Random,
    done: impl FnOnce(bool),
) -> lapin::Result<()> {
    let gives_back = match who.habit {
        Habit::Acks | Habit::Naps => false,
        Habit::GivesBack => random.one_in(20),
        Habit::Fails => random.one_in(5),
    };
    if gives_back {
        return delivery.nack(BasicNackOptions { requeue: true, ..Default::default() }).await.map(drop);
    }
    // Done is done, whether the broker hears of it or not.
    done(delivery.redelivered);
    delivery.ack(BasicAckOptions::default()).await.map(drop)
}
