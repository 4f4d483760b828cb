//! What is damaged, and what that means for the queues.

use super::logical::Logical;
use super::raw::Raw;
use super::state::QueueState;
use super::trial::try_start;
use crate::message::QueueId;
use crate::store::error::Error;
use crate::store::{inspection, lock, marker};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// What was found in a directory.
#[derive(Debug, Default)]
pub struct Examination {
    /// What is damaged, a line each: the file, and what is wrong with it.
    pub damage: Vec<String>,
    /// What is worth knowing and no damage.
    pub remarks: Vec<String>,
    /// Messages by queue or stream; some may have no definition.
    pub queues: BTreeMap<QueueId, QueueState>,
    /// All definitions that can be read.
    pub definitions: BTreeMap<String, Vec<u8>>,
}

/// Looks through a directory, which must not be in use, and changes nothing. All that is stored is read.
///
/// # Errors
/// [`Error::Locked`], [`Error::Foreign`] if there is no store, [`Error::Io`] if it cannot be listed.
pub fn examine(dir: &Path) -> Result<Examination, Error> {
    let _lock = lock_if_any(dir)?;
    Ok(read(dir)?.2)
}

/// All pairs, what they mean as far as they can be read, and what was found.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn read(dir: &Path) -> Result<(Raw, Logical, Examination), Error> {
    let (mut damage, mut remarks) = (Vec::new(), Vec::new());
    match inspection::inspect(dir) {
        Ok(found) => remarks.extend(found.torn_end()),
        Err(error) => damage.push(error.detail()),
    }
    let mut raw = Raw::read(dir)?;
    let logical = Logical::of(&mut raw);
    for fault in raw.take_faults() {
        if !damage.contains(&fault) {
            damage.push(fault);
        }
    }
    // Whole files may still hold what a start refuses.
    if damage.is_empty()
        && let Err(error) = try_start(&mut raw)
    {
        damage.push(error.detail());
    }
    let (queues, definitions) = (logical.queues.clone(), logical.definitions.clone());
    Ok((raw, logical, Examination { damage, remarks, queues, definitions }))
}

/// Keeps a broker from starting meanwhile. A copy may have no lock, and nobody else to fear.
///
/// # Errors
/// [`Error::Locked`], [`Error::Foreign`] or [`Error::Io`].
pub(super) fn lock_if_any(dir: &Path) -> Result<Option<File>, Error> {
    if !["version", "keyspaces", "0.jnl", marker::NAME].iter().any(|name| dir.join(name).exists()) {
        let detail = "there are no files of a store in it".into();
        return Err(Error::Foreign { dir: dir.into(), detail });
    }
    match lock::lock_again(dir) {
        Ok(lock) => Ok(Some(lock)),
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
