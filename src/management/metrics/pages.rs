//! Pages of metrics.
//!
//! A page is made metric by metric while it is sent: with many queues it is large, and what is in memory of it is one metric.

use std::sync::Arc;

use super::clients::{self, CHANNEL_COLUMNS, CONNECTION_COLUMNS, ChannelTally, ConnectionNumbers};
use super::cursors;
use super::node::{self, NodeNumbers};
use super::queues::{self, QueueNumbers};
use super::table::{Column, Owner, Page, Row};
use super::text::{Labels, Text, Type};
use super::{exchanges, global, memory, queue_contents};
use crate::broker::operations;
use crate::broker::shared::Shared;
use crate::broker::vhost::Vhost;
use crate::management::api::Api;
use crate::pattern::NamePattern;

/// A part of a page that is yet to be written.
pub(super) type Part = Box<dyn FnOnce(&mut Text) + Send>;

/// `/metrics`: everything together.
pub(super) async fn aggregated(api: &Api) -> String {
    let shared = api.shared();
    let vhosts = operations::vhosts(shared);
    let mut queues = queues::sum(&vhosts).await;
    let scheduled = queues::scheduled(&vhosts).await;
    let lag = cursors::greatest_lag(&cursors::rows(&vhosts, |_| true).await);
    let (mut of_connections, mut channels) = clients::sums(&operations::connections(shared));
    let mut text = Text::default();
    node_metrics(shared, &mut text);
    queues.counters = all_queues(shared);
    queues::COLUMNS.iter().for_each(|column| column.write_sum(Page::Plain, &queues, &mut text));
    channels.counters = shared.sums.channels.read();
    CHANNEL_COLUMNS.iter().for_each(|column| column.write_sum(Page::Plain, &channels, &mut text));
    of_connections.counters = shared.sums.connections.read();
    CONNECTION_COLUMNS.iter().for_each(|column| column.write_sum(Page::Plain, &of_connections, &mut text));
    totals(&queues, &of_connections, scheduled, &mut text);
    let help = "The farthest that a cursor is behind the end of its stream, in messages";
    text.single("coney_stream_cursor_lag_messages_max", Type::Gauge, help, lag);
    global::write(shared, &channels, queues.consumers, &mut text);
    node::identity(api, "aggregated", &mut text);
    text.into_string()
}

/// What all queues counted, those that are gone included.
fn all_queues(shared: &Shared) -> crate::statistics::QueueCounters {
    let mut counted = shared.sums.classic_queues.read();
    counted.add(&shared.sums.quorum_queues.read());
    counted.add(&shared.sums.streams.read());
    counted
}

fn node_metrics(shared: &Shared, text: &mut Text) {
    let numbers = NodeNumbers::of(shared);
    node::COLUMNS.iter().for_each(|column| column.write_sum(Page::Plain, &numbers, text));
    node::commit_seconds(shared, text);
    node::logins(shared, Page::Plain, text);
    node::alarms(shared, text);
    node::cluster(shared, text);
}

fn totals(queues: &QueueNumbers, connections: &ConnectionNumbers, scheduled: u64, text: &mut Text) {
    for (name, help, number) in [
        ("rabbitmq_connections", "Connections that are open", connections.connections),
        ("rabbitmq_channels", "Channels that are open", connections.channels),
        ("rabbitmq_consumers", "Consumers", queues.consumers),
        ("rabbitmq_queues", "Queues", queues.queues),
        ("coney_messages_scheduled", "Messages in delayed exchanges that wait for their time", scheduled),
    ] {
        text.single(name, Type::Gauge, help, number);
    }
}

/// `/metrics/per-object`: a sample for each queue, exchange, connection and channel.
pub(super) async fn per_object(api: &Api) -> Vec<Part> {
    let shared = Arc::clone(api.shared());
    let vhosts = operations::vhosts(&shared);
    let (queues, contents) = queues::look_into(&vhosts, |_| true).await;
    let (queues, contents) = (Arc::new(queues), Arc::new(contents));
    let scheduled = queues::scheduled(&vhosts).await;
    let of_cursors = cursors::rows(&vhosts, |_| true).await;
    let open = operations::connections(&shared);
    let (connections, channels) = (clients::connections(&open), clients::channels(&open));
    let sums = (QueueNumbers::together(&queues), ConnectionNumbers::together(&connections));
    let tally = ChannelTally::together(&channels);
    let api = api.clone();
    let mut parts: Vec<Part> = Vec::new();
    let of_node = Arc::clone(&shared);
    parts.push(Box::new(move |text| node_metrics(&of_node, text)));
    parts.push(queue_info(Page::Plain, queues::info(&vhosts, |_| true)));
    each(Page::Plain, queues::COLUMNS, None, &queues, &mut parts);
    each(Page::Plain, queue_contents::COLUMNS, None, &contents, &mut parts);
    each(Page::Plain, cursors::COLUMNS, None, &Arc::new(of_cursors), &mut parts);
    each(Page::Plain, CHANNEL_COLUMNS, None, &Arc::new(channels), &mut parts);
    each(Page::Plain, CONNECTION_COLUMNS, None, &Arc::new(connections), &mut parts);
    each(Page::Plain, exchanges::COLUMNS, None, &Arc::new(exchanges::rows(&vhosts)), &mut parts);
    parts.push(Box::new(move |text| {
        totals(&sums.0, &sums.1, scheduled, text);
        global::write(&shared, &tally, sums.0.consumers, text);
        node::identity(&api, "per-object", text);
    }));
    parts
}

/// `/metrics/memory-breakdown`.
pub(super) fn memory_breakdown(api: &Api) -> String {
    let mut text = Text::default();
    memory::write(api.shared(), &mut text);
    node::identity(api, "memory-breakdown", &mut text);
    text.into_string()
}

/// What of `/metrics/detailed` is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Families, by RabbitMQ's names; without any there is nothing.
    pub families: Vec<String>,
    /// Vhosts; none: all.
    pub vhosts: Vec<String>,
    /// Names of queues; `None`: all.
    pub queues: Option<NamePattern>,
}

impl Wanted {
    fn has(&self, family: &str) -> bool {
        self.families.iter().any(|wanted| wanted == family)
    }
}

/// `/metrics/detailed`: a sample for each thing that is asked for.
pub(super) async fn detailed(api: &Api, wanted: Wanted) -> Vec<Part> {
    let shared = Arc::clone(api.shared());
    let mut vhosts = operations::vhosts(&shared);
    if !wanted.vhosts.is_empty() {
        vhosts.retain(|vhost| wanted.vhosts.contains(&vhost.name));
    }
    let mut parts: Vec<Part> = Vec::new();
    add_node(&shared, &wanted, &mut parts);
    add_queues(&vhosts, &wanted, &mut parts).await;
    add_cursors(&vhosts, &wanted, &mut parts).await;
    add_clients(&shared, &wanted, &mut parts);
    add_exchanges(&vhosts, &wanted, &mut parts);
    let api = api.clone();
    parts.push(Box::new(move |text| node::identity(&api, "detailed", text)));
    parts
}

fn add_node(shared: &Arc<Shared>, wanted: &Wanted, parts: &mut Vec<Part>) {
    let (of_numbers, of_logins) = (Arc::clone(shared), Arc::clone(shared));
    let families = wanted.families.clone();
    parts.push(Box::new(move |text| {
        let numbers = NodeNumbers::of(&of_numbers);
        for column in node::COLUMNS.iter().filter(|column| column.is_in(&families)) {
            column.write_sum(Page::Detailed, &numbers, text);
        }
    }));
    if wanted.has("auth_attempt_metrics") {
        parts.push(Box::new(move |text| node::logins(&of_logins, Page::Detailed, text)));
    }
}

async fn add_queues(vhosts: &[Arc<Vhost>], wanted: &Wanted, parts: &mut Vec<Part>) {
    if !queues::COLUMNS.iter().any(|column| column.is_in(&wanted.families)) {
        return;
    }
    let is_wanted = |name: &str| wanted.queues.as_ref().is_none_or(|pattern| pattern.is_match(name));
    let looks_into = queue_contents::COLUMNS.iter().any(|column| column.is_in(&wanted.families));
    let (rows, contents) = if looks_into {
        queues::look_into(vhosts, is_wanted).await
    } else {
        (queues::measure(vhosts, is_wanted).await, Vec::new())
    };
    parts.push(queue_info(Page::Detailed, queues::info(vhosts, is_wanted)));
    each(Page::Detailed, queues::COLUMNS, Some(&wanted.families), &Arc::new(rows), parts);
    if looks_into {
        each(Page::Detailed, queue_contents::COLUMNS, Some(&wanted.families), &Arc::new(contents), parts);
    }
}

async fn add_cursors(vhosts: &[Arc<Vhost>], wanted: &Wanted, parts: &mut Vec<Part>) {
    if !cursors::COLUMNS.iter().any(|column| column.is_in(&wanted.families)) {
        return;
    }
    let is_wanted = |name: &str| wanted.queues.as_ref().is_none_or(|pattern| pattern.is_match(name));
    let rows = Arc::new(cursors::rows(vhosts, is_wanted).await);
    each(Page::Detailed, cursors::COLUMNS, Some(&wanted.families), &rows, parts);
}

fn add_clients(shared: &Arc<Shared>, wanted: &Wanted, parts: &mut Vec<Part>) {
    let open = operations::connections(shared);
    let connections = Arc::new(clients::connections(&open));
    each(Page::Detailed, CONNECTION_COLUMNS, Some(&wanted.families), &connections, parts);
    let channels = Arc::new(clients::channels(&open));
    each(Page::Detailed, CHANNEL_COLUMNS, Some(&wanted.families), &channels, parts);
}

fn add_exchanges(vhosts: &[Arc<Vhost>], wanted: &Wanted, parts: &mut Vec<Part>) {
    let rows = Arc::new(exchanges::rows(vhosts));
    each(Page::Detailed, exchanges::COLUMNS, Some(&wanted.families), &rows, parts);
    type Write = fn(&[Arc<Vhost>], &mut Text);
    let of_cluster: [(&str, Write); 3] = [
        ("vhost_status", exchanges::vhost_status),
        ("exchange_bindings", exchanges::bindings),
        ("exchange_names", exchanges::names),
    ];
    for (_, write) in of_cluster.into_iter().filter(|(family, _)| wanted.has(family)) {
        let vhosts = vhosts.to_vec();
        parts.push(Box::new(move |text| write(&vhosts, text)));
    }
}

/// A part for each column, of the families that are wanted.
fn each<R: Send + Sync + 'static>(
    page: Page,
    columns: &'static [Column<R>],
    families: Option<&[String]>,
    rows: &Arc<Vec<Row<R>>>,
    parts: &mut Vec<Part>,
) {
    for column in columns.iter().filter(|column| families.is_none_or(|families| column.is_in(families))) {
        let rows = Arc::clone(rows);
        parts.push(Box::new(move |text| column.write(page, &rows, text)));
    }
}

fn queue_info(page: Page, infos: Vec<Labels>) -> Part {
    Box::new(move |text| {
        let name = page.name(Owner::Rabbit, "queue_info");
        text.family(&name, Type::Gauge, "The queues that there are");
        infos.iter().for_each(|labels| text.sample(&name, labels, 1_u64));
    })
}
