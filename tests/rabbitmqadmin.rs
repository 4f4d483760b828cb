//! `rabbitmqadmin` end to end: the binary, called by that name, against a broker. That it says what RabbitMQ's program says is judged by
//! `conformance/tools/rabbitmqadmin`.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use coney::{Broker, BrokerHandle};

/// A broker, and a link to the binary.
struct Admin {
    broker: BrokerHandle,
    dir: tempfile::TempDir,
}

/// What a command printed on both streams, and its exit status.
type Ended = (String, String, i32);

impl Admin {
    async fn start() -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        Self::of(Broker::builder().ephemeral().listen(any).http(any).start().await.unwrap())
    }

    fn of(broker: BrokerHandle) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_coney"), dir.path().join("rabbitmqadmin")).unwrap();
        Self { broker, dir }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs it against the broker.
    fn run(&self, line: &[&str]) -> Ended {
        let port = self.broker.http_addresses()[0].port().to_string();
        self.run_anywhere(&[&["-H", "127.0.0.1", "-P", &port], line].concat(), "")
    }

    fn run_anywhere(&self, line: &[&str], input: &str) -> Ended {
        let mut command = Command::new(self.path().join("rabbitmqadmin"));
        command
            .args(line)
            .env("HOME", self.path())
            .env("CONEY_CONTROL_SOCKET", "none")
            .current_dir(self.path());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let done = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(done.stdout), text(done.stderr), done.status.code().unwrap())
    }

    /// Runs what has to succeed; what it printed.
    #[track_caller]
    fn ok(&self, line: &str) -> String {
        let (printed, said, status) = self.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!((said.as_str(), status), ("", 0), "{line}");
        printed
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_programs_lines_are_understood() {
    let admin = Admin::start().await;
    assert_eq!(
        admin.ok("declare queue name=q durable=true arguments={\"x-max-length\":5}"),
        "queue declared\n"
    );
    assert_eq!(admin.ok("-q declare exchange name=x type=fanout"), "");
    assert_eq!(admin.ok("declare binding source=x destination=q"), "binding declared\n");
    assert_eq!(admin.ok("publish exchange=x routing_key= payload=hello"), "Message published\n");
    let table = "+------+----------+\n| name | messages |\n+------+----------+\n| q    | 1        |\n+------+----------+\n";
    assert_eq!(admin.ok("list queues"), table);
    assert_eq!(
        admin.ok("-f kvp list queues name arguments.x-max-length"),
        "name=\"q\" arguments.x-max-length=\"5\"\n"
    );
    assert_eq!(admin.ok("get queue=q ackmode=ack_requeue_false payload_file=payload -f bash"), "");
    assert_eq!(fs::read_to_string(admin.path().join("payload")).unwrap(), "hello");
    admin.ok("export definitions.json");
    assert_eq!(admin.ok("delete queue name=q"), "queue deleted\n");
    admin.ok("import definitions.json");
    assert_eq!(admin.ok("-f tsv list queues"), "name\tmessages\nq\t0\n");
    admin.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_programs_lines_are_understood() {
    let admin = Admin::start().await;
    assert_eq!(admin.ok("queues declare --name q --type quorum --arguments {\"x-max-length\":5}"), "");
    assert_eq!(admin.ok("exchanges declare --name x --type topic"), "");
    assert_eq!(
        admin.ok("declare binding --source x --destination-type queue --destination q --routing-key a.#"),
        ""
    );
    let published = admin.ok("publish message --exchange x --routing-key a.b --payload hello");
    assert_eq!(published, "Message published and routed successfully\n");
    let table = "╭──────┬────────────┬───────────────╮\n│ name │ queue_type │ message_count │\n├──────┼────────────┼───────────────┤\n\
                 │ q    │ quorum     │ 1             │\n╰──────┴────────────┴───────────────╯\n";
    assert_eq!(admin.ok("queues list --columns name,queue_type,message_count"), table);
    assert_eq!(
        admin.ok("--non-interactive get messages --queue q --columns payload,exchange"),
        "hello  x \n"
    );
    admin.ok("users declare --name u --password p --tags monitoring");
    admin.ok("permissions declare --username u --configure .* --read .* --write .*");
    assert_eq!(
        admin.ok("--non-interactive users permissions --columns user,vhost"),
        "guest  / \nu      / \n"
    );
    assert_eq!(admin.ok("health_check local_alarms"), "health check passed\n");
    admin.ok("definitions export --file definitions.json");
    admin.ok("bindings delete --source x --destination-type queue --destination q --routing-key a.#");
    admin.ok("delete queue --name q");
    admin.ok("definitions import --file definitions.json");
    let bindings = admin.ok("--non-interactive bindings list --columns source,destination,routing_key");
    assert_eq!(bindings, "   q  q   \nx  q  a.# \n");
    admin.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_said_with_the_rust_programs_status() {
    let admin = Admin::start().await;
    let ended = |line: &str| {
        let (printed, said, status) = admin.run(&line.split(' ').collect::<Vec<_>>());
        (printed + &said, status)
    };
    assert_eq!(ended("queues delete --name none"), ("API responded with a 404 Not Found\n".to_owned(), 65));
    assert_eq!(ended("queues delete --name none --idempotently"), (String::new(), 0));
    assert_eq!(ended("-u nobody users list").1, 65);
    let (said, status) = ended("queues declare");
    assert!(said.contains("--name <name>") && status == 2, "{said}");
    let (said, status) = ended("shovels list_all");
    assert!(said.contains("has no shovels") && status == 64, "{said}");
    let (said, status) = ended("health_check port_listener --port 1");
    assert!(said.contains("health check failed") && status == 69, "{said}");
    let (said, status) = ended("queues declare --name q --arguments {");
    assert!(said.starts_with("--arguments: { is not JSON") && status == 64, "{said}");
    admin.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_said_with_the_python_programs_status() {
    let admin = Admin::start().await;
    let ended = |line: &str| {
        let (printed, said, status) = admin.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(printed, "", "{line}");
        (said, status)
    };
    assert_eq!(ended("delete queue name=none"), ("*** Not found: /api/queues/%2F/none\n\n".to_owned(), 1));
    assert_eq!(ended("-p wrong list users"), ("*** Access refused: /api/users\n\n".to_owned(), 1));
    let usage = "\nERROR: mandatory argument \"name\" is required\n\nrabbitmqadmin --help for help\n\n";
    assert_eq!(ended("declare queue"), (usage.to_owned(), 1));
    let (said, status) = ended("--nothing");
    assert_eq!(
        (said.ends_with("\nrabbitmqadmin: error: no such option: --nothing\n"), status),
        (true, 2),
        "{said}"
    );
    let (_, said, status) = admin.run_anywhere(&["-P", "1", "list", "queues"], "");
    assert!(
        said.starts_with("*** Could not connect: [Errno ") && said.contains("--port") && status == 1,
        "{said}"
    );
    admin.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_section_of_the_configuration_file_names_the_broker() {
    let admin = Admin::start().await;
    let port = admin.broker.http_addresses()[0].port();
    fs::write(
        admin.path().join(".rabbitmqadmin.conf"),
        format!("[test]\nhostname = 127.0.0.1\nport = {port}\n"),
    )
    .unwrap();
    let line = ["-N", "test", "publish", "routing_key=none"];
    let (printed, said, status) = admin.run_anywhere(&line, "from standard input");
    assert_eq!((printed.as_str(), said.as_str(), status), ("Message published but NOT routed\n", "", 0));
    admin.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_whom_the_user_trusts() {
    let any = "127.0.0.1:0".parse().unwrap();
    let data = tempfile::tempdir().unwrap();
    let broker = Broker::builder().data_dir(data.path()).listen(any).http(any).https(any).tls_auto();
    let broker = broker.start().await.unwrap();
    let port = broker.https_addresses()[0].port().to_string();
    let ca = broker.development_ca().unwrap().to_str().unwrap().to_owned();
    let admin = Admin::of(broker);
    let ended = |line: &[&str]| {
        let line = [&["-H", "localhost", "-P", &port], line].concat();
        let (printed, said, status) = admin.run_anywhere(&line, "");
        (printed + &said, status)
    };
    let users = ("guest \n".to_owned(), 0);
    let python = ["-s", "-f", "tsv", "-q", "list", "users", "name"];
    let with = |options: &[&'static str]| [options, &python].concat();
    let (said, status) = ended(&with(&[]));
    assert!(said.contains("Could not connect") && status == 1, "{said}");
    assert_eq!(ended(&[&["--ssl-ca-cert-file", &ca], python.as_slice()].concat()), ("guest\n".to_owned(), 0));
    assert_eq!(ended(&with(&["-k"])), ("guest\n".to_owned(), 0));
    let rust = ["--non-interactive", "users", "list", "--columns", "name"];
    assert_eq!(ended(&[&["--use-tls", "--tls-ca-cert-file", &ca], rust.as_slice()].concat()), users);
    assert_eq!(ended(&[&["--tls", "-k"], rust.as_slice()].concat()), users);
    assert_eq!(ended(&[&["--tls"], rust.as_slice()].concat()).1, 65);
    admin.broker.shutdown().await.unwrap();
}
