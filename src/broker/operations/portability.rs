//! What other brokers make of what clients do: noted for the linter, and refused if the virtual host stands in for one that does.

use amq_protocol::types::AMQPValue;

use super::scope::{Caller, Scope};
use crate::broker::error::OperationError;
use crate::broker::lint::LintFinding;
use crate::broker::vhost::QueueRecord;
use crate::persona::{
    Call, ConsumeCall, Place, PublishCall, QueueKind, Refused, SendCall, ShortLived, findings,
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
    examine_times(scope, call, 1)
}

/// The same of a call that was made so often.
fn examine_times(scope: Scope<'_>, call: &Call<'_>, times: u64) -> Option<Refused> {
    let mut refused = None;
    let mut by = None;
    for shown in findings(call) {
        refused = refused.or_else(|| shown.rule.refused(scope.vhost.persona, call, &shown.found));
        let by = by.get_or_insert_with(|| author(scope, call));
        if let Some(first) = scope.vhost.lint.note(shown, call, by, times) {
            tell(scope, &first);
        }
    }
    refused
}

/// Whoever wants to hear of it at once does: a file; in a broker for tests, the log.
fn tell(scope: Scope<'_>, finding: &LintFinding) {
    let vhost = &scope.vhost.name;
    let written =
        scope.shared.config.lint.as_deref().map_or(Ok(()), |path| finding.clone().append_to(path, vhost));
    if let Err(error) = written {
        tracing::warn!("what the linter found cannot be written to its file: {error}");
    }
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
        Call::Publish(_) | Call::Send(_) => "published",
        Call::Find(_) => "looked for",
        Call::End(..) => "opened",
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
    let Unusual { large_body, settles, short_channels } = unusual;
    let vhost = &scope.vhost.name;
    note_short_lived(scope, ShortLived::Channel, short_channels);
    // Its session refused what the persona does.
    let _ = examine(scope, &Call::Publish(PublishCall { vhost, large_body, settles }));
}

/// Notes what is made of the first message that a connection sends to a queue.
pub fn note_first_publish(scope: Scope<'_>, record: &QueueRecord, persistent: bool, confirmed: bool) {
    let place = Place { name: &record.name, vhost: &scope.vhost.name };
    let (durable, exclusive) = (record.durable, record.owner.is_some());
    // Nobody refuses it.
    let _ = examine(scope, &Call::Send(SendCall { place, durable, exclusive, persistent, confirmed }));
}

/// Notes a passive declare.
pub(super) fn note_find(scope: Scope<'_>, record: &QueueRecord) {
    let _ = examine(scope, &Call::Find(Place { name: &record.name, vhost: &scope.vhost.name }));
}

/// Notes so many connections or channels that ended after a single publish.
pub fn note_short_lived(scope: Scope<'_>, what: ShortLived, count: u64) {
    if count > 0 {
        let _ = examine_times(scope, &Call::End(what, &scope.vhost.name), count);
    }
}
