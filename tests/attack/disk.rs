//! Disks that are too small. Each test mounts one of its own, in memory, which only root may do: for others it says that it was
//! skipped.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, basic, connection};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::get;
use crate::support::process::{Process, coney, failing};
use crate::support::raw::{Publish, Raw, Written};

const MB: u64 = 1_000_000;
/// The broker's limit, unless a test says something else: below it there is an alarm.
const LIMIT: u64 = 200 * MB;
/// That of RabbitMQ, which many have in their files: less than a journal of the engine.
const SMALL_LIMIT: u64 = 50 * MB;
const BODY_BYTES: usize = 50_000;
/// What is published before it is consumed, so that it is on the disk meanwhile.
const PASSED_BYTES: u64 = 5 * MB;

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

    /// Takes back what it was filled with.
    fn empty(&self) {
        std::fs::remove_file(self.dir.path().join("ballast")).unwrap();
    }

    fn start(&self, limit: u64) -> Process {
        Process::run(&mut self.command(limit))
    }

    fn command(&self, limit: u64) -> Command {
        let (limit, mut command) = (limit.to_string(), coney());
        let arguments =
            ["--amqp", "127.0.0.1:0", "--log", "error", "--disk-free-limit", &limit, "--data-dir"];
        command.args(arguments).arg(self.data());
        command
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
    drain_and_publish(LIMIT, 60 * MB, 0);
    drain_and_publish(LIMIT, 120 * MB, 0);
}

#[test]
fn with_a_small_limit_it_is_not_blocked_for_ever_either() {
    drain_and_publish(SMALL_LIMIT, 80 * MB, 0);
    drain_and_publish(SMALL_LIMIT, 120 * MB, 0);
}

/// The engine's newest journal is nearly empty, and nearly full, when the disk gets short.
#[test]
fn however_full_the_newest_journal_is_it_is_not_blocked_for_ever() {
    for bytes in [15 * MB, 45 * MB] {
        drain_and_publish(SMALL_LIMIT, 80 * MB, bytes);
    }
}

/// Nobody paces them, and much is on its way when the disk gets short; on the smallest disk there is no reserve.
#[test]
fn fast_publishers_do_not_end_the_broker() {
    for room in [30 * MB, 80 * MB, 130 * MB] {
        publish_from_many(room, &message("backlog", &vec![1; 2 * BODY_BYTES]));
    }
}

/// What is put out of memory takes room on the same disk.
#[test]
fn fast_publishers_of_transient_messages_do_not_end_the_broker() {
    publish_from_many(
        80 * MB,
        &Publish { key: "backlog", ..Publish::default() }.with_body(&vec![1; 2 * BODY_BYTES]),
    );
}

/// Publishes on several connections until all are blocked, on a disk with so much room beside the limit; drains the broker until
/// they are not, and once more.
fn publish_from_many(room: u64, message: &[u8]) {
    let Some(disk) = Disk::mount(SMALL_LIMIT + room) else { return };
    let process = disk.start(SMALL_LIMIT);
    for round in 0..2 {
        let mut publishers = [0; 3].map(|_| Publisher::new(&process));
        std::thread::scope(|scope| {
            for publisher in &mut publishers {
                scope.spawn(|| publisher.publish_until_blocked(message));
            }
        });
        // The second time it may be blocked by what passed before, and then there is nothing.
        let drained = drain(&mut connect(&process), "backlog");
        assert!(drained > 0 || round > 0);
        publishers.iter_mut().for_each(Publisher::wait_until_unblocked);
    }
}

/// Publishes until it is blocked, on a disk with so much room beside the limit; drains the broker, and waits until it is unblocked.
/// So many bytes pass through the broker before.
fn drain_and_publish(limit: u64, room: u64, passed: u64) {
    let Some(disk) = Disk::mount(limit + room) else { return };
    let process = disk.start(limit);
    let mut publisher = Publisher::new(&process);
    let message = message("backlog", &vec![1; BODY_BYTES]);
    let mut consumer = connect(&process);
    for _ in 0..passed / PASSED_BYTES {
        let messages = PASSED_BYTES as usize / BODY_BYTES;
        (0..messages).for_each(|_| publisher.0.send(&message));
        let mut left = messages;
        while left > 0 {
            left -= drain(&mut consumer, "backlog");
        }
    }
    publisher.publish_until_blocked(&message);
    // It may have been blocked by what passed, and then there is nothing.
    let drained = drain(&mut consumer, "backlog");
    assert!(drained > 0 || passed > 0);
    publisher.wait_until_unblocked();
}

/// Who publishes without a pause, to a durable queue.
struct Publisher(Raw);

impl Publisher {
    fn new(process: &Process) -> Self {
        let mut client = connect(process);
        client.declare("backlog", |declare| declare.durable = true);
        Self(client)
    }

    fn publish_until_blocked(&mut self, message: &[u8]) {
        // It may say both at once: a new journal takes its room before the old one's is given back.
        while self.0.waiting_frames().iter().filter_map(says_blocked).next_back() != Some(true) {
            // A broker that is blocked does not read; what it says of that comes all the same.
            assert!(!matches!(self.0.write(message), Written::Closed), "the broker is gone");
        }
    }

    /// What was on its way when it was blocked may block it again; then it is said again that it is not.
    fn wait_until_unblocked(&mut self) {
        let next = self.0.next();
        assert_eq!(next.as_ref().and_then(says_blocked), Some(false), "{next:?}");
    }
}

#[test]
fn what_expires_does_not_fill_the_disk() {
    const MESSAGES: usize = 3000;
    let Some(disk) = Disk::mount(700 * MB) else { return };
    let process = disk.start(LIMIT);
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
    for limit in [LIMIT, SMALL_LIMIT] {
        let Some(disk) = Disk::mount(limit + 200 * MB) else { return };
        kill_with_backlog(&disk, limit, MESSAGES);
        disk.fill(0);
        let process = disk.start(limit);
        assert_eq!(drain(&mut connect(&process), "backlog"), MESSAGES);
        connect(&process).assert_alive();
    }
}

/// There is nothing that it could write to: it says so before it touches anything, and not a moment after it has started.
#[test]
fn a_start_without_room_is_refused_with_what_it_takes() {
    const MESSAGES: usize = 500;
    let Some(disk) = Disk::mount(SMALL_LIMIT + 200 * MB) else { return };
    kill_with_backlog(&disk, SMALL_LIMIT, MESSAGES);
    std::fs::remove_file(disk.data().join("reserve")).unwrap();
    // What is in the journal has no room in tables.
    for free in [0, 15 * MB] {
        disk.fill(free);
        let (code, said) = failing(&mut disk.command(SMALL_LIMIT));
        assert_eq!(code, 1, "{said}");
        let wanted = [&*disk.data().display().to_string(), "MB free", "a start takes"];
        assert!(wanted.iter().all(|wanted| said.contains(wanted)), "{said}");
        disk.empty();
    }
    let process = disk.start(SMALL_LIMIT);
    assert_eq!(drain(&mut connect(&process), "backlog"), MESSAGES);
}

/// A broker that has so many messages in its journal, and a reserve, and is not closed.
fn kill_with_backlog(disk: &Disk, limit: u64, messages: usize) {
    let process = disk.start(limit);
    let mut client = Publisher::new(&process).0;
    let message = message("backlog", &vec![1; BODY_BYTES]);
    (0..messages).for_each(|_| client.send(&message));
    client.assert_alive();
    assert_eq!(client.count("backlog"), messages as u32);
    // It is answered when it is on the disk, and what was published before it is, too.
    client.declare("after", |declare| declare.durable = true);
    assert!(disk.data().join("reserve").exists());
    process.kill();
}
