//! The events of publishers: what was routed where and by which bindings while it is recorded, and what was routed nowhere.

use std::collections::HashMap;
use std::sync::Arc;

use super::confirm_events::Unconfirmed;
use super::event::{About, Client, Detail, Event, EventKind};
use super::recording::Rules;
use super::run::{Another, Likeness, Run};
use crate::broker::outgoing::{Outgoing, names};
use crate::broker::vhost::Vhost;
use crate::message::{Message, QueueId};
use crate::protocol::content::Properties;
use crate::queue::sender_selected::routing_keys;
use crate::session::{PropertySource, Unrouted};
use crate::time::{Time, Timestamp};
use crate::topology::HeaderSource;

/// Notes what somebody publishes, as far as it is recorded. Those of it whose confirms are to come are added to `unconfirmed`.
pub(crate) fn note_published<'a>(
    vhost: &Vhost,
    client: Option<&Arc<Client>>,
    published: impl IntoIterator<Item = Outgoing<'a>>,
    unconfirmed: &mut Unconfirmed,
) {
    let clock = &vhost.clock;
    let at = clock.timestamp();
    let rules = vhost.journal.recordings().hold(at);
    if rules.is_empty() {
        return;
    }
    let routes = Routes { vhost, named: None, told: HashMap::new() };
    let (go_by_route, since) = (rules.go_by_route(), clock.now());
    let mut publishes = Publishes { at, since, client, rules, go_by_route, routes, runs: Vec::new() };
    published.into_iter().for_each(|outgoing| publishes.add(outgoing, unconfirmed));
    let runs = publishes.runs.into_iter();
    vhost.journal.note_runs(runs.map(|Alike { run, rules, .. }| {
        rules.count(run.len() as u64);
        run
    }));
}

/// The publishes of a batch.
struct Publishes<'a> {
    at: Timestamp,
    since: Time,
    client: Option<&'a Arc<Client>>,
    /// The rules that hold.
    rules: Rules,
    /// Whether exchange and queues tell which of them want a publish.
    go_by_route: bool,
    routes: Routes<'a>,
    runs: Vec<Alike<'a>>,
}

/// Publishes that differ by their message alone.
struct Alike<'a> {
    run: Run,
    /// The first of them.
    first: Outgoing<'a>,
    /// The recordings that they count for.
    rules: Rules,
}

impl<'a> Publishes<'a> {
    fn add(&mut self, outgoing: Outgoing<'a>, unconfirmed: &mut Unconfirmed) {
        let (sequence, link) = (outgoing.sequence, link(outgoing.message));
        let Some(about) = self.joined(&outgoing) else {
            self.begin(outgoing, unconfirmed);
            return;
        };
        if let Some(last) = self.runs.last_mut() {
            let another = Another { link, about: about.map(Box::new), ..Another::default() };
            unconfirmed.add_another(last.run.first().channel, sequence, &another);
            last.run.push(another);
        }
    }

    /// What a publish is known by if it goes on with the last run: `None` if it does not, or by the same as that.
    fn joined(&self, outgoing: &Outgoing<'_>) -> Option<Option<About>> {
        let Alike { run, first, .. } = self.runs.last().filter(|_| self.go_by_route)?;
        let is_alike = (outgoing.channel, &outgoing.queues) == (first.channel, &first.queues)
            && (outgoing.sequence == 0) == (first.sequence == 0)
            && !run.is_full();
        if !is_alike {
            return None;
        }
        match Likeness::of(outgoing.message, first.message) {
            Likeness::Same => Some(None),
            Likeness::OtherId(about) => Some(Some(about)),
            Likeness::Different => None,
        }
    }

    fn begin(&mut self, outgoing: Outgoing<'a>, unconfirmed: &mut Unconfirmed) {
        let to = self.routes.names(&outgoing.queues);
        let rules = self.rules.of_publish(outgoing.message, &to);
        if rules.is_empty() {
            return;
        }
        let event = Event {
            about: Some(About::message(outgoing.message)),
            client: self.client.map(Arc::clone),
            channel: outgoing.channel,
            to: Some(to),
            link: link(outgoing.message),
            ..Event::new(self.at, EventKind::Published)
        };
        unconfirmed.add(&event, outgoing.sequence, self.since, &rules);
        let detail = self.routes.detail(outgoing.message, &outgoing.queues);
        self.runs.push(Alike { run: Event { detail, ..event }.into(), first: outgoing, rules });
    }
}

/// What some queues are called.
type Names = Arc<[Arc<str>]>;

/// What tells the way of a message whose keys alone decide: exchange, routing key, and the queues that it came to.
type Route = (Vec<u8>, Vec<u8>, Vec<QueueId>);

/// What is known of the routes of a batch: most of its messages go the same way.
struct Routes<'a> {
    vhost: &'a Vhost,
    /// The queues of the last message, and what they are called.
    named: Option<(Vec<QueueId>, Names)>,
    /// The ways that were told.
    told: HashMap<Route, Option<Arc<Detail>>>,
}

impl Routes<'_> {
    fn names(&mut self, queues: &[QueueId]) -> Names {
        match &self.named {
            Some((last, names)) if last == queues => Arc::clone(names),
            _ => {
                let names = names(self.vhost, queues);
                self.named = Some((queues.to_vec(), Arc::clone(&names)));
                names
            }
        }
    }

    /// By which bindings a message got to its queues; `None` if there is nothing to tell: the default exchange has none.
    fn detail(&mut self, message: &Message, queues: &[QueueId]) -> Option<Arc<Detail>> {
        if message.exchange().is_empty() {
            return None;
        }
        let properties = Properties::parse(message.properties()).ok();
        let has_headers = properties.as_ref().is_some_and(|properties| properties.headers().is_some());
        let route = (message.exchange().to_vec(), message.routing_key().to_vec(), queues.to_vec());
        if let Some(told) = self.told.get(&route).filter(|_| !has_headers) {
            return told.clone();
        }
        let keys = routing_keys(message);
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let source = properties.map(PropertySource);
        let headers = source.as_ref().map(|source| source as &dyn HeaderSource);
        let ways = self.vhost.topology.read().ways(&route.0, &keys, headers, &route.2);
        let is_for_others = ways.is_keyed && !has_headers;
        let told = (!ways.is_empty()).then(|| Arc::new(Detail::Ways(ways)));
        if is_for_others {
            self.told.insert(route, told.clone());
        }
        told
    }
}

/// The event of publishes that matched no queue.
pub fn unrouted(unrouted: &Unrouted, client: Option<&Arc<Client>>, at: Timestamp) -> Event {
    let Unrouted { channel, exchange, routing_key, message_id, is_returned, count } = unrouted;
    let kind = if *is_returned { EventKind::Returned } else { EventKind::Unroutable };
    Event {
        count: *count,
        about: Some(About::new(exchange, routing_key, message_id.as_deref())),
        client: client.map(Arc::clone),
        channel: *channel,
        ..Event::new(at, kind)
    }
}

/// What the events of one message have in common as long as it is in memory; never 0.
pub(super) fn link(message: &Message) -> u64 {
    message.identity().number()
}
