//! Methods on an open channel.

use amq_protocol::protocol::{AMQPClass, access, basic, channel, confirm, exchange, queue, tx};
use amq_protocol::types::ShortString;

use super::channel::{Channel, Mode};
use super::connection::Connection;
use super::publishing::{PublishMethod, return_unroutable};
use crate::protocol::encode;
use crate::protocol::method::{self, Method};
use crate::protocol::reply::ReplyCode;
use crate::queue::Settlement;
use crate::session::confirms::Confirms;
use crate::session::exception::Exception;
use crate::session::names::strip_crlf;
use crate::session::request::ChannelRequest;
use crate::session::transaction::TxWork;

/// What became of a method.
#[derive(Debug)]
pub(super) enum Handled {
    /// It was dealt with here.
    Done,
    /// It was, and has cost much: others have a turn before the next one.
    Pause,
    /// The server has to serve it.
    Request(ChannelRequest),
    /// channel.close: the session closes the channel.
    Close,
}

pub(super) type Outcome = Result<Handled, Exception>;

impl Channel {
    /// A method frame.
    pub(super) fn method(&mut self, connection: &mut Connection, payload: &[u8]) -> Outcome {
        let id = method::method_id(payload);
        let method = method::decode_method_in_place(payload).map_err(|error| {
            let (code, text, id) = error.reply();
            Exception::new(code, text).caused_by(Some(id))
        })?;
        self.handle(connection, method).map_err(|exception| exception.caused_by(id))
    }

    fn handle(&mut self, connection: &mut Connection, method: Method<'_>) -> Outcome {
        match method {
            Method::Publish { exchange, routing_key, mandatory, immediate } => {
                self.publish_method(
                    connection,
                    PublishMethod { exchange, routing_key, mandatory, immediate },
                )?;
                Ok(Handled::Done)
            }
            Method::Ack { delivery_tag, multiple } => {
                self.settle(connection, delivery_tag, multiple, Settlement::Ack).map(|()| Handled::Done)
            }
            Method::Nack { delivery_tag, multiple, requeue } => {
                let verb = if requeue { Settlement::Requeue } else { Settlement::Reject };
                self.settle(connection, delivery_tag, multiple, verb).map(|()| Handled::Done)
            }
            Method::Reject { delivery_tag, requeue } => {
                let verb = if requeue { Settlement::Fail } else { Settlement::Reject };
                self.settle(connection, delivery_tag, false, verb).map(|()| Handled::Done)
            }
            Method::Get { queue, no_ack } => {
                let queue = self.queue_name(queue)?;
                Ok(Handled::Request(ChannelRequest::Get { queue, no_ack }))
            }
            Method::Qos { prefetch_size, prefetch_count, global } => {
                self.qos(connection, prefetch_size, prefetch_count, global)
            }
            Method::Basic(method) => self.basic(connection, method),
            Method::Queue(method) => self.queue(method),
            Method::Exchange(method) => exchange(method),
            Method::Channel(method) => self.channel(connection, method),
            Method::Confirm(method) => self.confirm(connection, method),
            Method::Tx(method) => self.tx(connection, method),
            Method::Access(access::AMQPMethod::Request(_)) => {
                let ok = access::AMQPMethod::RequestOk(access::RequestOk {});
                self.answer(connection, AMQPClass::Access(ok))
            }
            Method::Access(_) | Method::Connection(_) => Err(invalid()),
        }
    }

    pub(super) fn answer(&self, connection: &mut Connection, method: AMQPClass) -> Outcome {
        encode::method(&mut connection.out, self.number, method);
        Ok(Handled::Done)
    }

    /// An empty name is the queue declared last on this channel (spec, domain queue-name).
    fn queue_name(&self, name: &str) -> Result<String, Exception> {
        let name = strip_crlf(name);
        if !name.is_empty() {
            return Ok(name.into_owned());
        }
        self.last_queue.clone().ok_or_else(|| Exception::not_found("no previously declared queue"))
    }

    fn basic(&mut self, connection: &mut Connection, method: basic::AMQPMethod) -> Outcome {
        match method {
            basic::AMQPMethod::Consume(consume) => self.consume(consume),
            basic::AMQPMethod::Cancel(cancel) => self.cancel(connection, cancel),
            basic::AMQPMethod::Recover(recover) => {
                self.recover(connection, recover.requeue)?;
                self.answer(connection, AMQPClass::Basic(basic::AMQPMethod::RecoverOk(basic::RecoverOk {})))
            }
            basic::AMQPMethod::RecoverAsync(recover) => {
                self.recover(connection, recover.requeue)?;
                Ok(Handled::Done)
            }
            _ => Err(invalid()),
        }
    }

    fn consume(&self, mut consume: basic::Consume) -> Outcome {
        let queue = self.queue_name(consume.queue.as_str())?;
        consume.queue = short(&queue);
        // An empty tag is made up by the server, which has random numbers.
        let tag = consume.consumer_tag.as_str();
        if self.consumers.contains_key(tag) {
            let text = format!("attempt to reuse consumer tag '{tag}'");
            return Err(Exception::new(ReplyCode::NotAllowed, text));
        }
        Ok(Handled::Request(ChannelRequest::Consume(consume)))
    }

    fn cancel(&self, connection: &mut Connection, cancel: basic::Cancel) -> Outcome {
        if self.consumers.contains_key(cancel.consumer_tag.as_str()) {
            return Ok(Handled::Request(ChannelRequest::Cancel(cancel)));
        }
        if cancel.nowait {
            return Ok(Handled::Done);
        }
        let ok = basic::CancelOk { consumer_tag: cancel.consumer_tag };
        self.answer(connection, AMQPClass::Basic(basic::AMQPMethod::CancelOk(ok)))
    }

    fn queue(&self, method: queue::AMQPMethod) -> Outcome {
        let request = match method {
            queue::AMQPMethod::Declare(mut declare) => {
                declare.queue = short(&strip_crlf(declare.queue.as_str()));
                ChannelRequest::QueueDeclare(declare)
            }
            queue::AMQPMethod::Bind(mut bind) => {
                // With both names left out, the key is the queue's name as well (spec, queue.bind).
                let both_empty = bind.queue.as_str().is_empty() && bind.routing_key.as_str().is_empty();
                bind.queue = short(&self.queue_name(bind.queue.as_str())?);
                if both_empty {
                    bind.routing_key = bind.queue.clone();
                }
                bind.exchange = short(&strip_crlf(bind.exchange.as_str()));
                ChannelRequest::QueueBind(bind)
            }
            queue::AMQPMethod::Unbind(mut unbind) => {
                let both_empty = unbind.queue.as_str().is_empty() && unbind.routing_key.as_str().is_empty();
                unbind.queue = short(&self.queue_name(unbind.queue.as_str())?);
                if both_empty {
                    unbind.routing_key = unbind.queue.clone();
                }
                unbind.exchange = short(&strip_crlf(unbind.exchange.as_str()));
                ChannelRequest::QueueUnbind(unbind)
            }
            queue::AMQPMethod::Purge(mut purge) => {
                purge.queue = short(&self.queue_name(purge.queue.as_str())?);
                ChannelRequest::QueuePurge(purge)
            }
            queue::AMQPMethod::Delete(mut delete) => {
                delete.queue = short(&self.queue_name(delete.queue.as_str())?);
                ChannelRequest::QueueDelete(delete)
            }
            _ => return Err(invalid()),
        };
        Ok(Handled::Request(request))
    }

    fn channel(&self, connection: &mut Connection, method: channel::AMQPMethod) -> Outcome {
        match method {
            channel::AMQPMethod::Open(_) => Err(opened_twice()),
            channel::AMQPMethod::Close(_) => Ok(Handled::Close),
            channel::AMQPMethod::Flow(flow) if flow.active => {
                let ok = channel::FlowOk { active: true };
                self.answer(connection, AMQPClass::Channel(channel::AMQPMethod::FlowOk(ok)))
            }
            channel::AMQPMethod::Flow(_) => Err(Exception::not_implemented("active=false")),
            _ => Err(invalid()),
        }
    }

    fn confirm(&mut self, connection: &mut Connection, method: confirm::AMQPMethod) -> Outcome {
        let confirm::AMQPMethod::Select(select) = method else { return Err(invalid()) };
        match self.mode {
            Mode::Transaction(_) => {
                return Err(Exception::precondition_failed("cannot switch from tx to confirm mode"));
            }
            Mode::Plain => {
                self.mode = Mode::Confirm(Confirms::new(self.incarnation));
                self.published_before_confirm = self.counted.published;
            }
            Mode::Confirm(_) => {}
        }
        if select.nowait {
            return Ok(Handled::Done);
        }
        self.answer(connection, AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {})))
    }

    fn tx(&mut self, connection: &mut Connection, method: tx::AMQPMethod) -> Outcome {
        match method {
            tx::AMQPMethod::Select(_) => {
                match self.mode {
                    Mode::Confirm(_) => {
                        return Err(Exception::precondition_failed("cannot switch from confirm to tx mode"));
                    }
                    Mode::Plain => self.mode = Mode::Transaction(TxWork::default()),
                    Mode::Transaction(_) => {}
                }
                self.answer(connection, AMQPClass::Tx(tx::AMQPMethod::SelectOk(tx::SelectOk {})))
            }
            tx::AMQPMethod::Commit(_) => {
                let work = self.take_transaction(connection)?;
                let work = match connection.watch {
                    None => work,
                    Some(_) => self.commit_watched(connection, work)?,
                };
                self.tags.commit();
                self.return_unroutable_of(connection, &work);
                self.give_credit_back(connection, work.consumed);
                Ok(Handled::Request(ChannelRequest::TxCommit(work)))
            }
            tx::AMQPMethod::Rollback(_) => {
                self.take_transaction(connection)?;
                self.tags.rollback();
                self.answer(connection, AMQPClass::Tx(tx::AMQPMethod::RollbackOk(tx::RollbackOk {})))
            }
            _ => Err(invalid()),
        }
    }

    fn take_transaction(&mut self, connection: &mut Connection) -> Result<TxWork, Exception> {
        match &mut self.mode {
            Mode::Transaction(work) => {
                connection.held.transactions -= work.bytes();
                Ok(std::mem::take(work))
            }
            _ => Err(Exception::precondition_failed("channel is not transactional")),
        }
    }

    fn return_unroutable_of(&mut self, connection: &mut Connection, work: &TxWork) {
        for publish in work.publishes.iter().filter(|publish| publish.mandatory && publish.queues.is_empty())
        {
            return_unroutable(connection, self.number, &publish.message);
            self.counted.returned += 1;
        }
    }
}

fn exchange(method: exchange::AMQPMethod) -> Outcome {
    let request = match method {
        exchange::AMQPMethod::Declare(mut declare) => {
            declare.exchange = short(&strip_crlf(declare.exchange.as_str()));
            ChannelRequest::ExchangeDeclare(declare)
        }
        exchange::AMQPMethod::Delete(mut delete) => {
            delete.exchange = short(&strip_crlf(delete.exchange.as_str()));
            ChannelRequest::ExchangeDelete(delete)
        }
        exchange::AMQPMethod::Bind(mut bind) => {
            bind.source = short(&strip_crlf(bind.source.as_str()));
            bind.destination = short(&strip_crlf(bind.destination.as_str()));
            ChannelRequest::ExchangeBind(bind)
        }
        exchange::AMQPMethod::Unbind(mut unbind) => {
            unbind.source = short(&strip_crlf(unbind.source.as_str()));
            unbind.destination = short(&strip_crlf(unbind.destination.as_str()));
            ChannelRequest::ExchangeUnbind(unbind)
        }
        _ => return Err(invalid()),
    };
    Ok(Handled::Request(request))
}

/// A method that only a server sends, or that AMQP does not have here.
fn invalid() -> Exception {
    Exception::new(ReplyCode::CommandInvalid, "unimplemented method")
}

/// Names come from short strings and only ever get shorter.
fn short(name: &str) -> ShortString {
    ShortString::try_new(name).unwrap_or_default()
}

/// channel.open for a number that is in use, or whose close the client has yet to answer.
pub(super) fn opened_twice() -> Exception {
    Exception::new(ReplyCode::ChannelError, "second 'channel.open' seen")
}
