//! Contents put together by hand, and what came back taken apart: for cases about single frames and their order.

use crate::case::Ctx;
use crate::check::{Check, Stop, ensure, fail, same};
use crate::codec::{Reader, Writer};
use crate::methods::{Method, method};
use crate::raw::{CLOSED, Confirm, Event, PROTOCOL, Raw, Scope, frame, header};

/// `basic.publish` with a routing key of any bytes.
pub fn publish_bytes(exchange: &str, key: &[u8], bits: u8) -> Method {
    let args = Writer::default().u16(0).short(exchange).u8(key.len() as u8).bytes(key).u8(bits);
    method(60, 40, args)
}

/// A method's frame.
pub fn method_frame(channel: u16, method: &Method) -> Vec<u8> {
    let payload = Writer::default().u16(method.id.0).u16(method.id.1).bytes(&method.args).done();
    frame(1, channel, &payload)
}

/// The bytes of `connection.close`.
pub fn connection_close() -> Vec<u8> {
    method_frame(0, &method(10, 50, Writer::default().u16(200).short("bye").u16(0).u16(0)))
}

/// An event as a confirm.
pub fn as_confirm(event: &Event) -> Check<Confirm> {
    let Event::Method(_, id @ (60, 80 | 120), args) = event else {
        return fail(format!("{event:?}, expected a confirm"));
    };
    let mut input = Reader(args);
    let (tag, multiple) = (input.u64()?, input.u8()? & 1 != 0);
    Ok(if id.1 == 80 { Confirm::Ack(tag, multiple) } else { Confirm::Nack(tag, multiple) })
}

impl Raw {
    /// Sends a content header of class basic on the current channel.
    pub async fn content_header(&mut self, size: u64, props: &[u8]) {
        self.frame(2, self.channel, &header(60, 0, size, props)).await;
    }

    /// Publishes without properties in just these body frames.
    pub async fn publish_parts(&mut self, queue: &str, size: u64, parts: &[&[u8]]) {
        self.send(crate::methods::basic_publish("", queue, 0)).await;
        self.content_header(size, &[0, 0]).await;
        for part in parts {
            self.frame(3, self.channel, part).await;
        }
    }

    /// The next event has to be this method, on this channel; its arguments.
    pub async fn expect_on(&mut self, channel: u16, id: (u16, u16)) -> Check<Vec<u8>> {
        match self.event().await? {
            Event::Method(on, found, args) if (on, found) == (channel, id) => Ok(args),
            other => fail(format!("{other:?}, expected {id:?} on channel {channel}")),
        }
    }

    /// A round trip on the current channel that changes nothing: what was sent before it has been looked at.
    pub async fn round_trip(&mut self) -> Check {
        self.call(crate::methods::channel_flow(true)).await.map(|_| ())
    }

    /// Acknowledges a channel.close and opens the channel again.
    pub async fn reopen(&mut self) -> Check {
        self.send(method(20, 41, Writer::default())).await;
        self.open_channel(self.channel).await
    }

    /// Checks that the connection is closed with one of these codes.
    pub async fn expect_code(&mut self, codes: &[u16]) -> Check {
        match self.closed().await? {
            Scope::connection(code, ..) if codes.contains(&code) => Ok(()),
            other => fail(format!("{other:?}, expected a connection.close with one of {codes:?}")),
        }
    }

    /// Checks that the current channel is closed with this code, and opens it again.
    pub async fn expect_channel_code(&mut self, code: u16, id: (u16, u16)) -> Check {
        match self.closed().await? {
            Scope::channel(found, _, by) => same("code and method", (found, by), (code, id))?,
            other => return fail(format!("{other:?}, expected a channel.close with {code}")),
        }
        self.reopen().await
    }

    /// Checks that the broker refuses the connection: a connection.close, or just the end of the socket.
    pub async fn expect_refused(&mut self) -> Check {
        let closed = self.closed().await?;
        ensure(
            matches!(closed, Scope::socket | Scope::connection(..)),
            format!("{closed:?}, expected an end"),
        )
    }

    /// Waits for this method or the end of the connection, passing over everything else.
    pub async fn closed_or(&mut self, id: (u16, u16)) -> Check {
        loop {
            match self.event().await {
                Ok(Event::Method(_, found, _)) if found == id || found == (10, 50) => return Ok(()),
                Ok(_) => {}
                Err(Stop::Fail(text)) if text == CLOSED => return Ok(()),
                Err(stop) => return Err(stop),
            }
        }
    }

    /// The frames of the next content, beginning with its method.
    pub async fn content_frames(&mut self) -> Check<Vec<crate::raw::Frame>> {
        let mut frames = Vec::new();
        let (mut size, mut found) = (None, 0);
        while size != Some(found) {
            let Some(frame) = self.next_frame().await? else { return fail("closed within a content") };
            match frame.kind {
                2 => {
                    size = frame
                        .payload
                        .get(4..12)
                        .map(|size| size.iter().fold(0, |n, b| (n << 8) | usize::from(*b)))
                }
                3 => found += frame.payload.len(),
                _ => {}
            }
            frames.push(frame);
        }
        Ok(frames)
    }
}

/// A connection up to connection.start; that method's arguments.
pub async fn started(ctx: &Ctx) -> Check<(Raw, Vec<u8>)> {
    let mut raw = ctx.socket().await?;
    raw.bytes(PROTOCOL).await;
    let start = raw.wait_for((10, 10)).await?;
    Ok((raw, start))
}

/// A connection where this was negotiated, with channel 1 open.
pub async fn negotiated(ctx: &Ctx, channel_max: u16, frame_max: u32, heartbeat: u16) -> Check<Raw> {
    let mut raw = ctx.socket().await?;
    raw.log_in(&ctx.target).await?;
    raw.tune(&ctx.target, channel_max, frame_max, heartbeat).await?;
    raw.open_channel(1).await?;
    Ok(raw)
}

/// Checks that a broker that was sent something harmful still serves others.
pub async fn still_serves(ctx: &Ctx) -> Check {
    let mut raw = ctx.raw().await?;
    let queue = ctx.name("alive");
    raw.queue(&queue).await?;
    raw.publish("", &queue, "m").await;
    same("message", raw.take(&queue).await?.text(), "m")
}
