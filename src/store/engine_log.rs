//! What fjall says of errors in its background threads. Afterwards it only says that it is poisoned, so this is the only way to the
//! first cause.
//!
//! It speaks through the `log` facade, which has one listener in a process: if a program that embeds the broker has one
//! already, causes are known to that one alone.

use log::{Level, LevelFilter, Log, Metadata, Record};
use std::io;
use std::sync::{Mutex, Once, PoisonError};

/// What an error of the system looks like in the words of fjall, which prints it for programmers.
const OS_ERROR: &str = "Os { code: ";

static LISTENER: Listener = Listener { first: Mutex::new(None) };

/// Listens from now on; forgets what was heard before.
pub(super) fn listen() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if log::set_logger(&LISTENER).is_ok() {
            log::set_max_level(LevelFilter::Error);
        }
    });
    LISTENER.put(None);
}

/// The first error since it listens.
pub(super) fn first_error() -> Option<String> {
    LISTENER.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The error of the system in fjall's words, if there is one in them.
pub(super) fn os_error(words: &str) -> Option<io::Error> {
    let (_, rest) = words.split_once(OS_ERROR)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().map(io::Error::from_raw_os_error)
}

struct Listener {
    first: Mutex<Option<String>>,
}

impl Listener {
    fn put(&self, words: Option<String>) {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }
}

impl Log for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        metadata.level() == Level::Error && ["fjall", "lsm_tree"].iter().any(|name| target.starts_with(name))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let words = record.args().to_string();
            tracing::debug!(words, "the storage engine reports an error");
            self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(words);
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_error_is_found_in_the_words() {
        let error = io::Error::from_raw_os_error(28);
        let words = format!("Worker #1 crashed: Storage(Io({error:?}))");
        assert_eq!(os_error(&words).and_then(|error| error.raw_os_error()), Some(28), "{words}");
        assert!(os_error("Worker #1 crashed: Unrecoverable").is_none());
    }
}
