//! What a client says about its deliveries: by basic.ack, nack, reject and recover, and by the settle exchange.

use std::sync::Arc;

use super::channel::{Channel, Mode};
use super::connection::Connection;
use crate::persona::{Call, PublishCall, refusal};
use crate::protocol::table::Table;
use crate::queue::{Command, Disposition, Settlement};
use crate::session::exception::Exception;
use crate::session::settle_exchange::{self, SettleMessage, Verb};
use crate::session::tags::Span;

impl Channel {
    pub(super) fn settle(
        &mut self,
        connection: &mut Connection,
        tag: u64,
        multiple: bool,
        verb: Settlement,
    ) -> Result<(), Exception> {
        let span = match verb {
            Settlement::Ack => self.tags.span_of_ack(tag, multiple),
            _ if multiple => Span::UpTo,
            _ => Span::One,
        };
        self.settle_span(connection, tag, span, verb)
    }

    #[inline]
    pub(super) fn settle_span(
        &mut self,
        connection: &mut Connection,
        tag: u64,
        span: Span,
        verb: Settlement,
    ) -> Result<(), Exception> {
        let (tags, mode, counted) = (&mut self.tags, &mut self.mode, &mut self.counted);
        let sum = if verb == Settlement::Ack { &mut counted.acked } else { &mut counted.rejected };
        let mut consumed = 0;
        let known = if let Mode::Transaction(work) = mode {
            tags.settle_in_transaction(tag, span, |tagged| {
                *sum += 1;
                work.consumed += usize::from(tagged.consumed);
                connection.held.transactions += work.settle(tagged.queue, verb, tagged.handle);
            })
        } else {
            tags.settle(tag, span, |tagged| {
                consumed += usize::from(tagged.consumed);
                *sum += 1;
                connection.outgoing.settle(tagged.queue, verb, tagged.handle);
            })
        };
        if !known {
            return Err(Exception::precondition_failed(format!("unknown delivery tag {tag}")));
        }
        self.give_credit_back(connection, consumed);
        Ok(())
    }

    pub(super) fn recover(&mut self, connection: &mut Connection, requeue: bool) -> Result<(), Exception> {
        if !requeue {
            return Err(Exception::not_implemented("requeue=false"));
        }
        let mut consumed = 0;
        self.tags.settle_all(|tagged| {
            consumed += usize::from(tagged.consumed);
            connection.outgoing.settle(tagged.queue, Settlement::Requeue, tagged.handle);
        });
        self.give_credit_back(connection, consumed);
        Ok(())
    }

    /// Does what a message to the settle exchange says.
    pub(super) fn publish_settlement(
        &mut self,
        connection: &mut Connection,
        headers: Option<Table<'_>>,
    ) -> Result<(), Exception> {
        let call = PublishCall { vhost: &connection.vhost, large_body: None, settles: true };
        if let Some(refused) = refusal(connection.persona, &Call::Publish(call)) {
            return Err(Exception::new(refused.code, refused.text));
        }
        let SettleMessage { tag, verb, error } = settle_exchange::parse(headers)?;
        if matches!(self.mode, Mode::Transaction(_)) {
            return Err(Exception::precondition_failed(format!(
                "{} cannot be used in a transaction",
                settle_exchange::NAME
            )));
        }
        match verb {
            Verb::Ack => self.settle(connection, tag, false, Settlement::Ack)?,
            Verb::Commit => self.settle(connection, tag, true, Settlement::Ack)?,
            Verb::Disposition(disposition) => self.dispose(connection, tag, disposition, error)?,
        }
        if let Mode::Confirm(confirms) = &mut self.mode {
            confirms.publish(0);
            connection.note_confirmed(self.number);
        }
        Ok(())
    }

    fn dispose(
        &mut self,
        connection: &mut Connection,
        tag: u64,
        disposition: Disposition,
        error: Option<Arc<str>>,
    ) -> Result<(), Exception> {
        let found = match disposition {
            Disposition::Progress => self.tags.open_one(tag),
            _ => {
                let mut found = None;
                self.tags.settle(tag, Span::One, |tagged| found = Some(tagged));
                found
            }
        };
        let unknown = || Exception::precondition_failed(format!("unknown delivery tag {tag}"));
        let tagged = found.ok_or_else(unknown)?;
        if disposition != Disposition::Progress {
            self.give_credit_back(connection, usize::from(tagged.consumed));
        }
        connection.outgoing.command(tagged.queue, Command::Dispose(tagged.handle, disposition, error));
        Ok(())
    }
}
