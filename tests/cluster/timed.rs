//! A directory in memory for nodes on the system's clock.

use coney::Clock;
use coney::cluster::{Claim, Directory, Member, MemoryDirectory, Told, Unreachable};
use coney::time::Time;

/// The directory on the system's clock; without one no time passes there, and no lease ends.
pub struct Timed(pub MemoryDirectory, pub Option<Clock>);

impl Timed {
    fn now(&self) -> Time {
        self.1.map_or(Time::ZERO, |clock| clock.now())
    }
}

impl Directory for Timed {
    async fn read(&self) -> Result<Option<Claim>, Unreachable> {
        Ok(self.0.read_at(self.now()))
    }

    async fn write(&self, holder: &str, revision: u64) -> Result<Option<u64>, Unreachable> {
        Ok(self.0.write_at(self.now(), holder, revision))
    }

    async fn tell(&self, member: &Member) -> Result<(), Unreachable> {
        self.0.tell_at(self.now(), member);
        Ok(())
    }

    async fn members(&self) -> Result<Vec<Told>, Unreachable> {
        Ok(self.0.members_at(self.now()))
    }
}
