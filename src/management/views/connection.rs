//! A connection.

use serde::Serialize;

use super::arguments::Table;
use super::overview::NoGarbage;
use super::queue::NoRate;
use super::rates::{Clocked, Kind, RatedMap};
use crate::broker::overview::{ConnectionOverview, Handshake};
use crate::tls::Secured;

/// `/api/connections/N`.
#[derive(Debug, Serialize)]
pub(in crate::management) struct ConnectionView<'a> {
    pub name: String,
    pub node: &'a str,
    pub user: &'a str,
    pub user_who_performed_action: &'a str,
    pub vhost: &'a str,
    pub protocol: &'a str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub state: &'static str,
    pub auth_mechanism: &'a str,
    pub channels: usize,
    pub channel_max: u16,
    pub frame_max: u32,
    /// The heartbeat interval in seconds.
    pub timeout: u16,
    pub client_properties: Table<'a>,
    /// In milliseconds since the Unix epoch.
    pub connected_at: u64,
    pub host: String,
    pub port: u16,
    pub peer_host: String,
    pub peer_port: u16,
    #[serde(flatten)]
    pub tls: Tls<'a>,
    pub recv_cnt: u64,
    pub send_cnt: u64,
    pub send_pend: u64,
    #[serde(flatten)]
    pub bytes: RatedMap,
    pub garbage_collection: NoGarbage,
    pub reductions: u64,
    pub reductions_details: NoRate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_provided_name: Option<String>,
}

/// How a connection is secured, and by which certificate its client is known.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(in crate::management) struct Tls<'a> {
    ssl: bool,
    ssl_cipher: Option<&'static str>,
    ssl_hash: Option<&'static str>,
    ssl_key_exchange: Option<&'static str>,
    ssl_protocol: Option<&'static str>,
    peer_cert_issuer: Option<&'a str>,
    peer_cert_subject: Option<&'a str>,
    peer_cert_validity: Option<&'a str>,
}

impl<'a> Tls<'a> {
    fn of(secured: &'a Secured) -> Self {
        let certificate = secured.certificate.as_ref();
        Self {
            ssl: true,
            ssl_cipher: Some(secured.cipher),
            ssl_hash: Some(secured.hash),
            ssl_key_exchange: Some(secured.key_exchange),
            ssl_protocol: Some(secured.protocol),
            peer_cert_issuer: certificate.map(|certificate| certificate.issuer.as_str()),
            peer_cert_subject: certificate.map(|certificate| certificate.subject.as_str()),
            peer_cert_validity: certificate.map(|certificate| certificate.validity.as_str()),
        }
    }
}

impl<'a> ConnectionView<'a> {
    /// Of a connection as it is.
    pub(in crate::management) fn of(
        connection: &'a ConnectionOverview,
        handshake: &'a Handshake,
        node: &'a str,
        clocked: &Clocked,
    ) -> Self {
        let seen = clocked.look(Kind::Data, &connection.statistics);
        let counts = *seen.now();
        let local = connection.local;
        Self {
            name: connection.name(),
            node,
            user: &handshake.user,
            user_who_performed_action: &handshake.user,
            vhost: handshake.vhost.as_deref().unwrap_or_default(),
            protocol: connection.protocol,
            kind: "network",
            state: connection.state().name(),
            auth_mechanism: &handshake.auth_mechanism,
            channels: connection.channels().len(),
            channel_max: handshake.channels_max,
            frame_max: handshake.frame_bytes_max,
            timeout: handshake.heartbeat_s,
            client_properties: Table(&handshake.client_properties),
            connected_at: connection.connected_at.as_millis(),
            host: local.map(|local| local.ip().to_string()).unwrap_or_default(),
            port: local.map_or(0, |local| local.port()),
            peer_host: connection.peer.ip().to_string(),
            peer_port: connection.peer.port(),
            tls: connection.tls.as_deref().map(Tls::of).unwrap_or_default(),
            recv_cnt: counts.frames_in,
            send_cnt: counts.frames_out,
            send_pend: 0,
            bytes: RatedMap::default()
                .with("recv_oct", seen.counter(|c| c.bytes_in))
                .with("send_oct", seen.counter(|c| c.bytes_out)),
            garbage_collection: NoGarbage::UNKNOWN,
            reductions: 0,
            reductions_details: NoRate::ZERO,
            user_provided_name: connection_name(handshake),
        }
    }
}

/// What the client calls itself.
fn connection_name(handshake: &Handshake) -> Option<String> {
    let name = handshake.client_properties.inner().get("connection_name")?.as_long_string()?;
    Some(String::from_utf8_lossy(name.as_bytes()).into_owned())
}
