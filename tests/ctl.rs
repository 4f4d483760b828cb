//! RabbitMQ's command line tools end to end: the binary, called by their names, against a broker in a process of its own. That they say what
//! RabbitMQ's say is judged by `conformance/tools/ctl`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::process::{Process, coney};

const TOOLS: [&str; 5] =
    ["rabbitmqctl", "rabbitmq-diagnostics", "rabbitmq-plugins", "rabbitmq-queues", "rabbitmq-upgrade"];

/// A directory with links to the binary, and the data of a broker.
struct Place(tempfile::TempDir);

/// What a command printed on both streams, and its exit status.
type Ended = (String, String, i32);

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for tool in TOOLS {
            symlink(env!("CARGO_BIN_EXE_coney"), dir.path().join(tool)).unwrap();
        }
        Self(dir)
    }

    /// With a broker.
    fn start() -> (Self, Process) {
        let place = Self::new();
        let broker = Process::start(&place.data());
        (place, broker)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn data(&self) -> std::path::PathBuf {
        self.path().join("data")
    }

    fn run_with(&self, line: &[&str], input: &str) -> Ended {
        let mut command = Command::new(self.path().join(line[0]));
        command.args(&line[1..]).current_dir(self.path());
        command.env("CONEY_DATA_DIR", self.data());
        command.env("RABBITMQ_ENABLED_PLUGINS_FILE", self.path().join("enabled_plugins"));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that reads nothing may have ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let done = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(done.stdout), text(done.stderr), done.status.code().unwrap())
    }

    fn run(&self, line: &str) -> Ended {
        self.run_with(&words(line), "")
    }

    /// Runs what has to succeed; what it printed.
    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let (printed, said, status) = self.run(line);
        assert_eq!((said.as_str(), status), ("", 0), "{line}");
        printed
    }

    /// Runs what has to fail so.
    #[track_caller]
    fn fails(&self, line: &str, code: i32, word: &str) {
        let (_, said, status) = self.run(line);
        assert_eq!(status, code, "{line}: {said}");
        assert!(said.contains(word), "{line}: {word:?} is not in {said:?}");
    }
}

/// Words, of which one in single quotes may have spaces.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(index, part)| match index % 2 {
        0 => part.split(' ').filter(|word| !word.is_empty()).collect(),
        _ => vec![part],
    });
    words.collect()
}

#[test]
fn users_and_permissions() {
    let (place, _broker) = Place::start();
    let listed = "Listing users ...\nuser\ttags\nguest\t[administrator]\n";
    assert_eq!(place.ok("rabbitmqctl list_users"), listed);
    assert!(place.ok("rabbitmqctl add_user ann secret").starts_with("Adding user \"ann\" ...\nDone."));
    place.fails("rabbitmqctl add_user ann secret", 70, "User \"ann\" already exists");
    assert_eq!(place.run_with(&["rabbitmqctl", "-q", "add_user", "bob"], "hidden\n").2, 0);
    place.ok("rabbitmqctl authenticate_user bob hidden");
    place.fails("rabbitmqctl authenticate_user bob wrong", 65, "failed to authenticate");
    place.ok("rabbitmqctl set_user_tags ann monitoring management");
    place.ok("rabbitmqctl change_password ann other");
    place.ok("rabbitmqctl authenticate_user ann other");
    let users = "[\n{\"user\":\"ann\",\"tags\":[\"monitoring\",\"management\"]}\n,{\"user\":\"bob\",\"tags\":[]}\n\
                 ,{\"user\":\"guest\",\"tags\":[\"administrator\"]}\n]\n";
    assert_eq!(place.ok("rabbitmqctl list_users --formatter json"), users);
    place.ok("rabbitmqctl clear_password ann");
    place.fails("rabbitmqctl authenticate_user ann other", 65, "failed to authenticate");
    place.ok("rabbitmqctl set_permissions -p / ann .* ^a ''");
    assert_eq!(place.ok("rabbitmqctl -s list_user_permissions ann"), "/\t.*\t^a\t\n");
    place.fails("rabbitmqctl set_permissions nobody .* .* .*", 67, "User nobody does not exist");
    place.fails("rabbitmqctl set_permissions -p no ann .* .* .*", 69, "Virtual host no does not exist");
    place.fails("rabbitmqctl list_permissions -p no", 65, "Virtual host 'no' does not exist");
    place.ok("rabbitmqctl clear_permissions ann");
    place.ok("rabbitmqctl delete_user ann");
}

#[test]
fn vhosts_limits_policies_and_parameters() {
    let (place, _broker) = Place::start();
    place.ok("rabbitmqctl add_vhost v --description 'of a test' --tags a,b");
    assert_eq!(place.ok("rabbitmqctl -q list_vhost_limits -p v"), "\n");
    place.ok("rabbitmqctl set_vhost_limits -p v '{\"max-queues\": 5, \"max-connections\": 7}'");
    place.ok("rabbitmqctl set_vhost_limits -p v '{\"max-queues\": 6}'");
    assert_eq!(place.ok("rabbitmqctl -q list_vhost_limits -p v"), "{\"max-queues\":6}\n");
    place.ok("rabbitmqctl trace_on -p v");
    let vhosts = place.ok("rabbitmqctl -s list_vhosts name description tags tracing");
    assert!(vhosts.contains("v\tof a test\t[a, b]\ttrue\n"), "{vhosts}");
    place.ok("rabbitmqctl set_policy -p v p ^q '{\"max-length\": 3}' --priority 2 --apply-to queues");
    let policies = "[\n{\"vhost\":\"v\",\"name\":\"p\",\"pattern\":\"^q\",\"apply-to\":\"queues\",\
                    \"definition\":\"{\\\"max-length\\\":3}\",\"priority\":2}\n]\n";
    assert_eq!(place.ok("rabbitmqctl list_policies -p v --formatter json"), policies);
    place.fails("rabbitmqctl set_policy -p v p ^q nonsense", 69, "Could not parse JSON");
    place.ok("rabbitmqctl clear_policy -p v p");
    place.fails("rabbitmqctl clear_policy -p v p", 69, "Parameter does not exist");
    place.ok("rabbitmqctl set_global_parameter g '{\"a\": 1}'");
    assert!(place.ok("rabbitmqctl -s list_global_parameters").contains("g\t{\"a\":1}\n"));
    place.ok("rabbitmqctl delete_vhost v");
    place.fails("rabbitmqctl delete_vhost v", 65, "Virtual host 'v' does not exist");
}

#[test]
fn queues_and_definitions() {
    let (place, _broker) = Place::start();
    let file = place.path().join("definitions.json");
    let queue = r#"{"queues": [{"name": "q", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {"x-max-length": 9}}]}"#;
    fs::write(&file, queue).unwrap();
    place.ok(&format!("rabbitmqctl import_definitions {}", file.display()));
    let table = "Timeout: 60.0 seconds ...\nListing queues for vhost / ...\nname\tmessages\targuments\n\
                 q\t0\t[{\"x-max-length\",9},{\"x-queue-type\",\"classic\"}]\n";
    assert_eq!(place.ok("rabbitmqctl list_queues name messages arguments"), table);
    let object = "[\n{\"name\":\"q\",\"arguments\":[[\"x-max-length\",\"signedint\",9],[\"x-queue-type\",\"longstr\",\"classic\"]]}\n]\n";
    assert_eq!(place.ok("rabbitmqctl list_queues --formatter=json name,arguments"), object);
    place.fails("rabbitmqctl list_queues nonsense", 64, "Info key(s) nonsense are not supported");
    place.ok("rabbitmqctl purge_queue q");
    assert!(place.ok("rabbitmqctl delete_queue q --if-empty").contains("deleted with 0 ready messages"));
    place.fails("rabbitmqctl delete_queue q", 64, "Queue not found");
    let exported = place.ok("rabbitmqctl export_definitions -");
    assert!(serde_json::from_str::<serde_json::Value>(&exported).unwrap()["users"].is_array());
    let (_, said, status) = place.run_with(&["rabbitmqctl", "import_definitions"], &exported);
    assert_eq!((said.as_str(), status), ("", 0));
}

#[test]
fn checks_and_status() {
    let (place, broker) = Place::start();
    assert_eq!(place.ok("rabbitmq-diagnostics -q ping"), "Ping succeeded\n");
    assert!(place.ok("rabbitmq-diagnostics check_running").contains("is fully booted and running"));
    assert!(
        place.ok("rabbitmq-diagnostics check_port_connectivity").contains("Successfully connected to ports")
    );
    place.ok("rabbitmq-diagnostics check_local_alarms");
    place.ok("rabbitmq-diagnostics check_virtual_hosts");
    let port = broker.address().rsplit(':').next().unwrap().to_owned();
    place.ok(&format!("rabbitmq-diagnostics check_port_listener {port}"));
    place.fails("rabbitmq-diagnostics check_port_listener 1", 69, &port);
    place.fails("rabbitmq-diagnostics check_protocol_listener mqtt", 69, "amqp");
    let status: serde_json::Value =
        serde_json::from_str(&place.ok("rabbitmqctl status --formatter json")).unwrap();
    assert_eq!(status["rabbitmq_version"], coney::config::Config::default().server_version);
    assert!(place.ok("rabbitmqctl status").contains("Runtime\n\nOS PID: "));
    place.ok("rabbitmqctl await_startup");
    place.ok("rabbitmqctl await_online_nodes 1");
    place.ok("rabbitmq-upgrade await_online_quorum_plus_one");
    place.ok("rabbitmq-queues check_if_node_is_quorum_critical");
    place.fails("rabbitmq-upgrade drain", 69, "rabbitmqctl shutdown");
    place.fails("rabbitmqctl eval '1 + 1.'", 64, "no Erlang");
    place.ok("rabbitmqctl eval 'application:set_env(rabbit, collect_statistics_interval, 1000).'");
    place.fails("rabbitmqctl join_cluster rabbit@other", 69, "does not cluster");
    place.fails("rabbitmqctl lst_queues", 64, "Did you mean 'list_queues'?");
    place.fails("rabbitmqctl add_user", 64, "not enough arguments");
    place.fails("rabbitmqctl list_users --nonsense", 64, "Invalid options");
}

/// Until the next look at the machine, a tenth of a second later, an alarm is as it was.
fn until(place: &Place, line: &str, code: i32) {
    let tries_max = 10_000;
    assert!((0..tries_max).any(|_| place.run(line).2 == code), "{line}");
}

#[test]
fn limits_and_the_log_change_while_the_broker_runs() {
    let (place, _broker) = Place::start();
    place.ok("rabbitmqctl set_disk_free_limit 1000000000000000");
    until(&place, "rabbitmq-diagnostics check_alarms", 69);
    place.fails("rabbitmq-diagnostics check_local_alarms", 69, "disk alarm on node");
    place.ok("rabbitmqctl set_disk_free_limit 1MB");
    until(&place, "rabbitmq-diagnostics check_alarms", 0);
    place.ok("rabbitmqctl set_vm_memory_high_watermark 0.5");
    place.ok("rabbitmqctl set_vm_memory_high_watermark absolute 3GB");
    place.fails("rabbitmqctl set_vm_memory_high_watermark 2", 65, "between 0.0 and 1.0");
    place.ok("rabbitmqctl set_log_level debug");
    place.fails("rabbitmqctl set_log_level loud", 69, "Try one of debug");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_listed_and_closed() {
    let (place, broker) = Place::start();
    let uri = broker.uri();
    let connect = || lapin::Connection::connect(&uri, lapin::ConnectionProperties::default());
    let connection = connect().await.unwrap();
    let pid = place.ok("rabbitmqctl -s list_connections pid");
    assert!(!pid.trim().contains(' '), "{pid:?}");
    place.ok(&format!("rabbitmqctl close_connection {} enough", pid.trim()));
    until(&place, "rabbitmqctl close_all_connections --limit 1 reason", 0);
    place.fails("rabbitmqctl close_connection nonsense reason", 69, "list_connections");
    drop(connection);
    let _other = connect().await.unwrap();
    let closed = place.ok("rabbitmqctl -q close_all_connections --vhost / reason");
    assert_eq!(closed, "Closed 1 connections\n");
}

#[test]
fn the_broker_is_stopped() {
    let (place, broker) = Place::start();
    place.ok("rabbitmqctl shutdown");
    assert!(broker.wait().success());
    assert!(!place.data().join("control.sock").exists());
    let again = Process::start(&place.data());
    place.ok("rabbitmqctl stop");
    assert!(again.wait().success());
    place.ok("rabbitmqctl stop --idempotent");
}

#[test]
fn without_a_broker_it_is_said_where_one_was_looked_for() {
    let place = Place::new();
    let (_, said, status) = place.run("rabbitmq-diagnostics -q ping --socket /nowhere/control.sock");
    assert_eq!(status, 69);
    assert!(said.contains("/nowhere/control.sock") && said.contains("not there"), "{said}");
    assert_eq!(place.ok("rabbitmqctl version").lines().count(), 1);
    assert!(place.ok("rabbitmqctl help").contains("list_queues"));
    assert!(place.ok("rabbitmqctl help list_queues").contains("must be one of"));
}

/// A socket that somebody else made may not be opened by others, and a file that is none is told.
#[test]
fn a_socket_that_is_none_is_told() {
    let place = Place::new();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    place.fails(&format!("rabbitmqctl list_users --socket {}", file.display()), 69, "file");
}

#[test]
fn plugins_that_there_are_are_on_and_others_are_noted() {
    let place = Place::new();
    let enable = "rabbitmq-plugins enable --offline rabbitmq_management rabbitmq_shovel";
    let (printed, said, status) = place.run(enable);
    assert_eq!(status, 0, "{said}");
    assert!(said.contains("rabbitmq_shovel is not part of Coney"), "{said}");
    assert!(printed.contains("The following plugins have been enabled:"), "{printed}");
    let written = fs::read_to_string(place.path().join("enabled_plugins")).unwrap();
    assert_eq!(written, "[rabbitmq_management,rabbitmq_shovel].\n");
    place.ok("rabbitmq-plugins is_enabled --offline rabbitmq_shovel");
    place.ok("rabbitmq-plugins disable --offline rabbitmq_shovel");
    place.fails("rabbitmq-plugins is_enabled --offline rabbitmq_shovel", 69, "is not enabled");
    let _broker = Process::run(coney().args(["--amqp", "127.0.0.1:0", "--data-dir"]).arg(place.data()));
    let list = place.ok("rabbitmq-plugins list -E -m");
    assert_eq!(list.lines().skip(1).collect::<Vec<_>>(), ["rabbitmq_management", "rabbitmq_prometheus"]);
    let is_enabled = place.ok("rabbitmq-plugins is_enabled rabbitmq_management");
    assert!(is_enabled.contains("Plugin rabbitmq_management is enabled on node rabbit@"), "{is_enabled}");
    place.fails("rabbitmq-plugins is_enabled rabbitmq_mqtt", 69, "is not enabled");
}

#[cfg(unix)]
#[test]
fn rabbitmq_server_goes_on_in_the_background() {
    let place = Place::new();
    let server = place.path().join("rabbitmq-server");
    symlink(env!("CARGO_BIN_EXE_coney"), &server).unwrap();
    let mut command = Command::new(&server);
    command.args(["-detached", "--amqp", "127.0.0.1:0", "--http", "none", "--metrics", "none", "--data-dir"]);
    assert!(command.arg(place.data()).current_dir(place.path()).status().unwrap().success());
    place.ok("rabbitmqctl await_startup --timeout 30");
    place.ok("rabbitmqctl shutdown");
}
