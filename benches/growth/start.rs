//! A start with much in the store.

use std::path::Path;

use coney::config::Config;
use coney::{Broker, BrokerHandle};
use tokio::runtime::Runtime;

use crate::client::{Client, Properties, publish};
use crate::definitions::{Definitions, queues_bound};
use crate::table::{SIZES, Table, cpu_of};
use crate::world::any;

pub fn measure(table: &Table) {
    table.group("things in the store", &SIZES, |n, rows| {
        rows.set("start, for a queue and a binding", started(&queues_bound(n), 0), n);
        let mut users = Definitions::default();
        (0..n).for_each(|number| users.user(&format!("u{number}")));
        rows.set("start, for a user and a permission", started(&users.text(), 0), n);
        rows.set("start, for a message", started(&queues_bound(1), n), n);
    });
    table.group("vhosts in the store", &[1, 100, 10_000], |n, rows| {
        let mut vhosts = Definitions::default();
        (0..n).for_each(|number| vhosts.vhost(&format!("v{number}")));
        rows.set("start, for a vhost", started(&vhosts.text(), 0), n);
    });
}

/// What a start costs with these definitions and so many messages in a queue `q0`.
fn started(definitions: &str, messages: u64) -> std::time::Duration {
    let dir = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let broker = start(dir.path()).await;
        broker.import_definitions(definitions).await.unwrap();
        let address = broker.address().unwrap();
        let publish_all = move || {
            let mut client = Client::open(address, "guest", "/");
            let message = publish("", "q0", Properties { is_persistent: true, ..Properties::default() });
            for begin in (0..messages).step_by(5000) {
                client.send(&message.repeat(5000.min(messages - begin) as usize));
                client.sync();
            }
            client.close();
        };
        tokio::task::spawn_blocking(publish_all).await.unwrap();
        broker.shutdown().await.unwrap();
    });
    let mut least = std::time::Duration::MAX;
    for _ in 0..3 {
        let mut broker = None;
        least = least.min(cpu_of(|| broker = Some(runtime.block_on(start(dir.path())))));
        runtime.block_on(broker.unwrap().shutdown()).unwrap();
    }
    least
}

async fn start(dir: &Path) -> BrokerHandle {
    let config = Config { channels_max: u16::MAX, ..Config::default() };
    Broker::builder().config(config).data_dir(dir).listen(any()).start().await.unwrap()
}
