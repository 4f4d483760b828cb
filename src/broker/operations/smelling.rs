//! What queues and exchanges look like now, as far as that is seldom what was wanted.

use std::collections::BTreeSet;
use std::sync::Arc;

use amq_protocol::types::AMQPValue;

use super::scope::Scope;
use crate::broker::lint::LintFinding;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::message::QueueId;
use crate::persona::{
    Call, DEAD_LETTERS_GO_NOWHERE, EXPIRES_IN_CIRCLES, GOES_ROUND, NOBODY_TAKES, Place, QueueCall, QueueKind,
    Shown, rule,
};
use crate::queue::QueueOptions;
use crate::topology::RouteScratch;

/// A queue has to have been given so many messages to be one that nobody takes from.
const UNTAKEN_MIN: u64 = 1000;
/// Messages of a queue have to have come back so often in all, and on average, to go round.
const RETURNED_MIN: u64 = 100;
const RETURNED_EACH: u64 = 10;

/// All that was found in a vhost, with what its queues and exchanges look like now.
pub async fn lint(scope: Scope<'_>) -> Vec<LintFinding> {
    let vhost = scope.vhost;
    let mut findings = vhost.lint.findings();
    let mut queues = vhost.declared_queues();
    queues.sort_by(|one, other| one.name.cmp(&other.name));
    for (id, look) in LOOKS {
        let found = queues.iter().filter_map(|record| finding(vhost, record, id, look(vhost, record)?));
        findings.extend(found);
    }
    for record in &queues {
        if goes_round(record).await {
            findings.extend(finding(vhost, record, GOES_ROUND, String::new()));
        }
    }
    findings
}

const LOOKS: [(&str, Look); 3] =
    [(DEAD_LETTERS_GO_NOWHERE, unbound), (NOBODY_TAKES, untaken), (EXPIRES_IN_CIRCLES, in_circle)];

/// What there is to be found of a queue, if anything.
type Look = fn(&Vhost, &Arc<QueueRecord>) -> Option<String>;

fn finding(vhost: &Vhost, record: &QueueRecord, id: &str, found: String) -> Option<LintFinding> {
    let call = Call::Queue(QueueCall {
        place: Place { name: &record.name, vhost: &vhost.name },
        kind: QueueKind::of(&record.arguments),
        durable: record.durable,
        exclusive: record.owner.is_some(),
        auto_delete: record.auto_delete,
        server_named: false,
        arguments: &record.arguments,
    });
    let shown = Shown { rule: rule(id)?, found };
    Some(LintFinding::new(shown, &call, "as it is now".to_owned()))
}

/// A queue whose dead letters go nowhere.
fn unbound(vhost: &Vhost, record: &Arc<QueueRecord>) -> Option<String> {
    let name = match record.arguments.inner().get("x-dead-letter-exchange")? {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        _ => return None,
    };
    // The default exchange leads to every queue.
    let goes_nowhere = !name.is_empty() && !is_bound(vhost, &name);
    goes_nowhere.then(|| format!("exchange '{name}'"))
}

fn is_bound(vhost: &Vhost, exchange: &str) -> bool {
    let topology = vhost.topology.read();
    topology.exchange(exchange).is_some() && topology.bindings_of_exchange(exchange).next().is_some()
}

/// One that grows and grows.
fn untaken(vhost: &Vhost, record: &Arc<QueueRecord>) -> Option<String> {
    let counted = record.statistics.read();
    let taken = counted.delivered + counted.delivered_no_ack + counted.got + counted.got_no_ack;
    if record.is_stream() || taken > 0 || counted.published < UNTAKEN_MIN {
        return None;
    }
    let options = options(vhost, record)?;
    let is_limited = options.length_max.is_some()
        || options.length_bytes_max.is_some()
        || options.message_ttl_ms.is_some()
        || options.expires_ms.is_some();
    (!is_limited).then(String::new)
}

/// Whether its messages come back again and again.
async fn goes_round(record: &QueueRecord) -> bool {
    let counted = record.statistics.read();
    let is_often = |messages: u64| counted.returned >= messages.saturating_mul(RETURNED_EACH);
    if record.is_stream() || counted.returned < RETURNED_MIN || !is_often(counted.published) {
        return false;
    }
    // Some of what it has may be from before the start.
    record.look().await.is_some_and(|counts| is_often((counts.ready + counts.unacked) as u64))
}

/// One whose messages come back to it by expiring alone.
fn in_circle(vhost: &Vhost, record: &Arc<QueueRecord>) -> Option<String> {
    let (mut seen, mut next) = (BTreeSet::new(), expiring_to(vhost, record));
    while let Some(queue) = next.pop() {
        if queue == record.id {
            return Some(String::new());
        }
        if seen.insert(queue)
            && let Some(record) = vhost.queue(queue)
        {
            next.extend(expiring_to(vhost, &record));
        }
    }
    None
}

/// Where messages go that are too old for the queue.
fn expiring_to(vhost: &Vhost, record: &Arc<QueueRecord>) -> Vec<QueueId> {
    let may_expire =
        record.arguments.inner().contains_key("x-message-ttl") || vhost.policies().iter().next().is_some();
    if !may_expire {
        return Vec::new();
    }
    let Some(options) = options(vhost, record).filter(|options| options.message_ttl_ms.is_some()) else {
        return Vec::new();
    };
    let (Some(exchange), Some(key)) = (&options.dead_letter_exchange, &options.dead_letter_routing_key)
    else {
        // With the keys of its messages: who knows.
        return Vec::new();
    };
    let (mut queues, mut scratch) = (Vec::new(), RouteScratch::default());
    let routed =
        vhost.topology.route(exchange.as_bytes(), &[key.as_bytes()], None, &mut queues, &mut scratch);
    if routed.is_ok() { queues } else { Vec::new() }
}

fn options(vhost: &Vhost, record: &QueueRecord) -> Option<QueueOptions> {
    vhost.effective_options(record).or_else(|| record.declared_options(&vhost.name))
}
