//! The management API, by HTTP requests to an embedded broker.

mod access;
mod beyond;
#[cfg(unix)]
mod control;
mod conventions;
mod definitions;
mod explaining;
mod journal;
mod leases;
mod limits;
mod messages;
mod metrics;
mod objects;
mod openapi;
mod page;
mod parameters;
mod policies;
mod reference;
mod schema;
mod sites;
mod streams;
pub(crate) mod support;
mod tools;
mod topic_permissions;
mod topology;
mod users;
mod vhosts;
