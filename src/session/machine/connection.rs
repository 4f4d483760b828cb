//! The connection, as its channels share it: its output, its work for queues, its limits, its rights.

use std::sync::Arc;

use super::last_publish::LastPublish;
use crate::auth::{Operation, Refusal, Right, TopicRights};
use crate::faults::Armed;
use crate::persona::Persona;
use crate::protocol::Output;
use crate::queue::ConnectionId;
use crate::session::access::Access;
use crate::session::config::Limits;
use crate::session::confirms::SentConfirm;
use crate::session::exception::Exception;
use crate::session::held::Held;
use crate::session::outgoing::Outgoing;
use crate::session::report::{SessionCounters, Traced, Unrouted, Unusual};
use crate::session::watch::Watch;
use crate::statistics::{ExchangeCounters, ExchangeStatistics};
use crate::topology::{ExchangeKind, RouteScratch, SharedTopology};

/// What all channels of a connection share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) secret: u64,
    pub(super) user: String,
    pub(super) access: Access,
    pub(super) vhost: String,
    pub(super) topology: Arc<SharedTopology>,
    pub(super) limits: Limits,
    pub(super) out: Output,
    pub(super) outgoing: Outgoing,
    pub(super) held: Held,
    /// Whether the client ever began a publish.
    pub(super) has_published: bool,
    /// Whether it may control its world by the test exchange.
    pub(super) is_test: bool,
    pub(super) scratch: RouteScratch,
    /// What routing has cost since the last pause, in steps of some 10 to 100 ns.
    pub(super) work: usize,
    pub(super) counters: SessionCounters,
    /// What passed through exchanges since the last report.
    pub(super) exchanges_counted: Vec<(Arc<ExchangeStatistics>, ExchangeCounters)>,
    /// Channels that have something to tell their publisher.
    pub(super) confirmed_channels: Vec<u16>,
    /// Publishes that matched no queue since they were last taken.
    pub(super) unrouted: Vec<Unrouted>,
    /// The same as messages, and publishes that wait for their commit, while the vhost is traced.
    pub(super) traced: Vec<Traced>,
    /// Confirms that were sent, while somebody wants to know.
    pub(super) sent_confirms: Option<Vec<SentConfirm>>,
    /// The rules for faults, in a broker for tests.
    pub(super) watch: Option<Box<Watch>>,
    /// Which broker the virtual host stands in for.
    pub(super) persona: Persona,
    /// Messages that its channels have reported.
    pub(super) published: u64,
    /// What was published lately that is not as most is.
    pub(super) unusual: Unusual,
    pub(super) last_publish: LastPublish,
}

/// Routing may cost so much before others have a turn: a millisecond or two. A message to 10,000 queues is half of it, one that
/// goes where the last one went nothing.
const WORK_MAX: usize = 20_000;

/// Unroutable publishes of a batch of which each is noted by itself.
const UNROUTED_SINGLE_MAX: usize = 64;

impl Connection {
    pub(super) fn new(id: ConnectionId, secret: u64, limits: Limits) -> Self {
        Self {
            id,
            secret,
            user: String::new(),
            access: Access::default(),
            vhost: String::new(),
            topology: SharedTopology::of_no_vhost(),
            limits,
            out: Output::default(),
            outgoing: Outgoing::default(),
            held: Held::default(),
            has_published: false,
            is_test: false,
            scratch: RouteScratch::default(),
            work: 0,
            counters: SessionCounters::default(),
            exchanges_counted: Vec::new(),
            confirmed_channels: Vec::new(),
            unrouted: Vec::new(),
            traced: Vec::new(),
            sent_confirms: None,
            watch: None,
            persona: Persona::Coney,
            published: 0,
            unusual: Unusual::default(),
            last_publish: LastPublish::default(),
        }
    }

    /// Refuses a body that is too large, and notes one that is larger than some brokers take.
    #[inline]
    pub(super) fn check_body(&mut self, bytes: u64) -> Result<(), Exception> {
        if self.limits.is_usual(bytes) {
            return Ok(());
        }
        self.unusual.large_body = self.unusual.large_body.max(Some(bytes));
        self.limits.check_body(bytes)
    }

    /// Whether others should have a turn before the next message.
    #[inline]
    pub(super) const fn is_overdue(&self) -> bool {
        self.work > WORK_MAX
    }

    /// The same, and they have it now.
    #[inline]
    pub(super) const fn take_overdue(&mut self) -> bool {
        let is_overdue = self.is_overdue();
        if is_overdue {
            self.work = 0;
        }
        is_overdue
    }

    /// Whether rules for faults have a say in publishes or their confirms.
    pub(super) fn watches_publishes(&self) -> bool {
        self.watch.as_ref().is_some_and(|watch| watch.armed().has(Armed::PUBLISH | Armed::CONFIRM))
    }

    pub(super) fn note_confirmed(&mut self, channel: u16) {
        if !self.confirmed_channels.contains(&channel) {
            self.confirmed_channels.push(channel);
        }
    }

    /// Notes a publish that matched no queue. Of a flood of the same only the first are noted one by one.
    pub(super) fn note_unrouted(&mut self, unrouted: Unrouted) {
        let is_flood = self.unrouted.len() >= UNROUTED_SINGLE_MAX;
        match self.unrouted.last_mut().filter(|last| is_flood && last.is_like(&unrouted)) {
            Some(last) => last.count += 1,
            None => self.unrouted.push(unrouted),
        }
    }

    /// Which routing keys the client may use with an exchange; `None`: all of them.
    pub(super) fn topics(&self, exchange: &[u8]) -> Option<Arc<TopicRights>> {
        let rights = self.access.grant.rights();
        let topics = rights.topics(std::str::from_utf8(exchange).ok()?)?;
        let topology = self.topology.read();
        let kind = topology.exchange_by_bytes(exchange)?.kind;
        (kind == ExchangeKind::Topic).then(|| Arc::clone(topics))
    }

    /// Whether the client may publish with this key.
    pub(super) fn permit_topic(
        &self,
        topics: &TopicRights,
        exchange: &[u8],
        key: &[u8],
    ) -> Result<(), Exception> {
        let [exchange, key] = [exchange, key].map(String::from_utf8_lossy);
        if topics.allow(Right::Write, &key) {
            return Ok(());
        }
        let refusal = Refusal::of_topic(Right::Write, &exchange, &key);
        Err(Exception::access_refused(refusal.text(&self.vhost, &self.user)))
    }

    /// Whether the client may do this.
    pub(super) fn permit(&self, operation: Operation<'_>) -> Result<(), Exception> {
        let refused = operation.check(&self.access.grant.rights()).err();
        match refused.map(|refusal| refusal.text(&self.vhost, &self.user)) {
            Some(text) => Err(Exception::access_refused(text)),
            None => Ok(()),
        }
    }
}
