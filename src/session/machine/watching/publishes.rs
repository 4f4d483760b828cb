//! Publishes on which a rule hits: those that come, and those of a transaction when it is committed.

use crate::faults::{Action, Armed, Happening};
use crate::message::{Message, Parts};
use crate::session::exception::Exception;
use crate::session::machine::channel::{Channel, Mode};
use crate::session::machine::connection::Connection;
use crate::session::machine::publishing::return_unroutable;
use crate::session::transaction::{TxPublish, TxWork};
use crate::session::watch::{Doom, NotedMessage, Watched};

use super::input::exception;

impl Channel {
    /// Asks the rules about a message that was routed.
    ///
    /// # Errors
    /// A rule refuses it.
    pub(in crate::session::machine) fn publish_watched(
        &mut self,
        connection: &mut Connection,
        properties: &[u8],
        body: &[u8],
    ) -> Result<Watched, Exception> {
        let Some(watch) = &mut connection.watch else { return Ok(Watched::Goes) };
        let armed = watch.armed();
        if matches!(self.mode, Mode::Transaction(_)) || !armed.has(Armed::PUBLISH | Armed::CONFIRM) {
            return Ok(Watched::Goes);
        }
        let target = &self.target;
        let (exchange, routing_key) = (&target.exchange[..], &target.routing_key[..]);
        let message = Message::new(Parts { exchange, routing_key, properties, body, persistent: false });
        let queues = watch.names_of(target.route.iter().chain(&target.delay_queues).copied());
        let noted = NotedMessage { message: Some(message.clone()), queues, consumer_tag: None };
        let verdict = watch.decide_on(Happening::Publish, self.number, Some(&noted));
        if let (Mode::Confirm(confirms), true) = (&self.mode, armed.has(Armed::CONFIRM)) {
            watch.published.insert((self.number, confirms.next_tag()), noted);
        }
        match verdict.map(|verdict| verdict.action) {
            None => return Ok(Watched::Goes),
            Some(Action::Duplicate) => return Ok(Watched::GoesTwice),
            Some(Action::Refuse(refusal)) => return Err(exception(&refusal)),
            Some(Action::Close(refusal)) => watch.doom = Some(Doom::Close(refusal)),
            Some(Action::Nack) => self.end_publish(connection, true),
            Some(Action::Drop) => self.end_publish(connection, false),
            Some(Action::Return) => {
                return_unroutable(connection, self.number, &message);
                self.counted.returned += 1;
                self.end_publish(connection, false);
            }
            Some(_) => watch.doom = Some(Doom::Reset),
        }
        Ok(Watched::Gone)
    }

    /// The message goes to no queue.
    fn end_publish(&mut self, connection: &mut Connection, refused: bool) {
        let Mode::Confirm(confirms) = &mut self.mode else { return };
        if refused {
            confirms.publish_refused();
        } else {
            confirms.publish(0);
        }
        connection.note_confirmed(self.number);
    }

    /// Asks the rules about the publishes of a transaction that is being committed.
    ///
    /// # Errors
    /// A rule refuses one: nothing of the transaction is done.
    pub(in crate::session::machine) fn commit_watched(
        &mut self,
        connection: &mut Connection,
        mut work: TxWork,
    ) -> Result<TxWork, Exception> {
        if !connection.watches_publishes() {
            return Ok(work);
        }
        for publish in std::mem::take(&mut work.publishes) {
            let Some(watch) = &mut connection.watch else { break };
            let queues = watch.names_of(publish.queues.iter().copied());
            let noted = NotedMessage { message: Some(publish.message.clone()), queues, consumer_tag: None };
            match watch.decide_on(Happening::Publish, self.number, Some(&noted)).map(|verdict| verdict.action)
            {
                None => work.publishes.push(publish),
                Some(Action::Drop) => {}
                Some(Action::Duplicate) => {
                    work.publishes.push(again(&publish));
                    work.publishes.push(publish);
                }
                Some(Action::Return) => {
                    work.publishes.push(TxPublish { queues: Vec::new(), mandatory: true, ..publish })
                }
                Some(Action::Refuse(refusal)) => return Err(exception(&refusal)),
                Some(Action::Nack) => return Err(Exception::precondition_failed("partial tx completion")),
                Some(Action::Close(refusal)) => {
                    watch.doom = Some(Doom::Close(refusal));
                    return Ok(TxWork::default());
                }
                Some(_) => {
                    watch.doom = Some(Doom::Reset);
                    return Ok(TxWork::default());
                }
            }
        }
        Ok(work)
    }
}

fn again(publish: &TxPublish) -> TxPublish {
    TxPublish {
        queues: publish.queues.clone(),
        message: publish.message.clone(),
        envelope: publish.envelope,
        dedup_keys: publish.dedup_keys.clone(),
        mandatory: publish.mandatory,
    }
}
