//! What is wrong with queues. Counters tell what happened; a queue is asked for what it has, and for its consumers only if they seem to be stuck.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::problem::{Problem, Severity, Target, some};
use crate::broker::arguments_json::plain_value;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::queue::{Details, Measures};
use crate::statistics::QueueCounters;
use crate::time::Time;

/// Queues that are asked at the same time.
const TOGETHER: usize = 256;
/// "In the last minute": what counters remember.
const WINDOW: Duration = Duration::from_secs(60);
/// Consumers that settled nothing for so long are stuck.
const STUCK: Duration = Duration::from_secs(10);
/// A queue grows if it got more by so many in a minute,
const GROWTH_MIN: u64 = 600;
/// and has so many.
const BACKLOG_MIN: u64 = 1000;

/// A queue with what counters say.
struct Seen {
    vhost: Arc<Vhost>,
    record: Arc<QueueRecord>,
    measures: Measures,
    minute: QueueCounters,
    /// Nothing was delivered and settled for a while.
    is_still: bool,
}

/// All problems of these vhosts' queues.
pub(super) async fn of(vhosts: &[Arc<Vhost>], now: Time) -> Vec<Problem> {
    let queues = vhosts
        .iter()
        .flat_map(|vhost| vhost.declared_queues().into_iter().map(|record| (Arc::clone(vhost), record)));
    let queues: Vec<_> = queues.collect();
    let mut problems = Vec::new();
    for some in queues.chunks(TOGETHER) {
        let measured = join_all(some.iter().map(|(_, record)| record.measure())).await;
        for ((vhost, record), measures) in some.iter().zip(measured) {
            // One that just went has no problems.
            let Some(measures) = measures else { continue };
            let seen = Seen::of(vhost, record, measures, now);
            seen.report(&mut problems).await;
        }
    }
    problems
}

impl Seen {
    fn of(vhost: &Arc<Vhost>, record: &Arc<QueueRecord>, measures: Measures, now: Time) -> Self {
        let counted = |since: Duration| difference(record, now, since);
        let was_used = |within: Duration| now.since(record.statistics.last_change()) < within;
        let minute = if was_used(WINDOW) { counted(WINDOW) } else { QueueCounters::default() };
        let is_still = !was_used(STUCK) || {
            let lately = counted(STUCK);
            lately.acked + lately.delivered + lately.delivered_no_ack + lately.returned == 0
        };
        Self { vhost: Arc::clone(vhost), record: Arc::clone(record), measures, minute, is_still }
    }

    async fn report(&self, problems: &mut Vec<Problem>) {
        if self.record.is_stream() {
            // What is in a stream stays there, read or not.
            problems.extend(self.unreadable().await);
            return;
        }
        let counts = &self.measures.counts;
        let (ready, parked) = (counts.ready as u64, counts.parked as u64);
        let seems_stuck = ready > 0 && counts.consumers > 0 && self.is_still;
        if self.measures.is_unreadable || seems_stuck {
            let details = self.record.details().await;
            problems.extend(details.and_then(|details| self.of_details(&details)));
        }
        problems.extend(self.drops());
        problems.extend(self.refusals());
        problems.extend(self.failures());
        if ready > 0 && counts.consumers == 0 {
            let wait = if ready == 1 { "waits" } else { "wait" };
            let sentence =
                format!("{} {wait} in '{}', which has no consumer", some(ready, "message"), self.name());
            problems.push(self.problem(Severity::Warning, "no-consumers", ready, sentence));
        }
        let growth = self.minute.published.saturating_sub(gone(&self.minute));
        if ready >= BACKLOG_MIN && growth >= GROWTH_MIN && ready >= growth {
            let sentence =
                format!("'{}' grows: {growth} more messages in a minute, {ready} wait", self.name());
            problems.push(self.problem(Severity::Warning, "growing", growth, sentence));
        }
        if parked > 0 {
            let sentence = format!("{} parked in '{}'", are(parked), self.name());
            problems.push(self.problem(Severity::Note, "parked", parked, sentence));
        }
    }

    async fn unreadable(&self) -> Option<Problem> {
        let details = if self.measures.is_unreadable { self.record.details().await } else { None };
        self.unreadable_of(details?.as_ref())
    }

    fn unreadable_of(&self, details: &Details) -> Option<Problem> {
        let why = details.unreadable.as_ref()?;
        let sentence = format!("messages of '{}' cannot be read: {why}", self.name());
        Some(self.problem(Severity::Critical, "unreadable", self.measures.counts.ready as u64, sentence))
    }

    fn of_details(&self, details: &Details) -> Option<Problem> {
        if let Some(problem) = self.unreadable_of(details) {
            return Some(problem);
        }
        let ready = self.measures.counts.ready as u64;
        let consumers = details.measures.counts.consumers as u64;
        let unacked = self.measures.counts.unacked as u64;
        let is_full = !details.has_credit && unacked > 0;
        is_full.then(|| {
            let verb = if consumers == 1 { "has" } else { "have" };
            let sentence = format!(
                "{} of '{}' {verb} as many unacked messages as prefetch allows ({unacked}) and settled none for {} s; {} wait",
                some(consumers, "consumer"),
                self.name(),
                STUCK.as_secs(),
                some(ready, "message"),
            );
            self.problem(Severity::Warning, "prefetch-full", ready, sentence)
        })
    }

    /// Messages that went nowhere. Those that expired with nowhere to go were perhaps meant to.
    fn drops(&self) -> Option<Problem> {
        let minute = &self.minute;
        let full = if self.refuses() { 0 } else { minute.dropped_maxlen };
        let reasons = [
            (full, "because it was full", "x-max-length"),
            (minute.dropped_delivery_limit, "delivered too often", "x-delivery-limit"),
            (minute.dropped_rejected, "rejected by consumers", ""),
            (minute.dropped_expired, "expired", "x-message-ttl"),
        ];
        let dropped: u64 = reasons.iter().map(|(count, ..)| count).sum();
        if dropped == 0 {
            return None;
        }
        let why = reasons.iter().filter(|(count, ..)| *count > 0).map(|(count, why, argument)| {
            let setting = self.setting(argument).map(|setting| format!(" ({setting})")).unwrap_or_default();
            format!("{count} {why}{setting}")
        });
        let sentence = format!(
            "'{}' dropped {} in the last minute: {}",
            self.name(),
            some(dropped, "message"),
            why.collect::<Vec<_>>().join(", ")
        );
        let is_lost = dropped > minute.dropped_expired;
        let severity = if is_lost { Severity::Critical } else { Severity::Note };
        Some(self.problem(severity, "dropped", dropped, sentence))
    }

    /// Whether publishes are refused when it is full: nothing is lost that was in it.
    fn refuses(&self) -> bool {
        self.setting("x-overflow").is_some_and(|setting| setting.starts_with("x-overflow \"reject-publish"))
    }

    fn refusals(&self) -> Option<Problem> {
        let count = self.minute.dropped_maxlen;
        if count == 0 || !self.refuses() {
            return None;
        }
        let limit = self.setting("x-max-length").map(|setting| format!(" ({setting})")).unwrap_or_default();
        let sentence = format!(
            "'{}' refused {} in the last minute because it is full{limit}; publishers that use confirms were told",
            self.name(),
            some(count, "message")
        );
        Some(self.problem(Severity::Warning, "refused", count, sentence))
    }

    fn failures(&self) -> Option<Problem> {
        let minute = &self.minute;
        let returned = minute.returned;
        let dead = minute.dead_lettered_rejected + minute.dead_lettered_delivery_limit;
        if returned + dead == 0 {
            return None;
        }
        let ends = [(returned, "came back to the queue"), (dead, "dead-lettered")];
        let ends = ends.into_iter().filter(|(count, _)| *count > 0);
        let ends: Vec<String> = ends.map(|(count, end)| format!("{count} {end}")).collect();
        let sentence =
            format!("deliveries of '{}' failed in the last minute: {}", self.name(), ends.join(", "));
        let count = returned + minute.dead_lettered_rejected + minute.dead_lettered_delivery_limit;
        Some(self.problem(Severity::Warning, "failing", count, sentence))
    }

    /// A setting with who said it.
    fn setting(&self, argument: &str) -> Option<String> {
        let in_force = self.vhost.policies().in_force(&self.record.name, &self.record.arguments);
        let setting = in_force
            .into_iter()
            .find(|setting| !argument.is_empty() && setting.argument.starts_with(argument))?;
        let value = plain_value(&setting.value);
        let policy = setting
            .origin
            .policy()
            .map(|name| format!(" of {} '{name}'", setting.origin.name().replace('-', " ")));
        Some(format!("{} {value}{}", setting.argument, policy.unwrap_or_default()))
    }

    fn name(&self) -> &str {
        &self.record.name
    }

    fn problem(&self, severity: Severity, kind: &'static str, count: u64, sentence: String) -> Problem {
        let target = Target::within("queue", &self.vhost.name, self.name());
        Problem { severity, kind, sentence, count, target }
    }
}

fn are(count: u64) -> String {
    format!("{} {}", some(count, "message"), if count == 1 { "is" } else { "are" })
}

fn difference(record: &QueueRecord, now: Time, since: Duration) -> QueueCounters {
    use crate::statistics::Counters as _;
    let (then, now) =
        (record.statistics.read_before(now, since).to_array(), record.statistics.read().to_array());
    let mut passed = now;
    passed.iter_mut().zip(then).for_each(|(now, then)| *now = now.saturating_sub(then));
    QueueCounters::from_array(passed)
}

/// Messages that left.
const fn gone(counted: &QueueCounters) -> u64 {
    counted.acked
        + counted.delivered_no_ack
        + counted.got_no_ack
        + counted.dropped()
        + counted.dead_lettered()
}
