//! What other brokers make of what clients do: noted for the linter, and refused if the virtual host stands in for one that does.

use amq_protocol::types::AMQPValue;

use super::scope::{Caller, Scope};
use crate::broker::error::OperationError;
use crate::broker::lint::LintFinding;
use crate::broker::vhost::{QueueRecord, Vhost};
use crate::persona::{
    Call, ConsumeCall, DEAD_LETTERS_GO_NOWHERE, Place, PublishCall, QueueCall, QueueKind, Refused, Rule,
    Shown, findings, rule,
};
use crate::queue::ConnectionId;
use crate::session::Unusual;

impl From<Refused> for OperationError {
    fn from(Refused { code, text, .. }: Refused) -> Self {
        Self::Persona { code, text }
    }
}

/// Notes what other brokers make of a call. Tells how the one that the vhost stands in for refuses it, if it does.
pub(super) fn examine(scope: Scope<'_>, call: &Call<'_>) -> Option<Refused> {
    let mut refused = None;
    let mut by = None;
    for shown in findings(call) {
        refused = refused.or_else(|| shown.rule.refused(scope.vhost.persona, call, &shown.found));
        let by = by.get_or_insert_with(|| author(scope, call));
        if let Some(first) = scope.vhost.lint.note(shown, call, by) {
            tell(scope, &first);
        }
    }
    refused
}

/// A broker for tests says so at once.
fn tell(scope: Scope<'_>, finding: &LintFinding) {
    if !scope.shared.config.test {
        return;
    }
    let verdicts = finding.verdicts().into_iter().map(|verdict| match verdict.target {
        Some(target) => format!("{}: {}", target.title(), verdict.outcome),
        None => verdict.text,
    });
    let verdicts = verdicts.collect::<Vec<_>>().join(", ");
    let LintFinding { rule, subject, by, fix, .. } = finding;
    tracing::info!(vhost = scope.vhost.name, rule = rule.id, "{subject} ({by}): {verdicts}; {fix}");
}

/// Who makes the call: `declared by app 'billing'`.
fn author(scope: Scope<'_>, call: &Call<'_>) -> String {
    let verb = match call {
        Call::Queue(_) | Call::Exchange(_) => "declared",
        Call::Consume(_) => "consumed",
        Call::Publish(_) => "published",
    };
    let app = match scope.caller {
        Caller::Operator => "the operator".to_owned(),
        Caller::User(user) => format!("user '{user}'"),
        Caller::Connection { id, user, .. } => match app_name(scope, id) {
            Some(name) => format!("app '{name}'"),
            None => format!("user '{user}'"),
        },
    };
    format!("{verb} by {app}")
}

/// What the client calls itself: its connection_name, or else its product.
fn app_name(scope: Scope<'_>, id: ConnectionId) -> Option<String> {
    let connection = scope.shared.connection(id)?;
    let handshake = connection.overview.as_ref()?.handshake();
    let property = |name: &str| match handshake.client_properties.inner().get(name)? {
        AMQPValue::LongString(text) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        _ => None,
    };
    property("connection_name").or_else(|| property("product"))
}

/// Notes what other brokers make of a consumer, whose key, inbox and the like say nothing about that.
///
/// # Errors
/// `Persona`: the broker that the vhost stands in for refuses it.
pub fn consumer_allowed(
    scope: Scope<'_>,
    record: &QueueRecord,
    consumer: ConsumeCall<'_>,
) -> Result<(), OperationError> {
    let place = Place { name: &record.name, vhost: &scope.vhost.name };
    let kind = QueueKind::of(&record.arguments);
    let call = Call::Consume(ConsumeCall { place, kind, durable: record.durable, ..consumer });
    examine(scope, &call).map_or(Ok(()), |refused| Err(refused.into()))
}

/// Notes what other brokers make of publishes that were taken, or refused already.
pub fn note_publishes(scope: Scope<'_>, unusual: Unusual) {
    let Unusual { large_body, settles } = unusual;
    let vhost = &scope.vhost.name;
    // Its session refused what the persona does.
    let _ = examine(scope, &Call::Publish(PublishCall { vhost, large_body, settles }));
}

/// All that was found in a vhost, with what its queues and exchanges look like now.
#[must_use]
pub fn lint(scope: Scope<'_>) -> Vec<LintFinding> {
    let mut findings = scope.vhost.lint.findings();
    findings.extend(unbound_dead_letters(scope.vhost));
    findings
}

fn unbound_dead_letters(vhost: &Vhost) -> Vec<LintFinding> {
    let Some(rule) = rule(DEAD_LETTERS_GO_NOWHERE) else { return Vec::new() };
    let queues = vhost.declared_queues();
    let mut unbound: Vec<_> = queues.iter().filter_map(|record| unbound(vhost, record, rule)).collect();
    unbound.sort_by(|one, other| one.subject.cmp(&other.subject));
    unbound
}

/// A queue whose dead letters go nowhere.
fn unbound(vhost: &Vhost, record: &QueueRecord, rule: &'static Rule) -> Option<LintFinding> {
    let name = match record.arguments.inner().get("x-dead-letter-exchange")? {
        AMQPValue::LongString(text) => String::from_utf8_lossy(text.as_bytes()).into_owned(),
        _ => return None,
    };
    // The default exchange leads to every queue.
    if name.is_empty() || is_bound(vhost, &name) {
        return None;
    }
    let call = Call::Queue(QueueCall {
        place: Place { name: &record.name, vhost: &vhost.name },
        kind: QueueKind::of(&record.arguments),
        durable: record.durable,
        exclusive: record.owner.is_some(),
        auto_delete: record.auto_delete,
        server_named: false,
        arguments: &record.arguments,
    });
    let shown = Shown { rule, found: format!("exchange '{name}'") };
    Some(LintFinding::new(shown, &call, "as it is now".to_owned()))
}

fn is_bound(vhost: &Vhost, exchange: &str) -> bool {
    let topology = vhost.topology.read();
    topology.exchange(exchange).is_some() && topology.bindings_of_exchange(exchange).next().is_some()
}
