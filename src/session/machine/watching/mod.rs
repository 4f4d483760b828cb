//! Faults that rules make on a session: the points at which the rules are asked, and what is done when one hits.
//!
//! Without `--test` a session has no [`Watch`](crate::session::Watch), and none of this runs.

mod confirms;
mod deliveries;
mod input;
mod methods;
mod publishes;
mod settlements;
