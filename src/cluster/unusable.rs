//! An engine in the place of one that cannot be opened, or is closed: it says why, whatever it is asked.

use crate::store::{
    Durability, Engine, Error, KeyVisitor, PairVisitor, Reader, Snapshot, Space, Visitor, WriteBatch,
};

/// Why there is none.
#[derive(Clone, Debug)]
pub(super) enum Unusable {
    /// Its bytes are not what was written; where and how.
    Damaged(String),
    /// It is closed.
    Closed,
}

impl Unusable {
    fn error(&self) -> Error {
        match self {
            Self::Damaged(detail) => Error::Damaged { detail: detail.clone() },
            Self::Closed => Error::Stopped,
        }
    }
}

impl Engine for Unusable {
    fn commit(&mut self, _: WriteBatch, _: Durability) -> Result<(), Error> {
        Err(self.error())
    }

    fn scan(&self, _: Space, _: &[u8], _: &[u8], _: &mut Visitor<'_>) -> Result<(), Error> {
        Err(self.error())
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(self.clone())
    }

    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(self.clone())
    }

    fn sync(&mut self) -> Result<(), Error> {
        Err(self.error())
    }

    fn maintain(&mut self, _: u64) -> Result<bool, Error> {
        Err(self.error())
    }

    fn journal_gap(&mut self) -> Option<u64> {
        None
    }
}

impl Snapshot for Unusable {
    fn scan(&self, _: Space, _: &mut Visitor<'_>) -> Result<(), Error> {
        Err(self.error())
    }

    fn read(&self, _: Space, _: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Err(self.error())
    }
}

impl Reader for Unusable {
    fn read(&self, _: Space, _: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Err(self.error())
    }

    fn range(
        &self,
        _: Space,
        _: &[u8],
        _: &[u8],
        _: &dyn Fn(&[u8]) -> bool,
        _: &mut PairVisitor<'_>,
    ) -> Result<(), Error> {
        Err(self.error())
    }

    fn keys(&self, _: Space, _: &[u8], _: &[u8], _: &mut KeyVisitor<'_>) -> Result<(), Error> {
        Err(self.error())
    }

    fn last_key(&self, _: Space, _: &[u8], _: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Err(self.error())
    }
}
