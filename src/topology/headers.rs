//! The bindings of a headers exchange, indexed by header name and value: the cost of routing is in the headers of the
//! message and the bindings that ask for them, not in the number of bindings.
//!
//! A binding asks for a number of headers; each one found is counted, and the binding matches when the count reaches
//! all of them (`all`) or one (`any`). As in RabbitMQ: names that begin with `x-` count only with `all-with-x` and
//! `any-with-x`; void asks for presence; numbers and timestamps compare by value whatever their type, and so do
//! strings and byte arrays; no header asked for is a match for `all` and none for `any`.

use amq_protocol::types::{AMQPValue, FieldTable};
use slab::Slab;

use crate::protocol::value::type_name;

use super::edges::{BindingIndex, Edge, IndexSet, Map, Matches, VecSet};
use super::error::TopologyError;
use super::header_source::HeaderSource;
use super::header_value::HeaderValue;
use super::{equivalence, nested};

/// The binding argument that says how to combine the others.
const X_MATCH: &str = "x-match";

/// Values that equal each other in RabbitMQ are the same scalar: 1, 1.0 and timestamp 1, but not true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scalar {
    Bool(bool),
    Whole(i128),
    /// Bits of a float that is no whole number.
    Fraction(u64),
    Decimal(u8, u32),
}

impl Scalar {
    /// Past this a float does not fit the whole numbers, and no integer type reaches it.
    const WHOLE_FLOAT_MAX: f64 = 1e38;

    fn from_float(value: f64) -> Self {
        if value.fract() == 0.0 && value.abs() < Self::WHOLE_FLOAT_MAX {
            Self::Whole(value as i128)
        } else {
            Self::Fraction(value.to_bits())
        }
    }

    fn from_header(value: HeaderValue<'_>) -> Option<Self> {
        Some(match value {
            HeaderValue::Bool(value) => Self::Bool(value),
            HeaderValue::Int(value) => Self::Whole(value.into()),
            HeaderValue::Uint(value) | HeaderValue::Timestamp(value) => Self::Whole(value.into()),
            HeaderValue::Float(value) => Self::from_float(value),
            HeaderValue::Decimal { scale, value } => Self::Decimal(scale, value),
            HeaderValue::Bytes(_) | HeaderValue::Void | HeaderValue::Other { .. } => return None,
        })
    }

    fn from_argument(value: &AMQPValue) -> Option<Self> {
        match value {
            AMQPValue::Boolean(value) => Some(Self::Bool(*value)),
            AMQPValue::DecimalValue(value) => Some(Self::Decimal(value.scale, value.value)),
            _ => equivalence::whole(value)
                .map(Self::Whole)
                .or_else(|| equivalence::float(value).map(Self::from_float)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mode {
    all: bool,
    with_x: bool,
}

impl Mode {
    fn of(arguments: &FieldTable) -> Option<Self> {
        let (all, with_x) = match arguments.inner().get(X_MATCH) {
            None => (true, false),
            Some(AMQPValue::LongString(mode)) => match mode.as_bytes() {
                b"all" => (true, false),
                b"any" => (false, false),
                b"all-with-x" => (true, true),
                b"any-with-x" => (false, true),
                _ => return None,
            },
            Some(_) => return None,
        };
        Some(Self { all, with_x })
    }

    fn counts(self, name: &str) -> bool {
        name != X_MATCH && (self.with_x || !name.starts_with("x-"))
    }
}

/// Checks the arguments of a binding from a headers exchange.
pub(super) fn check_arguments(arguments: &FieldTable) -> Result<(), TopologyError> {
    let Some(mode) = arguments.inner().get(X_MATCH) else { return Ok(()) };
    let term = equivalence::term(mode);
    let text = match mode {
        AMQPValue::LongString(_) if Mode::of(arguments).is_some() => return Ok(()),
        AMQPValue::LongString(_) => {
            format!("Invalid x-match field value {term}; expected all, any, all-with-x, or any-with-x")
        }
        other => {
            let found = type_name(other);
            format!("Invalid x-match field type {found} (value {term}); expected longstr")
        }
    };
    Err(TopologyError::PreconditionFailed(text))
}

/// A binding as the table sees it.
#[derive(Debug)]
struct Slot {
    edge: Edge,
    /// Headers to be found; never 0.
    needed: u32,
}

/// Who asks for one header name. A slot stands in one of these once.
#[derive(Debug, Default)]
struct NameBindings {
    present: VecSet<usize>,
    bytes: Map<Box<[u8]>, VecSet<usize>>,
    scalars: Map<Scalar, VecSet<usize>>,
    /// Arrays and tables, compared one by one: they are rare.
    nested: Vec<(AMQPValue, usize)>,
}

impl NameBindings {
    fn insert(&mut self, value: &AMQPValue, slot: usize) {
        if let Some(bytes) = equivalence::bytes(value) {
            self.bytes.entry(bytes.into()).or_default().insert(slot);
        } else if let Some(scalar) = Scalar::from_argument(value) {
            self.scalars.entry(scalar).or_default().insert(slot);
        } else if *value == AMQPValue::Void {
            self.present.insert(slot);
        } else {
            self.nested.push((value.clone(), slot));
        }
    }

    fn remove(&mut self, value: &AMQPValue, slot: usize) {
        if let Some(bytes) = equivalence::bytes(value) {
            remove_from(&mut self.bytes, bytes, slot);
        } else if let Some(scalar) = Scalar::from_argument(value) {
            remove_from(&mut self.scalars, &scalar, slot);
        } else if *value == AMQPValue::Void {
            self.present.remove(slot);
        } else {
            self.nested.retain(|(_, other)| *other != slot);
        }
    }

    fn is_empty(&self) -> bool {
        self.present.is_empty() && self.bytes.is_empty() && self.scalars.is_empty() && self.nested.is_empty()
    }

    /// Calls `f` for each slot that wants this value.
    fn each(&self, value: HeaderValue<'_>, mut f: impl FnMut(usize)) {
        self.present.as_slice().iter().for_each(|slot| f(*slot));
        let exact = match value {
            HeaderValue::Bytes(bytes) => self.bytes.get(bytes),
            other => Scalar::from_header(other).and_then(|scalar| self.scalars.get(&scalar)),
        };
        exact.into_iter().flat_map(VecSet::as_slice).for_each(|slot| f(*slot));
        if let HeaderValue::Other { tag, raw } = value {
            let equal = self.nested.iter().filter(|(expected, _)| nested::equals(expected, tag, raw));
            equal.for_each(|(_, slot)| f(*slot));
        }
    }
}

fn remove_from<K, Q>(map: &mut Map<K, VecSet<usize>>, key: &Q, slot: usize)
where
    K: std::hash::Hash + Eq + std::borrow::Borrow<Q>,
    Q: std::hash::Hash + Eq + ?Sized,
{
    let Some(slots) = map.get_mut(key) else { return };
    slots.remove(slot);
    if slots.is_empty() {
        map.remove(key);
    }
}

/// What matching needs besides the table; reused from message to message.
#[derive(Debug, Default)]
pub(super) struct HeadersScratch {
    /// Headers found, by slot.
    counts: Vec<u32>,
    /// Slots whose count is not 0.
    counted: Vec<usize>,
    /// Names met, by their key in the table.
    names: IndexSet,
    /// Bindings that were counted at since somebody asked.
    pub(super) steps: usize,
}

impl HeadersScratch {
    fn count(&mut self, slot: usize) -> u32 {
        if slot >= self.counts.len() {
            self.counts.resize(slot + 1, 0);
        }
        let Some(count) = self.counts.get_mut(slot) else { return 0 };
        if *count == 0 {
            self.counted.push(slot);
        }
        *count += 1;
        self.steps += 1;
        *count
    }

    fn clear(&mut self) {
        self.names.clear();
        for slot in self.counted.drain(..) {
            if let Some(count) = self.counts.get_mut(slot) {
                *count = 0;
            }
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct HeadersTable {
    slots: Slab<Slot>,
    slot_of_binding: Map<BindingIndex, usize>,
    names: Map<Box<[u8]>, usize>,
    wanted: Slab<NameBindings>,
    /// `all` of nothing.
    always: VecSet<Edge>,
}

impl HeadersTable {
    /// Adds a binding. Arguments that were not [checked](check_arguments) never match.
    pub fn insert(&mut self, arguments: &FieldTable, edge: Edge) {
        let Some(mode) = Mode::of(arguments) else { return };
        let asked = asked_for(arguments, mode).count() as u32;
        if asked == 0 {
            if mode.all {
                self.always.insert(edge);
            }
            return;
        }
        let slot = self.slots.insert(Slot { edge, needed: if mode.all { asked } else { 1 } });
        self.slot_of_binding.insert(edge.binding, slot);
        for (name, value) in asked_for(arguments, mode) {
            let key = self.key_of_name(name);
            if let Some(wanted) = self.wanted.get_mut(key) {
                wanted.insert(value, slot);
            }
        }
    }

    pub fn remove(&mut self, arguments: &FieldTable, edge: Edge) {
        let Some(mode) = Mode::of(arguments) else { return };
        let Some(slot) = self.slot_of_binding.remove(&edge.binding) else {
            self.always.remove(edge);
            return;
        };
        self.slots.remove(slot);
        for (name, value) in asked_for(arguments, mode) {
            self.forget(name, value, slot);
        }
    }

    /// Adds the edges of all bindings that match the headers.
    pub fn matches(
        &self,
        headers: Option<&dyn HeaderSource>,
        scratch: &mut HeadersScratch,
        found: &mut Matches<'_>,
    ) {
        found.add_all(&self.always);
        let Some(headers) = headers.filter(|_| !self.slots.is_empty()) else { return };
        headers.visit(&mut |name, value| {
            self.count_header(name, value, scratch, found);
            true
        });
        scratch.clear();
    }

    /// Whether there is no trace of any binding.
    #[cfg(test)]
    pub fn is_bare(&self) -> bool {
        self.slots.is_empty()
            && self.slot_of_binding.is_empty()
            && self.names.is_empty()
            && self.wanted.is_empty()
            && self.always.is_empty()
    }

    fn count_header(
        &self,
        name: &[u8],
        value: HeaderValue<'_>,
        scratch: &mut HeadersScratch,
        found: &mut Matches<'_>,
    ) {
        let Some(key) = self.names.get(name).copied() else { return };
        let Some(wanted) = self.wanted.get(key).filter(|_| scratch.names.insert(key)) else { return };
        wanted.each(value, |index| {
            let Some(slot) = self.slots.get(index) else { return };
            if scratch.count(index) == slot.needed {
                found.add(slot.edge.target);
            }
        });
    }

    fn key_of_name(&mut self, name: &str) -> usize {
        let wanted = &mut self.wanted;
        match self.names.get(name.as_bytes()) {
            Some(key) => *key,
            None => {
                *self.names.entry(name.as_bytes().into()).or_insert(wanted.insert(NameBindings::default()))
            }
        }
    }

    fn forget(&mut self, name: &str, value: &AMQPValue, slot: usize) {
        let Some(key) = self.names.get(name.as_bytes()).copied() else { return };
        let Some(wanted) = self.wanted.get_mut(key) else { return };
        wanted.remove(value, slot);
        if wanted.is_empty() {
            self.wanted.remove(key);
            self.names.remove(name.as_bytes());
        }
    }
}

/// The headers that a binding's arguments ask for.
fn asked_for(arguments: &FieldTable, mode: Mode) -> impl Iterator<Item = (&str, &AMQPValue)> {
    arguments
        .into_iter()
        .map(|(name, value)| (name.as_str(), value))
        .filter(move |(name, _)| mode.counts(name))
}
