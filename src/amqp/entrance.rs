//! The way of a connection into its virtual host: who the client is, and whether it may enter.

use std::sync::Arc;

use super::connection::Connection;
use super::connection_log;
use super::half_open::Place;
use crate::auth::{Credentials, IMPERSONATOR};
use crate::broker::entering::enter;
use crate::broker::login::log_in;
use crate::broker::operations::open_world;
use crate::faults::Happening;
use crate::protocol::reply::ReplyCode;
use crate::session::Exception;
use crate::time::Time;

impl Connection {
    /// The overview names the user before the credentials are looked at: whoever deletes the user meanwhile finds either
    /// the connection or its login refused.
    pub(super) async fn authenticate(&mut self, credentials: &Credentials) {
        let client_properties = Arc::clone(self.session.client_properties());
        self.overview.change_handshake(|handshake| {
            handshake.user.clone_from(&credentials.user);
            handshake.auth_mechanism = credentials.mechanism.to_owned();
            handshake.client_properties = client_properties;
        });
        let admitted = log_in(&self.shared, credentials, self.peer.ip()).await;
        if !self.is_again || admitted.is_err() {
            self.shared.counters.logins.amqp.count(admitted.is_ok());
        }
        let now = self.shared.clock.now();
        let Err(refusal) = admitted else {
            let user = &credentials.user;
            if !self.is_again {
                self.tell_login(user, None);
            }
            let impersonator =
                self.shared.users(|users| users.user(user).is_some_and(|user| user.has_tag(IMPERSONATOR)));
            self.session.authenticated(now, user, impersonator);
            return;
        };
        let why = refusal.to_string();
        self.tell_login(&credentials.user, Some(&why));
        connection_log::login_refused(&self.shared, &self.overview, &credentials.user, &why);
        let text = format!(
            "Login was refused using authentication mechanism {}. For details see the broker logfile.",
            credentials.mechanism
        );
        self.session.refused(now, &Exception::access_refused(text));
    }

    /// As with the user, whoever deletes the vhost meanwhile finds the connection or has the vhost gone here.
    pub(super) async fn open_vhost(&mut self, now: Time, name: &str) {
        let tuned = self.session.tuned();
        self.overview.change_handshake(|handshake| {
            handshake.vhost = Some(name.to_owned());
            handshake.heartbeat_s = tuned.heartbeat_s;
            handshake.frame_bytes_max = tuned.frame_bytes_max;
            handshake.channels_max = tuned.channels_max;
        });
        if let Err(error) = open_world(&self.shared, self.session.user(), name).await {
            self.refuse_vhost(now, &error.to_string());
            return;
        }
        if !self.enter_by_rules(Happening::Connect, name).await {
            return;
        }
        match enter(&self.shared, self.session.user(), name) {
            Ok(entry) => {
                if !self.enter_by_rules(Happening::Open, name).await {
                    return;
                }
                let world = entry.vhost.world.as_ref().map(|world| Arc::clone(&world.faults));
                let _guard = match &world {
                    None => None,
                    Some(world) => match self.wait_for_restart(world).await {
                        None => return,
                        guard => guard,
                    },
                };
                let now = self.shared.clock.now();
                if !self.place.take().is_none_or(Place::leave) {
                    // It had to make room just now: it is on its way out.
                    return;
                }
                self.session.count_channels_in(entry.channels);
                self.session.act_as(entry.vhost.persona);
                self.session.opened(now, name, Arc::clone(&entry.vhost.topology), entry.grant);
                self.watch_faults(&entry.vhost);
                self.vhost = Some(entry.vhost);
                self.seats = Some(entry.seats);
                self.handle.set_client(self.client());
                self.note_connected();
                self.tell_connected();
                connection_log::accepted(&self.shared, &self.overview);
            }
            Err(refusal) => self.refuse_vhost(now, &refusal.to_string()),
        }
    }

    fn refuse_vhost(&mut self, now: Time, why: &str) {
        connection_log::vhost_refused(&self.shared, &self.overview, why);
        self.overview.change_handshake(|handshake| handshake.vhost = None);
        let exception = Exception::new(ReplyCode::NotAllowed, why);
        self.session.open_refused(now, exception);
    }
}
