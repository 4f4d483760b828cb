//! What an operation costs when there is much: a table for each kind of thing, with what each operation takes when there are 1, 100,
//! 10,000 and 100,000 of them, in processor time. Flat is what it should be, or logarithmic; a row that is neither says `grows`.
//! Run with `cargo bench --bench growth [-- GROUP]`, or `"GROUP: ROW"`, of which parts are enough.
#![allow(missing_docs, clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used)]
#![allow(clippy::indexing_slicing, reason = "a panic is seen")]

#[path = "growth/client.rs"]
mod client;
#[path = "growth/clients.rs"]
mod clients;
#[path = "growth/definitions.rs"]
mod definitions;
#[path = "growth/messages.rs"]
mod messages;
#[path = "growth/queues.rs"]
mod queues;
#[path = "growth/stalls.rs"]
mod stalls;
#[path = "growth/start.rs"]
mod start;
#[path = "growth/table.rs"]
mod table;
#[path = "growth/topologies.rs"]
mod topologies;
#[allow(dead_code, reason = "the load generator sends more")]
#[path = "load/wire.rs"]
mod wire;
#[path = "growth/world.rs"]
mod world;

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    let table = table::Table::new(&filter);
    queues::measure(&table);
    queues::administration(&table);
    clients::measure(&table);
    messages::measure(&table);
    topologies::measure(&table);
    start::measure(&table);
    stalls::measure(&table);
}
