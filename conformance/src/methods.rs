//! The methods a client sends, as class, method and arguments.
//!
//! Bits go out as one octet exactly as the specification numbers them, so that a case can set any of them.

use crate::codec::{Table, Writer};

/// A method.
#[derive(Clone, Debug)]
pub struct Method {
    /// Class and method.
    pub id: (u16, u16),
    /// The encoded arguments.
    pub args: Vec<u8>,
}

/// Bits of `queue.declare`.
pub mod q {
    #![expect(missing_docs, reason = "the names are the specification's")]
    pub const NONE: u8 = 0;
    pub const PASSIVE: u8 = 1;
    pub const DURABLE: u8 = 2;
    pub const EXCLUSIVE: u8 = 4;
    pub const AUTO_DELETE: u8 = 8;
    pub const NOWAIT: u8 = 16;
}

/// Bits of `exchange.declare`.
pub mod x {
    #![expect(missing_docs, reason = "the names are the specification's")]
    pub const NONE: u8 = 0;
    pub const PASSIVE: u8 = 1;
    pub const DURABLE: u8 = 2;
    pub const AUTO_DELETE: u8 = 4;
    pub const INTERNAL: u8 = 8;
}

/// Bits of `basic.consume`.
pub mod c {
    #![expect(missing_docs, reason = "the names are the specification's")]
    pub const NONE: u8 = 0;
    pub const NO_ACK: u8 = 2;
    pub const EXCLUSIVE: u8 = 4;
    pub const NOWAIT: u8 = 8;
}

/// Any method.
pub fn method(class: u16, method: u16, args: Writer) -> Method {
    Method { id: (class, method), args: args.done() }
}

fn w() -> Writer {
    Writer::default()
}

#[expect(missing_docs, reason = "the names are the specification's")]
mod all {
    use super::{Method, Table, method, w};

    pub fn channel_open() -> Method {
        method(20, 10, w().short(""))
    }
    pub fn channel_flow(active: bool) -> Method {
        method(20, 20, w().u8(active.into()))
    }
    pub fn channel_close() -> Method {
        method(20, 40, w().u16(200).short("bye").u16(0).u16(0))
    }
    pub fn exchange_declare(name: &str, kind: &str, bits: u8, args: Table) -> Method {
        method(40, 10, w().u16(0).short(name).short(kind).u8(bits).table(&args))
    }
    pub fn exchange_delete(name: &str, bits: u8) -> Method {
        method(40, 20, w().u16(0).short(name).u8(bits))
    }
    pub fn exchange_bind(to: &str, from: &str, key: &str, args: Table) -> Method {
        method(40, 30, w().u16(0).short(to).short(from).short(key).u8(0).table(&args))
    }
    pub fn exchange_unbind(to: &str, from: &str, key: &str, args: Table) -> Method {
        method(40, 40, w().u16(0).short(to).short(from).short(key).u8(0).table(&args))
    }
    pub fn queue_declare(name: &str, bits: u8, args: Table) -> Method {
        method(50, 10, w().u16(0).short(name).u8(bits).table(&args))
    }
    pub fn queue_bind(queue: &str, exchange: &str, key: &str, args: Table) -> Method {
        method(50, 20, w().u16(0).short(queue).short(exchange).short(key).u8(0).table(&args))
    }
    pub fn queue_purge(name: &str) -> Method {
        method(50, 30, w().u16(0).short(name).u8(0))
    }
    pub fn queue_delete(name: &str, bits: u8) -> Method {
        method(50, 40, w().u16(0).short(name).u8(bits))
    }
    pub fn queue_unbind(queue: &str, exchange: &str, key: &str, args: Table) -> Method {
        method(50, 50, w().u16(0).short(queue).short(exchange).short(key).table(&args))
    }
    pub fn basic_qos(size: u32, count: u16, global: bool) -> Method {
        method(60, 10, w().u32(size).u16(count).u8(global.into()))
    }
    pub fn basic_consume(queue: &str, tag: &str, bits: u8, args: Table) -> Method {
        method(60, 20, w().u16(0).short(queue).short(tag).u8(bits).table(&args))
    }
    pub fn basic_cancel(tag: &str) -> Method {
        method(60, 30, w().short(tag).u8(0))
    }
    pub fn basic_publish(exchange: &str, key: &str, bits: u8) -> Method {
        method(60, 40, w().u16(0).short(exchange).short(key).u8(bits))
    }
    pub fn basic_get(queue: &str, no_ack: bool) -> Method {
        method(60, 70, w().u16(0).short(queue).u8(no_ack.into()))
    }
    pub fn basic_ack(tag: u64, multiple: bool) -> Method {
        method(60, 80, w().u64(tag).u8(multiple.into()))
    }
    pub fn basic_reject(tag: u64, requeue: bool) -> Method {
        method(60, 90, w().u64(tag).u8(requeue.into()))
    }
    pub fn basic_recover(requeue: bool) -> Method {
        method(60, 110, w().u8(requeue.into()))
    }
    pub fn basic_nack(tag: u64, multiple: bool, requeue: bool) -> Method {
        method(60, 120, w().u64(tag).u8(u8::from(multiple) | (u8::from(requeue) << 1)))
    }
    pub fn confirm_select() -> Method {
        method(85, 10, w().u8(0))
    }
    pub fn tx_select() -> Method {
        method(90, 10, w())
    }
    pub fn tx_commit() -> Method {
        method(90, 20, w())
    }
    pub fn tx_rollback() -> Method {
        method(90, 30, w())
    }
}
pub use all::*;
