//! Faults that rules make on a connection as a whole: at its entrance, and what is so as long as a rule is there.

use std::sync::Arc;
use std::time::Duration;

use amq_protocol::types::FieldTable;
use tokio::sync::RwLockReadGuard;

use super::connection::Connection;
use super::faulty::Faulty;
use super::wire::{Stream, Wire};
use crate::broker::shared::stopped;
use crate::broker::vhost::Vhost;
use crate::broker::world::{ConnectionState, WorldFaults};
use crate::faults::{Action, Armed, Happening, Subject};
use crate::message::QueueId;
use crate::session::{Exception, Watch};
use crate::statistics::QueueCounters;
use crate::time::Time;

/// How often a slow connection has its next piece.
const SLOW_PIECES_A_SECOND: u64 = 20;

/// Whether a connection that is entering its virtual host goes on.
pub(super) type Goes = bool;

impl Connection {
    /// What patterns call it: as the client named it, or its address.
    fn name_for_rules(&self) -> String {
        let named = text(self.session.client_properties(), "connection_name");
        named.unwrap_or_else(|| self.overview.name())
    }

    /// Asks the rules of the virtual host that the client has named.
    pub(super) async fn enter_by_rules(&mut self, happening: Happening, name: &str) -> Goes {
        let Some(vhost) = self.shared.vhost(name) else { return true };
        let Some(world) =
            vhost.world.as_ref().filter(|world| world.faults.rules.armed().has(Armed::ENTRANCE))
        else {
            return true;
        };
        let connection = self.name_for_rules();
        let user = self.session.user().to_owned();
        let subject = Subject { user: &user, connection: &connection, ..Subject::default() };
        let Some(verdict) = world.faults.rules.decide(happening, &subject) else { return true };
        match verdict.action {
            Action::Delay(ms) => {
                self.wait_by_rule(Duration::from_millis(ms)).await;
                return true;
            }
            Action::Refuse(refusal) => {
                let now = self.shared.clock.now();
                self.session.open_refused(now, Exception::new(refusal.code, refusal.text));
            }
            Action::Silence => {
                self.be_silent_while(&world.faults, |rules| rules.get(verdict.id).is_some()).await
            }
            _ => self.session.reset_by_rule(self.shared.clock.now()),
        }
        false
    }

    /// Nothing is done for so long, unless the connection has to end.
    pub(super) async fn wait_by_rule(&mut self, time: Duration) {
        let clock = self.shared.clock;
        self.wait_unless_it_ends(clock.wait_for(Some(clock.now() + time))).await;
    }

    /// Waits for that; `false` if the connection, or the broker, has to end first.
    async fn wait_unless_it_ends(&mut self, awaited: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = awaited => true,
            () = self.handle.ends() => false,
            () = stopped(&mut self.stopping) => false,
        }
    }

    /// The socket stays open, and nobody looks at it, until there are other rules; or the connection has to end.
    async fn be_silent_while(
        &mut self,
        faults: &WorldFaults,
        is_so: impl Fn(&crate::faults::Faults) -> bool,
    ) {
        loop {
            let mut changed = std::pin::pin!(faults.changed.notified());
            changed.as_mut().enable();
            if !is_so(&faults.rules) {
                break;
            }
            if !self.wait_unless_it_ends(changed).await {
                break;
            }
        }
        self.session.reset_by_rule(self.shared.clock.now());
    }

    /// Waits while the virtual host starts again; `None` if the connection has to end.
    pub(super) async fn wait_for_restart<'a>(
        &mut self,
        faults: &'a WorldFaults,
    ) -> Option<RwLockReadGuard<'a, ()>> {
        tokio::select! {
            biased;
            guard = faults.restarting.read() => Some(guard),
            () = self.handle.ends() => None,
        }
    }

    /// It is in: rules can make faults on it from now on.
    pub(super) fn watch_faults(&mut self, vhost: &Arc<Vhost>) {
        let Some(world) = &vhost.world else { return };
        let (user, connection) = (self.session.user().to_owned(), self.name_for_rules());
        let names = {
            let vhost = Arc::downgrade(vhost);
            move |queue: QueueId| Some(Arc::clone(&vhost.upgrade()?.queue(queue)?.label))
        };
        let rules = Arc::clone(&world.faults.rules);
        self.session.watch(Watch::new(rules, Box::new(names), &user, &connection));
        let state = ConnectionState::default();
        let world = Arc::clone(&world.faults);
        self.faulty = Some(Box::new(Faulty { world, user, connection, state, next_piece: Time::ZERO }));
        self.look_at_rules();
    }

    /// What a rule delivered twice counts as two deliveries of its queue.
    pub(super) fn count_duplicates(&mut self) {
        let duplicated = self.session.take_duplicated();
        let Some(vhost) = self.vhost.as_ref().filter(|_| !duplicated.is_empty()) else { return };
        for (queue, is_acked) in duplicated {
            let (delivered, delivered_no_ack) = (u64::from(is_acked), u64::from(!is_acked));
            let counted =
                QueueCounters { delivered, delivered_no_ack, redelivered: 1, ..QueueCounters::default() };
            if let Some(record) = vhost.queue(queue) {
                record.statistics.add(self.shared.clock.now(), &counted);
            }
        }
    }

    /// There are other rules, or it is new here.
    pub(super) fn look_at_rules(&mut self) {
        if let Some(faulty) = &mut self.faulty {
            faulty.look();
            self.announce_block();
        }
    }

    /// Whether there is, or was until now, something to be done before the socket is looked at.
    pub(super) fn is_held_back<S: Stream>(&self, wire: &Wire<S>) -> bool {
        let holds = |faulty: &Faulty| faulty.state.is_silent || faulty.state.bytes_per_s.is_some();
        self.faulty.as_deref().is_some_and(|faulty| holds(faulty) || wire.budget <= usize::MAX / 2)
    }

    /// Does what is so by the rules before the socket is looked at again: waits while it is silent, or for the next piece if it is slow.
    pub(super) async fn hold_back<S: Stream>(&mut self, wire: &mut Wire<S>) {
        let Some(mut faulty) = self.faulty.take() else { return };
        while faulty.state.is_silent && !self.session.is_ending() {
            let world = Arc::clone(&faulty.world);
            let mut changed = std::pin::pin!(world.changed.notified());
            changed.as_mut().enable();
            faulty.look();
            if !faulty.state.is_silent {
                break;
            }
            if !self.wait_unless_it_ends(changed).await {
                break;
            }
            self.session.heard(self.shared.clock.now());
        }
        self.slow_down(&mut faulty, wire).await;
        self.faulty = Some(faulty);
    }

    async fn slow_down<S: Stream>(&mut self, faulty: &mut Faulty, wire: &mut Wire<S>) {
        let Some(bytes_per_s) = faulty.state.bytes_per_s else {
            wire.budget = usize::MAX;
            return;
        };
        if wire.budget > 0 && wire.budget <= usize::MAX / 2 {
            return;
        }
        // A connection of few bytes a second has one at a time.
        let piece = (bytes_per_s / SLOW_PIECES_A_SECOND).max(1);
        let after = Duration::from_micros(piece * 1_000_000 / bytes_per_s);
        let now = self.shared.clock.now();
        if faulty.next_piece > now {
            self.wait_by_rule(Duration::from_micros(faulty.next_piece.since(now).as_micros() as u64)).await;
        }
        faulty.next_piece = self.shared.clock.now() + after;
        wire.budget = usize::try_from(piece).unwrap_or(usize::MAX / 2);
    }
}

fn text(properties: &FieldTable, key: &str) -> Option<String> {
    let value = properties.inner().get(key)?.as_long_string()?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}
