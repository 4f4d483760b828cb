//! Who asks: a user with a password (HTTP Basic, RFC 7617) or a session of the page's, who needs a tag to come in at all, and others for more
//! (<https://www.rabbitmq.com/docs/management#permissions>).
//!
//! A handler takes one of [`Manager`], [`PolicyMaker`], [`Monitor`] or [`Administrator`] as its argument, and is not called for those with
//! less. Whoever asks over the control socket is the operator, who needs no login and may do everything.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HeaderName};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode;

use super::api::Api;
use super::error::ApiError;
use super::page::sessions::{Holder, SessionKey};
use super::page::{cookie, origin};
use super::serve::Peer;
use crate::auth::{ADMINISTRATOR, Credentials, LoginRefusal, MANAGEMENT, MONITORING, POLICYMAKER};
use crate::broker::OperationError;
use crate::broker::login::log_in;
use crate::broker::operations::{self, Caller, Scope};
use crate::broker::overview::ConnectionOverview;
use crate::broker::shared::Shared;
use crate::broker::vhost::{QueueRecord, Vhost};

/// The name that the operator goes by, in the log and as the answer to "who am I".
const OPERATOR: &str = "control socket";

/// For whom a node of the cluster asks, who has found out who that is: a user's name, percent-encoded. From anybody else it means nothing.
pub(crate) const ASKS_FOR: HeaderName = HeaderName::from_static("coney-asks-for");

/// A user who has logged in for this request, and has one of the tags that let in.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    /// The user's name.
    pub name: String,
    /// The user's tags.
    pub tags: Vec<String>,
    /// How the user was let in; the operator needed no login.
    login: Option<Login>,
}

/// How a user was let in.
#[derive(Clone, Debug)]
struct Login {
    holder: Holder,
    /// The page's, if that was it.
    session: Option<SessionKey>,
}

/// Somebody who was let in, for requests that the broker makes in their name. Each is let in again, without a password, unless they are out by
/// then: logged out, deleted, or with another password.
#[derive(Clone, Debug)]
pub(super) struct Admission(Login);

impl Asker {
    /// Whoever may open the control socket.
    fn operator() -> Self {
        Self { name: OPERATOR.to_owned(), tags: vec![ADMINISTRATOR.to_owned()], login: None }
    }

    /// The user as operations know it.
    pub(super) fn caller(&self) -> Caller<'_> {
        if self.is_operator() { Caller::Operator } else { Caller::User(&self.name) }
    }

    const fn is_operator(&self) -> bool {
        self.login.is_none()
    }

    /// For requests in this user's name; the operator's need nothing.
    pub(super) fn admission(&self) -> Option<Admission> {
        self.login.clone().map(Admission)
    }

    /// Who has logged in.
    pub(super) fn holder(&self) -> Option<Holder> {
        self.login.as_ref().map(|login| login.holder.clone())
    }

    /// The session of the page's that let the user in, if that was it.
    pub(super) fn session(&self) -> Option<SessionKey> {
        self.login.as_ref()?.session
    }

    /// Whether the user has this tag.
    pub(super) fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }

    /// Whether the user may do everything.
    pub(super) fn is_administrator(&self) -> bool {
        self.has_tag(ADMINISTRATOR)
    }

    /// Whether the user sees all vhosts, and what is others'.
    pub(super) fn sees_all(&self) -> bool {
        self.is_administrator() || self.has_tag(MONITORING)
    }

    /// Whether the user has a permission on the vhost.
    pub(super) fn may_enter(&self, api: &Api, vhost: &str) -> bool {
        self.is_operator() || api.shared().users(|users| users.permission(&self.name, vhost).is_some())
    }

    /// The vhost, for looking at it or doing something in it. Administrators see them all; what they do needs a permission all the same, which operations
    /// ask for.
    ///
    /// # Errors
    /// 404, or 401 if the user has no permission on it.
    pub(super) fn enter(&self, api: &Api, vhost: &str) -> Result<Arc<Vhost>, ApiError> {
        let found = api.shared().vhost(vhost).ok_or_else(ApiError::not_found)?;
        if !self.is_administrator() && !self.may_enter(api, vhost) {
            return Err(ApiError::not_authorised("User not authorised to access virtual host"));
        }
        if found.is_leaving() {
            return Err(OperationError::Moving(vhost.to_owned()).into());
        }
        Ok(found)
    }

    /// The vhost, for making something in it.
    ///
    /// # Errors
    /// 404 as RabbitMQ words it for what is not there yet, or 401 as [`enter`](Self::enter).
    pub(super) fn enter_to_make(&self, api: &Api, vhost: &str) -> Result<Arc<Vhost>, ApiError> {
        if api.shared().vhost(vhost).is_none() {
            return Err(ApiError::missing("vhost_not_found"));
        }
        self.enter(api, vhost)
    }

    /// All vhosts whose objects are for this user to see, by name.
    pub(super) fn vhosts(&self, api: &Api) -> Vec<Arc<Vhost>> {
        let mut vhosts = operations::vhosts(api.shared());
        if !self.is_administrator() {
            vhosts.retain(|vhost| self.may_enter(api, &vhost.name));
        }
        vhosts
    }

    /// All vhosts that this user may know of, by name: whoever watches the broker knows of all.
    pub(super) fn known_vhosts(&self, api: &Api) -> Vec<Arc<Vhost>> {
        if self.sees_all() { operations::vhosts(api.shared()) } else { self.vhosts(api) }
    }

    /// All connections that are for this user to see: those in the vhosts that the user may enter, and only the user's own unless the
    /// tags let see others'. By id.
    pub(super) fn connections(&self, api: &Api) -> Vec<Arc<ConnectionOverview>> {
        let mut connections = operations::connections(api.shared());
        if !self.sees_all() {
            connections.retain(|connection| connection.handshake().user == self.name);
        }
        connections
    }

    /// Those of them on a vhost.
    pub(super) fn connections_on(&self, api: &Api, vhost: &Vhost) -> Vec<Arc<ConnectionOverview>> {
        let mut connections = self.connections(api);
        connections.retain(|connection| connection.handshake().vhost.as_ref() == Some(&vhost.name));
        connections
    }

    /// The connection of this name, if it is for this user to see.
    ///
    /// # Errors
    /// 404, or 401.
    pub(super) fn connection(&self, api: &Api, name: &str) -> Result<Arc<ConnectionOverview>, ApiError> {
        let all = operations::connections(api.shared());
        let found =
            all.into_iter().find(|connection| connection.name() == name).ok_or_else(ApiError::not_found)?;
        if self.sees_all() || found.handshake().user == self.name {
            return Ok(found);
        }
        Err(ApiError::not_authorised("User not authorised to access object"))
    }

    /// The queue of this name with its vhost, for looking at it.
    ///
    /// # Errors
    /// 404, or 401.
    pub(super) fn queue(
        &self,
        api: &Api,
        vhost: &str,
        name: &str,
    ) -> Result<(Arc<Vhost>, Arc<QueueRecord>), ApiError> {
        let vhost = self.enter(api, vhost)?;
        let record = vhost.queue_named(name).ok_or_else(ApiError::not_found)?;
        Ok((vhost, record))
    }

    /// The surroundings of an operation that this user asks for.
    pub(super) fn scope<'a>(&'a self, api: &'a Api, vhost: &'a Arc<Vhost>) -> Scope<'a> {
        Scope { shared: api.shared(), vhost, caller: self.caller() }
    }
}

impl FromRequestParts<Api> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        asking(parts, api).await
    }
}

/// Looks at who asks. In a box: each handler would have all of it once more.
fn asking<'a>(
    parts: &'a mut Parts,
    api: &'a Api,
) -> Pin<Box<dyn Future<Output = Result<Asker, ApiError>> + Send + 'a>> {
    Box::pin(Asker::of_request(parts, api))
}

/// The same, and whether they have one of these tags.
fn asking_with_tag<'a>(
    parts: &'a mut Parts,
    api: &'a Api,
    tags: &'static [&'static str],
    refusal: &'static str,
) -> Pin<Box<dyn Future<Output = Result<Asker, ApiError>> + Send + 'a>> {
    Box::pin(async move {
        let asker = asking(parts, api).await?;
        if tags.iter().any(|tag| asker.has_tag(tag)) {
            return Ok(asker);
        }
        Err(ApiError::not_authorised(refusal))
    })
}

impl Asker {
    async fn of_request(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let peer = *parts.extensions.get::<Peer>().ok_or_else(ApiError::login_refused)?;
        if matches!(peer, Peer::ControlSocket) {
            return Ok(Self::operator());
        }
        if let Some(Admission(login)) = parts.extensions.get() {
            return Self::again(api, login.clone(), peer);
        }
        if let (Peer::Led(_), Some(user)) = (peer, parts.headers.get(ASKS_FOR)) {
            let user = percent_decode(user.as_bytes()).decode_utf8_lossy().into_owned();
            let password = api.shared().users(|users| users.user(&user)?.password.clone());
            let password = password.ok_or_else(ApiError::login_refused)?;
            return Self::again(api, Login { holder: Holder { user, password }, session: None }, peer);
        }
        let Some(header) = parts.headers.get(AUTHORIZATION) else {
            return Self::of_session(api, parts, peer);
        };
        let credentials = header.to_str().ok().and_then(parse_basic).ok_or_else(ApiError::login_refused)?;
        Self::admit(api, credentials, peer, &parts.headers).await
    }
}

impl Asker {
    /// Lets a user in by name and password.
    ///
    /// # Errors
    /// 401: the credentials are not right, the user may come from this machine only, or has none of the tags.
    pub(super) async fn admit(
        api: &Api,
        credentials: Credentials,
        peer: Peer,
        headers: &HeaderMap,
    ) -> Result<Self, ApiError> {
        let shared = api.shared();
        // As it is before the password is looked at: if it changes meanwhile, this login lets nobody in again.
        let expected = shared.users(|users| users.user(&credentials.user)?.password.clone());
        let admitted = match check_name(shared, &credentials.user, headers) {
            Ok(()) => log_in(shared, &credentials, peer.ip()).await,
            Err(refusal) => Err(refusal),
        };
        shared.counters.logins.http.count(admitted.is_ok());
        let Credentials { user, .. } = credentials;
        if let Err(refusal) = admitted {
            tracing::warn!(user, %peer, "login over HTTP refused: {refusal}");
            return Err(match refusal {
                LoginRefusal::NotLocal => ApiError::local_only(),
                _ => ApiError::login_refused(),
            });
        }
        let password = expected.ok_or_else(ApiError::login_refused)?;
        Self::with_tags(api, Login { holder: Holder { user, password }, session: None }, peer)
    }

    /// Lets a user in by the page's cookie, if it is the page that asks.
    fn of_session(api: &Api, parts: &Parts, peer: Peer) -> Result<Self, ApiError> {
        if !cookie::is_there(&parts.headers) {
            return Err(ApiError::no_credentials());
        }
        if !origin::is_own(&parts.method, &parts.headers) {
            return Err(ApiError::foreign_page());
        }
        let session = cookie::session(&parts.headers).ok_or_else(ApiError::login_refused)?;
        let holder = api.sessions().find(session, api.shared().clock.now());
        let holder = holder.ok_or_else(ApiError::login_refused)?;
        Self::again(api, Login { holder, session: Some(session) }, peer)
    }

    /// Lets somebody in who was in, if nothing has changed.
    fn again(api: &Api, login: Login, peer: Peer) -> Result<Self, ApiError> {
        let shared = api.shared();
        let is_over =
            login.session.is_some_and(|session| api.sessions().find(session, shared.clock.now()).is_none());
        let Holder { user, password } = &login.holder;
        let is_same = shared.users(|users| {
            users.user(user).is_some_and(|user| user.password.as_ref() == Some(password))
                && users.may_come_from(user, peer.ip())
        });
        if is_over || !is_same {
            if let Some(session) = login.session {
                api.sessions().end(session);
            }
            return Err(ApiError::login_refused());
        }
        Self::with_tags(api, login, peer)
    }

    fn with_tags(api: &Api, login: Login, peer: Peer) -> Result<Self, ApiError> {
        let name = login.holder.user.clone();
        let tags = api.shared().users(|users| users.user(&name).map(|user| user.tags.clone()));
        let tags = tags.ok_or_else(ApiError::login_refused)?;
        let asker = Self { name, tags, login: Some(login) };
        let lets_in = [MANAGEMENT, POLICYMAKER, MONITORING, ADMINISTRATOR];
        if !lets_in.iter().any(|tag| asker.has_tag(tag)) {
            tracing::warn!(user = asker.name, %peer, "login over HTTP refused: the user has none of the tags {}", lets_in.join(", "));
            return Err(ApiError::not_authorised("Not management user"));
        }
        Ok(asker)
    }
}

/// Whoever may come from this machine only has to call it by a name that is not a stranger's: a page of theirs can come by the user's own browser.
fn check_name(shared: &Shared, user: &str, headers: &HeaderMap) -> Result<(), LoginRefusal> {
    let is_bound = shared.users(|users| users.is_local_only(user));
    if is_bound && !origin::is_local_name(headers) { Err(LoginRefusal::NotLocal) } else { Ok(()) }
}

/// `Basic` and user:password in base64.
fn parse_basic(header: &str) -> Option<Credentials> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, password) = decoded.split_at(colon);
    let user = String::from_utf8(user.to_vec()).ok()?;
    Some(Credentials::password("PLAIN", user, password.get(1..)?.to_vec()))
}

/// One of the levels below.
pub(super) trait Level:
    FromRequestParts<Api, Rejection = ApiError> + Deref<Target = Asker> + Send + Sync + 'static
{
}

macro_rules! levels {
    ($($(#[$doc:meta])* $level:ident: $tags:expr, $refusal:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(super) struct $level(pub Asker);

        impl Level for $level {}

        impl Deref for $level {
            type Target = Asker;

            fn deref(&self) -> &Asker {
                &self.0
            }
        }

        impl FromRequestParts<Api> for $level {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
                const TAGS: &[&str] = &$tags;
                asking_with_tag(parts, api, TAGS, $refusal).await.map(Self)
            }
        }
    )+};
}

levels! {
    /// Whoever may come in.
    Manager: [MANAGEMENT, POLICYMAKER, MONITORING, ADMINISTRATOR], "Not management user";
    /// Whoever may change policies and parameters.
    PolicyMaker: [POLICYMAKER, ADMINISTRATOR], "User not authorised to access object";
    /// Whoever may see what concerns the whole broker.
    Monitor: [MONITORING, ADMINISTRATOR], "Not monitor user";
    /// Whoever may do everything.
    Administrator: [ADMINISTRATOR], "Not administrator user";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Proof;

    #[test]
    fn basic_credentials_are_parsed_as_the_rfc_says() {
        let parse = |text: &str| parse_basic(&format!("Basic {}", STANDARD.encode(text)));
        let credentials = parse("ann:a:b").unwrap();
        assert_eq!(credentials, Credentials::password("PLAIN", "ann".to_owned(), b"a:b".to_vec()));
        assert!(parse("ann:").unwrap().proof == Proof::Password(Vec::new()));
        assert!(parse("ann").is_none());
        assert!(parse_basic("Bearer eA==").is_none() && parse_basic("Basic !").is_none());
        assert!(parse_basic("bASIC YTpi").is_some());
    }
}
