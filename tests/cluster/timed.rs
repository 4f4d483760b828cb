//! A directory in memory for nodes on the system's clock.

use coney::Clock;
use coney::cluster::{Claim, Directory, Member, MemoryDirectory, Told, Unreachable};

/// The directory on the system's clock.
pub struct Timed(pub MemoryDirectory, pub Clock);

impl Directory for Timed {
    async fn read(&self) -> Result<Option<Claim>, Unreachable> {
        Ok(self.0.read_at(self.1.now()))
    }

    async fn write(&self, holder: &str, revision: u64) -> Result<Option<u64>, Unreachable> {
        Ok(self.0.write_at(self.1.now(), holder, revision))
    }

    async fn tell(&self, member: &Member) -> Result<(), Unreachable> {
        self.0.tell_at(self.1.now(), member);
        Ok(())
    }

    async fn members(&self) -> Result<Vec<Told>, Unreachable> {
        Ok(self.0.members_at(self.1.now()))
    }
}
