//! Disks that are too small. Each test mounts one of its own, in memory, which only root may do: for others it says that it was
//! skipped.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic, connection};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::get;
use crate::support::process::{Process, coney};
use crate::support::raw::{Publish, Raw};

const MB: u64 = 1_000_000;
/// The broker's limit: below it there is an alarm.
const LIMIT: u64 = 200 * MB;
const BODY_BYTES: usize = 50_000;

/// A small disk, unmounted when it is dropped.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    /// None for those who may not mount one.
    fn mount(bytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "coney-test"]).arg(dir.path()).output();
        if mount.is_ok_and(|output| output.status.success()) {
            return Some(Self { dir });
        }
        println!("skipped: a disk of its own takes root and mount");
        None
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn free(&self) -> u64 {
        fs4::available_space(self.dir.path()).unwrap()
    }

    /// Fills the disk until only so much is free.
    fn fill(&self, free: u64) {
        let bytes = self.free().saturating_sub(free);
        std::fs::write(self.dir.path().join("ballast"), vec![1; bytes as usize]).unwrap();
    }

    fn start(&self) -> Process {
        let limit = format!("{LIMIT}");
        let arguments =
            ["--amqp", "127.0.0.1:0", "--log", "error", "--disk-free-limit", &limit, "--data-dir"];
        Process::run(coney().args(arguments).arg(self.data()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        unmount(self.dir.path());
    }
}

fn unmount(dir: &Path) {
    // Lazily: a process that was killed just now may still have files there.
    let _ = Command::new("umount").arg("-l").arg(dir).status();
}

fn connect(process: &Process) -> Raw {
    Raw::with_channel(process.address().parse().unwrap())
}

/// A persistent message.
fn message(queue: &str, body: &[u8]) -> Vec<u8> {
    Publish { key: queue, properties: &[0x10, 0, 2], ..Publish::default() }.with_body(body)
}

/// Takes messages out of a queue until it is empty; how many there were.
fn drain(client: &mut Raw, queue: &str) -> usize {
    let mut count = 0;
    loop {
        client.method(1, AMQPClass::Basic(basic::AMQPMethod::Get(get(queue))));
        match client.next() {
            Some(AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::GetOk(_)))) => count += 1,
            Some(AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::GetEmpty(_)))) => return count,
            other => panic!("after {count}: {other:?}"),
        }
        while !matches!(client.next(), Some(AMQPFrame::Body(..))) {}
    }
}

/// Whether the broker says with this that it is blocked, or that it no longer is.
fn says_blocked(frame: &AMQPFrame) -> Option<bool> {
    match frame {
        AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Blocked(_))) => Some(true),
        AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Unblocked(_))) => Some(false),
        _ => None,
    }
}

#[test]
fn a_broker_that_was_drained_is_not_blocked_for_ever() {
    // Less room than the engine's newest journal takes until it is full, and more.
    drain_and_publish(60 * MB);
    drain_and_publish(120 * MB);
}

/// Publishes until it is blocked, on a disk with so much room beside the limit; drains the broker, and waits until it is unblocked.
fn drain_and_publish(room: u64) {
    let Some(disk) = Disk::mount(LIMIT + room) else { return };
    let process = disk.start();
    let mut publisher = connect(&process);
    publisher.declare("backlog", |declare| declare.durable = true);
    let message = message("backlog", &vec![1; BODY_BYTES]);
    // It may say both at once: a new journal takes its room before the old one's is given back.
    while publisher.waiting_frames().iter().filter_map(says_blocked).next_back() != Some(true) {
        // A broker that is blocked does not read; what it says of that comes all the same.
        publisher.write(&message);
    }
    assert!(drain(&mut connect(&process), "backlog") > 0);
    let next = publisher.next();
    assert_eq!(next.as_ref().and_then(says_blocked), Some(false), "{next:?}");
}

#[test]
fn what_expires_does_not_fill_the_disk() {
    const MESSAGES: usize = 3000;
    let Some(disk) = Disk::mount(700 * MB) else { return };
    let process = disk.start();
    let mut client = connect(&process);
    client.declare("dead", |declare| declare.durable = true);
    client.declare("dying", |declare| {
        declare.durable = true;
        let mut arguments = FieldTable::default();
        arguments.insert("x-message-ttl".into(), AMQPValue::LongInt(8000));
        arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString("".into()));
        arguments.insert("x-dead-letter-routing-key".into(), AMQPValue::LongString("dead".into()));
        declare.arguments = arguments;
    });
    let message = message("dying", &vec![1; BODY_BYTES]);
    (0..MESSAGES).for_each(|_| client.send(&message));
    client.assert_alive();
    // Each letter takes room before its old place is given back, and there is less than all of them need.
    disk.fill(LIMIT * 9 / 10);
    let mut operator = connect(&process);
    let mut lowest = disk.free();
    while operator.count("dead") < MESSAGES as u32 {
        lowest = lowest.min(disk.free());
    }
    println!("{} MB free at the lowest", lowest / MB);
    assert!(lowest > LIMIT / 10, "{} MB were left", lowest / MB);
    assert_eq!(drain(&mut operator, "dead"), MESSAGES);
}

#[test]
fn a_broker_starts_on_a_full_disk_and_can_be_drained() {
    const MESSAGES: usize = 500;
    let Some(disk) = Disk::mount(LIMIT + 200 * MB) else { return };
    let process = disk.start();
    let mut client = connect(&process);
    client.declare("backlog", |declare| declare.durable = true);
    let message = message("backlog", &vec![1; BODY_BYTES]);
    (0..MESSAGES).for_each(|_| client.send(&message));
    client.assert_alive();
    assert_eq!(client.count("backlog"), MESSAGES as u32);
    // It is answered when it is on the disk, and what was published before it is, too.
    client.declare("after", |declare| declare.durable = true);
    process.kill();
    disk.fill(0);
    let process = disk.start();
    assert_eq!(drain(&mut connect(&process), "backlog"), MESSAGES);
    connect(&process).assert_alive();
}
