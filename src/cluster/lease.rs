//! Who may try to lead, and how long whoever leads may go on: a machine that is told the time and what the directory says.
//!
//! It keeps nothing safe, which the fences in the log do. It sees to it that somebody leads and that few try at once: the lease is a key
//! that vanishes [`EXPIRES`] after it was last written, and whoever leads writes it each second. A leader that could not do that for
//! [`HOLDS`] of its own clock, counted from before it asked, stops before anybody else can have it.

use crate::time::Time;
use std::time::Duration;

/// The key vanishes after so long.
pub const EXPIRES: Duration = Duration::from_secs(3);
/// So long a leader trusts in what it wrote last: less, by what two clocks may differ.
const HOLDS: Duration = Duration::from_millis(2500);
/// It is written again after so long.
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// It is not renewed when so long nothing went through the log and this node's disk: a leader that stands still is none.
const STALL_MAX: Duration = Duration::from_secs(2);
/// A node of rank n waits n times so long for those before it.
const RANK_WAITS: Duration = Duration::from_millis(200);

/// What the directory says of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nobody has it.
    Nobody,
    /// Somebody has it.
    Somebody,
    /// This node has it by name, and did not write that: whoever led has handed it over.
    Named,
    /// Somebody has it whose process is gone, who led in this term.
    Gone {
        /// Which.
        term: u64,
        /// Of what it has written to the lease.
        revision: u64,
    },
    /// It did not answer.
    Unknown,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Wait,
    /// Ask for the lease, and then fence the log.
    Campaign,
    /// Write the lease again.
    Renew,
    /// Stop leading, at once.
    StepDown,
}

/// The machine of one node.
#[derive(Clone, Debug)]
pub struct Lease {
    rank: u32,
    state: State,
    /// The last leader that was gone.
    gone: Option<Gone>,
}

#[derive(Clone, Copy, Debug)]
struct Gone {
    term: u64,
    revision: u64,
    /// Whether this node has asked for its lease.
    was_asked: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Since when nobody has the lease, as far as this node knows.
    Follows { free_since: Option<Time> },
    /// When this node began to ask for what it holds now, and when it may ask again.
    Leads { asked: Time, again: Time },
}

impl Lease {
    /// A node that follows; those of lower rank come first.
    #[must_use]
    pub const fn new(rank: u32) -> Self {
        Self { rank, state: State::Follows { free_since: None }, gone: None }
    }

    /// Of a node that follows: what to do, now that the directory says this; `may_lead` if it has all of the log.
    ///
    /// After a leader that is gone it does not wait for the key to vanish, but asks for it once: if that fails, whoever said so may be
    /// wrong. So it may be if its lease was written since: perhaps it was started again.
    pub fn follow(&mut self, now: Time, seen: Seen, may_lead: bool) -> Action {
        let is_free = match seen {
            Seen::Named if may_lead => return Action::Campaign,
            Seen::Nobody => true,
            Seen::Gone { term, revision } => self.is_free_after(term, revision),
            Seen::Somebody | Seen::Named | Seen::Unknown => false,
        };
        let free_since = is_free.then(|| self.free_since().unwrap_or(now));
        self.state = State::Follows { free_since };
        if !may_lead || self.turn().is_none_or(|turn| now < turn) {
            return Action::Wait;
        }
        if let (Seen::Gone { .. }, Some(gone)) = (seen, &mut self.gone) {
            gone.was_asked = true;
        }
        Action::Campaign
    }

    fn is_free_after(&mut self, term: u64, revision: u64) -> bool {
        let new = Gone { term, revision, was_asked: false };
        let gone = *self.gone.get_or_insert(new);
        if gone.term < term {
            self.gone = Some(new);
            return true;
        }
        gone.term == term && gone.revision == revision && !gone.was_asked
    }

    const fn free_since(&self) -> Option<Time> {
        match self.state {
            State::Follows { free_since } => free_since,
            State::Leads { .. } => None,
        }
    }

    /// From when on a node that follows may ask for the lease, if it is free.
    #[must_use]
    pub fn turn(&self) -> Option<Time> {
        self.free_since().map(|since| since + RANK_WAITS * self.rank)
    }

    /// The lease was written, in answer to what was asked then.
    pub fn got(&mut self, asked: Time) {
        self.state = State::Leads { asked, again: asked + RENEW_EVERY };
    }

    /// The directory refused it, or did not answer, or the node has stopped leading.
    pub fn lost(&mut self) {
        self.state = State::Follows { free_since: None };
    }

    /// Until when a node that has the lease may go on without more.
    #[must_use]
    pub fn holds_until(&self) -> Time {
        match self.state {
            State::Leads { asked, .. } => asked + HOLDS,
            State::Follows { .. } => Time::ZERO,
        }
    }

    /// Of a node that has the lease: what to do; `moved` is when something last went all the way.
    pub fn lead(&mut self, now: Time, moved: Time) -> Action {
        match &mut self.state {
            State::Leads { asked, .. } if now.since(*asked) >= HOLDS => Action::StepDown,
            State::Leads { again, .. } if now >= *again && now.since(moved) < STALL_MAX => {
                // If that fails it is tried again long before it is too late.
                *again = now + RENEW_EVERY / 4;
                Action::Renew
            }
            State::Leads { .. } => Action::Wait,
            State::Follows { .. } => Action::StepDown,
        }
    }
}
