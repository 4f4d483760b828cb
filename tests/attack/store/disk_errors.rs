//! A disk that gives errors to the real binary: it says which, and ends or goes on; without the errors, nothing confirmed is lost.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::task::JoinSet;

use crate::support::process::{Process, coney, failing};

const QUEUE: &str = "disk errors";
/// Faults that are tried at once; each may block a thread.
const AT_ONCE: usize = 2;
const EIO: i32 = 5;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

/// An error of the disk.
#[derive(Clone, Copy, Debug)]
struct Fault {
    call: &'static str,
    /// Calls that succeed before.
    after: u32,
    errno: i32,
}

/// The library that makes the errors, or why there is none here.
fn shim() -> Result<&'static Path, &'static str> {
    static SHIM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    SHIM.get_or_init(build).as_deref().map_err(String::as_str)
}

fn build() -> Result<PathBuf, String> {
    if cfg!(not(all(target_os = "linux", target_pointer_width = "64"))) {
        return Err("it is for 64-bit Linux".into());
    }
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libdisk_errors.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attack/store/shim/disk_errors.rs.txt");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    let built = command
        .args(["--edition", "2024", "-O", "--crate-name", "disk_errors"])
        .arg(source)
        .arg("-o")
        .arg(&library)
        .output();
    match built {
        Ok(output) if output.status.success() => Ok(library),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("no rustc: {error}")),
    }
}

fn broker(dir: &Path) -> Command {
    let mut command = coney();
    let arguments = ["--amqp", "127.0.0.1:0", "--log", "error", "--queue-memory", "2k", "--data-dir"];
    command.args(arguments).arg(dir);
    command
}

fn broker_with(dir: &Path, fault: Fault, shim: &Path) -> Command {
    let Fault { call, after, errno } = fault;
    let mut command = broker(dir);
    command.env("LD_PRELOAD", shim).env("SHIM_DIR", dir).env("SHIM_CALL", call);
    command
        .env("SHIM_AFTER", after.to_string())
        .env("SHIM_ERRNO", errno.to_string())
        .env("SHIM_FOREVER", "1");
    command
}

async fn channel_to(process: &Process) -> Option<Channel> {
    let connection = Connection::connect(&process.uri(), ConnectionProperties::default()).await.ok()?;
    let channel = connection.create_channel().await.ok()?;
    channel.confirm_select(ConfirmSelectOptions::default()).await.ok()?;
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(QUEUE.into(), options, FieldTable::default()).await.ok()?;
    Some(channel)
}

/// Publishes until something goes wrong, or `count` are confirmed; what was confirmed.
async fn publish(channel: &Channel, ids: std::ops::Range<u64>, confirmed: &mut HashSet<u64>) {
    let properties = BasicProperties::default().with_delivery_mode(2);
    for id in ids {
        let body = [&id.to_be_bytes()[..], &[7; 2000]].concat();
        let options = BasicPublishOptions::default();
        let sent = channel.basic_publish("".into(), QUEUE.into(), options, &body, properties.clone()).await;
        let Ok(confirm) = sent else { return };
        match confirm.await {
            Ok(confirmation) if confirmation.is_ack() => drop(confirmed.insert(id)),
            _ => return,
        }
    }
}

async fn drain(process: &Process) -> HashSet<u64> {
    let channel = channel_to(process).await.unwrap();
    let mut found = HashSet::new();
    let options = BasicGetOptions { no_ack: false };
    while let Some(got) = channel.basic_get(QUEUE.into(), options).await.unwrap() {
        found.insert(u64::from_be_bytes(got.data[..8].try_into().unwrap()));
    }
    found
}

/// Runs a broker on a disk that fails, and then on one that does not.
async fn survive(fault: Fault, shim: &'static Path) {
    let dir = tempfile::tempdir().unwrap();
    let mut confirmed = HashSet::new();
    let process = Process::run(&mut broker(dir.path()));
    publish(&channel_to(&process).await.unwrap(), 0..20, &mut confirmed).await;
    assert_eq!(confirmed.len(), 20);
    assert!(process.signal("TERM").success());

    let log = tempfile::NamedTempFile::new().unwrap();
    let stderr = log.reopen().unwrap();
    let said = || std::fs::read_to_string(log.path()).unwrap();
    let mut command = broker_with(dir.path(), fault, shim);
    if let Some(process) = Process::try_run(command.stderr(Stdio::from(stderr))) {
        if let Some(channel) = channel_to(&process).await {
            publish(&channel, 100..200, &mut confirmed).await;
        }
        if confirmed.len() < 120 {
            let status = process.wait();
            assert!(!status.success(), "{fault:?}: it must not end as if all were well");
            assert!(said().contains(&format!("os error {}", fault.errno)), "{fault:?}: {}", said());
            assert!(!said().contains("damaged"), "{fault:?} is no damage: {}", said());
        } else {
            let _ = process.signal("TERM");
        }
    } else {
        assert!(said().contains(&format!("os error {}", fault.errno)), "{fault:?}: {}", said());
        assert!(!said().contains("damaged"), "{fault:?} is no damage: {}", said());
    }
    let process = Process::run(&mut broker(dir.path()));
    let found = drain(&process).await;
    let lost: Vec<_> = confirmed.difference(&found).collect();
    assert!(lost.is_empty(), "{fault:?}: {lost:?} of {}", confirmed.len());
}

/// Each on a disk of its own; some at once, as most of their time they wait.
async fn survive_all(faults: impl IntoIterator<Item = Fault>) {
    let shim = match shim() {
        Ok(shim) => shim,
        Err(why) => return println!("skipped: the library that makes errors cannot be built: {why}"),
    };
    let mut running = JoinSet::new();
    for fault in faults {
        if running.len() == AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(survive(fault, shim));
    }
    while let Some(survived) = running.join_next().await {
        survived.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_confirmed_is_lost_by_errors_of_the_disk() {
    survive_all([
        Fault { call: "write", after: 12, errno: ENOSPC },
        Fault { call: "write", after: 60, errno: EIO },
        Fault { call: "fdatasync", after: 0, errno: EIO },
        Fault { call: "fdatasync", after: 30, errno: EIO },
        Fault { call: "fsync", after: 1, errno: ENOSPC },
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes minutes"]
async fn nothing_confirmed_is_lost_by_any_error_of_the_disk() {
    let calls = ["write", "fdatasync", "fsync", "ftruncate"];
    let faults = calls.into_iter().flat_map(|call| {
        (0..20)
            .flat_map(move |step| [EIO, ENOSPC].map(move |errno| Fault { call, after: step * step, errno }))
    });
    survive_all(faults).await;
}

/// Reads that fail at a start are told as what they are.
#[test]
fn a_disk_that_cannot_be_read_is_named_and_not_called_damaged() {
    let Ok(shim) = shim() else { return println!("skipped: there is no library that makes errors") };
    let dir = tempfile::tempdir().unwrap();
    drop(Process::run(&mut broker(dir.path())));
    let fault = Fault { call: "write", after: 0, errno: EMFILE };
    let (code, said) = failing(&mut broker_with(dir.path(), fault, shim));
    assert!(code == 1 && said.contains("os error 24") && said.contains("ulimit"), "{said}");
}
