//! What somebody does who wants the broker to fail. Each was found by attacking it, and is kept.

use amq_protocol::protocol::basic;

mod churn;
mod descriptors;
mod disk;
mod guessing;
mod kills;
mod memory;
mod store;
mod unread;

const MIB: usize = 1024 * 1024;

fn get(queue: &str) -> basic::Get {
    basic::Get { queue: queue.into(), no_ack: true }
}
