//! Faults on purpose: each event with each action, as a client sees it.

mod acks;
mod confirms;
mod deliveries;
mod entrance;
#[cfg(feature = "management")]
mod http;
mod methods;
mod publishes;
mod restarting;
mod stage;
mod states;
mod time;
mod worlds;
