//! The cases, a module for each part of the protocol.

use crate::case::Case;

mod argument_types;
mod channel_prefetch;
mod channels;
mod client;
mod client_consuming;
mod client_publishing;
mod confirms;
mod connecting;
mod consumer_ends;
mod consumer_turns;
mod consuming;
mod contents;
mod credit;
mod dead_letter_history;
mod dead_letter_ways;
mod dead_letters;
mod declaring;
mod delays;
mod errors_frames;
mod errors_methods;
mod errors_topology;
mod expiry;
mod failing;
mod fields;
mod framing;
mod handshake;
mod limits;
mod once;
mod overflow;
mod personas;
mod plugin_exchanges;
mod prefetch;
mod priorities;
mod priority_queues;
mod publishing;
mod redeclaring;
mod reply_to;
mod requeue;
mod routing;
mod settling;
mod stream_cursors;
mod stream_reading;
mod streams;
mod topic_permissions;
mod transactions;
mod unknown_tags;

/// All of them, in the order in which they are listed and run.
pub fn all() -> impl Iterator<Item = Case> {
    let all = [
        connecting::CASES,
        handshake::CASES,
        channels::CASES,
        errors_frames::CASES,
        errors_methods::CASES,
        errors_topology::CASES,
        framing::CASES,
        declaring::CASES,
        streams::CASES,
        stream_cursors::CASES,
        stream_reading::CASES,
        routing::CASES,
        publishing::CASES,
        topic_permissions::CASES,
        redeclaring::CASES,
        contents::CASES,
        fields::CASES,
        confirms::CASES,
        transactions::CASES,
        consuming::CASES,
        prefetch::CASES,
        channel_prefetch::CASES,
        settling::CASES,
        limits::CASES,
        dead_letters::CASES,
        priorities::CASES,
        plugin_exchanges::CASES,
        client::CASES,
        consumer_ends::CASES,
        consumer_turns::CASES,
        credit::CASES,
        requeue::CASES,
        expiry::CASES,
        overflow::CASES,
        dead_letter_history::CASES,
        dead_letter_ways::CASES,
        priority_queues::CASES,
        reply_to::CASES,
        client_consuming::CASES,
        client_publishing::CASES,
        failing::CASES,
        once::CASES,
        delays::CASES,
        unknown_tags::CASES,
        argument_types::CASES,
        personas::CASES,
    ];
    all.into_iter().flatten().copied()
}
