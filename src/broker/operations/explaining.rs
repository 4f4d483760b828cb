//! What would happen, and why: where a message would go, and whether somebody may do something. Nothing is done.

use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::types::{AMQPValue, FieldTable};

use super::scope::{Caller, Scope, check_length};
use crate::auth::{Permission, Right, Rights, UserTopicPermission};
use crate::broker::error::{Kind, OperationError};
use crate::broker::shared::Shared;
use crate::protocol::content::Properties;
use crate::protocol::encode;
use crate::session::PropertySource;
use crate::topology::{Explained, RouteError, TopologyError};

/// What permissions call the default exchange.
const DEFAULT_EXCHANGE: &str = "amq.default";

/// Where a message would go from an exchange, and why; it is not published. For whoever sees the vhost.
///
/// # Errors
/// `InvalidName`: a routing key that is too long; `NotFound`; `Topology`: a delay that is none.
pub fn explain_route(
    scope: Scope<'_>,
    exchange: &str,
    routing_key: &str,
    properties: &AMQPProperties,
) -> Result<Explained, OperationError> {
    check_length("the routing key", routing_key)?;
    let written = encode::properties(properties);
    let source = Properties::parse(&written).ok().map(PropertySource);
    let extra = properties.headers().iter().flat_map(extra_keys);
    let keys: Vec<&[u8]> = std::iter::once(routing_key.as_bytes()).chain(extra).collect();
    let headers = source.as_ref().map(|source| source as _);
    let explained = scope.vhost.topology.read().explain(exchange.as_bytes(), &keys, headers);
    explained.map_err(|error| match error {
        RouteError::NoSuchExchange => scope.not_found(Kind::Exchange, exchange),
        RouteError::InvalidDelay(error) => TopologyError::PreconditionFailed(error.to_string()).into(),
    })
}

/// `CC` and `BCC`: lists of more routing keys.
fn extra_keys(headers: &FieldTable) -> impl Iterator<Item = &[u8]> {
    let lists = ["CC", "BCC"].into_iter().filter_map(|name| match headers.inner().get(name) {
        Some(AMQPValue::FieldArray(keys)) => Some(keys.as_slice()),
        _ => None,
    });
    lists.flatten().filter_map(|key| match key {
        AMQPValue::LongString(key) => Some(key.as_bytes()),
        _ => None,
    })
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Who.
    pub user: &'a str,
    /// Where.
    pub vhost: &'a str,
    /// What.
    pub right: Right,
    /// With the queue or exchange of this name; empty: the default exchange.
    pub name: &'a str,
    /// By this key, if it is an exchange with topic permissions.
    pub routing_key: Option<&'a str>,
}

/// Whether somebody may do something, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether.
    pub may: bool,
    /// Why, in a sentence.
    pub why: String,
    /// The user's permission on the vhost.
    pub permission: Option<Permission>,
    /// The user's topic permission for the exchange, if there is one and a key was given.
    pub topic_permission: Option<UserTopicPermission>,
}

/// Whether a user may do something, and which permission says so. For administrators.
///
/// # Errors
/// `NotTagged`, `NoUser`, `NoVhost`.
pub fn may(shared: &Shared, caller: Caller<'_>, wish: Wish<'_>) -> Result<Verdict, OperationError> {
    caller.require_administrator(shared)?;
    let Wish { user, vhost, .. } = wish;
    if shared.users(|users| users.user(user).is_none()) {
        return Err(OperationError::NoUser(user.to_owned()));
    }
    shared.vhost(vhost).ok_or_else(|| OperationError::NoVhost(vhost.to_owned()))?;
    let permission = shared.users(|users| users.permission(user, vhost).cloned());
    let topics = shared.users(crate::auth::Users::topic_permissions);
    let topics = topics.into_iter().filter(|topic| topic.user == user && topic.vhost == vhost);
    let topic = { topics }.find(|topic| topic.exchange == wish.name).filter(|_| wish.routing_key.is_some());
    let (may, why) = judge(wish, permission.as_ref(), topic.as_ref());
    Ok(Verdict { may, why, permission, topic_permission: topic })
}

fn judge(
    wish: Wish<'_>,
    permission: Option<&Permission>,
    topic: Option<&UserTopicPermission>,
) -> (bool, String) {
    let Wish { user, vhost, right, .. } = wish;
    let name = if wish.name.is_empty() { DEFAULT_EXCHANGE } else { wish.name };
    let Some(permission) = permission else {
        return (false, format!("'{user}' has no permission on vhost '{vhost}', and may not even enter it"));
    };
    let pattern = pattern(right, &permission.configure, &permission.write, &permission.read);
    if !Rights::parse(permission).is_ok_and(|rights| rights.allow(right, name)) {
        let why = if pattern.is_empty() {
            format!("the {right} pattern of '{user}' on '{vhost}' is empty: it matches nothing")
        } else {
            format!("the {right} pattern '{pattern}' of '{user}' on '{vhost}' does not match '{name}'")
        };
        return (false, why);
    }
    let by_name = format!("the {right} pattern '{pattern}' of '{user}' on '{vhost}' matches '{name}'");
    let (Some(key), Some(topic)) = (wish.routing_key.filter(|_| right != Right::Configure), topic) else {
        return (true, by_name);
    };
    let is_allowed = crate::auth::TopicRights::of(&topic.permission, user, vhost).allow(right, key);
    let pattern = self::pattern(right, "", &topic.permission.write, &topic.permission.read);
    let verb = if is_allowed { "matches" } else { "does not match" };
    let joint = if is_allowed { "and" } else { "but" };
    (is_allowed, format!("{by_name}, {joint} the topic permission's '{pattern}' {verb} the key '{key}'"))
}

const fn pattern<'a>(right: Right, configure: &'a str, write: &'a str, read: &'a str) -> &'a str {
    match right {
        Right::Configure => configure,
        Right::Write => write,
        Right::Read => read,
    }
}
