//! Methods on which a rule hits.

use std::sync::Arc;
use std::time::Duration;

use amq_protocol::protocol::{basic, exchange, queue};

use super::input::{Intercepted, exception};
use crate::faults::{Action, Armed, Happening, Subject};
use crate::protocol::method::{Method, MethodId};
use crate::session::machine::session::Session;
use crate::session::request::Request;
use crate::time::Time;

/// What a method names.
#[derive(Default)]
struct Named<'a> {
    queue: Option<&'a str>,
    exchange: Option<&'a str>,
    routing_key: Option<&'a str>,
    consumer_tag: Option<&'a str>,
}

impl Session {
    pub(super) fn intercept_method(
        &mut self,
        now: Time,
        number: u16,
        id: MethodId,
        method: &Method<'_>,
        used: usize,
    ) -> Intercepted {
        let is_open = self.channel(number).is_some();
        let last_queue = self.channel(number).and_then(|channel| channel.last_queue.clone());
        let Some(watch) = self.connection.watch.as_mut().filter(|watch| watch.armed().has(Armed::METHODS))
        else {
            return Intercepted::Pass;
        };
        let named = named(method);
        let queue = named.queue.filter(|queue| !queue.is_empty()).or(named.queue.and(last_queue.as_deref()));
        let queues: Vec<Arc<str>> = queue.map(Into::into).into_iter().collect();
        let subject = Subject {
            queues: &queues,
            consumer_tag: named.consumer_tag,
            exchange: named.exchange.map(str::as_bytes),
            routing_key: named.routing_key.map(str::as_bytes),
            ..watch.subject(number)
        };
        let Some(verdict) = watch.decide(Happening::Method(id), &subject) else { return Intercepted::Pass };
        match verdict.action {
            Action::Delay(ms) => {
                watch.is_let_through = true;
                return Intercepted::First(Request::Wait(Duration::from_millis(ms)));
            }
            Action::Refuse(refusal) => {
                let exception = exception(&refusal).caused_by(Some(id));
                if is_open {
                    self.fail(now, number, exception);
                } else {
                    // There is no channel yet that could be closed.
                    self.close_connection(now, &exception);
                }
            }
            Action::Close(refusal) => self.close_by_rule(now, &refusal),
            _ => self.reset(now),
        }
        Intercepted::Taken(used)
    }
}

fn named<'a>(method: &'a Method<'_>) -> Named<'a> {
    let none = Named::default;
    match method {
        Method::Get { queue, .. } => Named { queue: Some(queue), ..none() },
        Method::Queue(queue) => of_queue(queue),
        Method::Exchange(exchange) => of_exchange(exchange),
        Method::Basic(basic::AMQPMethod::Consume(consume)) => Named {
            queue: Some(consume.queue.as_str()),
            consumer_tag: Some(consume.consumer_tag.as_str()),
            ..none()
        },
        Method::Basic(basic::AMQPMethod::Cancel(cancel)) => {
            Named { consumer_tag: Some(cancel.consumer_tag.as_str()), ..none() }
        }
        _ => none(),
    }
}

fn of_queue(method: &queue::AMQPMethod) -> Named<'_> {
    let none = Named::default;
    match method {
        queue::AMQPMethod::Declare(declare) => Named { queue: Some(declare.queue.as_str()), ..none() },
        queue::AMQPMethod::Purge(purge) => Named { queue: Some(purge.queue.as_str()), ..none() },
        queue::AMQPMethod::Delete(delete) => Named { queue: Some(delete.queue.as_str()), ..none() },
        queue::AMQPMethod::Bind(bind) => Named {
            queue: Some(bind.queue.as_str()),
            exchange: Some(bind.exchange.as_str()),
            routing_key: Some(bind.routing_key.as_str()),
            ..none()
        },
        queue::AMQPMethod::Unbind(unbind) => Named {
            queue: Some(unbind.queue.as_str()),
            exchange: Some(unbind.exchange.as_str()),
            routing_key: Some(unbind.routing_key.as_str()),
            ..none()
        },
        _ => none(),
    }
}

/// Of a binding between exchanges the one that messages come from.
fn of_exchange(method: &exchange::AMQPMethod) -> Named<'_> {
    let none = Named::default;
    match method {
        exchange::AMQPMethod::Declare(declare) => {
            Named { exchange: Some(declare.exchange.as_str()), ..none() }
        }
        exchange::AMQPMethod::Delete(delete) => Named { exchange: Some(delete.exchange.as_str()), ..none() },
        exchange::AMQPMethod::Bind(bind) => Named {
            exchange: Some(bind.source.as_str()),
            routing_key: Some(bind.routing_key.as_str()),
            ..none()
        },
        exchange::AMQPMethod::Unbind(unbind) => Named {
            exchange: Some(unbind.source.as_str()),
            routing_key: Some(unbind.routing_key.as_str()),
            ..none()
        },
        _ => none(),
    }
}
