//! An embedded broker for tests that are not async themselves.

use std::net::SocketAddr;

use coney::{Broker, BrokerBuilder, BrokerHandle};
use tokio::runtime::Runtime;

/// A broker in memory on a free port, with the runtime it runs on.
pub struct Embedded {
    broker: Option<BrokerHandle>,
    runtime: Runtime,
}

impl Embedded {
    pub fn start() -> Self {
        Self::build(Broker::builder().ephemeral())
    }

    pub fn build(builder: BrokerBuilder) -> Self {
        Self::run(builder.listen("127.0.0.1:0".parse().unwrap()))
    }

    /// With the management API and metrics on free ports.
    #[cfg(feature = "management")]
    pub fn managed(builder: BrokerBuilder) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        Self::run(builder.listen(any).http(any).metrics(any))
    }

    fn run(builder: BrokerBuilder) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let broker = runtime.block_on(builder.start()).unwrap();
        Self { broker: Some(broker), runtime }
    }

    pub fn address(&self) -> SocketAddr {
        self.broker().address().unwrap()
    }

    #[cfg(feature = "management")]
    /// Waits for something that is asked of the broker.
    pub fn wait<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }

    pub fn broker(&self) -> &BrokerHandle {
        self.broker.as_ref().unwrap()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(broker) = self.broker.take() {
            let _ = self.runtime.block_on(broker.shutdown());
        }
    }
}
