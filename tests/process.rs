//! The binary as its user meets it: start, refusals, stop.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};

use crate::support::process::{Process, coney, failing};

/// One line that names what is wrong, no start-up line, a status that is not 0.
fn assert_refused(arguments: &[&str], code: i32, words: &[&str]) {
    let (status, said) = failing(coney().args(arguments));
    assert_eq!(status, code, "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "not one line: {said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

#[test]
fn a_busy_port_is_refused_and_nothing_touched() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let arguments = ["--amqp", &address, "--data-dir", data.to_str().unwrap()];
    assert_refused(
        &arguments,
        1,
        &[
            "coney: cannot listen on",
            &address,
            "in use",
            "is RabbitMQ or another broker running?",
            "--amqp 127.0.0.1:",
        ],
    );
    assert!(!data.exists());
}

#[test]
fn a_locked_data_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let first = Process::start(dir.path());
    let name = dir.path().to_str().unwrap();
    assert_refused(&["--amqp", "127.0.0.1:0", "--data-dir", name], 1, &[name, "in use by another process"]);
    drop(first);
}

/// Permissions of a directory and of all in it, with their paths.
#[cfg(unix)]
fn modes(path: &std::path::Path) -> Vec<(String, u32)> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = fs::symlink_metadata(path).unwrap();
    let mut modes = vec![(path.display().to_string(), metadata.permissions().mode() & 0o777)];
    if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            modes.extend(self::modes(&entry.unwrap().path()));
        }
    }
    modes
}

#[cfg(unix)]
#[test]
fn the_data_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(Process::start(&data));
    // As an older version left it.
    for (path, _) in modes(&data) {
        let mode = if fs::metadata(&path).unwrap().is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let running = Process::start(&data);
    let open: Vec<_> = modes(&data).into_iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
    assert!(open.is_empty(), "others can get at {open:?}");
    drop(running);
}

#[cfg(unix)]
#[test]
fn a_link_in_the_data_directory_leads_to_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let (data, victim) = (dir.path().join("data"), dir.path().join("victim"));
    fs::create_dir(&data).unwrap();
    fs::write(&victim, "precious").unwrap();
    std::os::unix::fs::symlink(&victim, data.join("write-probe")).unwrap();
    drop(Process::start(&data));
    std::os::unix::fs::symlink(&victim, data.join("moved")).unwrap();
    fs::remove_file(data.join("lock")).unwrap();
    fs::rename(data.join("moved"), data.join("lock")).unwrap();
    let name = data.to_str().unwrap();
    assert_refused(&["--amqp", "127.0.0.1:0", "--data-dir", name], 1, &["lock", "symbolic link"]);
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

#[test]
fn a_data_directory_that_is_a_file_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "a file is no place for a directory").unwrap();
    for data in [file.clone(), file.join("data"), file.join("deep/data")] {
        let name = data.to_str().unwrap();
        let words = [name, &format!("{} is a file", file.display()), "--data-dir"];
        assert_refused(&["--amqp", "127.0.0.1:0", "--data-dir", name], 1, &words);
    }
    assert_eq!(fs::read(&file).unwrap(), b"a file is no place for a directory");
}

/// Skipped where permissions do not bind, as for the superuser.
#[cfg(unix)]
#[test]
fn a_data_directory_of_somebody_elses_is_refused_by_name() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(dir.path().join("probe"), "").is_ok() {
        return;
    }
    let name = dir.path().to_str().unwrap();
    let words =
        [&format!("data directory {name} cannot be written"), "the user who runs the broker", "--data-dir"];
    assert_refused(&["--amqp", "127.0.0.1:0", "--data-dir", name], 1, &words);
}

/// As an older or newer version would have left it.
#[test]
fn a_data_directory_of_another_format_is_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert!(Process::start(&data).signal("TERM").success());
    fs::write(data.join("version"), b"FJL\x02").unwrap();
    let name = data.to_str().unwrap();
    let words = [name, "format", "start the version that wrote it", "--data-dir"];
    assert_refused(&["--amqp", "127.0.0.1:0", "--data-dir", name], 1, &words);
}

#[test]
fn an_unknown_key_in_the_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("coney.toml");
    fs::write(&file, "heartbeat = 10\nhartbeat = 20\n").unwrap();
    assert_refused(&["--config", file.to_str().unwrap()], 1, &["hartbeat", "coney.toml:2"]);
}

#[test]
fn flags_win_over_variables_and_variables_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("coney.toml");
    fs::write(&file, "amqp = [\"127.0.0.1:1\"]\nephemeral = true\n").unwrap();
    let started = Process::run(coney().arg("--config").arg(&file).env("CONEY_AMQP", "127.0.0.1:0"));
    assert_ne!(started.address(), "127.0.0.1:1");
    let flag = ["--amqp", "127.0.0.1:0"];
    let started =
        Process::run(coney().args(flag).arg("--config").arg(&file).env("CONEY_AMQP", "127.0.0.1:2"));
    assert_ne!(started.address(), "127.0.0.1:2");
}

#[test]
fn help_names_every_setting() {
    let help = coney().args(["broker", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for name in
        ["--amqp", "--data-dir", "--ephemeral", "--default-user", "--max-message-size", "CONEY_HEARTBEAT"]
    {
        assert!(help.contains(name), "{name}");
    }
}

#[tokio::test]
async fn rabbitmqs_variables_set_the_default_user() {
    let mut command = coney();
    command.args(["--amqp", "127.0.0.1:0", "--ephemeral", "--log", "warn"]);
    command
        .env("RABBITMQ_DEFAULT_USER", "ann")
        .env("RABBITMQ_DEFAULT_PASS", "secret")
        .env("RABBITMQ_DEFAULT_VHOST", "v");
    let process = Process::run(&mut command);
    let uri = |user: &str| format!("amqp://{user}:secret@{}/v", process.address());
    assert!(Connection::connect(&uri("ann"), ConnectionProperties::default()).await.is_ok());
    assert!(Connection::connect(&uri("guest"), ConnectionProperties::default()).await.is_err());
}

/// The limit is the promise: 5 s.
#[expect(clippy::disallowed_methods, reason = "measures a real process")]
async fn stops_gracefully(signal: &str) {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    let connection = Connection::connect(&process.uri(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("stop".into(), durable, FieldTable::default()).await.unwrap();
    let persistent = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    let confirm =
        channel.basic_publish("".into(), "stop".into(), options, b"kept", persistent).await.unwrap();
    assert!(confirm.await.unwrap().is_ack());
    let asked = Instant::now();
    let signal = signal.to_owned();
    let status = tokio::task::spawn_blocking(move || process.signal(&signal)).await.unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5));
    assert!(status.success(), "{status}");
    let process = Process::start(dir.path());
    let connection = Connection::connect(&process.uri(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = channel.queue_declare("stop".into(), durable, FieldTable::default()).await.unwrap();
    assert_eq!(queue.message_count(), 1);
}

#[tokio::test]
async fn sigterm_stops_gracefully() {
    stops_gracefully("TERM").await;
}

#[tokio::test]
async fn sigint_stops_gracefully() {
    stops_gracefully("INT").await;
}

#[cfg(target_os = "linux")]
#[test]
fn a_service_manager_is_told_when_clients_can_connect_and_when_it_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let heard = || {
        let mut room = [0; 256];
        let count = manager.recv(&mut room).unwrap();
        String::from_utf8_lossy(&room[..count]).trim().to_owned()
    };
    let started =
        Process::run(coney().args(["--ephemeral", "--amqp", "127.0.0.1:0"]).env("NOTIFY_SOCKET", &path));
    assert_eq!(heard(), "READY=1");
    std::net::TcpStream::connect(started.address()).unwrap();
    assert!(started.signal("TERM").success());
    assert_eq!(heard(), "STOPPING=1");
}

/// What scripts and test containers wait for, with all addresses bound by then.
#[test]
fn it_says_what_rabbitmq_says_when_it_has_started() {
    let mut command = coney();
    command.args(["--amqp", "127.0.0.1:0,127.0.0.1:0", "--ephemeral", "--log", "warn"]);
    let process = Process::run(&mut command);
    let lines: Vec<&str> = process.started().iter().map(String::as_str).collect();
    let (node, rest) = lines.split_first().unwrap();
    assert!(node.starts_with("  node           : rabbit@"), "{node}");
    let [files, first, second, complete, completed, ours] = rest else { panic!("{rest:?}") };
    assert_eq!(*files, "  config file(s) : (none)");
    for (line, address) in
        [(first, 0), (second, 1)].map(|(line, at)| (line, ours.split("amqp://").nth(at + 1).unwrap()))
    {
        let address = line.strip_prefix("started TCP listener on ").map(|on| address.starts_with(on));
        assert_eq!(address, Some(true), "{line}");
    }
    if cfg!(feature = "management") {
        assert_eq!(*complete, "Server startup complete; 4 plugins started.");
        assert_eq!(*completed, " completed with 4 plugins.");
    }
    assert!(ours.ends_with("; data in memory"), "{ours}");
}

/// An export of one vhost has no vhosts in it; one of 3.10 has policies that name theirs.
#[tokio::test]
async fn an_export_of_one_vhost_goes_into_the_default_vhost() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("3.10.json"), dir.path().join("4.0.json"));
    fs::write(
        &old,
        r#"{"rabbit_version":"3.10.8","parameters":[],"policies":[{"vhost":"shop","name":"p1","pattern":"x","apply-to":"all",
            "definition":{"max-length":3},"priority":0}],"queues":[{"name":"q1","durable":true,"auto_delete":false,"arguments":{}}],
            "exchanges":[],"bindings":[]}"#,
    )
    .unwrap();
    fs::write(
        &new,
        r#"{"rabbit_version":"4.0.5","rabbitmq_definition_format":"single_virtual_host","original_vhost_name":"shop",
            "queues":[{"name":"q1","durable":true,"auto_delete":false,"arguments":{}}]}"#,
    )
    .unwrap();
    for file in [old, new] {
        let mut command = coney();
        command.args(["--amqp", "127.0.0.1:0", "--ephemeral", "--log", "warn", "--definitions"]).arg(&file);
        let process = Process::run(&mut command);
        let connection = Connection::connect(&process.uri(), ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare("q1".into(), passive, FieldTable::default()).await.unwrap();
    }
}

/// A terminal and a supervisor may both send a signal.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "measures a real process")]
#[test]
fn a_stop_waits_neither_for_an_idle_client_nor_is_it_broken_off_by_the_same_signal_again() {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::start(dir.path());
    // It opens a connection and then looks at nothing any more.
    let address = process.address().parse().unwrap();
    let idle = crate::support::raw::Raw::with_channel(address);
    process.send("TERM");
    process.send("TERM");
    let asked = Instant::now();
    assert!(process.wait().success());
    assert!(asked.elapsed() < Duration::from_millis(2500), "{:?}", asked.elapsed());
    drop(idle);
}
