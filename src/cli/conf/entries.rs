//! What RabbitMQ's configuration says, one thing after the other.

use std::path::Path;

use crate::cli::source::Origin;

/// A setting in RabbitMQ's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// With dots.
    pub key: String,
    /// As it is meant, without quotes.
    pub value: String,
    /// Where it stands.
    pub origin: Origin,
}

impl Entry {
    /// A line of a file, from 1.
    pub fn of_file(path: &Path, line: usize, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        let origin = Origin::File { path: path.to_owned(), line, key: key.clone() };
        Self { key, value, origin }
    }
}

/// Of a key that is there more than once the last entry counts, in its place.
pub fn last_of_each(entries: Vec<Entry>) -> Vec<Entry> {
    let mut last: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        last.retain(|earlier| earlier.key != entry.key);
        last.push(entry);
    }
    last
}
