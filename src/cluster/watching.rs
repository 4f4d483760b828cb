//! A node that follows watches the process of the one that leads: if it dies, nobody need wait until its lease ends.
//!
//! That it is gone is said once a term. Whoever believes it asks for the lease, and fences the log as always: a leader that is alive after
//! all loses its next append, and stops.

use super::directory::{Member, Told};
use super::host::Host;
use super::status::{Role, Status};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Between two attempts to find a leader that cannot be reached.
const PAUSE: Duration = Duration::from_millis(500);

/// A leader whose process is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) name: String,
    /// The term in which it led.
    pub(super) term: u64,
}

/// Goes on beside the node's roles.
pub(super) struct Watching<H> {
    pub(super) host: Arc<H>,
    /// This node's.
    pub(super) name: String,
    pub(super) status: watch::Receiver<Status>,
    pub(super) members: watch::Receiver<Vec<Told>>,
    /// Told whoever was gone last.
    pub(super) gone: watch::Sender<Option<Gone>>,
}

impl<H: Host> Watching<H> {
    pub(super) async fn run(mut self) -> Infallible {
        let mut said = None;
        loop {
            let Some((leader, now)) = self.leader().filter(|(_, now)| said.as_ref() != Some(now)) else {
                self.next().await;
                continue;
            };
            let host = Arc::clone(&self.host);
            tokio::select! {
                biased;
                outlived = host.outlive(&leader) => match outlived {
                    Ok(()) => {
                        tracing::warn!(leader = now.name, term = now.term, "the leader's process is gone");
                        said = Some(now.clone());
                        self.gone.send_replace(Some(now));
                    }
                    Err(_) => host.pass(PAUSE).await,
                },
                () = self.until_other(&now) => {}
            }
        }
    }

    /// The one that leads, if it is another: of the last term that anybody has heard of.
    fn leader(&self) -> Option<(Member, Gone)> {
        let Status { role, term, .. } = *self.status.borrow();
        if role == Role::Leader {
            return None;
        }
        let members = self.members.borrow();
        let leaders = members.iter().map(|told| &told.member).filter(|member| member.is_leader);
        let last = leaders.filter(|member| member.term >= term).max_by_key(|member| member.term)?;
        let now = Gone { name: last.name.clone(), term: last.term };
        (last.name != self.name).then(|| (last.clone(), now))
    }

    async fn until_other(&mut self, now: &Gone) {
        while self.leader().is_some_and(|(_, other)| other == *now) {
            self.next().await;
        }
    }

    /// Until members were heard again: the status changes with each frame.
    async fn next(&mut self) {
        if self.members.changed().await.is_err() {
            // The node ends.
            std::future::pending().await
        }
    }
}
