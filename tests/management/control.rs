//! The control socket: who may open it, what it lets do, and what becomes of files that are in its way.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use coney::config::ControlSocketPath;
use coney::{Broker, BrokerHandle, StartError, config::Config};
use serde_json::json;

use crate::support::http::Http;

async fn start(dir: &Path) -> BrokerHandle {
    let any = "127.0.0.1:0".parse().unwrap();
    Broker::builder().data_dir(dir).listen(any).http(any).start().await.unwrap()
}

/// Without a data directory, with a socket there.
async fn start_at(path: &Path) -> Result<BrokerHandle, StartError> {
    Broker::builder().ephemeral().detached().control_socket(path).start().await
}

fn place(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// A socket that nobody listens on any more.
fn leave_behind(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_may_open_it_is_the_operator_and_needs_no_login() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path()).await;
    assert_eq!(broker.control_socket(), Some(&*place(dir.path())));
    assert_eq!(mode(&place(dir.path())), 0o600);
    let control = Http::control(&place(dir.path()));
    let me = json!({ "name": "control socket", "tags": ["administrator"], "is_internal_user": true });
    assert_eq!(control.json("/api/whoami"), me);
    // Nobody has a permission there but who does not need one.
    assert_eq!(control.put("/api/vhosts/v", &json!({})).status, 201);
    assert_eq!(control.put("/api/queues/v/q", &json!({ "durable": true })).status, 201);
    let message =
        json!({ "routing_key": "q", "payload": "x", "payload_encoding": "string", "properties": {} });
    assert_eq!(control.post("/api/exchanges/v/amq.default/publish", &message).json()["routed"], true);
    assert_eq!(control.delete("/api/queues/v/q/contents").status, 204);
    // Credentials that are wrong make no difference.
    assert_eq!(control.user("nobody", "x").get("/api/definitions").status, 200);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_on_the_network_cannot_pretend_to_be_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path()).await;
    let nobody = Http::new(broker.http_addresses()[0]).nobody();
    for header in ["host: control socket", "x-forwarded-for: control socket", "peer: control socket"] {
        assert_eq!(nobody.send("GET", "/api/whoami", &format!("{header}\r\n"), b"").status, 401, "{header}");
    }
    assert_eq!(nobody.user("control socket", "").get("/api/whoami").status, 401);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_with_the_broker_and_one_that_was_left_behind_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    start(dir.path()).await.shutdown().await.unwrap();
    assert!(!place(dir.path()).exists());
    leave_behind(&place(dir.path()));
    fs::set_permissions(place(dir.path()), fs::Permissions::from_mode(0o666)).unwrap();
    let broker = start(dir.path()).await;
    assert_eq!(mode(&place(dir.path())), 0o600);
    assert_eq!(Http::control(&place(dir.path())).get("/api/whoami").status, 200);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link, dangling) =
        (dir.path().join("file"), dir.path().join("link"), dir.path().join("dangling"));
    fs::write(&file, "precious").unwrap();
    leave_behind(&dir.path().join("socket"));
    symlink(dir.path().join("socket"), &link).unwrap();
    symlink(dir.path().join("nothing"), &dangling).unwrap();
    for path in [&file, &link, &dangling, &dir.path().to_owned()] {
        let refused = start_at(path).await.err().unwrap().to_string();
        assert!(refused.contains("something else of that name"), "{refused}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && !dir.path().join("nothing").exists());
    assert!(fs::symlink_metadata(dir.path().join("socket")).unwrap().file_type().is_socket());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_starts_without_the_usual_one_where_it_cannot_be() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("data")).unwrap();
    symlink(dir.path().join("nothing"), place(&dir.path().join("data"))).unwrap();
    for data in [dir.path().join("data"), dir.path().join("x".repeat(120))] {
        let broker = start(&data).await;
        assert_eq!(broker.control_socket(), None);
        broker.shutdown().await.unwrap();
    }
    assert!(!dir.path().join("nothing").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_where_it_is_wanted_and_one_that_is_in_use_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start_at(&place(dir.path())).await.unwrap();
    assert_eq!(mode(&place(dir.path())), 0o600);
    let refused = start_at(&place(dir.path())).await.err().unwrap().to_string();
    assert!(refused.contains("another process listens on it"), "{refused}");
    assert_eq!(Http::control(&place(dir.path())).get("/api/whoami").status, 200);
    let long = dir.path().join("x".repeat(120));
    let refused = start_at(&long).await.err().unwrap().to_string();
    assert!(
        refused.contains("longer than this system allows") && refused.contains("shorter path"),
        "{refused}"
    );
    broker.shutdown().await.unwrap();
    assert!(!place(dir.path()).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_none_where_none_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { control_socket: ControlSocketPath::None, ..Config::default() };
    let broker = Broker::builder().config(config).data_dir(dir.path()).detached().start().await.unwrap();
    assert_eq!(broker.control_socket(), None);
    assert!(!place(dir.path()).exists());
    broker.shutdown().await.unwrap();
    let broker = Broker::builder().ephemeral().detached().start().await.unwrap();
    assert_eq!(broker.control_socket(), None);
    broker.shutdown().await.unwrap();
}

/// Nobody takes away what another put there meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_the_brokers_any_more_stays() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start_at(&place(dir.path())).await.unwrap();
    fs::rename(place(dir.path()), dir.path().join("moved")).unwrap();
    let _another = UnixListener::bind(place(dir.path())).unwrap();
    broker.shutdown().await.unwrap();
    assert!(place(dir.path()).exists());
}

/// Clients on the network do not use up its connections.
#[tokio::test(flavor = "multi_thread")]
async fn http_clients_do_not_lock_the_operator_out() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path()).await;
    let address = broker.http_addresses()[0];
    let idle: Vec<_> = (0..300).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    assert_eq!(Http::control(&place(dir.path())).get("/api/whoami").status, 200);
    drop(idle);
    broker.shutdown().await.unwrap();
}
