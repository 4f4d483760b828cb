//! What a leader's disk has and cannot be read any more: the engine's readers remember it, and the node gives the lead to another that has
//! the same, and takes a snapshot.

use crate::store::{Error, KeyVisitor, PairVisitor, Reader, Space};
use std::sync::{Arc, Mutex, PoisonError};

/// The first damage that was met; clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Damage(Arc<Mutex<Option<String>>>);

impl Damage {
    /// What it is, if there is any.
    pub(super) fn found(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All that was stored is gone, and with it the damage.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn note<T>(&self, read: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Damaged { detail }) = &read {
            let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            found.get_or_insert_with(|| detail.clone());
        }
        read
    }

    /// A reader that notes it.
    pub(super) fn watch(&self, reader: Box<dyn Reader>) -> Box<dyn Reader> {
        Box::new(Watched { reader, damage: self.clone() })
    }
}

struct Watched {
    reader: Box<dyn Reader>,
    damage: Damage,
}

impl Reader for Watched {
    fn read(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.damage.note(self.reader.read(space, key))
    }

    fn range(
        &self,
        space: Space,
        from: &[u8],
        to: &[u8],
        wants: &dyn Fn(&[u8]) -> bool,
        visit: &mut PairVisitor<'_>,
    ) -> Result<(), Error> {
        self.damage.note(self.reader.range(space, from, to, wants, visit))
    }

    fn keys(&self, space: Space, from: &[u8], to: &[u8], visit: &mut KeyVisitor<'_>) -> Result<(), Error> {
        self.damage.note(self.reader.keys(space, from, to, visit))
    }

    fn last_key(&self, space: Space, from: &[u8], to: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.damage.note(self.reader.last_key(space, from, to))
    }

    fn damage_at(&self, space: Space, key: &[u8]) -> Option<String> {
        self.reader.damage_at(space, key)
    }
}
