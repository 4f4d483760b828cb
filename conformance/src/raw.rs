//! The suite's own client: it sends frames as told, right or wrong, and reports what comes back.
//!
//! Deliveries, returns, confirms and other things a broker sends unasked wait in `stash` while a call waits for its
//! answer, in the order they came.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::check::{Check, Stop, fail, same};
use crate::codec::{Props, Reader, Table, Value, Writer, table};
use crate::methods::{self, Method, channel_open, queue_declare};
use crate::support::pause;
use crate::target::Target;

/// The header of AMQP 0-9-1.
pub const PROTOCOL: &[u8] = b"AMQP\x00\x00\x09\x01";
/// The frame size the suite negotiates, as every broker offers at least this.
pub const FRAME_MAX: u32 = 131_072;
/// What a case fails with that waits for an event when the socket has ended.
pub const CLOSED: &str = "the broker closed the socket";
const FRAME_OVERHEAD: usize = 8;
/// What one read may bring: half of a largest frame.
const READ_BYTES: usize = 65_536;

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// 1 method, 2 header, 3 body, 8 heartbeat.
    pub kind: u8,
    /// Its channel.
    pub channel: u16,
    /// What is in it.
    pub payload: Vec<u8>,
}

/// How a broker ends something: code, text, class and method.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(non_camel_case_types, reason = "the words of the case tables")]
pub enum Scope {
    /// The connection.
    connection(u16, String, (u16, u16)),
    /// The channel.
    channel(u16, String, (u16, u16)),
    /// The socket, without a word.
    socket,
}

/// A message with the method that brought it.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The channel.
    pub channel: u16,
    /// `basic.deliver`, `basic.get-ok` or `basic.return`.
    pub id: (u16, u16),
    /// The delivery tag.
    pub tag: u64,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// The exchange.
    pub exchange: String,
    /// The routing key.
    pub key: String,
    /// The consumer tag of a delivery.
    pub consumer: String,
    /// The messages left, of a get.
    pub remaining: u32,
    /// The reply code of a return.
    pub code: u16,
    /// The reply text of a return.
    pub text: String,
    /// The properties.
    pub props: Props,
    /// The body.
    pub body: Vec<u8>,
}

impl Message {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What came in.
#[derive(Clone, Debug)]
pub enum Event {
    /// A method without content: channel, class and method, arguments.
    Method(u16, (u16, u16), Vec<u8>),
    /// A whole message.
    Message(Box<Message>),
}

/// A confirm: ack or nack, tag, multiple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Confirm {
    Ack(u64, bool),
    Nack(u64, bool),
}

/// A raw connection.
pub struct Raw {
    stream: TcpStream,
    input: Vec<u8>,
    stash: VecDeque<Event>,
    patience: Duration,
    /// The channel that the shorthands use.
    pub channel: u16,
}

/// A frame's bytes.
pub fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    Writer::default().u8(kind).u16(channel).long(payload).u8(0xCE).done()
}

/// A content header's payload.
pub fn header(class: u16, weight: u16, size: u64, props: &[u8]) -> Vec<u8> {
    Writer::default().u16(class).u16(weight).u64(size).bytes(props).done()
}

/// The capabilities that the suite announces.
pub fn client_properties() -> Table {
    let names = [
        "authentication_failure_close",
        "consumer_cancel_notify",
        "connection.blocked",
        "publisher_confirms",
        "basic.nack",
        "exchange_exchange_bindings",
    ];
    let capabilities = names.iter().map(|name| ((*name).to_owned(), Value::Bool(true))).collect();
    table([("product", "conformance".into()), ("capabilities", Value::Table(capabilities))])
}

/// `connection.start-ok`
pub fn start_ok(properties: &Table, mechanism: &str, response: &[u8]) -> Method {
    let args = Writer::default().table(properties).short(mechanism).long(response).short("en_US");
    methods::method(10, 11, args)
}

/// `connection.tune-ok`
pub fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> Method {
    methods::method(10, 31, Writer::default().u16(channel_max).u32(frame_max).u16(heartbeat))
}

/// `connection.open`
pub fn open(vhost: &str) -> Method {
    methods::method(10, 40, Writer::default().short(vhost).short("").u8(0))
}

/// A PLAIN response.
pub fn plain(user: &str, password: &str) -> Vec<u8> {
    format!("\0{user}\0{password}").into_bytes()
}

impl Raw {
    /// Connects without a word.
    pub async fn connect(target: &Target) -> Check<Self> {
        let stream = TcpStream::connect(&target.address).await?;
        stream.set_nodelay(true)?;
        let patience = target.patience;
        Ok(Self { stream, input: Vec::new(), stash: VecDeque::new(), patience, channel: 1 })
    }

    /// Connects, logs in and opens the vhost.
    pub async fn open(target: &Target) -> Check<Self> {
        let mut raw = Self::connect(target).await?;
        raw.log_in(target).await?;
        raw.tune(target, 2047, FRAME_MAX, 0).await?;
        Ok(raw)
    }

    /// The protocol header and the login.
    pub async fn log_in(&mut self, target: &Target) -> Check {
        self.bytes(PROTOCOL).await;
        self.wait_for((10, 10)).await?;
        let response = plain(&target.user, &target.password);
        self.send_on(0, start_ok(&client_properties(), "PLAIN", &response)).await;
        Ok(())
    }

    /// The rest of the handshake.
    pub async fn tune(&mut self, target: &Target, channel_max: u16, frame_max: u32, heartbeat: u16) -> Check {
        self.wait_for((10, 30)).await?;
        self.send_on(0, tune_ok(channel_max, frame_max, heartbeat)).await;
        self.send_on(0, open(&target.vhost)).await;
        self.wait_for((10, 41)).await?;
        Ok(())
    }

    /// Opens a channel.
    pub async fn open_channel(&mut self, channel: u16) -> Check {
        self.send_on(channel, channel_open()).await;
        self.wait_for((20, 11)).await?;
        Ok(())
    }

    /// Closes the connection properly, as far as the broker lets it.
    pub async fn close(&mut self) {
        let args = Writer::default().u16(200).short("bye").u16(0).u16(0);
        self.send_on(0, methods::method(10, 50, args)).await;
        let _ = self.wait_for((10, 51)).await;
    }

    /// Sends bytes. A broker may have closed already: what it said before is what counts.
    pub async fn bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Ends the sending side of the socket.
    pub async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Sends a frame.
    pub async fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        self.bytes(&frame(kind, channel, payload)).await;
    }

    /// Sends a method.
    pub async fn send_on(&mut self, channel: u16, method: Method) {
        let payload = Writer::default().u16(method.id.0).u16(method.id.1).bytes(&method.args).done();
        self.frame(1, channel, &payload).await;
    }

    /// Sends a method on the current channel.
    pub async fn send(&mut self, method: Method) {
        self.send_on(self.channel, method).await;
    }

    /// Reads whatever comes until the socket is closed.
    pub async fn rest(&mut self) -> Check<Vec<u8>> {
        while self.fill().await? {}
        Ok(std::mem::take(&mut self.input))
    }

    /// More input; false when the socket is closed.
    async fn fill(&mut self) -> Check<bool> {
        self.input.reserve(READ_BYTES);
        match tokio::time::timeout(self.patience, self.stream.read_buf(&mut self.input)).await {
            Ok(Ok(count)) => Ok(count > 0),
            Ok(Err(_)) => Ok(false),
            Err(_) => fail("no answer in time"),
        }
    }

    /// The next frame; `None` when the socket is closed.
    pub async fn next_frame(&mut self) -> Check<Option<Frame>> {
        loop {
            if let Some((frame, used)) = split(&self.input)? {
                self.input.drain(..used);
                return Ok(Some(frame));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// The next event as it comes in; `None` when the socket is closed. Heartbeats are passed over.
    async fn incoming(&mut self) -> Check<Option<Event>> {
        loop {
            let Some(frame) = self.next_frame().await? else { return Ok(None) };
            if frame.kind == 8 {
                continue;
            }
            same("type of the broker's frame", frame.kind, 1)?;
            let mut input = Reader(&frame.payload);
            let id = (input.u16()?, input.u16()?);
            if !matches!(id, (60, 50 | 60 | 71)) {
                return Ok(Some(Event::Method(frame.channel, id, input.0.to_vec())));
            }
            let message = self.content(frame.channel, id, input).await?;
            return Ok(Some(Event::Message(Box::new(message))));
        }
    }

    async fn content(&mut self, channel: u16, id: (u16, u16), mut input: Reader<'_>) -> Check<Message> {
        let mut message = Message { channel, id, ..Message::default() };
        match id.1 {
            50 => {
                message.code = input.u16()?;
                message.text = input.short()?;
            }
            60 => message.consumer = input.short()?,
            _ => {}
        }
        if id.1 != 50 {
            message.tag = input.u64()?;
            message.redelivered = input.u8()? != 0;
        }
        message.exchange = input.short()?;
        message.key = input.short()?;
        if id.1 == 71 {
            message.remaining = input.u32()?;
        }
        self.header_and_body(&mut message).await?;
        Ok(message)
    }

    async fn header_and_body(&mut self, message: &mut Message) -> Check {
        let Some(frame) = self.next_frame().await? else { return fail("closed before a content header") };
        same("frame after a method with content", (frame.kind, frame.channel), (2, message.channel))?;
        let mut input = Reader(&frame.payload);
        same("class and weight of the content header", (input.u16()?, input.u16()?), (60, 0))?;
        let size = input.u64()? as usize;
        message.props = Props::decode(&mut input)?;
        while message.body.len() < size {
            let Some(frame) = self.next_frame().await? else { return fail("closed in mid-body") };
            same("frame within a content", (frame.kind, frame.channel), (3, message.channel))?;
            message.body.extend_from_slice(&frame.payload);
        }
        same("length of the body", message.body.len(), size)
    }

    /// The next event, stashed ones first.
    pub async fn event(&mut self) -> Check<Event> {
        if let Some(event) = self.stash.pop_front() {
            return Ok(event);
        }
        match self.incoming().await? {
            Some(event) => Ok(event),
            None => fail(CLOSED),
        }
    }

    /// Waits for this method and stashes what is sent unasked; anything else is a failure. Returns its arguments.
    pub async fn wait_for(&mut self, wanted: (u16, u16)) -> Check<Vec<u8>> {
        let found = self.wait_any(&[wanted]).await?;
        Ok(found.1)
    }

    async fn wait_any(&mut self, wanted: &[(u16, u16)]) -> Check<((u16, u16), Vec<u8>)> {
        loop {
            match self.incoming().await? {
                None => return fail(format!("the broker closed the socket instead of {wanted:?}")),
                Some(Event::Method(_, id, args)) if wanted.contains(&id) => return Ok((id, args)),
                Some(Event::Method(_, (60, 30 | 80 | 120) | (10, 60 | 61), _) | Event::Message(_))
                    if self.stash.len() > 100_000 =>
                {
                    return fail("too many events");
                }
                Some(
                    event @ (Event::Method(_, (60, 30 | 80 | 120) | (10, 60 | 61), _) | Event::Message(_)),
                ) => {
                    self.stash.push_back(event);
                }
                Some(Event::Method(channel, id, args)) => return unexpected(channel, id, &args, wanted),
            }
        }
    }

    /// Sends a method and waits for its answer's arguments.
    pub async fn call(&mut self, method: Method) -> Check<Vec<u8>> {
        let answer = match method.id {
            (40, 40) => (40, 51),
            (class, method) => (class, method + 1),
        };
        self.send(method).await;
        self.wait_for(answer).await
    }

    /// Reads until something is closed, passing over everything else.
    pub async fn closed(&mut self) -> Check<Scope> {
        loop {
            let event = match self.stash.pop_front() {
                Some(event) => Some(event),
                None => self.incoming().await?,
            };
            match event {
                None => return Ok(Scope::socket),
                Some(Event::Method(_, (10, 50), args)) => {
                    let (code, text, id) = close(&args)?;
                    return Ok(Scope::connection(code, text, id));
                }
                Some(Event::Method(_, (20, 40), args)) => {
                    let (code, text, id) = close(&args)?;
                    return Ok(Scope::channel(code, text, id));
                }
                Some(_) => {}
            }
        }
    }

    /// Waits for this method, and gives `None`, or until something is closed; passes over everything else.
    pub async fn refused_before(&mut self, wanted: (u16, u16)) -> Check<Option<Scope>> {
        loop {
            match self.incoming().await? {
                None => return Ok(Some(Scope::socket)),
                Some(Event::Method(_, id, _)) if id == wanted => return Ok(None),
                Some(event @ Event::Method(_, (10, 50) | (20, 40), _)) => {
                    self.stash.push_front(event);
                    return self.closed().await.map(Some);
                }
                Some(_) => {}
            }
        }
    }

    /// Waits for this close (the text is a beginning), and checks that the rest of a connection lives on.
    pub async fn expect_closed(&mut self, wanted: &Scope) -> Check {
        let found = self.closed().await?;
        let fits = match (&found, wanted) {
            (Scope::connection(a, text, b), Scope::connection(c, start, d))
            | (Scope::channel(a, text, b), Scope::channel(c, start, d)) => {
                a == c && b == d && text.starts_with(start.as_str())
            }
            (a, b) => a == b,
        };
        crate::check::ensure(fits, format!("{found:?}, expected {wanted:?}"))?;
        match found {
            Scope::channel(..) => {
                self.send(methods::method(20, 41, Writer::default())).await;
                self.open_channel(900).await
            }
            Scope::connection(..) => {
                self.send_on(0, methods::method(10, 51, Writer::default())).await;
                self.rest().await.map(|_| ())
            }
            Scope::socket => Ok(()),
        }
    }

    /// Declares a queue; its name, messages and consumers.
    pub async fn declare(&mut self, name: &str, bits: u8, args: Table) -> Check<(String, u32, u32)> {
        let answer = self.call(queue_declare(name, bits, args)).await?;
        let mut input = Reader(&answer);
        Ok((input.short()?, input.u32()?, input.u32()?))
    }

    /// An exclusive queue without arguments.
    pub async fn queue(&mut self, name: &str) -> Check {
        self.declare(name, methods::q::EXCLUSIVE, Table::new()).await.map(|_| ())
    }

    /// An exclusive queue with arguments.
    pub async fn queue_with<const N: usize>(&mut self, name: &str, args: [(&str, Value); N]) -> Check {
        self.declare(name, methods::q::EXCLUSIVE, table(args)).await.map(|_| ())
    }

    /// Messages and consumers of a queue.
    pub async fn counts(&mut self, name: &str) -> Check<(u32, u32)> {
        let (_, messages, consumers) = self.declare(name, methods::q::PASSIVE, Table::new()).await?;
        Ok((messages, consumers))
    }

    /// A transient exchange that is not deleted by itself.
    pub async fn exchange(&mut self, name: &str, kind: &str) -> Check {
        self.call(methods::exchange_declare(name, kind, 0, Table::new())).await.map(|_| ())
    }

    /// Binds a queue.
    pub async fn bind(&mut self, queue: &str, exchange: &str, key: &str) -> Check {
        self.call(methods::queue_bind(queue, exchange, key, Table::new())).await.map(|_| ())
    }

    /// Publishes a text.
    pub async fn publish(&mut self, exchange: &str, key: &str, body: &str) {
        self.publish_with(exchange, key, 0, &Props::default(), body.as_bytes()).await;
    }

    /// Publishes.
    pub async fn publish_with(&mut self, exchange: &str, key: &str, bits: u8, props: &Props, body: &[u8]) {
        self.send(methods::basic_publish(exchange, key, bits)).await;
        let content = header(60, 0, body.len() as u64, &props.encode());
        self.frame(2, self.channel, &content).await;
        for chunk in body.chunks(FRAME_MAX as usize - FRAME_OVERHEAD) {
            self.frame(3, self.channel, chunk).await;
        }
    }

    /// Publishes to a queue each of these.
    pub async fn fill_queue(&mut self, queue: &str, bodies: &[&str]) {
        for body in bodies {
            self.publish("", queue, body).await;
        }
    }

    /// Starts a consumer; its tag.
    pub async fn consume(&mut self, queue: &str, tag: &str, bits: u8) -> Check<String> {
        let answer = self.call(methods::basic_consume(queue, tag, bits, Table::new())).await?;
        Reader(&answer).short()
    }

    /// The next delivery; anything else that comes first is a failure.
    pub async fn delivery(&mut self) -> Check<Message> {
        self.message((60, 60)).await
    }

    /// The next return.
    pub async fn returned(&mut self) -> Check<Message> {
        self.message((60, 50)).await
    }

    async fn message(&mut self, id: (u16, u16)) -> Check<Message> {
        match self.event().await? {
            Event::Message(message) if message.id == id => Ok(*message),
            Event::Message(message) => fail(format!("{:?} came, expected {id:?}: {message:?}", message.id)),
            Event::Method(channel, found, args) => unexpected(channel, found, &args, &[id]),
        }
    }

    /// The next deliveries' texts.
    pub async fn texts(&mut self, count: usize) -> Check<Vec<String>> {
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.delivery().await?.text());
        }
        Ok(texts)
    }

    /// Takes a message, or none.
    pub async fn get(&mut self, queue: &str, no_ack: bool) -> Check<Option<Message>> {
        self.send(methods::basic_get(queue, no_ack)).await;
        let mut held = VecDeque::new();
        loop {
            match self.incoming().await? {
                Some(Event::Message(message)) if message.id == (60, 71) => {
                    self.stash.append(&mut held);
                    return Ok(Some(*message));
                }
                Some(Event::Method(_, (60, 72), _)) => {
                    self.stash.append(&mut held);
                    return Ok(None);
                }
                Some(Event::Method(channel, id @ ((20, 40) | (10, 50)), args)) => {
                    return unexpected(channel, id, &args, &[(60, 71), (60, 72)]);
                }
                Some(event) => held.push_back(event),
                None => return fail("the broker closed the socket instead of answering basic.get"),
            }
        }
    }

    /// Takes a message that has to be there.
    pub async fn take(&mut self, queue: &str) -> Check<Message> {
        match self.get(queue, true).await? {
            Some(message) => Ok(message),
            None => fail(format!("queue {queue} is empty")),
        }
    }

    /// Everything in a queue, as texts.
    pub async fn drain(&mut self, queue: &str) -> Check<Vec<String>> {
        let mut texts = Vec::new();
        while let Some(message) = self.get(queue, true).await? {
            texts.push(message.text());
        }
        Ok(texts)
    }

    /// The next message of a queue that is yet to arrive there.
    pub async fn arrival(&mut self, queue: &str) -> Check<Message> {
        let tag = self.consume(queue, "", methods::c::NO_ACK).await?;
        let message = self.delivery().await?;
        self.call(methods::basic_cancel(&tag)).await?;
        Ok(message)
    }

    /// The next confirm.
    pub async fn confirm(&mut self) -> Check<Confirm> {
        match self.event().await? {
            Event::Method(_, id @ (60, 80 | 120), args) => {
                let mut input = Reader(&args);
                let (tag, multiple) = (input.u64()?, input.u8()? & 1 != 0);
                Ok(if id.1 == 80 { Confirm::Ack(tag, multiple) } else { Confirm::Nack(tag, multiple) })
            }
            other => fail(format!("{other:?}, expected a confirm")),
        }
    }

    /// Waits until every publish up to `last` is confirmed; the nacked tags.
    pub async fn confirms(&mut self, last: u64) -> Check<Vec<u64>> {
        let mut open: Vec<u64> = (1..=last).collect();
        let mut nacked = Vec::new();
        while !open.is_empty() {
            let (tag, multiple, bad) = match self.confirm().await? {
                Confirm::Ack(tag, multiple) => (tag, multiple, false),
                Confirm::Nack(tag, multiple) => (tag, multiple, true),
            };
            let covered = |open: &u64| *open == tag || (multiple && *open <= tag);
            if bad {
                nacked.extend(open.iter().copied().filter(|tag| covered(tag)));
            }
            crate::check::ensure(open.iter().any(covered), format!("tag {tag} is confirmed a second time"))?;
            open.retain(|tag| !covered(tag));
        }
        Ok(nacked)
    }

    /// Checks that nothing was sent unasked. Two round trips to the queue: what it sent before them has come.
    pub async fn quiet(&mut self, queue: &str) -> Check {
        self.counts(queue).await?;
        self.counts(queue).await?;
        match self.stash.pop_front() {
            None => Ok(()),
            Some(event) => fail(format!("{event:?}, expected nothing")),
        }
    }

    /// Looks at a queue until it has this many messages.
    pub async fn until_ready(&mut self, queue: &str, messages: u32) -> Check {
        let patience = self.patience;
        let wait = async {
            while self.counts(queue).await?.0 != messages {
                pause().await;
            }
            Ok::<(), Stop>(())
        };
        match tokio::time::timeout(patience, wait).await {
            Ok(done) => done,
            Err(_) => fail(format!("{queue} did not come to {messages} messages in time")),
        }
    }

    /// Looks for a queue until it is gone; uses channels from 1000 up.
    pub async fn until_gone(&mut self, queue: &str) -> Check {
        let back = self.channel;
        for channel in 1000..2000 {
            self.channel = channel;
            self.open_channel(channel).await?;
            self.send(queue_declare(queue, methods::q::PASSIVE, Table::new())).await;
            let (id, args) = self.wait_any(&[(50, 11), (20, 40)]).await?;
            if id == (20, 40) && close(&args)?.0 == 404 {
                self.send(methods::method(20, 41, Writer::default())).await;
                self.channel = back;
                return Ok(());
            }
            let done = methods::method(20, if id == (20, 40) { 41 } else { 40 }, Writer::default());
            if id == (20, 40) {
                self.send(done).await
            } else {
                drop(self.call(methods::channel_close()).await?)
            }
            pause().await;
        }
        fail(format!("queue {queue} is still there"))
    }
}

fn split(input: &[u8]) -> Check<Option<(Frame, usize)>> {
    if input.starts_with(b"AMQP") {
        return fail("the broker answered with a protocol header");
    }
    let mut reader = Reader(input);
    if input.len() < FRAME_OVERHEAD {
        return Ok(None);
    }
    let (kind, channel, size) = (reader.u8()?, reader.u16()?, reader.u32()? as usize);
    if reader.0.len() <= size {
        return Ok(None);
    }
    let payload = reader.take(size)?.to_vec();
    same("end of the broker's frame", reader.u8()?, 0xCE)?;
    Ok(Some((Frame { kind, channel, payload }, size + FRAME_OVERHEAD)))
}

fn close(args: &[u8]) -> Check<(u16, String, (u16, u16))> {
    let mut input = Reader(args);
    Ok((input.u16()?, input.short()?, (input.u16()?, input.u16()?)))
}

fn unexpected<T>(channel: u16, id: (u16, u16), args: &[u8], wanted: &[(u16, u16)]) -> Check<T> {
    match (id, close(args)) {
        ((10, 50) | (20, 40), Ok(closed)) => fail(format!("closed with {closed:?} instead of {wanted:?}")),
        _ => fail(format!("method {id:?} on channel {channel}, expected {wanted:?}")),
    }
}
