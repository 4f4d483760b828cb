//! The bindings of an exchange of type `x-consistent-hash`: a ring of points, of which each destination has as many as
//! its weight says. A message goes to the destination whose point follows its hash.
//!
//! Invariants:
//! - The ring is a function of the set of destinations and weights, whatever the order they came in: a key keeps its
//!   destination across restarts.
//! - A destination's points are those numbered from 0 up to its count. Binding and unbinding, and a change of weight,
//!   add or remove the last of them: only the keys next to those move.
//! - A destination's weight is the sum over its bindings.
//! - No destination has more than [`POINTS_MAX`] points, and a ring not more than [`RING_POINTS_MAX`] (or one for each destination).
//!   What would have more is scaled down together, by a power of two that the heaviest weight and the sum of all decide; when
//!   that changes, more keys move than the change is about.

use std::collections::BTreeMap;

use super::edges::{Edge, Map, Target};
use super::equivalence;
use super::error::TopologyError;
use super::hash::{HashOn, hash_bytes, mix};
use super::header_source::HeaderSource;
use super::spec::{Binding, Destination};
use amq_protocol::types::AMQPValue;

/// Points for a weight of 1: shares are off by some 4 % (one in the square root of this).
const POINTS_PER_WEIGHT: u64 = 512;
/// Up to here a destination gets [`POINTS_PER_WEIGHT`] for each of its weight.
const WEIGHT_EXACT_MAX: u64 = 16;
/// What bounds the memory and the time of a binding: some 200 kB and a millisecond.
const POINTS_MAX: u64 = POINTS_PER_WEIGHT * WEIGHT_EXACT_MAX;
/// What bounds those of a ring, for others on the vhost wait while one changes: 6 MB, and a millisecond for each binding, ten when
/// the scale changes. It is reached by a sum of weights of 512: 1,500 destinations of one weight have 128 points each, and their
/// shares are off by some 9 %.
const RING_POINTS_MAX: u64 = 1 << 18;
/// Larger weights count as this one, so that sums and products stay within 64 bits.
const WEIGHT_MAX: u64 = 1 << 32;

/// Checks the binding key of a binding from such an exchange: a whole number above 0.
pub(super) fn check_weight(binding: &Binding) -> Result<(), TopologyError> {
    let text = match weight(&binding.routing_key) {
        Some(0) => "The binding key must be greater than 0".to_owned(),
        Some(_) => return Ok(()),
        None => {
            let key = AMQPValue::LongString(binding.routing_key.as_bytes().into());
            format!("The binding key must be an integer: {}", equivalence::term(&key))
        }
    };
    Err(TopologyError::PreconditionFailed(text))
}

/// A number as Erlang reads one, where any negative one is as bad as 0. `None` if it is no number.
fn weight(key: &str) -> Option<u64> {
    let (is_negative, digits) = match key.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |value: u64, digit: &u8| (value * 10 + u64::from(digit - b'0')).min(WEIGHT_MAX);
    Some(if is_negative { 0 } else { digits.iter().fold(0, add) })
}

/// A destination on the ring.
#[derive(Clone, Copy, Debug)]
struct Member {
    seed: u64,
    weight: u64,
    points: u64,
}

#[derive(Debug)]
pub(super) struct HashRing {
    on: HashOn,
    members: Map<Target, Member>,
    /// How many members have a weight.
    weights: BTreeMap<u64, usize>,
    /// The sum of all members' weights.
    total: u128,
    /// The scale of all members' points: see [`scale`].
    scale: u32,
    /// By their place on the ring.
    points: Vec<Point>,
}

/// A place on the ring and whose it is. Two in one place are as likely as not once in 2^32 points; the one that was there first
/// counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Point {
    place: u64,
    owner: Target,
}

impl HashRing {
    pub fn new(on: HashOn) -> Self {
        Self {
            on,
            members: Map::default(),
            weights: BTreeMap::new(),
            total: 0,
            scale: scale(0, 0),
            points: Vec::new(),
        }
    }

    /// Whether the routing key alone decides.
    pub fn is_keyed(&self) -> bool {
        self.on == HashOn::RoutingKey
    }

    /// Adds a binding. A weight that was not [checked](check_weight) counts as 0 and gets nothing.
    pub fn insert(&mut self, binding: &Binding, edge: Edge) {
        let weight = weight(&binding.routing_key).unwrap_or(0);
        self.change(binding, edge.target, |old| old.saturating_add(weight));
    }

    pub fn remove(&mut self, binding: &Binding, edge: Edge) {
        let weight = weight(&binding.routing_key).unwrap_or(0);
        self.change(binding, edge.target, |old| old.saturating_sub(weight));
    }

    /// The destination of a message; none only if nothing is bound.
    pub fn find(&self, routing_key: &[u8], message: Option<&dyn HeaderSource>) -> Option<Target> {
        let hash = self.on.hash(routing_key, message);
        let following = self.points.partition_point(|point| point.place < hash);
        self.points.get(following).or_else(|| self.points.first()).map(|point| point.owner)
    }

    /// Gives a destination another weight.
    fn change(&mut self, binding: &Binding, target: Target, weight: impl FnOnce(u64) -> u64) {
        let mut member = self.members.get(&target).copied().unwrap_or_else(|| Member::new(binding));
        self.forget_weight(member.weight);
        member.weight = weight(member.weight);
        self.add_weight(member.weight);
        self.members.insert(target, member);
        let heaviest = self.weights.last_key_value().map_or(0, |(weight, _)| *weight);
        let scale = scale(heaviest, self.total);
        // Almost always it stays in its power of two.
        if self.scale == scale {
            self.resize(target);
        } else {
            self.scale = scale;
            self.rebuild();
        }
        if member.weight == 0 {
            self.members.remove(&target);
        }
    }

    fn add_weight(&mut self, weight: u64) {
        if weight > 0 {
            *self.weights.entry(weight).or_default() += 1;
            self.total += u128::from(weight);
        }
    }

    fn forget_weight(&mut self, weight: u64) {
        let Some(count) = self.weights.get_mut(&weight) else { return };
        *count -= 1;
        if *count == 0 {
            self.weights.remove(&weight);
        }
        self.total -= u128::from(weight);
    }

    /// Gives every member the points that its weight asks for.
    fn rebuild(&mut self) {
        self.points.clear();
        for (target, member) in &mut self.members {
            member.points = points(member.weight, self.scale);
            self.points.extend(member.points(*target, 0));
        }
        self.points.sort_unstable_by_key(|point| point.place);
        self.give_back();
    }

    /// Gives a member the points that its weight asks for.
    fn resize(&mut self, target: Target) {
        let Some(member) = self.members.get_mut(&target) else { return };
        let wanted = points(member.weight, self.scale);
        if wanted < member.points {
            self.points.retain(|point| point.owner != target);
            member.points = 0;
        }
        let had = std::mem::replace(&mut member.points, wanted);
        let mut new: Vec<Point> = member.points(target, had).collect();
        new.sort_unstable_by_key(|point| point.place);
        self.points.append(&mut new);
        // Two ascending runs: a stable sort merges them in one pass.
        self.points.sort_by_key(|point| point.place);
        self.give_back();
    }

    /// A ring that has shrunk needs less memory.
    fn give_back(&mut self) {
        if self.points.len() < self.points.capacity() / 4 {
            self.points.shrink_to_fit();
        }
    }
}

impl Member {
    /// Names tell destinations apart for good; their numbers change when they are declared again.
    fn new(binding: &Binding) -> Self {
        let salt = match &binding.destination {
            Destination::Queue(_) => 0,
            Destination::Exchange(_) => 1,
        };
        let seed = mix(hash_bytes(binding.destination.name().as_bytes()) ^ salt);
        Self { seed, weight: 0, points: 0 }
    }

    /// Its points from a number on.
    fn points(self, owner: Target, from: u64) -> impl Iterator<Item = Point> {
        (from..self.points).map(move |number| Point { place: mix(self.seed ^ mix(number)), owner })
    }
}

/// By how many bits weights are scaled down, if these are the heaviest and the sum of all: the heaviest gets at most
/// [`POINTS_MAX`] points, and all together at most [`RING_POINTS_MAX`].
fn scale(heaviest: u64, total: u128) -> u32 {
    let by_total = bits(total).saturating_sub((RING_POINTS_MAX / POINTS_MAX).trailing_zeros());
    bits(heaviest.max(WEIGHT_EXACT_MAX).into()).max(by_total)
}

/// The exponent of the power of two that is not below a number.
fn bits(number: u128) -> u32 {
    u128::BITS - number.saturating_sub(1).leading_zeros()
}

/// Whoever has a weight has a point. The sum of many weights may be above the largest single one.
fn points(weight: u64, scale: u32) -> u64 {
    if weight == 0 {
        return 0;
    }
    let points = (u128::from(weight) * u128::from(POINTS_MAX)) >> scale;
    u64::try_from(points).unwrap_or(POINTS_MAX).clamp(1, POINTS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::QueueId;

    fn binding(queue: u64, key: &str) -> (Binding, Edge) {
        let binding = Binding {
            source: "x".to_owned(),
            destination: Destination::Queue(format!("q{queue}")),
            routing_key: key.to_owned(),
            arguments: Default::default(),
        };
        (binding, Edge { binding: 0, target: Target::Queue(QueueId(queue)) })
    }

    /// A change of these moves keys of every such exchange in existence.
    #[test]
    fn a_key_has_the_same_place_in_every_version() {
        let ring = ring(&[(0, "1"), (1, "3"), (2, "16"), (3, "20")]);
        let homes: Vec<_> = (0..24)
            .filter_map(|number| match ring.find(format!("order.{number}").as_bytes(), None)? {
                Target::Queue(id) => Some(id.0),
                Target::Exchange(_) => None,
            })
            .collect();
        assert_eq!(homes, [3, 2, 2, 2, 3, 3, 3, 3, 2, 3, 2, 3, 3, 2, 3, 3, 2, 3, 0, 2, 2, 1, 3, 3]);
    }

    fn ring(bindings: &[(u64, &str)]) -> HashRing {
        let mut ring = HashRing::new(HashOn::RoutingKey);
        for (queue, key) in bindings {
            let (binding, edge) = binding(*queue, key);
            ring.insert(&binding, edge);
        }
        ring
    }

    #[test]
    fn weights_are_read_as_erlang_reads_integers() {
        for (key, expected) in [
            ("1", Some(1)),
            ("+5", Some(5)),
            ("05", Some(5)),
            ("0", Some(0)),
            ("-3", Some(0)),
            ("99999999999999999999999", Some(WEIGHT_MAX)),
            ("", None),
            ("-", None),
            ("1.5", None),
            (" 5", None),
            ("5 ", None),
            ("five", None),
        ] {
            assert_eq!(weight(key), expected, "{key:?}");
        }
    }

    #[test]
    fn points_follow_weights_and_have_a_limit() {
        let counts = |bindings: &[(u64, &str)]| {
            let ring = ring(bindings);
            let mut counts: Vec<_> = ring.members.values().map(|member| member.points).collect();
            counts.sort_unstable();
            assert_eq!(counts.iter().sum::<u64>(), ring.points.len() as u64);
            counts
        };
        assert_eq!(counts(&[(0, "1"), (1, "16")]), [512, 8192]);
        assert_eq!(counts(&[(0, "1"), (1, "17")]), [256, 256 * 17]);
        assert_eq!(counts(&[(0, "1000"), (1, "2000")]), [4000, 8000]);
        assert_eq!(counts(&[(0, "1"), (1, "4000000000")]), [1, 7629]);
        assert_eq!(counts(&[(0, "1"), (0, "02"), (1, "3")]), [1536, 1536], "a destination's bindings add up");
    }

    #[test]
    fn a_ring_has_a_limit_too() {
        let many = |count: u64| {
            let ring = ring(&(0..count).map(|queue| (queue, "16")).collect::<Vec<_>>());
            assert!(ring.points.is_sorted_by_key(|point| point.place));
            ring.points.len() as u64
        };
        assert_eq!(many(32), RING_POINTS_MAX);
        assert_eq!(many(33), 33 * POINTS_MAX / 2);
        assert_eq!(many(1500), 1500 * POINTS_MAX / 64);
    }

    #[test]
    fn what_comes_and_goes_leaves_no_trace() {
        let before = ring(&[(0, "1"), (1, "3")]);
        let mut after = ring(&[(2, "1000"), (1, "3"), (0, "5"), (0, "1")]);
        for (queue, key) in [(2, "1000"), (0, "5")] {
            let (binding, edge) = binding(queue, key);
            after.remove(&binding, edge);
        }
        assert_eq!((before.points, before.weights), (after.points.clone(), after.weights.clone()));
        for (queue, key) in [(1, "3"), (0, "1")] {
            let (binding, edge) = binding(queue, key);
            after.remove(&binding, edge);
        }
        assert!(after.points.is_empty() && after.weights.is_empty() && after.members.is_empty());
    }
}
