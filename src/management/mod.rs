//! The management API: what RabbitMQ's tools talk to over HTTP, at `/api` on port 15672
//! (<https://www.rabbitmq.com/docs/management>).
//!
//! A file for each resource has its handlers: they find out who asks and for what, call `broker::operations`, and answer with a
//! view from [`views`]. Nothing here changes anything by itself. What is answered is what holds at that moment: nothing is
//! sampled, so a GET after the answer to an AMQP method shows what the method did.
//!
//! Around the handlers: [`serve`] has the sockets, [`site`] what each serves, [`cors`] whom answers are for, [`asker`] knows who asks, [`payload`] reads bodies, [`params`] and
//! [`listing`] do what every list can (columns, sorting, pages), [`error`] words what is refused, [`routes`] has all paths, and
//! [`openapi`] tells what they are.

mod answer;
mod api;
mod asker;
mod beyond;
mod bindings;
mod channels;
mod cluster;
mod columns;
mod compressed;
mod connections;
mod consumers;
#[cfg(unix)]
mod control;
mod cors;
mod definitions;
mod descriptors;
mod erlang;
mod error;
mod exchanges;
mod features;
mod fields;
mod for_people;
#[cfg(feature = "cluster")]
mod gathered;
mod health;
mod inside;
mod journal;
mod leases;
mod leaving;
mod limits;
mod lint;
mod listing;
mod logins;
mod media_type;
mod messages;
mod metrics;
mod nodes;
mod openapi;
mod overview;
mod page;
mod parameters;
mod params;
mod payload;
mod permissions;
mod policies;
mod purges;
mod queues;
mod replicas;
mod route;
mod routes;
mod serve;
mod site;
mod topic_permissions;
mod totals;
mod upkeep;
mod users;
mod vhosts;
mod views;
mod worlds;

pub(crate) use api::{Api, ListeningOn};
#[cfg(feature = "cluster")]
pub(crate) use asker::ASKS_FOR;
#[cfg(unix)]
pub(crate) use control::{ControlError, ControlSocket};
#[cfg(feature = "cluster")]
pub(crate) use gathered::{gathered, gathered_failures, gathered_items, gathered_journal, gathered_problems};
pub(crate) use inside::answer as answer_inside;
#[cfg(feature = "cluster")]
pub(crate) use metrics::MetricsPages;
pub(crate) use metrics::router as metrics_router;
#[cfg(feature = "cluster")]
pub(crate) use page::is_own_page;
pub(crate) use routes::router;
pub(crate) use serve::run;
#[cfg(feature = "cluster")]
pub(crate) use serve::shake;
pub(crate) use site::Site;
