//! `GET /api/coney/problems`: what is wrong, worst first, as far as the asker may know of it.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use super::problem::{Problem, Severity, Target, some};
use super::queue_problems;
use crate::broker::overview::ConnectionState;
use crate::broker::vhost::Vhost;
use crate::management::answer;
use crate::management::api::Api;
use crate::management::asker::{Asker, Manager};
use crate::time::Time;

/// Problems of a kind that are listed; the rest is one more.
const OF_KIND_MAX: usize = 50;
/// "In the last minute": what counters remember.
const WINDOW: Duration = Duration::from_secs(60);
/// A certificate that ends within this time is a problem.
const CERTIFICATE_MS: u64 = 30 * 24 * 3600 * 1000;
/// The password that everybody knows, and whose it is.
const WELL_KNOWN: &str = "guest";

/// The list.
pub(super) async fn list(State(api): State<Api>, asker: Manager) -> Response {
    let now = api.shared().clock.now();
    let vhosts = asker.vhosts(&api);
    let mut problems = of_broker(&api, &asker);
    problems.extend(queue_problems::of(&vhosts, now).await);
    problems.extend(vhosts.iter().flat_map(|vhost| unroutable(vhost, now)));
    problems
        .sort_by_key(|problem| (problem.severity, !problem.is_failure(), std::cmp::Reverse(problem.count)));
    let count = |severity: Severity| problems.iter().filter(|problem| problem.severity == severity).count();
    let counts = json!({
        "critical": count(Severity::Critical),
        "warning": count(Severity::Warning),
        "note": count(Severity::Note),
    });
    answer::json(&json!({ "counts": counts, "problems": shortened(problems) }))
}

/// No more of a kind than people look at.
fn shortened(problems: Vec<Problem>) -> Vec<Problem> {
    let mut of_kind: HashMap<&'static str, usize> = HashMap::new();
    let mut kept = Vec::new();
    let mut left_out: Vec<Problem> = Vec::new();
    for problem in problems {
        let number = of_kind.entry(problem.kind).or_default();
        *number += 1;
        if *number <= OF_KIND_MAX {
            kept.push(problem);
        } else if let Some(rest) = left_out.iter_mut().find(|rest| rest.kind == problem.kind) {
            rest.count += 1;
        } else {
            let target = Target::all(if problem.target.kind == "exchange" { "exchanges" } else { "queues" });
            left_out.push(Problem { count: 1, target, ..problem });
        }
    }
    for rest in &mut left_out {
        rest.sentence = format!("{} more of the same kind ({})", rest.count, rest.kind);
    }
    kept.extend(left_out);
    kept.sort_by_key(|problem| problem.severity);
    kept
}

fn of_broker(api: &Api, asker: &Asker) -> Vec<Problem> {
    let mut problems = alarms(api, asker);
    problems.extend(nearly_short(api));
    if asker.sees_all() {
        problems.extend(certificates(api));
    }
    problems.extend(well_known_password(api, asker));
    problems
}

fn alarms(api: &Api, asker: &Asker) -> Vec<Problem> {
    let alarms = api.shared().alarms.borrow().clone();
    let machine = api.shared().machine();
    let mb = |bytes: Option<u64>| {
        bytes.map_or_else(|| "?".to_owned(), |bytes| format!("{} MB", bytes / 1_000_000))
    };
    let blocked = asker.connections(api).iter().filter(|it| it.state() == ConnectionState::Blocked).count();
    let publishers = match blocked {
        0 => "publishers will be blocked".to_owned(),
        1 => "1 connection is blocked".to_owned(),
        more => format!("{more} connections are blocked"),
    };
    let (readings, limits) = (machine.readings, machine.limits);
    let memory = format!(
        "the broker has {} of memory, more than the limit of {}: {publishers}",
        mb(readings.memory_used),
        mb(limits.memory)
    );
    let disk = format!(
        "{} are free on the disk, less than the limit of {}: {publishers}",
        mb(readings.disk_free),
        mb(limits.disk_free)
    );
    let by_hand = alarms.by_hand.as_ref().map(|reason| format!("blocked by hand ({reason}): {publishers}"));
    let raised = [
        ("memory-alarm", alarms.memory.then_some(memory)),
        ("disk-alarm", alarms.disk.then_some(disk)),
        ("blocked", by_hand),
    ];
    let raised = raised.into_iter().filter_map(|(kind, sentence)| Some((kind, sentence?)));
    raised
        .map(|(kind, sentence)| Problem {
            severity: Severity::Critical,
            kind,
            sentence,
            count: blocked as u64,
            target: if blocked > 0 { Target::all("connections") } else { Target::node(api.node()) },
        })
        .collect()
}

/// Not yet an alarm.
fn nearly_short(api: &Api) -> Vec<Problem> {
    let machine = api.shared().machine();
    let (readings, limits) = (machine.readings, machine.limits);
    let memory = readings
        .memory_used
        .zip(limits.memory)
        .filter(|(used, limit)| *used <= *limit && *used > *limit / 10 * 9);
    let disk = readings
        .disk_free
        .zip(limits.disk_free)
        .filter(|(free, limit)| *free >= *limit && *free < limit.saturating_mul(2));
    let problem = |kind, sentence| Problem {
        severity: Severity::Warning,
        kind,
        sentence,
        count: 0,
        target: Target::node(api.node()),
    };
    let memory = memory.map(|(used, limit)| {
        let part = used.saturating_mul(100) / limit.max(1);
        problem("memory-nearly-short", format!("{part} % of the memory that the broker may have is used"))
    });
    let disk = disk.map(|(free, limit)| {
        let (free, limit) = (free / 1_000_000, limit / 1_000_000);
        let text = format!("{free} MB are free on the disk: publishers are blocked below {limit} MB");
        problem("disk-nearly-short", text)
    });
    memory.into_iter().chain(disk).collect()
}

fn certificates(api: &Api) -> Vec<Problem> {
    let now = api.shared().clock.timestamp();
    let until = now.plus_ms(CERTIFICATE_MS);
    let ending = api.listeners().iter().filter_map(|on| {
        let (own, authorities) = on.acceptor.as_ref()?.ending_before(until);
        let count = own.len() + authorities.len();
        let is_over = own.iter().any(|certificate| certificate.not_after < now);
        (count > 0).then_some((on, count, is_over))
    });
    ending
        .map(|(on, count, is_over)| Problem {
            severity: if is_over { Severity::Critical } else { Severity::Warning },
            kind: "certificate",
            sentence: ending_sentence(on.protocol, &on.address.to_string(), count as u64, is_over),
            count: count as u64,
            target: Target::node(api.node()),
        })
        .collect()
}

fn ending_sentence(protocol: &str, address: &str, count: u64, is_over: bool) -> String {
    if is_over {
        return format!("the certificate of {protocol} on {address} has ended: clients refuse it");
    }
    let verb = if count == 1 { "ends" } else { "end" };
    format!("{} of {protocol} on {address} {verb} within 30 days", some(count, "certificate"))
}

/// The default user, from anywhere and with the default password.
fn well_known_password(api: &Api, asker: &Asker) -> Option<Problem> {
    let is_open = asker.is_administrator()
        && is_reachable(api)
        && api.shared().users(|users| {
            let password = users.user(WELL_KNOWN).and_then(|user| user.password.as_ref());
            !users.is_local_only(WELL_KNOWN)
                && password.is_some_and(|password| password.matches(WELL_KNOWN.as_bytes()))
        });
    is_open.then(|| Problem {
        severity: Severity::Warning,
        kind: "well-known-password",
        sentence: format!(
            "'{WELL_KNOWN}' has the password that everybody knows, and may come from any address"
        ),
        count: 1,
        target: Target { kind: "user", vhost: None, name: Some(WELL_KNOWN.to_owned()) },
    })
}

/// Whether other machines can reach a listener.
fn is_reachable(api: &Api) -> bool {
    api.listeners().iter().any(|on| !on.address.ip().is_loopback())
}

/// Messages that an exchange had nowhere to send to.
fn unroutable(vhost: &Vhost, now: Time) -> Vec<Problem> {
    let topology = vhost.topology.read();
    let names: Vec<String> = topology.exchanges().map(|exchange| exchange.name.clone()).collect();
    let counted = names.into_iter().filter_map(|name| {
        let statistics = topology.statistics(name.as_bytes())?;
        if now.since(statistics.last_change()) >= WINDOW {
            return None;
        }
        let lost =
            statistics.read().unroutable.saturating_sub(statistics.read_before(now, WINDOW).unroutable);
        (lost > 0).then_some((name, lost))
    });
    counted
        .map(|(name, lost)| {
            let shown = if name.is_empty() { "the default exchange".to_owned() } else { format!("'{name}'") };
            Problem {
                severity: Severity::Warning,
                kind: "unroutable",
                sentence: format!(
                    "{} published to {shown} in the last minute went to no queue",
                    some(lost, "message")
                ),
                count: lost,
                target: Target::within("exchange", &vhost.name, &name),
            }
        })
        .collect()
}
