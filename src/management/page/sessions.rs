//! Who is logged in on the page. A session is known by a random token that only its browser has: what is kept here is the token's hash.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::auth::PasswordHash;
use crate::broker::shared::random_bytes;
use crate::time::Time;

/// A session ends when it was not used for so long,
const IDLE_MAX: Duration = Duration::from_secs(8 * 3600);
/// and after so long in any case.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Sessions of a user: the one that was not used for longest makes way for the next.
const OF_USER_MAX: usize = 32;
/// Sessions in all, the same.
const ALL_MAX: usize = 1024;
const TOKEN_BYTES: usize = 32;
/// Characters of a token: base64, without padding.
const TOKEN_CHARS: usize = 43;

/// The sessions that there are.
#[derive(Debug, Default)]
pub(in crate::management) struct Sessions(Mutex<HashMap<SessionKey, Session>>);

/// The hash of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::management) struct SessionKey([u8; 32]);

impl SessionKey {
    /// Of a token as a client sent it; `None` if it cannot be one.
    pub(in crate::management) fn of(token: &str) -> Option<Self> {
        (token.len() == TOKEN_CHARS).then(|| Self(Sha256::digest(token).into()))
    }
}

/// Whose a session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::management) struct Holder {
    /// The user's name.
    pub user: String,
    /// The password's hash at the login: the session ends when the user has another, or is another of that name.
    pub password: PasswordHash,
}

#[derive(Debug)]
struct Session {
    holder: Holder,
    began: Time,
    used: Time,
}

impl Session {
    fn is_over(&self, now: Time) -> bool {
        now.since(self.used) >= IDLE_MAX || now.since(self.began) >= AGE_MAX
    }
}

impl Sessions {
    /// Begins one; gives its token. It is always a new one, so that nobody can know it before.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub(in crate::management) fn begin(&self, holder: Holder, now: Time) -> std::io::Result<String> {
        let token = URL_SAFE_NO_PAD.encode(random_bytes::<TOKEN_BYTES>()?);
        let mut sessions = self.lock();
        sessions.retain(|_, session| !session.is_over(now));
        make_way(&mut sessions, OF_USER_MAX, |session| session.holder.user == holder.user);
        make_way(&mut sessions, ALL_MAX, |_| true);
        let key = SessionKey(Sha256::digest(&token).into());
        sessions.insert(key, Session { holder, began: now, used: now });
        Ok(token)
    }

    /// Whose it is, if it is not over. This is a use of it.
    pub(in crate::management) fn find(&self, key: SessionKey, now: Time) -> Option<Holder> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(&key)?;
        if session.is_over(now) {
            sessions.remove(&key);
            return None;
        }
        session.used = now;
        Some(session.holder.clone())
    }

    /// When it ends, if it is not used any more and if it is.
    pub(in crate::management) fn ends(&self, key: SessionKey) -> Option<(Time, Time)> {
        let sessions = self.lock();
        let session = sessions.get(&key)?;
        Some((session.used + IDLE_MAX, session.began + AGE_MAX))
    }

    /// Ends one.
    pub(in crate::management) fn end(&self, key: SessionKey) {
        self.lock().remove(&key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the one of these that was not used for longest, if there are as many as may be.
fn make_way(sessions: &mut HashMap<SessionKey, Session>, most: usize, is_meant: impl Fn(&Session) -> bool) {
    let meant = || sessions.iter().filter(|(_, session)| is_meant(session));
    if meant().count() < most {
        return;
    }
    let oldest = meant().min_by_key(|(_, session)| session.used).map(|(key, _)| *key);
    if let Some(oldest) = oldest {
        sessions.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(user: &str) -> Holder {
        Holder { user: user.to_owned(), password: PasswordHash::new(b"p", [0; 4]) }
    }

    fn at(hours: u64) -> Time {
        Time::ZERO + Duration::from_secs(hours * 3600)
    }

    fn key(token: &str) -> SessionKey {
        SessionKey::of(token).unwrap()
    }

    #[test]
    fn a_session_is_found_by_its_token_alone() {
        let sessions = Sessions::default();
        let token = sessions.begin(holder("ann"), at(0)).unwrap();
        assert_eq!(sessions.find(key(&token), at(0)), Some(holder("ann")));
        assert_ne!(sessions.begin(holder("ann"), at(0)).unwrap(), token);
        assert_eq!(sessions.find(key(&"A".repeat(TOKEN_CHARS)), at(0)), None);
        for not_a_token in ["", "x", &format!("{token}=")] {
            assert_eq!(SessionKey::of(not_a_token), None);
        }
        sessions.end(key(&token));
        assert_eq!(sessions.find(key(&token), at(0)), None);
    }

    #[test]
    fn a_session_ends_when_it_is_idle_and_when_it_is_old() {
        let sessions = Sessions::default();
        let (idle, busy) =
            (sessions.begin(holder("a"), at(0)).unwrap(), sessions.begin(holder("a"), at(0)).unwrap());
        assert!(sessions.find(key(&busy), at(7)).is_some());
        assert!(sessions.find(key(&idle), at(8)).is_none());
        for hours in [14, 21, 23] {
            assert!(sessions.find(key(&busy), at(hours)).is_some(), "{hours}");
        }
        assert!(sessions.find(key(&busy), at(24)).is_none());
        assert!(sessions.lock().is_empty());
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let sessions = Sessions::default();
        let first = sessions.begin(holder("ann"), at(0)).unwrap();
        let others = sessions.begin(holder("bob"), at(0)).unwrap();
        for _ in 0..OF_USER_MAX {
            sessions.begin(holder("ann"), at(1)).unwrap();
        }
        assert!(sessions.find(key(&first), at(1)).is_none(), "the oldest made way");
        assert!(sessions.find(key(&others), at(1)).is_some(), "and nobody else's");
        for user in 0..ALL_MAX + 10 {
            sessions.begin(holder(&user.to_string()), at(2)).unwrap();
        }
        assert_eq!(sessions.lock().len(), ALL_MAX);
    }
}
