//! The management API, by HTTP requests to an embedded broker.

mod beyond;
mod conventions;
mod messages;
mod objects;
mod policies;
mod support;
mod topology;
mod users;
