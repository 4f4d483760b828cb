//! From the protocol header to connection.open (spec section 2.2.4).
//!
//! Before connection.open whatever fails closes the socket without a word, as RabbitMQ does: the peer may not speak AMQP.
//! The exceptions are those that clients rely on: 403 if they announced authentication_failure_close, 530 for the vhost.

use amq_protocol::protocol::{AMQPClass, connection};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::session::{Capabilities, Phase, Session};
use crate::auth::{Credentials, EXTERNAL, Grant, MECHANISMS, MECHANISMS_WITH_EXTERNAL, Quota};
use crate::persona::Persona;
use crate::protocol::encode;
use crate::protocol::frame::{FRAME_MIN_SIZE, PROTOCOL_HEADER};
use crate::protocol::method::MethodId;
use crate::protocol::reply::ReplyCode;
use crate::session::config::Tuned;
use crate::session::exception::Exception;
use crate::session::mismatch::Mismatch;
use crate::session::report::Raised;
use crate::session::request::Request;
use crate::time::Time;
use crate::topology::SharedTopology;
use std::sync::Arc;
use std::time::Duration;

const LOCALES: &str = "en_US";
/// How long the client has to answer connection.close when an operator closes the connection.
const CLOSING_BY_FORCE: Duration = Duration::from_secs(5);
/// The same when the broker stops. A client that reads answers within a round trip; one that is busy elsewhere finds the close in its
/// socket when it looks, and nobody should wait for that.
const CLOSING_FOR_SHUTDOWN: Duration = Duration::from_millis(500);

impl Session {
    /// Reads the protocol header. Any but `AMQP 0 0 9 1` is answered with that one, and the socket is closed.
    pub(super) fn protocol_header(&mut self, now: Time, input: &[u8]) -> Option<usize> {
        let matching =
            input.iter().zip(PROTOCOL_HEADER).take_while(|(ours, theirs)| **ours == *theirs).count();
        if matching == PROTOCOL_HEADER.len() {
            self.send_start();
            self.enter(Phase::Start, now);
            return Some(matching);
        }
        if matching == input.len() {
            return None;
        }
        self.mismatch = Some(Mismatch::of(input));
        self.connection.out.extend_from_slice(&PROTOCOL_HEADER);
        self.enter(Phase::Closed, now);
        Some(input.len())
    }

    fn send_start(&mut self) {
        let mechanisms = match self.config.external {
            Some(_) => MECHANISMS_WITH_EXTERNAL,
            None => MECHANISMS,
        };
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: (*self.config.server_properties).clone(),
            mechanisms: mechanisms.into(),
            locales: LOCALES.into(),
        };
        self.send_connection(connection::AMQPMethod::Start(start));
    }

    pub(super) fn send_connection(&mut self, method: connection::AMQPMethod) {
        encode::method(&mut self.connection.out, 0, AMQPClass::Connection(method));
    }

    /// A connection method before connection.open.
    pub(super) fn handshake_method(&mut self, now: Time, method: connection::AMQPMethod) -> Option<Request> {
        match (self.phase, method) {
            (Phase::Start, connection::AMQPMethod::StartOk(start)) => self.start_ok(now, start),
            (Phase::Tune, connection::AMQPMethod::TuneOk(tune)) => {
                self.tune_ok(now, &tune);
                None
            }
            (Phase::Open, connection::AMQPMethod::Open(open)) => {
                Some(Request::OpenVhost(open.virtual_host.as_str().to_owned()))
            }
            (_, connection::AMQPMethod::Close(_)) => {
                self.send_close_ok();
                self.enter(Phase::Closed, now);
                None
            }
            _ => {
                self.enter(Phase::Closed, now);
                None
            }
        }
    }

    fn start_ok(&mut self, now: Time, start: connection::StartOk) -> Option<Request> {
        self.capabilities = capabilities(&start.client_properties);
        self.client_properties = Arc::new(start.client_properties);
        let credentials = match (start.mechanism.as_str(), &self.config.external) {
            (EXTERNAL, Some(external)) => Some(Credentials::external(external.clone())),
            (mechanism, _) => Credentials::parse(mechanism, start.response.as_bytes()),
        };
        if credentials.is_none() {
            self.enter(Phase::Closed, now);
        }
        credentials.map(Request::Authenticate)
    }

    /// The client is who it says. An `impersonator` may publish under other users' names.
    pub fn authenticated(&mut self, now: Time, user: &str, impersonator: bool) {
        user.clone_into(&mut self.connection.user);
        self.connection.access.impersonator = impersonator;
        let tune = connection::Tune {
            channel_max: self.config.channels_max,
            frame_max: self.config.frame_bytes_max,
            heartbeat: self.config.heartbeat_s,
        };
        self.send_connection(connection::AMQPMethod::Tune(tune));
        self.enter(Phase::Tune, now);
    }

    /// The login failed: 403 if the client can take it (the capability authentication_failure_close), else the socket is just
    /// closed.
    pub fn refused(&mut self, now: Time, exception: &Exception) {
        if self.capabilities.authentication_failure_close {
            self.close_connection(now, exception);
        } else {
            self.enter(Phase::Closed, now);
        }
    }

    fn tune_ok(&mut self, now: Time, tune: &connection::TuneOk) {
        let frame_fits = (FRAME_MIN_SIZE..=self.config.frame_bytes_max).contains(&tune.frame_max);
        let channels_fit = (1..=self.config.channels_max).contains(&tune.channel_max);
        if !frame_fits || !channels_fit {
            self.enter(Phase::Closed, now);
            return;
        }
        self.connection.limits.frame_bytes = tune.frame_max;
        self.channels_max = tune.channel_max;
        self.heartbeat = (tune.heartbeat > 0).then(|| Duration::from_secs(u64::from(tune.heartbeat)));
        self.enter(Phase::Open, now);
    }

    /// What was agreed on in connection.tune.
    #[must_use]
    pub fn tuned(&self) -> Tuned {
        Tuned {
            heartbeat_s: self
                .heartbeat
                .map_or(0, |interval| u16::try_from(interval.as_secs()).unwrap_or(u16::MAX)),
            frame_bytes_max: self.connection.limits.frame_bytes,
            channels_max: self.channels_max,
        }
    }

    /// The vhost is there and the user may enter it, with these rights. A change of them has to raise the topology's
    /// generation: what may be published where is checked again when that changes.
    pub fn opened(&mut self, now: Time, vhost: &str, topology: Arc<SharedTopology>, grant: Arc<Grant>) {
        vhost.clone_into(&mut self.connection.vhost);
        self.connection.access.grant = grant;
        self.connection.topology = topology;
        self.send_connection(connection::AMQPMethod::OpenOk(connection::OpenOk {}));
        self.enter(Phase::Running, now);
    }

    /// Which broker the vhost stands in for. Before [`opened`](Self::opened).
    pub fn act_as(&mut self, persona: Persona) {
        self.connection.persona = persona;
        self.connection.limits = self.connection.limits.of(persona);
    }

    /// Channels that the client opens count against these, which all of the user's connections share. Before
    /// [`opened`](Self::opened).
    pub fn count_channels_in(&mut self, channels: Arc<Quota>) {
        self.connection.access.channels = channels;
    }

    /// The vhost is not there, or not for this user: connection.close in answer to connection.open.
    pub fn open_refused(&mut self, now: Time, exception: Exception) {
        self.close_connection(now, &exception.caused_by(Some(MethodId::CONNECTION_OPEN)));
    }

    /// Ends the connection with connection.close; the client has a while to answer it.
    pub fn close_connection(&mut self, now: Time, exception: &Exception) {
        if self.phase == Phase::Running {
            self.raised.push(Raised::new(None, exception));
        }
        let (class_id, method_id) = exception.ids();
        self.send_close(now, exception.code, &exception.reply_text(), class_id, method_id);
    }

    /// Ends the connection because the broker goes: 320 CONNECTION_FORCED.
    pub fn close_for_shutdown(&mut self, now: Time) {
        self.close_by_force(now, "broker forced connection closure with reason 'shutdown'");
        self.ends = self.ends.min(now + CLOSING_FOR_SHUTDOWN);
    }

    /// Ends the connection because an operator says so: 320 CONNECTION_FORCED with the reason. A client that has not opened a
    /// vhost yet is told nothing.
    pub fn close_by_force(&mut self, now: Time, reason: &str) {
        if matches!(self.phase, Phase::Running) {
            let text = ReplyCode::ConnectionForced.text(reason);
            self.send_close(now, ReplyCode::ConnectionForced, &text, 0, 0);
        } else if !matches!(self.phase, Phase::Closing | Phase::Leaving | Phase::Answered) {
            self.enter(Phase::Closed, now);
        }
        self.ends = self.ends.min(now + CLOSING_BY_FORCE);
    }

    fn send_close(&mut self, now: Time, code: ReplyCode, text: &str, class_id: u16, method_id: u16) {
        let close =
            connection::Close { reply_code: code as u16, reply_text: text.into(), class_id, method_id };
        self.send_connection(connection::AMQPMethod::Close(close));
        self.enter(Phase::Closing, now);
    }

    /// All that the connection held was given back: connection.close-ok to a client that asked for the close.
    pub fn closed(&mut self, now: Time) {
        self.send_close_ok();
        self.enter(Phase::Answered, now);
    }

    pub(super) fn send_close_ok(&mut self) {
        self.send_connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}));
    }

    /// connection.update-secret. A new secret matters to users whose tokens expire, and there are none: whatever it is, the
    /// client stays logged in, as with RabbitMQ's own users.
    pub(super) fn update_secret(&mut self) {
        self.send_connection(connection::AMQPMethod::UpdateSecretOk(connection::UpdateSecretOk {}));
    }

    /// The broker is short of something: publishers that announced connection.blocked are told. A client that is blocked
    /// may stop its heartbeats too, so its silence is no longer held against it.
    pub fn set_blocked(&mut self, now: Time, reason: Option<&str>) {
        if self.phase != Phase::Running || self.blocked == reason.is_some() {
            return;
        }
        self.blocked = reason.is_some();
        self.last_read = now;
        if !self.capabilities.connection_blocked {
            return;
        }
        self.send_connection(match reason {
            Some(reason) => connection::AMQPMethod::Blocked(connection::Blocked { reason: reason.into() }),
            None => connection::AMQPMethod::Unblocked(connection::Unblocked {}),
        });
    }
}

fn capabilities(properties: &FieldTable) -> Capabilities {
    let table = match properties.inner().get("capabilities") {
        Some(AMQPValue::FieldTable(table)) => table.clone(),
        _ => FieldTable::default(),
    };
    let has = |name: &str| matches!(table.inner().get(name), Some(AMQPValue::Boolean(true)));
    Capabilities {
        authentication_failure_close: has("authentication_failure_close"),
        consumer_cancel_notify: has("consumer_cancel_notify"),
        connection_blocked: has("connection.blocked"),
    }
}
