//! The native commands, by the binary, against a broker in a process of its own.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::http::Http;
use crate::support::process::{Process, coney};

/// A broker with its directory, by whose control socket it is found.
struct Shell {
    dir: tempfile::TempDir,
    process: Process,
    http: Http,
}

impl Shell {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let arguments = ["--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log", "error", "--data-dir"];
        let process = Process::run(coney().env_remove("CONEY_HTTP").args(arguments).arg(dir.path()));
        let http = Http::new(process.http().parse().unwrap());
        Self { dir, process, http }
    }

    fn command(&self, line: &[&str]) -> Command {
        let mut command = coney();
        command.args(line).env("CONEY_DATA_DIR", self.dir.path()).stdin(Stdio::null());
        command
    }

    /// What it says; it has to succeed.
    fn run(&self, line: &[&str]) -> String {
        let output = self.command(line).output().unwrap();
        assert!(output.status.success(), "{line:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, line: &[&str]) -> Value {
        serde_json::from_str(&self.run(line)).unwrap()
    }

    /// How it fails, and what it says.
    fn fails(&self, line: &[&str]) -> (i32, String) {
        failure(&self.command(line).output().unwrap())
    }

    fn with_input(&self, line: &[&str], input: &str) -> String {
        let mut child = self.command(line).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{line:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn payloads(&self, queue: &str) -> Vec<String> {
        let lines = self.run(&["peek", queue, "--format", "raw", "--count", "1000"]);
        lines.lines().filter(|line| !line.starts_with("no ready")).map(str::to_owned).collect()
    }

    fn until_ready(&self, queue: &str, count: u64) {
        while self.http.json(&format!("/api/queues/%2F/{queue}"))["messages_ready"] != count {}
    }
}

fn failure(output: &Output) -> (i32, String) {
    assert!(!output.status.success(), "{output:?}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn what_is_published_is_seen_consumed_and_acked() {
    let shell = Shell::start();
    assert_eq!(shell.run(&["declare", "q"]), "queue q is made\n");
    assert_eq!(shell.run(&["declare", "q"]), "queue q is there already\n");
    assert_eq!(
        shell.run(&["publish", "q", "one", "--header", "n:=1"]),
        "1 message published and confirmed\n"
    );
    assert_eq!(
        shell.with_input(&["publish", "q", "--lines", "-", "--json"], "two\nthree\n"),
        "{\"published\":2}\n"
    );
    let peeked = shell.run(&["peek", "q"]);
    assert!(peeked.contains("delivery_mode: 2") && peeked.contains("    n: 1\n  one\n"), "{peeked}");
    let first: Value = serde_json::from_str(shell.run(&["peek", "q", "--json", "-n", "1"]).trim()).unwrap();
    let position = first["id"].to_string();
    assert_eq!(shell.run(&["peek", "q", &position, "--format", "raw"]), "one\n");
    assert!(shell.fails(&["peek", "q", "999999"]).1.contains("#999999"));
    let queues = shell.json(&["queues", "q", "--json"]);
    assert_eq!([&queues[0]["ready"], &queues[0]["consumers"]], [3, 0]);
    assert!(shell.run(&["queues"]).contains("no consumer"));
    assert_eq!(shell.run(&["consume", "q", "-n", "2", "--requeue", "--format", "raw"]), "one\ntwo\n");
    shell.until_ready("q", 3);
    assert_eq!(shell.run(&["consume", "q", "--count", "2", "--format", "raw"]), "one\ntwo\n");
    assert_eq!(shell.run(&["consume", "q", "--wait", "10ms", "--format", "raw"]), "three\n");
    let (code, said) = shell.fails(&["get", "q"]);
    assert!(code == 1 && said.contains("no ready message"), "{said}");
    assert_eq!(shell.http.json("/api/queues/%2F/q")["messages"], 0);
    assert_eq!(shell.run(&["delete", "q", "--if-empty"]), "queue q is deleted\n");
}

#[test]
fn a_message_that_reaches_no_queue_is_an_error() {
    let shell = Shell::start();
    let (code, said) = shell.fails(&["publish", "none", "x"]);
    assert!(code == 1 && said.contains("coney declare none"), "{said}");
    let (code, said) = shell.fails(&["publish", "-x", "amq.topic", "a.b", "x"]);
    assert!(code == 1 && said.contains("list_bindings"), "{said}");
    let (code, said) = shell.fails(&["publish", "-x", "nope", "a.b", "x"]);
    assert!(code == 1 && said.contains("exchange nope") && said.contains("list_exchanges"), "{said}");
    assert_eq!(shell.fails(&["publish", "q", "x", "--property", "nope=1"]).0, 2);
    shell.run(&["declare", "full", "-a", "x-max-length:=1", "-a", "x-overflow=reject-publish"]);
    let (code, said) = shell.fails(&["publish", "full", "x", "--count", "5"]);
    assert!(code == 1 && said.contains("after 1 message"), "{said}");
}

#[test]
fn commands_deal_with_messages_at_least_once() {
    let shell = Shell::start();
    shell.run(&[
        "declare",
        "q",
        "-a",
        "x-delivery-limit:=1",
        "-a",
        "x-dead-letter-exchange=",
        "-a",
        "x-dead-letter-routing-key=dead",
    ]);
    shell.run(&["declare", "dead"]);
    let file = shell.dir.path().join("handled");
    for body in ["good", "bad"] {
        shell.run(&["publish", "q", body, "--property", "message_id=m"]);
    }
    let script = format!("cat > /dev/null; echo $CONEY_MESSAGE_ID >> {}", file.display());
    shell.run(&["consume", "q", "-n", "1", "--exec", &script]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "m\n");
    let output = shell.command(&["consume", "q", "--wait", "1s", "--exec", "exit 3"]).output().unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("failed for message #"), "{output:?}");
    shell.until_ready("dead", 1);
    assert_eq!(shell.payloads("dead"), ["bad"], "after as many attempts as the queue allows");
    let dry = shell.run(&["replay", "dead", "--dry-run"]);
    assert!(dry.starts_with("1 message would be replayed"), "{dry}");
    assert!(shell.run(&["replay", "dead", "--filter", "reason=expired"]).starts_with("0 messages replayed"));
    assert!(shell.run(&["replay", "dead"]).starts_with("1 message replayed"));
    assert_eq!(shell.payloads("q"), ["bad"]);
}

/// Whoever is killed while it has messages loses none.
#[test]
fn a_consumer_that_is_killed_gives_back_what_it_had() {
    let shell = Shell::start();
    shell.run(&["declare", "q"]);
    shell.run(&["publish", "q", "x"]);
    // What it runs outlives it, and ends with the directory.
    let directory = tempfile::tempdir().unwrap();
    let script = format!("while test -d {}; do sleep 0.05; done", directory.path().display());
    let mut consumer = shell
        .command(&["consume", "q", "--exec", &script])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while shell.http.json("/api/queues/%2F/q")["messages_unacknowledged"] != 1 {}
    consumer.kill().unwrap();
    consumer.wait().unwrap();
    shell.until_ready("q", 1);
    let seen = shell.json(&["get", "q", "--json"]);
    assert_eq!((&seen["payload"], &seen["redelivered"]), (&json!("x"), &json!(true)));
    // A reader that goes takes nothing along.
    shell.run(&["publish", "q", "y", "--count", "50"]);
    let mut consumer = shell.command(&["consume", "q", "-n", "50"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(consumer.stdout.take());
    assert!(consumer.wait().unwrap().success());
    shell.until_ready("q", 50);
}

#[test]
fn messages_are_moved_copied_purged_saved_and_loaded() {
    let shell = Shell::start();
    for queue in ["a", "b"] {
        shell.run(&["declare", queue]);
    }
    for (body, tenant) in [("1", "x"), ("2", "y"), ("3", "x")] {
        shell.run(&["publish", "a", body, "-q", "-H", &format!("tenant={tenant}")]);
    }
    let moved = shell.run(&["move", "a", "b", "--filter", "header.tenant=x"]);
    assert_eq!(moved, "2 messages moved (3 looked at)\n");
    assert_eq!(
        (shell.payloads("a"), shell.payloads("b")),
        (vec!["2".to_owned()], vec!["1".to_owned(), "3".to_owned()])
    );
    assert_eq!(shell.json(&["copy", "b", "a", "--limit", "1", "--json"])["done"], 1);
    let (_, said) = shell.fails(&["move", "a", "none"]);
    assert!(said.contains("coney queues"), "{said}");
    assert_eq!(shell.fails(&["move", "a"]).0, 2, "to where?");
    let purged = shell.run(&["purge", "b"]);
    assert!(purged.starts_with("2 messages purged from b; within 1m 0s `coney undo "), "{purged}");
    let id: String = purged.split("undo ").nth(1).unwrap().chars().take_while(char::is_ascii_digit).collect();
    assert_eq!(shell.run(&["undo", &id]), "the messages are back\n");
    shell.until_ready("b", 2);
    assert!(shell.fails(&["undo", &id]).1.contains("undone already"));
    let file = shell.dir.path().join("b.ndjson");
    let path = file.to_str().unwrap();
    assert!(shell.run(&["save", "b", path]).starts_with("2 messages saved to "));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), shell.run(&["save", "b"]));
    assert_eq!(shell.run(&["load", "a", path]), "2 messages loaded into a\n");
    assert_eq!(shell.payloads("a"), ["2", "1", "1", "3"]);
    assert!(shell.fails(&["load", "none", path]).1.contains("coney declare none"));
    assert!(shell.fails(&["load", "a", "/nowhere"]).1.contains("/nowhere"));
}

#[test]
fn definitions_go_out_and_in() {
    let (one, other) = (Shell::start(), Shell::start());
    one.run(&["declare", "jobs", "--type", "quorum", "--bind", "amq.topic:jobs.*"]);
    let file = one.dir.path().join("definitions.json");
    one.run(&["export", file.to_str().unwrap()]);
    assert_eq!(other.run(&["import", file.to_str().unwrap()]), "imported\n");
    let queue = other.http.json("/api/queues/%2F/jobs");
    assert_eq!((&queue["type"], &queue["durable"]), (&json!("quorum"), &json!(true)));
    other.run(&["publish", "-x", "amq.topic", "jobs.a", "x"]);
    assert!(other.with_input(&["import", "-"], "{}") == "imported\n");
    let (code, said) = other.fails(&["import", "/nowhere"]);
    assert!(code == 1 && said.contains("/nowhere"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "password hashes are in it");
    }
}

#[test]
fn how_it_is_is_shown() {
    let shell = Shell::start();
    let status = shell.run(&["status"]);
    for line in ["broker      Coney", "alarms      none", "memory  ", "objects     0 queues"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    assert!(shell.json(&["status", "--json"])["node"]["mem_used"].is_u64());
    assert_eq!(shell.run(&["connections"]), "no connections\n");
    assert!(shell.run(&["events"]).contains(" ready, "));
    assert_eq!(shell.run(&["queues"]), "no queues\n");
    for queue in ["orders", "orders.dead", "jobs"] {
        shell.run(&["declare", queue]);
    }
    let frame = shell.run(&["top", "--once", "--filter", "orders*", "--sort", "name"]);
    let names: Vec<&str> = frame.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.windows(2).any(|pair| pair == ["orders", "orders.dead"]), "{frame}");
    assert!(frame.contains("2 of 3 queues") && !frame.contains('\x1b'), "{frame}");
    assert!(frame.lines().all(|line| line.chars().count() <= 80), "{frame}");
}

#[test]
fn the_broker_is_found_or_it_is_told_what_was_tried() {
    let shell = Shell::start();
    let url = format!("http://guest:guest@{}", shell.process.http());
    let by_url = |url: &str| coney().args(["queues", "--json", "--url", url]).output().unwrap();
    assert_eq!(by_url(&url).stdout, b"[]\n");
    let (code, said) = failure(&by_url(&url.replace("guest:guest", "guest:wrong")));
    assert!(code == 1 && said.contains("-u USER -p PASSWORD"), "{said}");
    let (code, said) = failure(&by_url("amqp://localhost:5672"));
    assert!(code == 2 && said.contains("management API"), "{said}");
    let nowhere = Path::new("/nowhere/control.sock");
    let (code, said) = failure(&coney().arg("status").arg("--socket").arg(nowhere).output().unwrap());
    assert!(code == 69 && said.contains("/nowhere/control.sock"), "{said}");
    let socket = shell.dir.path().join("control.sock");
    let found = coney().arg("status").arg("--socket").arg(socket).output().unwrap();
    assert!(found.status.success(), "{found:?}");
}

#[test]
fn help_shells_and_manuals_know_the_commands() {
    let said = |line: &[&str]| {
        let output = coney().args(line).output().unwrap();
        assert!(output.status.success(), "{line:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let face = said(&["--help"]);
    assert!(face.contains("coney publish orders") && !face.contains("--max-message-size"), "{face}");
    assert!(said(&["consume", "--help"]).contains("--requeue"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&["completions", shell]).contains("replay"), "{shell}");
    }
    let dir = tempfile::tempdir().unwrap();
    said(&["man", dir.path().to_str().unwrap()]);
    let page = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert!(page("coney.1").contains("data\\-dir") && page("coney-consume.1").contains("requeue"));
}

/// On a terminal it draws, takes keys, and leaves all as it was.
#[test]
#[cfg(target_os = "linux")]
fn top_is_left_as_a_terminal_was_found() {
    use std::io::Read as _;
    use std::os::fd::OwnedFd;

    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

    let shell = Shell::start();
    shell.run(&["declare", "orders"]);
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave: OwnedFd = ioctl_tiocgptpeer(&master, flags).unwrap();
    tcsetwinsize(&slave, Winsize { ws_row: 10, ws_col: 70, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let is_cooked = || tcgetattr(&slave).unwrap().local_modes.contains(LocalModes::ICANON | LocalModes::ECHO);
    assert!(is_cooked());
    let ends = || Stdio::from(slave.try_clone().unwrap());
    let mut top = shell.command(&["top", "--interval", "50ms"]).stdin(ends()).stdout(ends()).spawn().unwrap();
    let mut reader = std::fs::File::from(master);
    let mut keyboard = reader.try_clone().unwrap();
    let mut seen = String::new();
    let mut until = |wanted: &str| {
        let mut bytes = [0; 4096];
        while !seen.contains(wanted) {
            let count = reader.read(&mut bytes).unwrap();
            seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        std::mem::take(&mut seen)
    };
    let first = until("1 of 1 queue");
    assert!(first.contains("\x1b[?1049h") && first.contains("orders"), "{first:?}");
    assert!(!is_cooked());
    keyboard.write_all(b"/zzz\r").unwrap();
    until("0 of 1 queue like zzz");
    keyboard.write_all(b"\x1b").unwrap();
    until("1 of 1 queue");
    shell.run(&["declare", "more"]);
    until("2 of 2 queues");
    keyboard.write_all(b"q").unwrap();
    until("\x1b[?1049l");
    assert!(top.wait().unwrap().success());
    assert!(is_cooked());
}
