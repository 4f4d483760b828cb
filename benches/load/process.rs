//! What Linux tells about another process: which one listens, how much memory and processor time it has,
//! how much it writes. Elsewhere, or
//! where it may not be read, there is no figure rather than a guess.

use std::collections::HashSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// The process that listens at this address, if it is one of this machine.
pub fn listening_at(address: &str) -> Option<u32> {
    let here = ["127.", "localhost:", "[::1]:"].iter().any(|host| address.starts_with(host));
    address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).filter(|_| here).and_then(listening)
}

/// The process that listens on this port over IPv4 or IPv6 here.
fn listening(port: u16) -> Option<u32> {
    let inodes: HashSet<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listener(line, port)).collect::<Vec<_>>())
        .collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|&pid| holds(pid, &inodes))
}

/// The link that a descriptor of this line's socket has, if the socket listens on the port.
fn listener(line: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let found = *fields.get(3)? == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port);
    found.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
}

fn holds(pid: u32, inodes: &HashSet<String>) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let mut links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.any(|link| link.to_str().is_some_and(|link| inodes.contains(link)))
}

/// Resident memory in MiB.
pub fn resident_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// Bytes it has had written to disk, those still in the page cache included.
pub fn written_bytes(pid: u32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes:"))?.trim().parse().ok()
}

/// Processor time used, in ticks of 10 ms.
fn ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may contain anything; user and system time are the 12th and 13th field behind it.
    let mut times = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(times.next()?.parse::<u64>().ok()? + times.next()?.parse::<u64>().ok()?)
}

/// Processor time used, in seconds; to 10 ms.
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    ticks(pid).map(|ticks| ticks as f64 / 100.0)
}

/// Waits until a process does next to nothing (below 10 % of a core), 20 seconds at most: what it has left to do for
/// one run must not slow the next.
pub fn settle(pid: u32) {
    const LOOK: Duration = Duration::from_millis(300);
    let start = Instant::now();
    let mut before = ticks(pid);
    while start.elapsed() < Duration::from_secs(20) {
        thread::sleep(LOOK);
        let now = ticks(pid);
        match now.zip(before) {
            Some((now, before)) if now - before > 3 => {}
            _ => return,
        }
        before = now;
    }
}
