//! Processes, which tell nobody when they begin or end, and waiting for them.

use std::fs;
use std::io;
use std::time::Duration;

use coney::Clock;

use super::failure::{Failure, SOFTWARE};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How long something is waited for.
pub struct Deadline {
    clock: Clock,
    wait: Duration,
}

impl Deadline {
    /// From now on.
    pub fn after(wait: Duration) -> Self {
        Self { clock: Clock::system(), wait }
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        Duration::from_micros(self.clock.now().as_micros()) >= self.wait
    }
}

/// A moment, before the next look.
#[allow(clippy::disallowed_methods, reason = "other processes tell nobody when they begin or end")]
pub fn pause() {
    std::thread::sleep(PAUSE);
}

/// Whether there is such a process. One that has ended, and whose parent has not noticed, is none.
pub fn is_running(pid: u64) -> bool {
    if let Ok(status) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The state follows the name, which stands in brackets.
        return !status.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'));
    }
    exists(pid)
}

#[cfg(unix)]
fn exists(pid: u64) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn exists(pid: u64) -> bool {
    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
    let Ok(pid) = u32::try_from(pid) else { return false };
    let pid = Pid::from_u32(pid);
    let mut system = System::new();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, ProcessRefreshKind::nothing());
    system.process(pid).is_some()
}

/// The number in a file that a broker wrote its process id into.
pub fn read_pid(path: &str) -> Result<Option<u64>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let pid = text.trim().parse();
            pid.map(Some)
                .map_err(|_| Failure::error(SOFTWARE, format!("{path}: there is no process id in it")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::error(SOFTWARE, format!("{path}: {error}"))),
    }
}
