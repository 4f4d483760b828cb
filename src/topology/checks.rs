//! What may be declared, deleted and bound: nothing here changes anything. The order of the checks is RabbitMQ's.

use crate::protocol::value::type_name;

use super::error::TopologyError;
use super::graph::Topology;
use super::spec::{
    ALTERNATE_EXCHANGE, Binding, DELAYED_EXCHANGE, DELAYED_TYPE, Destination, ExchangeKind, ExchangeSpec,
};
use super::{equivalence, hash, headers, ring};
use crate::dedup;
use amq_protocol::types::AMQPValue;

/// Names that begin so belong to the broker.
const RESERVED_PREFIX: &str = "amq.";

impl Topology {
    /// Whether a declare would create the exchange (true) or finds an equivalent one (false).
    ///
    /// # Errors
    /// 403 for the default exchange and reserved names, 406 for another exchange of that name or bad arguments.
    pub fn check_exchange_declare(&self, spec: &ExchangeSpec, vhost: &str) -> Result<bool, TopologyError> {
        not_default(&spec.name)?;
        if let Some(current) = self.exchange(&spec.name) {
            return check_equivalence(current, spec, vhost).map(|()| false);
        }
        if spec.name.starts_with(RESERVED_PREFIX) {
            let name = &spec.name;
            let text = format!("exchange name '{name}' contains reserved prefix 'amq.*'");
            return Err(TopologyError::AccessRefused(text));
        }
        check_alternate(spec, vhost)?;
        check_deduplication(spec, vhost)?;
        let Some(kind) = spec.routes_as() else {
            let text = "Invalid argument, 'x-delayed-type' must be an existing exchange type";
            return Err(TopologyError::PreconditionFailed(text.to_owned()));
        };
        if kind == ExchangeKind::ConsistentHash {
            hash::check_arguments(spec, vhost)?;
        }
        Ok(true)
    }

    /// The exchange a passive declare asks for.
    ///
    /// # Errors
    /// 403 for the default exchange, 404 if there is none of that name.
    pub fn check_exchange_passive(&self, name: &str, vhost: &str) -> Result<&ExchangeSpec, TopologyError> {
        not_default(name)?;
        self.exchange(name).ok_or_else(|| TopologyError::no_exchange(name, vhost))
    }

    /// Whether there is an exchange to delete; deleting one that is not there is fine.
    ///
    /// # Errors
    /// 403 for the default exchange and reserved names, 406 if it is [used](Self::is_used) and must not be.
    pub fn check_exchange_delete(
        &self,
        name: &str,
        if_unused: bool,
        vhost: &str,
    ) -> Result<bool, TopologyError> {
        not_default(name)?;
        if name.starts_with(RESERVED_PREFIX) {
            let text = format!("deletion of system exchange '{name}' in vhost '{vhost}' not allowed");
            return Err(TopologyError::AccessRefused(text));
        }
        if if_unused && self.is_used(name) {
            let text = format!("exchange '{name}' in vhost '{vhost}' in use");
            return Err(TopologyError::PreconditionFailed(text));
        }
        Ok(self.exchange(name).is_some())
    }

    /// Whether the binding would be new.
    ///
    /// # Errors
    /// 403 for the default exchange, 404 if the source or else the destination does not exist, 406 if the arguments
    /// make no sense to a headers exchange or the key is no weight for a consistent hash.
    pub fn check_bind(&self, binding: &Binding, vhost: &str) -> Result<bool, TopologyError> {
        self.check_unbind(binding)?;
        let source = self.check_exchange_passive(&binding.source, vhost)?;
        match &binding.destination {
            Destination::Queue(name) if self.queue(name).is_none() => {
                return Err(TopologyError::no_queue(name, vhost));
            }
            Destination::Exchange(name) => drop(self.check_exchange_passive(name, vhost)?),
            Destination::Queue(_) => {}
        }
        match source.routes_as().unwrap_or(source.kind) {
            ExchangeKind::Headers => headers::check_arguments(&binding.arguments)?,
            ExchangeKind::ConsistentHash => ring::check_weight(binding)?,
            ExchangeKind::LocalRandom => check_local_random(binding)?,
            _ => {}
        }
        Ok(!self.is_bound(binding))
    }

    /// Whether unbinding may be asked for at all; the binding, its source and its destination need not exist.
    ///
    /// # Errors
    /// 403 for the default exchange.
    pub fn check_unbind(&self, binding: &Binding) -> Result<(), TopologyError> {
        not_default(&binding.source)?;
        match &binding.destination {
            Destination::Exchange(name) => not_default(name),
            Destination::Queue(_) => Ok(()),
        }
    }
}

/// RabbitMQ's type takes queues only, and no keys.
fn check_local_random(binding: &Binding) -> Result<(), TopologyError> {
    let key = &binding.routing_key;
    if !key.is_empty() {
        let text = format!("Non empty binding '{key}' key not permitted");
        return Err(TopologyError::PreconditionFailed(text));
    }
    match binding.destination {
        Destination::Queue(_) => Ok(()),
        Destination::Exchange(_) => {
            Err(TopologyError::PreconditionFailed("Destination not found".to_owned()))
        }
    }
}

fn not_default(exchange: &str) -> Result<(), TopologyError> {
    if exchange.is_empty() { Err(TopologyError::default_exchange()) } else { Ok(()) }
}

fn check_equivalence(
    current: &ExchangeSpec,
    received: &ExchangeSpec,
    vhost: &str,
) -> Result<(), TopologyError> {
    let name = &current.name;
    let property = |key, current: &dyn std::fmt::Display, received: &dyn std::fmt::Display| {
        let (current, received) = (current.to_string(), received.to_string());
        equivalence::check_property("exchange", name, vhost, key, current, received)
    };
    property("type", &current.kind.name(), &received.kind.name())?;
    property("durable", &current.durable, &received.durable)?;
    property("auto_delete", &current.auto_delete, &received.auto_delete)?;
    property("internal", &current.internal, &received.internal)?;
    let (now, new) = (&current.arguments, &received.arguments);
    equivalence::check_arguments("exchange", name, vhost, &[ALTERNATE_EXCHANGE], now, new)?;
    equivalence::check_arguments("exchange", name, vhost, &dedup::COMPARED, now, new)?;
    equivalence::check_arguments("exchange", name, vhost, &[DELAYED_TYPE, DELAYED_EXCHANGE], now, new)
}

fn check_deduplication(spec: &ExchangeSpec, vhost: &str) -> Result<(), TopologyError> {
    let invalid = |key: &str, why: &str| {
        let text = format!("invalid arg '{key}' for exchange '{}' in vhost '{vhost}': {why}", spec.name);
        TopologyError::PreconditionFailed(text)
    };
    let scope = spec.dedup().map_err(|error| invalid(error.key, &error.why))?;
    // Duplicates are known by the queue that had the first, and chance would take them to another.
    let kind = spec.routes_as().unwrap_or(spec.kind);
    if scope.is_some() && matches!(kind, ExchangeKind::Random | ExchangeKind::LocalRandom) {
        let why = format!("not possible for exchanges of type {}", kind.name());
        return Err(invalid("x-message-deduplication", &why));
    }
    Ok(())
}

fn check_alternate(spec: &ExchangeSpec, vhost: &str) -> Result<(), TopologyError> {
    match spec.arguments.inner().get(ALTERNATE_EXCHANGE) {
        None | Some(AMQPValue::LongString(_)) => Ok(()),
        Some(other) => Err(TopologyError::PreconditionFailed(format!(
            "invalid type '{}' for arg '{ALTERNATE_EXCHANGE}' in exchange '{}' in vhost '{vhost}'",
            type_name(other),
            spec.name
        ))),
    }
}
