//! Metrics for Prometheus, by RabbitMQ's names (<https://www.rabbitmq.com/docs/prometheus>).
//!
//! What is shown is what holds at that moment: queues are asked, counters are read. Counters of all things together never fall: they
//! are counted for the whole broker, and who is deleted takes nothing along. [`text`] writes the format; [`table`] has metrics that
//! each thing of a kind has; a file for each kind says which those are; [`pages`] puts pages together.

mod clients;
mod cursors;
mod exchanges;
mod global;
mod handlers;
mod memory;
mod node;
mod pages;
mod queue_contents;
mod queues;
mod table;
mod text;

#[cfg(feature = "cluster")]
pub(crate) use handlers::MetricsPages;
pub(crate) use handlers::router;
pub(super) use handlers::routes;
