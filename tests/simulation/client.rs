//! A client of the simulated broker: frames over an in-memory pipe.

use amq_protocol::frame::{AMQPContentHeader, AMQPFrame, WriteContext, gen_frame, parse_frame};
use amq_protocol::protocol::basic::AMQPProperties;
use amq_protocol::protocol::{AMQPClass, basic, channel, confirm, connection, exchange, queue, tx};
use amq_protocol::types::{AMQPValue, FieldTable};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// The only channel a simulated client uses.
const CHANNEL: u16 = 1;
/// What a broker that stops closes connections with.
const CONNECTION_FORCED: u16 = 320;
/// The user is not known, or has no right there.
const ACCESS_REFUSED: u16 = 403;
/// There is no such vhost.
const NOT_ALLOWED: u16 = 530;

/// What the broker said.
#[derive(Debug)]
pub enum Said {
    Delivery { tag: u64, redelivered: bool, body: u64, offset: Option<u64> },
    Confirm { tag: u64, multiple: bool, ack: bool },
    Method(AMQPClass),
}

/// A client.
pub struct Client {
    stream: DuplexStream,
    input: Vec<u8>,
    out: Vec<u8>,
    delivery: Option<(u64, bool)>,
    /// Of a stream, from the delivery's headers.
    offset: Option<u64>,
    /// Whether the broker may not know the vhost, or the user; and that it does not.
    may_be_refused: bool,
    was_refused: bool,
}

impl Client {
    /// Connects, opens the channel.
    pub async fn connect(stream: DuplexStream, vhost: &str) -> Option<Self> {
        Self::open(stream, vhost, false).await
    }

    /// The same; `None` also if the broker does not know the vhost or the user, where that may be.
    pub async fn open(stream: DuplexStream, vhost: &str, may_be_refused: bool) -> Option<Self> {
        let (input, out, delivery, offset) = (Vec::new(), Vec::new(), None, None);
        let mut client = Self { stream, input, out, delivery, offset, may_be_refused, was_refused: false };
        client.out.extend_from_slice(b"AMQP\x00\x00\x09\x01");
        client.method_on(0, start_ok());
        let tune = connection::TuneOk { channel_max: 10, frame_max: 131_072, heartbeat: 0 };
        client.method_on(0, AMQPClass::Connection(connection::AMQPMethod::TuneOk(tune)));
        let open = connection::Open { virtual_host: vhost.into() };
        client.method_on(0, AMQPClass::Connection(connection::AMQPMethod::Open(open)));
        client.method(AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})));
        client.flush().await?;
        client
            .until(|said| {
                matches!(said, Said::Method(AMQPClass::Channel(channel::AMQPMethod::OpenOk(_)))).then_some(())
            })
            .await?;
        client.may_be_refused = false;
        Some(client)
    }

    fn method_on(&mut self, channel: u16, method: AMQPClass) {
        self.frame(&AMQPFrame::Method(channel, method));
    }

    /// Queues a method for the next [`flush`](Self::flush).
    pub fn method(&mut self, method: AMQPClass) {
        self.method_on(CHANNEL, method);
    }

    fn frame(&mut self, frame: &AMQPFrame) {
        let written = gen_frame(frame)(WriteContext::from(Vec::new())).unwrap();
        self.out.append(&mut written.into_inner().0);
    }

    /// Queues a publish to the default exchange.
    pub fn publish(&mut self, queue: &str, id: u64) {
        self.publish_to("", queue, id, AMQPProperties::default());
    }

    /// Queues a publish of a persistent message.
    pub fn publish_to(&mut self, exchange: &str, key: &str, id: u64, properties: AMQPProperties) {
        let publish = basic::Publish {
            exchange: exchange.into(),
            routing_key: key.into(),
            mandatory: false,
            immediate: false,
        };
        self.method(AMQPClass::Basic(basic::AMQPMethod::Publish(publish)));
        let properties = properties.with_delivery_mode(2).with_message_id(id.to_string().into());
        let header = AMQPContentHeader { class_id: 60, body_size: 8, properties };
        self.frame(&AMQPFrame::Header(CHANNEL, header));
        self.frame(&AMQPFrame::Body(CHANNEL, id.to_be_bytes().to_vec()));
    }

    /// Queues a publish to the default exchange, with a value that filters look at.
    pub fn publish_filtered(&mut self, queue: &str, id: u64, value: &str) {
        let mut headers = FieldTable::default();
        headers.insert("x-stream-filter-value".into(), AMQPValue::LongString(value.into()));
        self.publish_to("", queue, id, AMQPProperties::default().with_headers(headers));
    }

    /// Queues an ack, or a nack or reject that requeues or not.
    pub fn settle(&mut self, tag: u64, settle: Settle) {
        self.method(AMQPClass::Basic(match settle {
            Settle::Ack => basic::AMQPMethod::Ack(basic::Ack { delivery_tag: tag, multiple: false }),
            Settle::Requeue => {
                basic::AMQPMethod::Nack(basic::Nack { delivery_tag: tag, multiple: false, requeue: true })
            }
            Settle::Reject => basic::AMQPMethod::Reject(basic::Reject { delivery_tag: tag, requeue: false }),
        }));
    }

    /// Declares a durable queue and waits for the answer.
    pub async fn declare(&mut self, name: &str, arguments: &[(&str, &str)]) -> Option<()> {
        let mut table = FieldTable::default();
        for (key, value) in arguments {
            let value = match (value.parse(), *value) {
                (Ok(number), _) => AMQPValue::LongInt(number),
                (Err(_), "true") => AMQPValue::Boolean(true),
                (Err(_), text) => AMQPValue::LongString(text.into()),
            };
            table.insert((*key).into(), value);
        }
        let declare = queue::Declare {
            queue: name.into(),
            passive: false,
            durable: true,
            exclusive: false,
            auto_delete: false,
            nowait: false,
            arguments: table,
        };
        self.method(AMQPClass::Queue(queue::AMQPMethod::Declare(declare)));
        self.flush().await?;
        self.until(|said| {
            matches!(said, Said::Method(AMQPClass::Queue(queue::AMQPMethod::DeclareOk(_)))).then_some(())
        })
        .await
    }

    /// How many messages a queue has that are ready, by a passive declare.
    pub async fn count(&mut self, name: &str) -> Option<u32> {
        let declare = queue::Declare {
            queue: name.into(),
            passive: true,
            durable: true,
            exclusive: false,
            auto_delete: false,
            nowait: false,
            arguments: FieldTable::default(),
        };
        self.method(AMQPClass::Queue(queue::AMQPMethod::Declare(declare)));
        self.flush().await?;
        let answer = |said| match said {
            Said::Method(AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok))) => Some(ok.message_count),
            _ => None,
        };
        self.until(answer).await
    }

    /// Declares a durable exchange that delays, with this queue bound to it, and waits for the answer.
    pub async fn declare_delays(&mut self, name: &str, queue: &str) -> Option<()> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-delayed-type".into(), AMQPValue::LongString("direct".into()));
        let declare = exchange::Declare {
            exchange: name.into(),
            kind: "x-delayed-message".into(),
            passive: false,
            durable: true,
            auto_delete: false,
            internal: false,
            nowait: true,
            arguments,
        };
        self.method(AMQPClass::Exchange(exchange::AMQPMethod::Declare(declare)));
        let bind = queue::Bind {
            queue: queue.into(),
            exchange: name.into(),
            routing_key: queue.into(),
            nowait: false,
            arguments: FieldTable::default(),
        };
        self.method(AMQPClass::Queue(queue::AMQPMethod::Bind(bind)));
        self.flush().await?;
        self.until(|said| {
            matches!(said, Said::Method(AMQPClass::Queue(queue::AMQPMethod::BindOk(_)))).then_some(())
        })
        .await
    }

    /// Starts to consume with this prefetch.
    pub async fn consume(&mut self, queue: &str, prefetch: u16) -> Option<()> {
        self.consume_with(queue, prefetch, FieldTable::default()).await
    }

    /// Starts to consume with this prefetch and these arguments.
    pub async fn consume_with(&mut self, queue: &str, prefetch: u16, arguments: FieldTable) -> Option<()> {
        let qos = basic::Qos { prefetch_count: prefetch, global: false };
        self.method(AMQPClass::Basic(basic::AMQPMethod::Qos(qos)));
        let consume = basic::Consume {
            queue: queue.into(),
            consumer_tag: "c".into(),
            no_local: false,
            no_ack: false,
            exclusive: false,
            nowait: true,
            arguments,
        };
        self.method(AMQPClass::Basic(basic::AMQPMethod::Consume(consume)));
        self.flush().await
    }

    /// Queues an ack of all up to a delivery.
    pub fn ack_up_to(&mut self, tag: u64) {
        let ack = basic::Ack { delivery_tag: tag, multiple: true };
        self.method(AMQPClass::Basic(basic::AMQPMethod::Ack(ack)));
    }

    /// Queues a basic.cancel of the consumer.
    pub fn cancel(&mut self) {
        let cancel = basic::Cancel { consumer_tag: "c".into(), nowait: false };
        self.method(AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel)));
    }

    /// Closes the channel and waits for the answer: all that was said before was heard.
    pub async fn close_channel(&mut self) -> Option<()> {
        let (reply_text, class_id, method_id) = ("".into(), 0, 0);
        let close = channel::Close { reply_code: 200, reply_text, class_id, method_id };
        self.method(AMQPClass::Channel(channel::AMQPMethod::Close(close)));
        self.flush().await?;
        self.until(|said| {
            matches!(said, Said::Method(AMQPClass::Channel(channel::AMQPMethod::CloseOk(_)))).then_some(())
        })
        .await
    }

    /// Queues confirm.select.
    pub fn confirm_select(&mut self) {
        self.method(AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: true })));
    }

    /// Queues tx.select or tx.commit.
    pub fn tx(&mut self, commit: bool) {
        self.method(AMQPClass::Tx(if commit {
            tx::AMQPMethod::Commit(tx::Commit {})
        } else {
            tx::AMQPMethod::Select(tx::Select {})
        }));
    }

    /// Commits what was queued, and waits for the answer; `None` if the broker is gone.
    pub async fn commit(&mut self) -> Option<()> {
        self.tx(true);
        self.flush().await?;
        self.until(|said| {
            matches!(said, Said::Method(AMQPClass::Tx(tx::AMQPMethod::CommitOk(_)))).then_some(())
        })
        .await
    }

    /// Writes what was queued; `None` if the broker is gone.
    pub async fn flush(&mut self) -> Option<()> {
        let out = std::mem::take(&mut self.out);
        self.stream.write_all(&out).await.ok()
    }

    /// Reads until something said is what is looked for; `None` if the broker is gone.
    pub async fn until<T>(&mut self, mut look: impl FnMut(Said) -> Option<T>) -> Option<T> {
        loop {
            if let Some(found) = look(self.next().await?) {
                return Some(found);
            }
        }
    }

    /// What the broker says next; `None` if it is gone.
    pub async fn next(&mut self) -> Option<Said> {
        loop {
            while let Some(frame) = self.take_frame() {
                if let Some(said) = self.understand(frame) {
                    return Some(said);
                }
            }
            if self.was_refused {
                return None;
            }
            if self.stream.read_buf(&mut self.input).await.ok()? == 0 {
                return None;
            }
        }
    }

    fn take_frame(&mut self) -> Option<AMQPFrame> {
        let (rest, frame) = parse_frame(&self.input[..]).ok()?;
        let used = self.input.len() - rest.len();
        self.input.drain(..used);
        Some(frame)
    }

    fn understand(&mut self, frame: AMQPFrame) -> Option<Said> {
        match frame {
            AMQPFrame::Method(_, AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver))) => {
                self.delivery = Some((deliver.delivery_tag, deliver.redelivered));
                None
            }
            AMQPFrame::Header(_, header) => {
                self.offset = offset(&header.properties);
                None
            }
            AMQPFrame::Body(_, body) => {
                let (tag, redelivered) = self.delivery.take()?;
                let body = u64::from_be_bytes(body.try_into().unwrap());
                Some(Said::Delivery { tag, redelivered, body, offset: self.offset })
            }
            AMQPFrame::Method(_, AMQPClass::Basic(basic::AMQPMethod::Ack(ack))) => {
                Some(Said::Confirm { tag: ack.delivery_tag, multiple: ack.multiple, ack: true })
            }
            AMQPFrame::Method(_, AMQPClass::Basic(basic::AMQPMethod::Nack(nack))) => {
                Some(Said::Confirm { tag: nack.delivery_tag, multiple: nack.multiple, ack: false })
            }
            AMQPFrame::Method(_, AMQPClass::Channel(channel::AMQPMethod::Close(close))) => {
                panic!("channel closed: {close:?}")
            }
            // It stops, or no longer leads: the stream ends soon.
            AMQPFrame::Method(_, AMQPClass::Connection(connection::AMQPMethod::Close(close)))
                if close.reply_code == CONNECTION_FORCED =>
            {
                None
            }
            AMQPFrame::Method(_, AMQPClass::Connection(connection::AMQPMethod::Close(close)))
                if self.may_be_refused && matches!(close.reply_code, ACCESS_REFUSED | NOT_ALLOWED) =>
            {
                self.was_refused = true;
                None
            }
            AMQPFrame::Method(_, AMQPClass::Connection(connection::AMQPMethod::Close(close))) => {
                panic!("connection closed: {close:?}")
            }
            AMQPFrame::Method(_, method) => Some(Said::Method(method)),
            _ => None,
        }
    }
}

fn offset(properties: &AMQPProperties) -> Option<u64> {
    let headers = properties.headers().as_ref()?;
    match headers.inner().get("x-stream-offset")? {
        AMQPValue::LongLongInt(offset) => Some(u64::try_from(*offset).unwrap()),
        other => panic!("an offset is a number of 64 bits: {other:?}"),
    }
}

/// How a delivery is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settle {
    Ack,
    Requeue,
    Reject,
}

fn start_ok() -> AMQPClass {
    AMQPClass::Connection(connection::AMQPMethod::StartOk(connection::StartOk {
        client_properties: FieldTable::default(),
        mechanism: "PLAIN".into(),
        response: "\0guest\0guest".into(),
        locale: "en_US".into(),
    }))
}
