//! What failed, in groups: by queue, what happened, reason and error.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::question::{filter, number, zone};
use crate::broker::journal::{Event, EventKind, Zone, sentence};
use crate::broker::vhost::Vhost;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::Manager;
use crate::management::error::ApiError;
use crate::management::params::{At, Params};

/// Positions that a group has, the newest.
const POSITIONS_MAX: usize = 100;
/// Groups that there are at most, the newest.
pub(super) const GROUPS_MAX: usize = 1000;

/// `GET /api/coney/failures/{vhost}`.
pub(super) async fn in_vhost(
    State(api): State<Api>,
    asker: Manager,
    At(vhost): At<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let vhost = asker.enter(&api, &vhost)?;
    answer_with(&[vhost], &params)
}

/// `GET /api/coney/failures`: of all vhosts that the user may enter.
pub(super) async fn everywhere(
    State(api): State<Api>,
    asker: Manager,
    params: Params,
) -> Result<Response, ApiError> {
    answer_with(&asker.vhosts(&api), &params)
}

fn answer_with(vhosts: &[Arc<Vhost>], params: &Params) -> Result<Response, ApiError> {
    let (filter, zone) = (filter(params)?, zone(params)?);
    let since = number(params, "since")?.unwrap_or(0);
    let mut all = Vec::new();
    for vhost in vhosts {
        let mut groups: HashMap<Key, Group> = HashMap::new();
        vhost.journal.each(|event| {
            if is_failure(event) && event.at.as_millis() >= since && filter.admits(event) {
                groups.entry(Key::of(event)).or_insert_with(|| Group::new(event)).add(event);
            }
        });
        all.extend(groups.into_values().map(|group| (Arc::clone(vhost), group)));
    }
    all.sort_by_key(|(_, group)| std::cmp::Reverse((group.newest.at, group.newest.number)));
    all.truncate(GROUPS_MAX);
    Ok(answer::json(&all.iter().map(|(vhost, group)| group.view(&vhost.name, zone)).collect::<Vec<_>>()))
}

/// Whether something went wrong with a message.
fn is_failure(event: &Event) -> bool {
    use EventKind as K;
    match event.kind {
        K::ConnectionLost => event.position.is_some(),
        kind => matches!(
            kind,
            K::Unroutable
                | K::Returned
                | K::Refused
                | K::Duplicate
                | K::Requeued
                | K::Failed
                | K::TimedOut
                | K::ConsumerLost
                | K::Delayed
                | K::Parked
                | K::DeadLettered
                | K::Dropped
        ),
    }
}

/// What failures have in common that are one group.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    kind: EventKind,
    reason: Option<&'static str>,
    queue: Option<Arc<str>>,
    /// Of what came to no queue.
    exchange: Option<String>,
    error: Option<Arc<str>>,
}

impl Key {
    fn of(event: &Event) -> Self {
        let exchange = event.about.as_ref().filter(|_| event.queue.is_none());
        Self {
            kind: event.kind,
            reason: event.why.map(|why| why.name()),
            queue: event.queue.clone(),
            exchange: exchange.map(|about| about.exchange().to_owned()),
            error: event.error.clone(),
        }
    }
}

struct Group {
    newest: Event,
    count: u64,
    first: u64,
    /// Newest first.
    positions: VecDeque<u64>,
    to: BTreeSet<String>,
}

#[derive(Serialize)]
struct GroupView<'a> {
    vhost: &'a str,
    queue: Option<&'a str>,
    exchange: Option<&'a str>,
    what: &'static str,
    reason: Option<&'static str>,
    error: Option<&'a str>,
    count: u64,
    /// In ms since the Unix epoch.
    first: u64,
    last: u64,
    positions: Vec<u64>,
    to: &'a BTreeSet<String>,
    /// Of the newest.
    sentence: String,
}

impl Group {
    fn new(event: &Event) -> Self {
        let first = event.at.as_millis();
        Self { newest: event.clone(), count: 0, first, positions: VecDeque::new(), to: BTreeSet::new() }
    }

    fn add(&mut self, event: &Event) {
        self.newest = event.clone();
        self.count += event.count;
        if let Some(position) = event.position {
            self.positions.push_front(position.0);
            self.positions.truncate(POSITIONS_MAX);
        }
        self.to.extend(event.targets().map(str::to_owned));
    }

    /// Their positions, each once: a message may fail again and again.
    fn messages(&self) -> Vec<u64> {
        let mut seen = BTreeSet::new();
        self.positions.iter().copied().filter(|position| seen.insert(*position)).collect()
    }

    fn view<'a>(&'a self, vhost: &'a str, zone: Zone) -> GroupView<'a> {
        let event = &self.newest;
        GroupView {
            vhost,
            queue: event.queue.as_deref(),
            exchange: event.about.as_ref().map(|about| about.exchange()).filter(|_| event.queue.is_none()),
            what: event.kind.name(),
            reason: event.why.map(|why| why.name()),
            error: event.error.as_deref(),
            count: self.count,
            first: self.first,
            last: event.at.as_millis(),
            positions: self.messages(),
            to: &self.to,
            sentence: sentence(event, zone),
        }
    }
}
