//! Where a node's clients have to go: to its own broker, to another node, or nowhere for now.

use tokio::sync::watch;

use super::directory::Told;
use super::status::{Role, Status};

/// Who serves clients, as far as a node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// Nobody is known.
    #[default]
    Nobody,
    /// This node.
    Own {
        /// In this term.
        term: u64,
    },
    /// Another one.
    To(Leader),
}

/// A node that leads, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Its name.
    pub name: String,
    /// Its term.
    pub term: u64,
    /// Where it takes connections that others carry.
    pub address: String,
}

impl Route {
    /// By what this node is and what all say of themselves. One that led before the last fence leads no more, whatever it said last.
    #[must_use]
    pub fn of(own: &str, status: &Status, members: &[Told]) -> Self {
        if status.role == Role::Leader {
            return Self::Own { term: status.term };
        }
        let leaders = members
            .iter()
            .map(|told| &told.member)
            .filter(|member| member.is_leader && member.name != own && member.term >= status.term);
        let leader = leaders.max_by_key(|member| member.term).and_then(|member| {
            let address = member.amqp.clone()?;
            Some(Leader { name: member.name.clone(), term: member.term, address })
        });
        leader.map_or(Self::Nobody, Self::To)
    }

    /// Whether this node leads.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        matches!(self, Self::Own { .. })
    }

    /// The node's name, if there is one; `own` is this one's.
    #[must_use]
    pub fn leader<'a>(&'a self, own: &'a str) -> Option<&'a str> {
        match self {
            Self::Nobody => None,
            Self::Own { .. } => Some(own),
            Self::To(leader) => Some(&leader.name),
        }
    }
}

/// Follows what there is to know, until the node is gone.
pub(super) async fn follow(
    own: String,
    shard: u16,
    mut status: watch::Receiver<Status>,
    mut members: watch::Receiver<Vec<Told>>,
    route: watch::Sender<Route>,
) {
    loop {
        let now = Route::of(&own, &status.borrow_and_update(), &members.borrow_and_update());
        route.send_if_modified(|route| {
            let is_new = *route != now;
            if is_new {
                let leader = now.leader(&own).unwrap_or("nobody");
                match shard {
                    0 => tracing::info!(leader, "clients are led to"),
                    shard => tracing::info!(leader, shard, "clients are led to"),
                }
                *route = now;
            }
            is_new
        });
        let is_gone = tokio::select! {
            changed = status.changed() => changed.is_err(),
            changed = members.changed() => changed.is_err(),
        };
        if is_gone {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::directory::Member;
    use super::*;

    fn told(name: &str, term: u64, is_leader: bool) -> Told {
        let amqp = Some(format!("{name}:1"));
        let member = Member { name: name.to_owned(), amqp, term, is_leader, ..Member::default() };
        Told { member, revision: 1 }
    }

    #[test]
    fn the_last_term_leads_and_who_led_before_a_known_fence_does_not() {
        let status = |role, term| Status { role, term, ..Status::default() };
        let members = [told("a", 3, true), told("b", 4, true), told("c", 4, false)];
        let to = |name: &str, term| Leader { name: name.to_owned(), term, address: format!("{name}:1") };
        let follower = status(Role::Follower, 4);
        assert_eq!(Route::of("c", &follower, &members), Route::To(to("b", 4)));
        assert_eq!(Route::of("b", &follower, &members), Route::Nobody);
        assert_eq!(Route::of("c", &status(Role::Follower, 5), &members), Route::Nobody);
        assert_eq!(Route::of("c", &status(Role::Follower, 3), &members[..1]), Route::To(to("a", 3)));
        assert_eq!(Route::of("c", &status(Role::Leader, 5), &members), Route::Own { term: 5 });
    }
}
