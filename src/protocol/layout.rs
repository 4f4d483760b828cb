//! The arguments of the methods that amq-protocol parses, and the check that goes before its parser.
//!
//! Its parser answers each fault with the same error, and overflows the stack on nested tables. So the arguments are
//! walked here first: what passes has every field in place, tables that are well formed and not too deep, and nothing
//! behind the last field.

use super::method_id::MethodId;
use super::table::{self, TableError};

/// A method's argument; bits share an octet (spec section 4.2.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Octet,
    Short,
    Long,
    LongLong,
    ShortString,
    LongString,
    Table,
}

/// What is wrong with a method's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Truncated,
    Trailing,
    Utf8,
    Table(TableError),
}

use Field::{Long, LongLong, LongString, Octet, Short, ShortString, Table};

const CLOSE: &[Field] = &[Short, ShortString, Short, Short];
const TUNE: &[Field] = &[Short, Long, Short];
const BIND: &[Field] = &[Short, ShortString, ShortString, ShortString, Octet, Table];

/// The arguments of a method; `None` for one that AMQP 0-9-1 with RabbitMQ's extensions does not have.
pub(super) const fn fields(id: MethodId) -> Option<&'static [Field]> {
    match id.class {
        10 => connection(id.method),
        20 => channel(id.method),
        30 => access(id.method),
        40 => exchange(id.method),
        50 => queue(id.method),
        60 => basic(id.method),
        85 => confirm(id.method),
        90 => tx(id.method),
        _ => None,
    }
}

const fn connection(method: u16) -> Option<&'static [Field]> {
    Some(match method {
        10 => &[Octet, Octet, Table, LongString, LongString],
        11 => &[Table, ShortString, LongString, ShortString],
        20 | 21 => &[LongString],
        30 | 31 => TUNE,
        40 => &[ShortString, ShortString, Octet],
        41 | 60 => &[ShortString],
        50 => CLOSE,
        51 | 61 | 71 => &[],
        70 => &[LongString, ShortString],
        _ => return None,
    })
}

const fn channel(method: u16) -> Option<&'static [Field]> {
    Some(match method {
        10 => &[ShortString],
        11 => &[LongString],
        20 | 21 => &[Octet],
        40 => CLOSE,
        41 => &[],
        _ => return None,
    })
}

const fn access(method: u16) -> Option<&'static [Field]> {
    Some(match method {
        10 => &[ShortString, Octet],
        11 => &[Short],
        _ => return None,
    })
}

const fn exchange(method: u16) -> Option<&'static [Field]> {
    Some(match method {
        10 => &[Short, ShortString, ShortString, Octet, Table],
        20 => &[Short, ShortString, Octet],
        30 | 40 => BIND,
        11 | 21 | 31 | 51 => &[],
        _ => return None,
    })
}

const fn queue(method: u16) -> Option<&'static [Field]> {
    Some(match method {
        10 => &[Short, ShortString, Octet, Table],
        11 => &[ShortString, Long, Long],
        20 => BIND,
        30 | 40 => &[Short, ShortString, Octet],
        31 | 41 => &[Long],
        50 => &[Short, ShortString, ShortString, ShortString, Table],
        21 | 51 => &[],
        _ => return None,
    })
}

const fn basic(method: u16) -> Option<&'static [Field]> {
    Some(match method {
        10 => &[Long, Short, Octet],
        20 => &[Short, ShortString, ShortString, Octet, Table],
        21 | 31 | 72 => &[ShortString],
        30 => &[ShortString, Octet],
        40 => &[Short, ShortString, ShortString, Octet],
        50 => &[Short, ShortString, ShortString, ShortString],
        60 => &[ShortString, LongLong, Octet, ShortString, ShortString],
        70 => &[Short, ShortString, Octet],
        71 => &[LongLong, Octet, ShortString, ShortString, Long],
        80 | 90 | 120 => &[LongLong, Octet],
        100 | 110 => &[Octet],
        11 | 111 => &[],
        _ => return None,
    })
}

const fn confirm(method: u16) -> Option<&'static [Field]> {
    match method {
        10 => Some(&[Octet]),
        11 => Some(&[]),
        _ => None,
    }
}

const fn tx(method: u16) -> Option<&'static [Field]> {
    match method {
        10 | 11 | 20 | 21 | 30 | 31 => Some(&[]),
        _ => None,
    }
}

/// Walks a method's arguments.
pub(super) fn check(fields: &[Field], arguments: &[u8]) -> Result<(), Fault> {
    let mut rest = arguments;
    for field in fields {
        rest = check_field(*field, rest)?;
    }
    if rest.is_empty() { Ok(()) } else { Err(Fault::Trailing) }
}

/// Returns what follows the field at the front.
fn check_field(field: Field, bytes: &[u8]) -> Result<&[u8], Fault> {
    let (value, rest) = split(field, bytes).ok_or(Fault::Truncated)?;
    match field {
        ShortString if std::str::from_utf8(value).is_err() => Err(Fault::Utf8),
        Table => table::validate(value).map(|()| rest).map_err(Fault::Table),
        _ => Ok(rest),
    }
}

/// Splits a field's content (without a length) from what follows it.
fn split(field: Field, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, bytes) = match field {
        Octet => (1, bytes),
        Short => (2, bytes),
        Long => (4, bytes),
        LongLong => (8, bytes),
        ShortString => bytes.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        LongString | Table => {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            (u32::from_be_bytes(*length) as usize, rest)
        }
    };
    bytes.split_at_checked(length)
}
