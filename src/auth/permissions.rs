//! What a user may do on a vhost: three patterns, for configuring, writing to and reading from exchanges and queues by
//! name (<https://www.rabbitmq.com/docs/access-control#authorisation>).
//!
//! Patterns are matched anywhere in a name, as RabbitMQ does: `^` and `$` are the writer's. An empty one matches nothing
//! (RabbitMQ reads it as `^$`, and nothing has an empty name: the default exchange is called `amq.default` here).
//!
//! Invariant: sessions hold a [`Grant`], not the rights in it, so that a change reaches those that are open.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::right::{PatternError, Right};
use super::topics::TopicRights;
use crate::pattern::NamePattern;

/// A permission as it is written and kept: three regular expressions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// Names of what may be created and deleted.
    pub configure: String,
    /// Names of what may be written to.
    pub write: String,
    /// Names of what may be read from.
    pub read: String,
}

impl Permission {
    /// Everything, by any name.
    #[must_use]
    pub fn all() -> Self {
        let all = || ".*".to_owned();
        Self { configure: all(), write: all(), read: all() }
    }
}

#[derive(Clone, Debug)]
enum Pattern {
    /// `.*`: by far the most frequent one.
    Anything,
    Nothing,
    Names(NamePattern),
}

impl Pattern {
    fn parse(right: Right, pattern: &str) -> Result<Self, PatternError> {
        match pattern {
            "" | "^$" => Ok(Self::Nothing),
            ".*" => Ok(Self::Anything),
            _ => NamePattern::parse(pattern).map(Self::Names).map_err(|why| PatternError {
                right,
                pattern: pattern.to_owned(),
                why,
            }),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => false,
            Self::Names(pattern) => pattern.is_match(name),
        }
    }
}

/// A permission ready for use.
#[derive(Clone, Debug)]
pub struct Rights {
    configure: Pattern,
    write: Pattern,
    read: Pattern,
    /// By exchange; most users have none.
    topics: BTreeMap<String, Arc<TopicRights>>,
}

impl Rights {
    /// Rights to nothing.
    pub const NONE: Self = Self {
        configure: Pattern::Nothing,
        write: Pattern::Nothing,
        read: Pattern::Nothing,
        topics: BTreeMap::new(),
    };

    /// Rights to everything.
    pub const ALL: Self = Self {
        configure: Pattern::Anything,
        write: Pattern::Anything,
        read: Pattern::Anything,
        topics: BTreeMap::new(),
    };

    /// Compiles the patterns.
    ///
    /// # Errors
    /// The first pattern that is not a regular expression.
    pub fn parse(permission: &Permission) -> Result<Self, PatternError> {
        Ok(Self {
            configure: Pattern::parse(Right::Configure, &permission.configure)?,
            write: Pattern::parse(Right::Write, &permission.write)?,
            read: Pattern::parse(Right::Read, &permission.read)?,
            topics: BTreeMap::new(),
        })
    }

    /// The same with rights to keys of topic exchanges.
    #[must_use]
    pub fn with_topics(self, topics: BTreeMap<String, Arc<TopicRights>>) -> Self {
        Self { topics, ..self }
    }

    /// What keys may be used with a topic exchange; `None`: all of them.
    #[must_use]
    pub fn topics(&self, exchange: &str) -> Option<&Arc<TopicRights>> {
        self.topics.get(exchange)
    }

    /// Whether the thing of that name may be used so.
    #[must_use]
    pub fn allow(&self, right: Right, name: &str) -> bool {
        match right {
            Right::Configure => self.configure.matches(name),
            Right::Write => self.write.matches(name),
            Right::Read => self.read.matches(name),
        }
    }
}

/// One user's rights on one vhost, as they are now: shared by those who change them and the sessions they bind.
#[derive(Debug)]
pub struct Grant(RwLock<Arc<Rights>>);

impl Default for Grant {
    /// No rights at all.
    fn default() -> Self {
        Self::new(Rights::NONE)
    }
}

impl Grant {
    /// A grant of these rights.
    #[must_use]
    pub fn new(rights: Rights) -> Self {
        Self(RwLock::new(Arc::new(rights)))
    }

    /// The rights of this moment.
    #[must_use]
    pub fn rights(&self) -> Arc<Rights> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the rights. Whoever caches what follows from them has to be told.
    pub fn replace(&self, rights: Rights) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rights);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(configure: &str, write: &str, read: &str) -> Rights {
        let [configure, write, read] = [configure, write, read].map(str::to_owned);
        Rights::parse(&Permission { configure, write, read }).unwrap()
    }

    #[test]
    fn a_pattern_matches_anywhere_unless_it_is_anchored() {
        let rights = rights("b", "^b", "b$");
        let allowed =
            |name: &str| [Right::Configure, Right::Write, Right::Read].map(|right| rights.allow(right, name));
        assert_eq!(allowed("abc"), [true, false, false]);
        assert_eq!(allowed("bc"), [true, true, false]);
        assert_eq!(allowed("ab"), [true, false, true]);
        assert_eq!(allowed("x"), [false; 3]);
    }

    #[test]
    fn an_empty_pattern_matches_nothing_and_dot_star_everything() {
        let rights = rights("", "^$", ".*");
        assert!(!rights.allow(Right::Configure, "q") && !rights.allow(Right::Configure, ""));
        assert!(!rights.allow(Right::Write, "q"));
        assert!(rights.allow(Right::Read, "amq.default"));
    }

    #[test]
    fn a_pattern_that_is_none_is_named_in_one_line() {
        let permission = Permission { write: "a(b".to_owned(), ..Permission::all() };
        let error = Rights::parse(&permission).unwrap_err().to_string();
        assert_eq!(
            error,
            "write: \"a(b\" is not a regular expression this broker understands: unclosed group"
        );
    }

    #[test]
    fn a_pattern_may_look_around() {
        let rights = rights("^(?!secret)", ".*", "(?<=a)b");
        assert!(rights.allow(Right::Configure, "open") && !rights.allow(Right::Configure, "secret.x"));
        assert!(rights.allow(Right::Read, "ab") && !rights.allow(Right::Read, "b"));
    }

    #[test]
    fn a_replaced_grant_is_seen_by_those_who_hold_it() {
        let grant = Arc::new(Grant::default());
        let held = Arc::clone(&grant);
        assert!(!held.rights().allow(Right::Read, "q"));
        grant.replace(rights("", "", "q"));
        assert!(held.rights().allow(Right::Read, "q"));
    }
}
