//! The management API, by HTTP requests to an embedded broker.

mod conventions;
mod objects;
mod support;
mod users;
