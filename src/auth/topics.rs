//! Topic permissions: which routing keys a user may publish with to a topic exchange, and which binding keys bind to it. Without one for
//! an exchange, the permission on the exchange alone decides (<https://www.rabbitmq.com/docs/access-control#topic-authorisation>).
//!
//! `{username}` and `{vhost}` in a pattern stand for the user's name and the vhost's, as they are: as in RabbitMQ, what means something
//! to a regular expression means it there, too. An empty pattern matches the empty key alone.

use serde::{Deserialize, Serialize};

use super::right::{PatternError, Right};
use crate::pattern::NamePattern;

/// A topic permission as it is written and kept: two regular expressions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPermission {
    /// Routing keys that may be published with.
    pub write: String,
    /// Binding keys that may be bound by.
    pub read: String,
}

impl TopicPermission {
    /// Checks the patterns, as they are written.
    ///
    /// # Errors
    /// The first that is not a regular expression.
    pub fn check(&self) -> Result<(), PatternError> {
        for (right, pattern) in [(Right::Write, &self.write), (Right::Read, &self.read)] {
            let parsed = NamePattern::parse(pattern);
            parsed.map_err(|why| PatternError { right, pattern: pattern.clone(), why })?;
        }
        Ok(())
    }
}

/// A topic permission ready for use.
#[derive(Clone, Debug)]
pub struct TopicRights {
    write: Option<NamePattern>,
    read: Option<NamePattern>,
}

impl TopicRights {
    /// Of a user on a vhost. A pattern that is none any more with their names in it matches nothing.
    #[must_use]
    pub fn of(permission: &TopicPermission, user: &str, vhost: &str) -> Self {
        let parse = |pattern: &str| {
            let expanded = pattern.replace("{username}", user).replace("{vhost}", vhost);
            NamePattern::parse(if expanded.is_empty() { "^$" } else { &expanded }).ok()
        };
        Self { write: parse(&permission.write), read: parse(&permission.read) }
    }

    /// Whether the key may be used so. Nothing is configured by keys.
    #[must_use]
    pub fn allow(&self, right: Right, key: &str) -> bool {
        let pattern = match right {
            Right::Configure => &None,
            Right::Write => &self.write,
            Right::Read => &self.read,
        };
        pattern.as_ref().is_some_and(|pattern| pattern.is_match(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(write: &str, read: &str) -> TopicRights {
        let permission = TopicPermission { write: write.to_owned(), read: read.to_owned() };
        permission.check().unwrap();
        TopicRights::of(&permission, "ann", "v")
    }

    #[test]
    fn patterns_match_keys_with_the_names_put_in() {
        let rights = rights("^{username}-{vhost}\\.", "{nope}");
        assert!(rights.allow(Right::Write, "ann-v.x") && !rights.allow(Right::Write, "bob-v.x"));
        assert!(rights.allow(Right::Read, "{nope}") && !rights.allow(Right::Read, "nope"));
        assert!(!rights.allow(Right::Configure, "ann-v.x"));
    }

    #[test]
    fn an_empty_pattern_matches_the_empty_key() {
        let rights = rights("", ".*");
        assert!(rights.allow(Right::Write, "") && !rights.allow(Right::Write, "a"));
        assert!(rights.allow(Right::Read, "") && rights.allow(Right::Read, "a"));
    }

    #[test]
    fn a_name_that_breaks_the_pattern_lets_nothing_through() {
        let permission = TopicPermission { write: "^{username}".to_owned(), read: ".*".to_owned() };
        let rights = TopicRights::of(&permission, "a(b", "v");
        assert!(!rights.allow(Right::Write, "a(b") && !rights.allow(Right::Write, ""));
        let broken = TopicPermission { write: "(".to_owned(), read: String::new() };
        assert_eq!(broken.check().unwrap_err().right, Right::Write);
    }
}
