//! `/metrics/memory-breakdown`: what takes the memory.

use super::text::{Labels, Text, Type};
use crate::broker::shared::Shared;
use crate::ledger::Kind;
use crate::message;

/// RabbitMQ's names for what is nearest to them, and all kinds by our own.
pub(super) fn write(shared: &Shared, text: &mut Text) {
    let bytes = |kind| shared.ledger.bytes(kind) as u64;
    let messages = message::bytes_in_memory() as u64;
    let of_connections: u64 = Kind::ALL.into_iter().filter(is_connections).map(bytes).sum();
    let known = shared.ledger.total() as u64 + messages;
    let resident = shared.machine().readings.memory_used.unwrap_or(0);
    for (name, help, bytes) in [
        ("rabbitmq_memory_binary_heap_bytes", "Memory of messages", messages),
        (
            "rabbitmq_memory_classic_queue_erlang_process_bytes",
            "Memory of queues beside their messages, of all types; the name is RabbitMQ's",
            bytes(Kind::Queues),
        ),
        (
            "rabbitmq_memory_client_connection_other_bytes",
            "Memory of connections and channels, and of what is held for them",
            of_connections,
        ),
        (
            "rabbitmq_memory_modern_metadata_store_bytes",
            "Memory of exchanges, bindings and names",
            bytes(Kind::Definitions),
        ),
        (
            "rabbitmq_memory_other_system_bytes",
            "The rest of the resident memory: code, the allocator's, and the storage engine's",
            resident.saturating_sub(known),
        ),
    ] {
        text.single(name, Type::Gauge, help, bytes);
    }
    let name = "coney_memory_bytes";
    text.family(name, Type::Gauge, "Memory by what it is for");
    text.sample(name, &Labels::new(&[("kind", "messages")]), messages);
    for kind in Kind::ALL {
        text.sample(name, &Labels::new(&[("kind", kind.name())]), bytes(kind));
    }
}

const fn is_connections(kind: &Kind) -> bool {
    !matches!(kind, Kind::Queues | Kind::Definitions | Kind::Journal)
}
