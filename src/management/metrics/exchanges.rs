//! Metrics of exchanges and vhosts.

use std::sync::Arc;

use super::table::{Row, columns};
use super::text::{Labels, Text, Type};
use crate::broker::vhost::Vhost;
use crate::statistics::ExchangeCounters;

/// A row for each exchange. RabbitMQ names the default exchange by the empty string, too.
pub(super) fn rows(vhosts: &[Arc<Vhost>]) -> Vec<Row<ExchangeCounters>> {
    let mut rows = Vec::new();
    for vhost in vhosts {
        let topology = vhost.topology.read();
        for exchange in topology.exchanges() {
            let Some(statistics) = topology.statistics(exchange.name.as_bytes()) else { continue };
            let labels = Labels::new(&[("vhost", &vhost.name), ("exchange", &exchange.name)]);
            rows.push(Row { labels, numbers: statistics.read() });
        }
    }
    rows
}

columns! {
    /// What is counted of exchanges.
    COLUMNS: ExchangeCounters {
        ["exchange_metrics"] Rabbit Counter "exchange_messages_published_total"
            "Messages that came to an exchange, published or from another exchange" |e| e.published_in;
        ["exchange_metrics"] Coney Counter "exchange_messages_routed_total"
            "Copies that an exchange sent on to queues" |e| e.published_out;
        ["exchange_metrics"] Coney Counter "exchange_messages_unroutable_total"
            "Messages that an exchange had nowhere to send to, returned or dropped" |e| e.unroutable;
    }
}

/// `vhost_status`: all are there.
pub(super) fn vhost_status(vhosts: &[Arc<Vhost>], text: &mut Text) {
    let name = "rabbitmq_cluster_vhost_status";
    text.family(name, Type::Gauge, "Whether a virtual host is running");
    for vhost in vhosts {
        text.sample(name, &Labels::new(&[("vhost", &vhost.name)]), 1_u64);
    }
}

/// `exchange_bindings`: how many bindings each exchange has; without the default exchange, which has one for each queue.
pub(super) fn bindings(vhosts: &[Arc<Vhost>], text: &mut Text) {
    let name = "rabbitmq_cluster_exchange_bindings";
    text.family(name, Type::Gauge, "Bindings of an exchange");
    for_each(vhosts, |vhost, exchange, labels| {
        let count = vhost.topology.read().bindings_of_exchange(exchange).count();
        text.sample(name, labels, count);
    });
}

/// `exchange_names`.
pub(super) fn names(vhosts: &[Arc<Vhost>], text: &mut Text) {
    let name = "rabbitmq_cluster_exchange_name";
    text.family(name, Type::Gauge, "The exchanges that there are");
    for_each(vhosts, |_, _, labels| text.sample(name, labels, 1_u64));
}

fn for_each(vhosts: &[Arc<Vhost>], mut write: impl FnMut(&Vhost, &str, &Labels)) {
    for vhost in vhosts {
        let exchanges: Vec<(String, &'static str)> = {
            let topology = vhost.topology.read();
            topology.exchanges().map(|exchange| (exchange.name.clone(), exchange.kind.name())).collect()
        };
        for (exchange, kind) in exchanges.iter().filter(|(name, _)| !name.is_empty()) {
            let labels = Labels::new(&[("vhost", &vhost.name), ("exchange", exchange), ("type", kind)]);
            write(vhost, exchange, &labels);
        }
    }
}
