//! Definitions in JSON: refused with a reason and nothing changed, or taken; and what is taken survives its export.
#![no_main]

use coney::{Broker, BrokerHandle, Readings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(run(text));
});

async fn start() -> BrokerHandle {
    let nothing = || Readings { memory_used: None, known_bytes: 0, disk_free: None };
    Broker::builder().ephemeral().detached().meter(nothing).start().await.unwrap()
}

async fn run(text: &str) {
    let broker = start().await;
    let before = broker.export_definitions().await.unwrap();
    match broker.import_definitions(text).await {
        Ok(()) => {
            let exported = broker.export_definitions().await.unwrap();
            broker.import_definitions(text).await.expect("twice is once");
            assert_eq!(broker.export_definitions().await.unwrap(), exported);
            let other = start().await;
            other.import_definitions(&exported).await.expect("an export can be imported");
            assert_eq!(other.export_definitions().await.unwrap(), exported);
            other.shutdown().await.unwrap();
        }
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "not one line: {error}");
            assert_eq!(broker.export_definitions().await.unwrap(), before, "{error}, but something changed");
        }
    }
    broker.shutdown().await.unwrap();
}
