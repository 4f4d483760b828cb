//! What the log says of a connection. Texts of clients are written as Rust writes strings, with quotes and escapes.

use std::net::SocketAddr;

use amq_protocol::types::AMQPValue;

use crate::broker::overview::{ConnectionOverview, Handshake};
use crate::broker::shared::Shared;
use crate::config::Config;
use crate::session::{Mismatch, Raised};

/// The client has logged in and opened its vhost.
pub(super) fn accepted(shared: &Shared, overview: &ConnectionOverview) {
    shared.log_limits.connections.say(shared.clock.now(), || {
        let handshake = overview.handshake();
        let Handshake { user, vhost, .. } = &*handshake;
        let (peer, client) = (overview.peer, name_of(&handshake));
        tracing::info!(%peer, user, vhost = vhost.as_deref().unwrap_or_default(), client, "connection accepted");
    });
}

/// The connection has ended, in an orderly way or not. One that never came to its vhost is of no interest.
pub(super) fn closed(shared: &Shared, overview: &ConnectionOverview, is_orderly: bool, why: Option<&str>) {
    let handshake = overview.handshake();
    let ms = shared.clock.timestamp().as_millis().saturating_sub(overview.connected_at.as_millis());
    let (peer, client, open_for_s) = (overview.peer, name_of(&handshake), ms as f64 / 1000.0);
    let Handshake { user, vhost, .. } = &*handshake;
    let Some(vhost) = vhost else {
        tracing::debug!(%peer, user, open_for_s, why, "a connection ended before it was open");
        return;
    };
    shared.log_limits.connections.say(shared.clock.now(), || {
        if is_orderly {
            tracing::info!(%peer, user, vhost, client, open_for_s, "connection closed");
        } else {
            let why = why.unwrap_or("the client closed its socket without a word");
            tracing::warn!(%peer, user, vhost, client, open_for_s, why, "connection lost");
        }
    });
}

/// The login succeeded, and the vhost is not there or not for this user.
pub(super) fn vhost_refused(shared: &Shared, overview: &ConnectionOverview, why: &str) {
    shared.log_limits.refusals.say(shared.clock.now(), || {
        let handshake = overview.handshake();
        let Handshake { user, vhost, .. } = &*handshake;
        tracing::warn!(peer = %overview.peer, user, vhost, why, "connection refused");
    });
}

/// The login failed.
pub(super) fn login_refused(shared: &Shared, overview: &ConnectionOverview, user: &str, why: &str) {
    shared.log_limits.refusals.say(shared.clock.now(), || {
        tracing::warn!(user, peer = %overview.peer, "login refused: {why}");
    });
}

/// It does not speak AMQP 0-9-1.
pub(super) fn mismatch(shared: &Shared, overview: &ConnectionOverview, mismatch: Mismatch) {
    shared.log_limits.refusals.say(shared.clock.now(), || {
        let elsewhere = elsewhere(&shared.config, mismatch);
        tracing::warn!(peer = %overview.peer, "connection refused: {mismatch}{elsewhere}");
    });
}

/// Where the client would have found what it speaks.
fn elsewhere(config: &Config, mismatch: Mismatch) -> String {
    match mismatch {
        Mismatch::Tls if config.amqps.is_empty() => "; the broker has no port with TLS (amqps)".to_owned(),
        Mismatch::Tls => format!("; TLS is on {}", listed(&config.amqps)),
        Mismatch::Http if !config.http.is_empty() => format!("; HTTP is on {}", listed(&config.http)),
        _ => String::new(),
    }
}

/// A client did not come through the handshake of TLS.
pub(super) fn tls_refused(shared: &Shared, peer: SocketAddr, why: &str) {
    shared.log_limits.refusals.say(shared.clock.now(), || {
        tracing::warn!(%peer, "TLS handshake failed: {why}");
    });
}

/// A client spoke something else where TLS was expected.
pub(super) fn not_tls(shared: &Shared, peer: SocketAddr, what: &str) {
    shared.log_limits.refusals.say(shared.clock.now(), || {
        let plain = listed(&shared.config.listen);
        tracing::warn!(%peer, "connection refused: {what} on a port that speaks TLS; plain AMQP is on {plain}");
    });
}

fn listed(addresses: &[SocketAddr]) -> String {
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    if addresses.is_empty() { "no port".to_owned() } else { addresses.join(", ") }
}

/// A channel or the connection is closed for what its client did.
pub(super) fn raised(shared: &Shared, overview: &ConnectionOverview, raised: &Raised) {
    shared.log_limits.exceptions.say(shared.clock.now(), || {
        let handshake = overview.handshake();
        let Handshake { user, vhost, .. } = &*handshake;
        let (peer, vhost, text) = (overview.peer, vhost.as_deref().unwrap_or_default(), &raised.text);
        match raised.channel {
            Some(channel) => {
                tracing::warn!(%peer, user, vhost, channel, text, "channel exception");
            }
            None => tracing::warn!(%peer, user, vhost, text, "connection exception"),
        }
    });
}

/// What the client calls itself: its connection_name, or else its product.
fn name_of(handshake: &Handshake) -> String {
    let property = |name: &str| match handshake.client_properties.inner().get(name) {
        Some(AMQPValue::LongString(text)) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        _ => None,
    };
    property("connection_name").or_else(|| property("product")).unwrap_or_default()
}
