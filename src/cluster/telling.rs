//! What a node says of itself in the directory, and what it hears there of the others.

use super::directory::{Directory, Member, Told};
use super::hearing::Hearing;
use super::host::Host;
use super::local::LocalEngine;
use super::route::Route;
use super::status::{Role, Status};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// So often others are heard, and something is said.
const EVERY: Duration = Duration::from_millis(500);
/// With less than so many times what publishers are blocked at left on its disk, a node says that it is short of space: whoever led
/// because of its room would have to hand over soon.
const ROOM_TIMES: u64 = 2;
/// While nobody is heard who leads: clients wait for that.
const EVERY_WITHOUT_LEADER: Duration = Duration::from_millis(100);

/// Goes on beside the node's roles, so that a directory that hangs is in nobody's way.
pub(super) struct Telling<H> {
    pub(super) host: Arc<H>,
    pub(super) engine: LocalEngine,
    /// But for what changes.
    pub(super) member: Member,
    /// With less left on its disk publishers are blocked, in bytes.
    pub(super) disk_free_limit: u64,
    pub(super) status: watch::Receiver<Status>,
    pub(super) members: watch::Sender<Vec<Told>>,
    pub(super) hearing: Arc<Mutex<Hearing>>,
}

impl<H: Host> Telling<H> {
    pub(super) async fn run(mut self) -> Infallible {
        loop {
            let Status { role, term, applied, .. } = *self.status.borrow_and_update();
            self.member.is_leader = role == Role::Leader;
            self.member.term = term;
            self.member.applied = applied.max(self.engine.applied()).0;
            self.member.synced = self.engine.synced().0;
            self.look_at_room();
            let directory = self.host.directory();
            // What failed is said again soon.
            drop(directory.tell(&self.member).await);
            if let Ok(members) = directory.members().await {
                let hearing = self.hearing.lock();
                hearing.unwrap_or_else(PoisonError::into_inner).hear(self.host.now(), &members);
                self.members.send_replace(members);
            }
            let is_led =
                Route::of(&self.member.name, &self.status.borrow(), &self.members.borrow()) != Route::Nobody;
            let every = if is_led { EVERY } else { EVERY_WITHOUT_LEADER };
            // Who leads, and that nobody does, is said at once; how far it is, now and then.
            let changed = self.status.wait_for(|status| (status.role, status.term) != (role, term));
            tokio::select! {
                biased;
                changed = changed => drop(changed),
                () = self.host.pass(every) => {}
            }
        }
    }

    fn look_at_room(&mut self) {
        let left = self.engine.disk_left();
        let is_short = left < self.disk_free_limit.saturating_mul(ROOM_TIMES);
        if is_short && !self.member.is_short_of_disk {
            tracing::warn!(
                left_mb = left / 1_000_000,
                "the disk is short of space: another node leads rather, if it has more"
            );
        }
        self.member.is_short_of_disk = is_short;
    }
}
