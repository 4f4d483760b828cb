//! A node: it follows until the lease is free and its fence is the last frame of the log; then it leads, with a broker on its engine, until
//! it loses the one or the other. Then it follows again.

use super::directory::{Claim, Directory, Member, Told};
use super::follower::{Follower, Progress, Stop};
use super::hand_over::{NodeControl, Order};
use super::hearing::{HandOverError, Hearing, Retention};
use super::host::{Host, Led};
use super::leading::{Damaged, Ordered, Short, Trimming};
use super::lease::{Action, EXPIRES, Lease, Seen};
use super::local::LocalEngine;
use super::log::{Log, Sequence};
use super::mark::Mark;
use super::rejoin::Rejoin;
use super::status::{Role, Status};
use super::telling::Telling;
use super::tenure::Tenure;
use super::watching::{Gone, Watching};
use crate::server::StartError;
use crate::store::Error;
use crate::time::Time;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// So often a leader looks at its lease.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// So often it sends something through the log.
const BEAT_EVERY: Duration = Duration::from_millis(500);
/// A fence that is not there after so long is given up: the lease is not to be held in vain.
const FENCE_MAX: Duration = Duration::from_millis(2000);

/// A broker that is to end, so that another node can lead, has so long for what clients sent to go through the log.
const END_MAX: Duration = Duration::from_secs(5);

/// Why a node stopped. What it has stays.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It cannot follow.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// Its store failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// Its broker could not start.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Why a node leads no more.
enum End {
    Failed(Error),
    Lost,
    /// It is to hand over to this one.
    Ordered(String, Order),
    /// The disk of this node is short of space, and this one's is not.
    Short(String),
    /// This one has all, and something that this node has is damaged.
    Damaged(String, String),
}

/// A node of a cluster.
pub struct Node<H> {
    host: Arc<H>,
    member: Member,
    log_id: u64,
    engine: LocalEngine,
    lease: Lease,
    /// Of what this node last wrote to the lease.
    revision: u64,
    /// Whether it may have written something of which it has not heard.
    may_have_written: bool,
    /// Of what another has written to the lease, and this node may write over: it is in this node's name, or in that of one that is gone.
    free: Option<u64>,
    /// The last leader whose process was gone.
    gone: watch::Sender<Option<Gone>>,
    retention: Retention,
    /// With less left on its disk publishers are blocked, in bytes.
    disk_free_limit: u64,
    /// When it last handed over because its disk was short of space.
    was_short: Option<Time>,
    hearing: Arc<Mutex<Hearing>>,
    orders: Arc<tokio::sync::Mutex<mpsc::Receiver<Order>>>,
    control: NodeControl,
    status: watch::Sender<Status>,
    members: watch::Sender<Vec<Told>>,
}

impl<H: Host> Node<H> {
    /// A node that says this of itself, but for what changes. `log_id` is that of the cluster.
    pub fn new(host: H, member: Member, log_id: u64, engine: LocalEngine) -> Self {
        let (host, lease) = (Arc::new(host), Lease::new(member.rank));
        let (status, members) = <(watch::Sender<Status>, watch::Sender<Vec<Told>>)>::default();
        let (sender, orders) = mpsc::channel(1);
        let control = NodeControl::new(status.subscribe(), sender);
        Self {
            host,
            member,
            log_id,
            engine,
            lease,
            revision: 0,
            may_have_written: false,
            free: None,
            gone: watch::Sender::default(),
            retention: Retention::default(),
            disk_free_limit: 0,
            was_short: None,
            hearing: Arc::default(),
            orders: Arc::new(tokio::sync::Mutex::new(orders)),
            control,
            status,
            members,
        }
    }

    /// How much of the log it keeps while it leads.
    #[must_use]
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// With less left on its disk publishers are blocked, in bytes: another should lead long before that.
    #[must_use]
    pub fn disk_free_limit(mut self, bytes: Option<u64>) -> Self {
        self.disk_free_limit = bytes.unwrap_or(0);
        self
    }

    /// What it can be told to do from now on.
    #[must_use]
    pub fn control(&self) -> NodeControl {
        self.control.clone()
    }

    /// What all nodes say of themselves from now on.
    #[must_use]
    pub fn members(&self) -> watch::Receiver<Vec<Told>> {
        self.members.subscribe()
    }

    /// What it says of itself from now on.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// Runs until it cannot any more.
    pub async fn run(self) -> NodeError {
        // What it says of itself first must not be that it has nothing. What is wrong with its store is met again.
        let engine = self.engine.clone();
        drop(self.host.block(move |_| engine.look()).await);
        let telling = Telling {
            host: Arc::clone(&self.host),
            engine: self.engine.clone(),
            member: self.member.clone(),
            status: self.status.subscribe(),
            members: self.members.clone(),
            hearing: Arc::clone(&self.hearing),
            disk_free_limit: self.disk_free_limit,
        };
        let watching = Watching {
            host: Arc::clone(&self.host),
            name: self.member.name.clone(),
            status: self.status.subscribe(),
            members: self.members.subscribe(),
            gone: self.gone.clone(),
        };
        tokio::select! {
            biased;
            error = self.play() => error,
            never = telling.run() => match never {},
            never = watching.run() => match never {},
        }
    }

    async fn play(mut self) -> NodeError {
        loop {
            let played = match self.follow().await {
                Ok((fence, tenure)) => match self.lead(fence, tenure).await {
                    Err(NodeError::Stop(stop)) if stop.needs_snapshot() => self.rejoin(stop).await,
                    led => led,
                },
                Err(stop) if stop.needs_snapshot() => self.rejoin(stop).await,
                Err(stop) => Err(stop.into()),
            };
            self.lease.lost();
            if let Err(error) = played {
                return error;
            }
        }
    }

    /// Takes another node's snapshot in the place of what this one has.
    async fn rejoin(&self, why: Stop) -> Result<(), NodeError> {
        tracing::warn!(%why, "this node needs a snapshot");
        let rejoining = Status { is_rejoining: true, ..Status::default() };
        self.status.send_modify(|status| *status = Status { term: status.term, ..rejoining });
        let rejoin = Rejoin {
            host: &*self.host,
            name: &self.member.name,
            log_id: self.log_id,
            engine: &self.engine,
            hearing: &self.hearing,
        };
        rejoin.run(why).await?;
        self.status.send_modify(|status| status.is_rejoining = false);
        Ok(())
    }

    /// Follows until its fence is the last frame.
    async fn follow(&mut self) -> Result<(Mark, Tenure), Stop> {
        let (engine, log_id) = (self.engine.clone(), self.log_id);
        let mut follower = self.host.block(move |_| Follower::open(engine, log_id)).await?;
        let mut gone = self.gone.subscribe();
        loop {
            let (back, progress) = self.step(follower).await?;
            follower = back;
            let term = follower.term();
            let Progress { applied, has_read, is_caught_up } = progress;
            self.host.tell(false, term, applied);
            let status = Status { role: Role::Follower, term, applied, is_caught_up, is_rejoining: false };
            self.status.send_replace(status);
            if has_read {
                continue;
            }
            if !self.may_campaign(term, is_caught_up).await {
                self.wait(applied, &mut gone).await;
                continue;
            }
            let (back, won) = self.campaign(follower).await?;
            if let Some(won) = won {
                return Ok(won);
            }
            follower = back;
            self.lease.lost();
        }
    }

    async fn step(
        &self,
        mut follower: Follower<LocalEngine>,
    ) -> Result<(Follower<LocalEngine>, Progress), Stop> {
        let engine = self.engine.clone();
        let step = move |log: &mut H::Log| {
            let progress = follower.step(log)?;
            engine.tend()?;
            Ok((follower, progress))
        };
        self.host.block(step).await
    }

    /// Waits until there may be more in the log, or something else to do.
    async fn wait(&self, applied: Sequence, gone: &mut watch::Receiver<Option<Gone>>) {
        let (host, now) = (&self.host, self.host.now());
        let its_turn = async {
            match self.lease.turn().filter(|turn| *turn > now) {
                Some(turn) => host.pass(turn.since(now)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // The sender is this node's.
            changed = gone.changed() => drop(changed),
            () = its_turn => {}
            () = host.block(move |log| log.wait(applied)) => {}
        }
    }

    async fn may_campaign(&mut self, term: u64, is_caught_up: bool) -> bool {
        let seen = match self.host.directory().read().await {
            Ok(claim) => self.seen(claim, term),
            Err(_) => Seen::Unknown,
        };
        self.lease.follow(self.host.now(), seen, is_caught_up) == Action::Campaign
    }

    fn seen(&mut self, claim: Option<Claim>, term: u64) -> Seen {
        self.free = None;
        match claim {
            Some(Claim { holder, revision }) if holder == self.member.name => {
                if revision == self.revision || self.may_have_written {
                    return Seen::Somebody;
                }
                self.free = Some(revision);
                Seen::Named
            }
            Some(Claim { holder, revision }) if self.is_gone(&holder, term) => {
                self.may_have_written = false;
                self.free = Some(revision);
                Seen::Gone { term, revision }
            }
            claim => {
                self.may_have_written = false;
                if claim.is_some() { Seen::Somebody } else { Seen::Nobody }
            }
        }
    }

    /// Whether that node led in this term, the last one, and its process is gone.
    fn is_gone(&self, name: &str, term: u64) -> bool {
        self.gone.borrow().as_ref().is_some_and(|gone| gone.name == name && gone.term == term)
    }

    /// Asks for the lease, and fences the log.
    async fn campaign(
        &mut self,
        mut follower: Follower<LocalEngine>,
    ) -> Result<(Follower<LocalEngine>, Option<(Mark, Tenure)>), Stop> {
        let asked = self.host.now();
        let free = self.free.take().unwrap_or(0);
        let Some(revision) = self.write_lease(free).await else { return Ok((follower, None)) };
        self.revision = revision;
        self.lease.got(asked);
        let (tenure, term) = (Tenure::default(), follower.term());
        // What the leader before wrote last may just be coming. But if it is a fence, another was first, and may lead.
        while self.host.now().since(asked) < FENCE_MAX && follower.term() == term {
            let fence;
            (follower, fence) = self.guarded(asked, &tenure, self.fence(follower, &tenure)).await?;
            if let Some(fence) = fence {
                return Ok((follower, Some((fence, tenure))));
            }
            follower = self.step(follower).await?.0;
        }
        Ok((follower, None))
    }

    async fn write_lease(&mut self, revision: u64) -> Option<u64> {
        let written = self.host.directory().write(&self.member.name, revision).await;
        self.may_have_written |= written.is_err();
        written.ok().flatten()
    }

    async fn fence(
        &self,
        mut follower: Follower<LocalEngine>,
        tenure: &Tenure,
    ) -> Result<(Follower<LocalEngine>, Option<Mark>), Stop> {
        let (name, tenure) = (self.member.name.clone(), tenure.clone());
        let fence = move |log: &mut H::Log| {
            let fence = follower.fence(log, &name, &tenure)?;
            Ok((follower, fence))
        };
        self.host.block(fence).await
    }

    /// Waits for something, and ends the tenure when that takes too long.
    async fn guarded<T>(&self, asked: Time, tenure: &Tenure, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let left = FENCE_MAX.saturating_sub(self.host.now().since(asked));
        tokio::select! {
            biased;
            out = &mut work => return out,
            () = self.host.pass(left) => tenure.end(),
        }
        work.await
    }

    async fn lead(&mut self, fence: Mark, tenure: Tenure) -> Result<(), NodeError> {
        let opened = self.open(fence, &tenure).await;
        let led = match opened {
            Ok(led) => led,
            Err(StartError::Store(Error::Deposed { .. })) => return Ok(()),
            Err(StartError::Store(damaged @ Error::Damaged { .. })) => {
                tenure.end();
                return Err(Stop::from(damaged).into());
            }
            Err(error) => return Err(error.into()),
        };
        let Mark { term, sequence: applied, .. } = fence;
        self.host.tell(true, term, applied);
        let status = Status { role: Role::Leader, term, applied, is_caught_up: true, is_rejoining: false };
        self.status.send_replace(status);
        let end = self.led(&led).await;
        let failure = match end {
            End::Failed(error) => Some(error),
            End::Lost => None,
            End::Ordered(to, order) => {
                self.hand_over(led, &tenure, &to, order).await;
                return Ok(());
            }
            End::Short(to) => {
                tracing::warn!("the disk is short of space: another node leads, which has more");
                self.was_short = Some(self.host.now());
                self.hand_over(led, &tenure, &to, Order::unheard()).await;
                return Ok(());
            }
            End::Damaged(to, detail) => {
                tracing::error!(
                    detail,
                    "this node's store is damaged: another leads, and this one takes a snapshot"
                );
                self.hand_over(led, &tenure, &to, Order::unheard()).await;
                return Err(Stop::from(Error::Damaged { detail }).into());
            }
        };
        tenure.end();
        self.status.send_modify(|status| status.role = Role::Follower);
        led.end().await;
        match failure {
            None | Some(Error::Deposed { .. }) => Ok(()),
            Some(error) => {
                self.name_successor().await;
                Err(error.into())
            }
        }
    }

    /// Of a node that ends, and need not be waited for until its lease has run out. What that fails with does not matter.
    async fn name_successor(&self) {
        let successor = {
            let hearing = self.hearing.lock().unwrap_or_else(PoisonError::into_inner);
            hearing.successor(self.host.now(), (&self.member.name, self.engine.applied()), None)
        };
        if let Ok(to) = successor {
            drop(self.host.directory().write(&to, self.revision).await);
        }
    }

    /// Opens the store and starts a broker on it, for as long as it has the lease.
    async fn open(&mut self, fence: Mark, tenure: &Tenure) -> Result<H::Led, StartError> {
        let host = Arc::clone(&self.host);
        let mut opening = pin!(host.lead(self.engine.clone(), fence, tenure.clone()));
        tokio::select! {
            biased;
            led = &mut opening => return led,
            () = self.keep(None) => tenure.end(),
        }
        opening.await
    }

    /// Leads, until that ends.
    async fn led(&mut self, led: &H::Led) -> End {
        let host = Arc::clone(&self.host);
        let trimming = Trimming {
            host: &*host,
            name: self.member.name.clone(),
            engine: self.engine.clone(),
            retention: self.retention,
            hearing: Arc::clone(&self.hearing),
        };
        let ordered = Ordered {
            host: &*host,
            name: self.member.name.clone(),
            engine: self.engine.clone(),
            hearing: Arc::clone(&self.hearing),
            orders: Arc::clone(&self.orders),
        };
        let damaged = Damaged {
            host: &*host,
            name: self.member.name.clone(),
            engine: self.engine.clone(),
            hearing: Arc::clone(&self.hearing),
        };
        let short = Short {
            host: &*host,
            name: self.member.name.clone(),
            engine: self.engine.clone(),
            hearing: Arc::clone(&self.hearing),
            last: self.was_short,
        };
        let end = tokio::select! {
            biased;
            error = led.failed() => End::Failed(error),
            (to, order) = ordered.next() => End::Ordered(to, order),
            (to, detail) = damaged.noticed() => End::Damaged(to, detail),
            to = short.noticed(led) => End::Short(to),
            () = self.keep(Some(led)) => End::Lost,
            never = trimming.run() => match never {},
        };
        // Whoever has ordered something meanwhile hears that this node does not lead.
        while self.orders.lock().await.try_recv().is_ok() {}
        end
    }

    /// Ends the broker while the lease is kept, and writes the successor's name to it.
    async fn hand_over(&mut self, led: H::Led, tenure: &Tenure, to: &str, order: Order) {
        tracing::info!(to, "handing the lead over");
        let host = Arc::clone(&self.host);
        {
            let mut ending = pin!(led.end());
            let is_over = tokio::select! {
                biased;
                () = &mut ending => true,
                () = self.keep(None) => false,
                () = host.pass(END_MAX) => false,
            };
            tenure.end();
            if !is_over {
                ending.await;
            }
        }
        self.status.send_modify(|status| status.role = Role::Follower);
        let unwritten = |why: &str| Err(HandOverError::Unwritten(why.to_owned()));
        order.answer(match host.directory().write(to, self.revision).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => unwritten("another node has it"),
            Err(error) => unwritten(&error.to_string()),
        });
    }

    /// Keeps the lease as long as it can, and as long as something goes through the log.
    async fn keep(&mut self, led: Option<&H::Led>) {
        let is_there = Arc::new(AtomicBool::new(true));
        let (mut moved, mut sent) = (self.host.now(), self.host.now());
        loop {
            let now = self.host.now();
            // A store that is being opened has nothing yet that could be asked.
            if led.is_none() || is_there.load(Relaxed) {
                moved = now;
            }
            if let Some(led) = led.filter(|_| is_there.load(Relaxed) && now.since(sent) >= BEAT_EVERY) {
                is_there.store(false, Relaxed);
                sent = now;
                let is_there = Arc::clone(&is_there);
                led.beat(Box::new(move || is_there.store(true, Relaxed)));
            }
            match self.lease.lead(now, moved) {
                Action::StepDown => return,
                Action::Renew if !self.renew_in_time(now).await => return,
                Action::Renew | Action::Wait | Action::Campaign => {}
            }
            let left = self.lease.holds_until().since(self.host.now());
            self.host.pass(LOOK_EVERY.min(left)).await;
        }
    }

    /// Writes the lease again; `false` if another has it, or if it ends before there is an answer.
    async fn renew_in_time(&mut self, now: Time) -> bool {
        let (host, left) = (Arc::clone(&self.host), self.lease.holds_until().since(now));
        tokio::select! {
            biased;
            has_it = self.renew(now) => has_it,
            () = host.pass(left) => false,
        }
    }

    /// Writes the lease again; `false` if another has it.
    async fn renew(&mut self, now: Time) -> bool {
        let directory = self.host.directory();
        match directory.write(&self.member.name, self.revision).await {
            Ok(Some(revision)) => {
                self.revision = revision;
                self.lease.got(now);
                true
            }
            Err(_) => {
                self.may_have_written = true;
                true
            }
            // Perhaps it was written, and the answer was lost.
            Ok(None) => match directory.read().await {
                Ok(Some(Claim { holder, revision })) if holder == self.member.name => {
                    self.revision = revision;
                    true
                }
                Ok(_) => false,
                Err(_) => true,
            },
        }
    }
}

const _: () = assert!(
    FENCE_MAX.as_millis() < EXPIRES.as_millis(),
    "a fence is given up while nobody else has the lease"
);
