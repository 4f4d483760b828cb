//! What comes of another store goes into this one, in between the drains.

use super::Committer;
use crate::store::adopting::{AdoptStep, AdoptWhat};
use crate::store::engine::Engine;
use crate::store::error::Error;
use crate::store::recovery;

impl<E: Engine> Committer<E> {
    /// Does a step of an adoption, with a commit of its own.
    ///
    /// # Errors
    /// What the engine fails with.
    pub(super) fn adopt(&mut self, step: AdoptStep) -> Result<(), Error> {
        let AdoptStep { adoption, what, done } = step;
        let mut batch = self.heartbeat_batch();
        match what {
            AdoptWhat::Pairs(pairs) => {
                if adoption.put(pairs, &mut self.bodies, &mut batch).is_none() {
                    done(Err("what came makes no sense".to_owned()));
                    return Ok(());
                }
                if batch.has_streams() {
                    recovery::put_streams_heartbeat(&mut batch, self.commit_number + 1, self.streams_number);
                    recovery::put_definitions_heartbeat(&mut batch, self.commit_number + 1);
                    recovery::put_version(&mut batch, true);
                    self.logs.mark();
                }
                self.commit_batch(batch, true)?;
                done(Ok(std::collections::HashMap::new()));
            }
            AdoptWhat::End { epoch } => {
                let next = recovery::put_epoch_above(&self.engine, epoch, &mut batch)?;
                recovery::put_definitions_heartbeat(&mut batch, self.commit_number + 1);
                self.commit_batch(batch, true)?;
                let adopted = recovery::adopted(&self.engine, &adoption.queues(), next)?;
                for (queue, index, references) in adopted.indexes {
                    self.live_bytes += index.bytes();
                    self.bodies.recover(&references);
                    self.index.insert(queue, index);
                }
                self.logs.take_over(adopted.logs, &adoption.queues());
                done(Ok(adopted.queues));
            }
        }
        Ok(())
    }
}
