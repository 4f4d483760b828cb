//! Guessing passwords: who failed lately waits before the next attempt is looked at.
//!
//! What is counted is failures of one user from one origin, so that nobody is slowed down by what strangers do elsewhere,
//! and failures of an origin whatever the user, so that trying many users is no way round. From one origin one attempt at a
//! time is looked at; the right password is made to wait as any other, for a guesser would not wait for the answer to a
//! wrong one. It forgets the failures.
//!
//! Invariants: the table is bounded, and entries are forgotten when nothing has happened to them for a while; names are kept as
//! digests; the time is an argument.

use std::collections::HashMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Origin;
use crate::time::Time;

/// Failures of a user from an origin that cost nothing: people mistype, and programs start with an old password.
const FREE_FAILURES: u32 = 3;
/// Failures of an origin, whatever the users, that cost nothing.
const FREE_FAILURES_OF_ORIGIN: u32 = 30;
/// After the first failure that costs something; each further one doubles it.
const DELAY_MIN: Duration = Duration::from_millis(250);
/// At most between two attempts of one user from one origin.
const DELAY_MAX: Duration = Duration::from_secs(4);
/// At most between two attempts from one origin: others behind the same address have only this to bear.
const DELAY_MAX_OF_ORIGIN: Duration = Duration::from_secs(1);
/// A failure this long ago is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// Entries of each of the two generations: some 1 MB in all.
const GENERATION_MAX: usize = 5000;

/// An attempt that has to wait longer than this is refused without being looked at: more are under way from its origin than can
/// be. It is within what a client has for its handshake.
pub const WAIT_MAX: Duration = Duration::from_secs(5);

/// Who tries to log in, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    user: [u8; 16],
    origin: Origin,
}

impl Attempt {
    /// Of this user from there. There need be no such user.
    #[must_use]
    pub fn new(user: &str, origin: Origin) -> Self {
        let mut digest = [0; 16];
        digest.iter_mut().zip(Sha256::digest(user.as_bytes())).for_each(|(to, from)| *to = from);
        Self { user: digest, origin }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    User(Attempt),
    Origin(Origin),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    /// No attempt is looked at before.
    not_before: Time,
    /// When something happened to it last.
    touched: Time,
    /// The user has logged in from there: what others there do costs nothing.
    is_known: bool,
}

/// What is known of failures. The least recently touched is forgotten first: entries are in the young generation, and those that
/// were not touched since it was last full are in the old one.
#[derive(Debug, Default)]
pub struct Guesses {
    young: HashMap<Key, Entry>,
    old: HashMap<Key, Entry>,
}

impl Guesses {
    /// Begins an attempt: its password may be looked at now.
    ///
    /// # Errors
    /// The time at which to ask again.
    pub fn begin(&mut self, now: Time, attempt: Attempt) -> Result<(), Time> {
        let (user, origin) = (Key::User(attempt), Key::Origin(attempt.origin));
        let own = self.entry(now, user);
        let others = if own.is_known { Entry::new(now) } else { self.entry(now, origin) };
        let not_before = own.not_before.max(others.not_before);
        if not_before > now {
            return Err(not_before);
        }
        // Whoever else asks meanwhile waits as if this one had failed.
        self.hold(now, user, own, own.delay(FREE_FAILURES, DELAY_MAX));
        if !own.is_known {
            self.hold(now, origin, others, others.delay(FREE_FAILURES_OF_ORIGIN, DELAY_MAX_OF_ORIGIN));
        }
        Ok(())
    }

    /// The password was right: the user's failures are forgotten. Those of the origin are not, for a guesser may have an
    /// account.
    pub fn succeeded(&mut self, now: Time, attempt: Attempt) {
        self.put(Key::User(attempt), Entry { is_known: true, ..Entry::new(now) });
    }

    /// The password was wrong, or there is no such user.
    pub fn failed(&mut self, now: Time, attempt: Attempt) {
        let own = self.fail(now, Key::User(attempt), FREE_FAILURES, DELAY_MAX);
        if !own.is_known {
            self.fail(now, Key::Origin(attempt.origin), FREE_FAILURES_OF_ORIGIN, DELAY_MAX_OF_ORIGIN);
        }
    }

    fn fail(&mut self, now: Time, key: Key, free: u32, max: Duration) -> Entry {
        let mut entry = self.entry(now, key);
        entry.failures = entry.failures.saturating_add(1);
        self.hold(now, key, entry, entry.delay(free, max));
        entry
    }

    fn hold(&mut self, now: Time, key: Key, entry: Entry, delay: Duration) {
        // Nothing to remember of somebody who has not failed.
        if entry.failures > 0 || entry.is_known {
            self.put(key, Entry { not_before: now + delay, touched: now, ..entry });
        }
    }

    fn entry(&self, now: Time, key: Key) -> Entry {
        let found = self.young.get(&key).or_else(|| self.old.get(&key)).copied();
        found.filter(|entry| now.since(entry.touched) < FORGOTTEN_AFTER).unwrap_or(Entry::new(now))
    }

    fn put(&mut self, key: Key, entry: Entry) {
        if self.young.len() >= GENERATION_MAX && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, entry);
    }
}

impl Entry {
    const fn new(now: Time) -> Self {
        Self { failures: 0, not_before: Time::ZERO, touched: now, is_known: false }
    }

    /// Until the next attempt.
    fn delay(&self, free: u32, max: Duration) -> Duration {
        match self.failures.checked_sub(free) {
            None => Duration::ZERO,
            Some(costly) => (DELAY_MIN * (1 << costly.min(8))).min(max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(user: &str, last: u8) -> Attempt {
        Attempt::new(user, Origin::of([192, 0, 2, last].into()))
    }

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    /// Guesses wrongly as fast as it may; when each attempt was looked at, in ms.
    fn guess(guesses: &mut Guesses, from_ms: u64, attempts: &[Attempt]) -> Vec<u64> {
        let mut now = at(from_ms);
        let mut looked_at = Vec::new();
        for attempt in attempts {
            while let Err(later) = guesses.begin(now, *attempt) {
                assert!(later > now);
                now = later;
            }
            guesses.failed(now, *attempt);
            looked_at.push(now.as_micros() / 1000);
        }
        looked_at
    }

    #[test]
    fn each_failure_after_the_third_doubles_the_wait() {
        let looked_at = guess(&mut Guesses::default(), 0, &[attempt("ann", 1); 9]);
        assert_eq!(looked_at, [0, 0, 0, 250, 750, 1750, 3750, 7750, 11_750]);
    }

    #[test]
    fn nobody_else_waits_and_a_right_password_forgets() {
        let mut guesses = Guesses::default();
        guess(&mut guesses, 0, &[attempt("ann", 1); 6]);
        assert!(guesses.begin(at(1750), attempt("ann", 1)).is_err());
        assert!(guesses.begin(at(1750), attempt("ann", 2)).is_ok(), "from elsewhere");
        assert!(guesses.begin(at(1750), attempt("bob", 1)).is_ok(), "somebody else from there");
        assert!(guesses.begin(at(3750), attempt("ann", 1)).is_ok());
        guesses.succeeded(at(3750), attempt("ann", 1));
        assert_eq!(guess(&mut guesses, 3750, &[attempt("ann", 1); 3]), [3750; 3]);
    }

    #[test]
    fn attempts_at_the_same_time_are_looked_at_one_by_one() {
        let mut guesses = Guesses::default();
        guess(&mut guesses, 0, &[attempt("ann", 1); 5]);
        assert!(guesses.begin(at(1750), attempt("ann", 1)).is_ok());
        assert_eq!(guesses.begin(at(1750), attempt("ann", 1)), Err(at(2750)));
    }

    #[test]
    fn many_users_from_one_origin_slow_it_down_but_for_those_who_logged_in_there() {
        let mut guesses = Guesses::default();
        guesses.succeeded(at(0), attempt("known", 1));
        let users: Vec<_> = (0..40).map(|user| attempt(&user.to_string(), 1)).collect();
        let looked_at = guess(&mut guesses, 0, &users);
        assert_eq!(looked_at[29..35], [0, 250, 750, 1750, 2750, 3750]);
        let last = looked_at[39];
        assert!(guesses.begin(at(last), attempt("new", 1)).is_err());
        assert!(guesses.begin(at(last), attempt("known", 1)).is_ok());
        assert!(guesses.begin(at(last), attempt("new", 2)).is_ok());
    }

    #[test]
    fn what_is_long_ago_is_forgotten() {
        let mut guesses = Guesses::default();
        guess(&mut guesses, 0, &[attempt("ann", 1); 8]);
        let later = 7750 + 600_000;
        assert_eq!(guess(&mut guesses, later, &[attempt("ann", 1); 3]), [later; 3]);
    }

    #[test]
    fn the_table_is_bounded_and_keeps_who_goes_on() {
        let mut guesses = Guesses::default();
        guess(&mut guesses, 0, &[attempt("ann", 1); 4]);
        for number in 0..30_000_u32 {
            let [_, high, mid, low] = number.to_be_bytes();
            let elsewhere = Attempt::new("ann", Origin::of([10, high, mid, low].into()));
            guesses.failed(at(300), elsewhere);
            if number.is_multiple_of(1000) {
                guesses.failed(at(300), attempt("ann", 1));
            }
        }
        assert!(guesses.young.len() + guesses.old.len() <= 2 * GENERATION_MAX);
        assert!(guesses.begin(at(301), attempt("ann", 1)).is_err());
    }
}
