//! Alarms: short of memory or of disk space, the broker takes no more publishes until there is room again.
//!
//! Publishers are told (connection.blocked) and their sockets are not read; consumers go on, which is what makes room.
//! As in RabbitMQ (Memory and Disk Alarms) memory is that of the whole process, so that nothing goes uncounted.
//!
//! Invariant: an alarm ends at a lower mark than it began at, so that it does not flutter.

use std::path::PathBuf;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::config::{Config, MemoryLimit};
use crate::message;
use crate::store::RESERVE_BYTES;

/// Of the memory limit, in percent: where the alarm ends.
const MEMORY_CLEAR_PERCENT: u64 = 95;
/// Of the memory limit, in percent: with less than this in the ledger there is no alarm, however much memory the process
/// has. What the allocator kept of an earlier backlog is used again, and waiting for it to go would be waiting for ever.
/// It is no more than this because the ledger does not know everything: the storage engine has tables in memory.
const KNOWN_PERCENT_MIN: u64 = 25;
/// Of the disk limit, in percent: with less, queues move no messages by themselves.
const NEARLY_FULL_PERCENT: u64 = 50;
/// Of the memory limit, in percent: where memory is called short.
const SHORT_PERCENT: u64 = 80;
/// Of the disk limit, in percent: where the alarm ends.
const DISK_CLEAR_PERCENT: u64 = 105;

/// Why publishers are blocked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    /// The embedding program's own reason.
    pub by_hand: Option<String>,
    /// The process uses more memory than its limit.
    pub memory: bool,
    /// The disk has less free than its limit.
    pub disk: bool,
}

impl Alarms {
    /// What publishers are told, while there is a reason; in RabbitMQ's words.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let memory = self.memory.then_some("low on memory");
        let disk = self.disk.then_some("low on disk");
        let reasons: Vec<&str> = [self.by_hand.as_deref(), memory, disk].into_iter().flatten().collect();
        (!reasons.is_empty()).then(|| reasons.join(" & "))
    }

    /// Whether there is one.
    #[must_use]
    pub const fn is_raised(&self) -> bool {
        self.by_hand.is_some() || self.memory || self.disk
    }
}

/// What the machine says now, in bytes; `None` where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// Resident memory of this process.
    pub memory_used: Option<u64>,
    /// Of that, what is known to be in use: messages and what else the broker keeps.
    pub known_bytes: u64,
    /// Free on the disk that holds the data directory.
    pub disk_free: Option<u64>,
}

/// What the machine says, and where alarms begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// What it says.
    pub readings: Readings,
    /// Where alarms begin.
    pub limits: Limits,
}

/// How the machine is asked.
pub type Meter = Box<dyn FnMut() -> Readings + Send>;

/// Where alarms begin, in bytes; `None` never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of resident memory, above which publishers are blocked.
    pub memory: Option<u64>,
    /// Free on the disk, below which publishers are blocked.
    pub disk_free: Option<u64>,
}

impl Limits {
    /// The limits of these settings on this machine.
    pub fn of(config: &Config) -> Self {
        let memory = match config.memory_limit {
            MemoryLimit::Percent(percent) => Some(memory_of_the_machine() / 100 * u64::from(percent)),
            MemoryLimit::Bytes(bytes) => Some(bytes),
            MemoryLimit::None => None,
        };
        let disk_free = config.data_dir.is_some().then_some(config.disk_free_limit).flatten();
        Self { memory: memory.filter(|bytes| *bytes > 0), disk_free }
    }

    /// How much memory the process may take.
    pub(super) const fn memory(&self) -> Option<u64> {
        self.memory
    }

    /// Whether there is so little disk left that queues have to keep what they would move to others by themselves.
    pub(super) fn disk_is_nearly_full(&self, readings: Readings) -> bool {
        let pair = self.disk_free.zip(readings.disk_free);
        pair.is_some_and(|(limit, free)| free < limit / 100 * NEARLY_FULL_PERCENT)
    }

    /// Whether there is so much more disk than its limit that the store's reserve does not bring the alarm on.
    pub(super) fn has_room_for_reserve(&self, readings: Readings) -> bool {
        let pair = self.disk_free.zip(readings.disk_free);
        pair.is_some_and(|(limit, free)| free > limit / 100 * DISK_CLEAR_PERCENT + 2 * RESERVE_BYTES)
    }

    /// Whether memory gets short: what is not messages is refused before publishers are blocked.
    pub(super) fn is_nearly_reached(&self, readings: Readings) -> bool {
        let pair = self.memory.zip(readings.memory_used);
        pair.is_some_and(|(limit, used)| used > limit / 100 * SHORT_PERCENT)
    }

    /// Which alarms there are after these readings, if there were `memory` and `disk` before.
    pub(super) fn evaluate(&self, memory: bool, disk: bool, readings: Readings) -> (bool, bool) {
        let memory = self.memory.zip(readings.memory_used).is_some_and(|(limit, used)| {
            let mark = if memory { limit / 100 * MEMORY_CLEAR_PERCENT } else { limit };
            used > mark && readings.known_bytes > limit / 100 * KNOWN_PERCENT_MIN
        });
        let disk = self
            .disk_free
            .zip(readings.disk_free)
            .is_some_and(|(limit, free)| free < if disk { limit / 100 * DISK_CLEAR_PERCENT } else { limit });
        (memory, disk)
    }
}

/// Asks the operating system.
pub fn system_meter(data_dir: Option<PathBuf>) -> Meter {
    let mut system = System::new();
    let pid = Pid::from_u32(std::process::id());
    Box::new(move || {
        let what = ProcessRefreshKind::nothing().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
        Readings {
            memory_used: system.process(pid).map(sysinfo::Process::memory),
            known_bytes: message::bytes_in_memory() as u64,
            disk_free: data_dir.as_deref().and_then(|dir| fs4::available_space(dir).ok()),
        }
    })
}

/// A part of the machine's memory, in bytes.
#[cfg(feature = "management")]
pub fn part_of_memory(fraction: f64) -> u64 {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of some gigabytes, which is not negative"
    )]
    let bytes = (memory_of_the_machine() as f64 * fraction.max(0.0)) as u64;
    bytes
}

/// What this process may use at most: the machine's memory, or its container's if that is less.
fn memory_of_the_machine() -> u64 {
    let mut system = System::new();
    system.refresh_memory();
    let container = system.cgroup_limits().map(|limits| limits.total_memory);
    container.map_or(system.total_memory(), |container| container.min(system.total_memory()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(memory: u64, disk: u64) -> Readings {
        Readings { memory_used: Some(memory), known_bytes: memory / 2, disk_free: Some(disk) }
    }

    #[test]
    fn an_alarm_begins_beyond_its_limit_and_ends_well_within_it() {
        let limits = Limits { memory: Some(1000), disk_free: Some(1000) };
        let rows = [
            (1000, 1000, (false, false), (false, false)),
            (1001, 1000, (false, false), (true, false)),
            (951, 1000, (true, false), (true, false)),
            (950, 1000, (true, false), (false, false)),
            (0, 999, (false, false), (false, true)),
            (0, 1049, (false, true), (false, true)),
            (0, 1050, (false, true), (false, false)),
            (2000, 0, (false, false), (true, true)),
        ];
        for (memory, disk, before, after) in rows {
            let judged = limits.evaluate(before.0, before.1, readings(memory, disk));
            assert_eq!(judged, after, "{memory} {disk} {before:?}");
        }
    }

    /// The allocator may keep for good what a backlog once needed.
    #[test]
    fn memory_without_messages_raises_nothing() {
        let limits = Limits { memory: Some(1000), disk_free: None };
        let few = Readings { memory_used: Some(5000), known_bytes: 250, disk_free: None };
        assert_eq!(limits.evaluate(false, false, few), (false, false));
        assert_eq!(limits.evaluate(true, false, few), (false, false));
        assert_eq!(limits.evaluate(false, false, Readings { known_bytes: 251, ..few }), (true, false));
    }

    #[test]
    fn nothing_is_raised_without_a_limit_or_a_reading() {
        assert_eq!(Limits::default().evaluate(false, false, readings(u64::MAX, 0)), (false, false));
        let limits = Limits { memory: Some(1), disk_free: Some(1) };
        assert_eq!(limits.evaluate(true, true, Readings::default()), (false, false));
    }

    #[test]
    fn the_system_answers() {
        let dir = tempfile::tempdir().unwrap();
        let readings = system_meter(Some(dir.path().to_owned()))();
        assert!(readings.memory_used.is_some_and(|bytes| bytes > 1024 * 1024), "{readings:?}");
        assert!(readings.disk_free.is_some_and(|bytes| bytes > 0), "{readings:?}");
        assert!(memory_of_the_machine() > 64 * 1024 * 1024);
    }

    #[test]
    fn each_reason_is_told() {
        let both = Alarms { memory: true, disk: true, ..Alarms::default() };
        assert_eq!(both.reason().as_deref(), Some("low on memory & low on disk"));
        assert_eq!(Alarms::default().reason(), None);
    }
}
