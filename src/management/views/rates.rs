//! Counters with their rates: for each `X` an `X_details` with the rate over the last seconds, and on request with samples
//! (<https://www.rabbitmq.com/docs/http-api-reference#obtaining-message-rates>).
//!
//! A rate is what was counted within a window that ends now, divided by its length: nothing is sampled beforehand. Counters
//! remember the last 60 s, so samples reach no further back.

use std::ops::Deref;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::management::error::ApiError;
use crate::management::params::Params;
use crate::statistics::{Counters, QueueCounters, Recorder};
use crate::time::{Time, Timestamp};

/// What a rate is taken over.
const WINDOW: Duration = Duration::from_secs(5);
/// How far back counters remember.
const MEMORY_S: u64 = 60;
/// Samples that may be asked for.
const SAMPLES_MAX: u64 = 500;

/// The samples that a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    age_s: u64,
    increment_s: u64,
}

/// When, and how far back, counters are looked at.
#[derive(Clone, Copy, Debug)]
pub(in crate::management) struct Clocked {
    now: Time,
    wall: Timestamp,
    lengths: Option<Range>,
    messages: Option<Range>,
    data: Option<Range>,
    node: Option<Range>,
}

/// Of which kind counters are: each has parameters of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::management) enum Kind {
    /// How many messages are in a queue: `lengths_age`, `lengths_incr`.
    Lengths,
    /// What became of messages: `msg_rates_age`, `msg_rates_incr`.
    Messages,
    /// Bytes and frames: `data_rates_age`, `data_rates_incr`.
    Data,
    /// What the node does: `node_stats_age`, `node_stats_incr`.
    Node,
}

impl Clocked {
    /// Now, with the samples that the request wants.
    ///
    /// # Errors
    /// 400: too many samples, or numbers that are none.
    pub(in crate::management) fn of(params: &Params, now: Time, wall: Timestamp) -> Result<Self, ApiError> {
        Ok(Self {
            now,
            wall,
            lengths: range(params, "lengths")?,
            messages: range(params, "msg_rates")?,
            data: range(params, "data_rates")?,
            node: range(params, "node_stats")?,
        })
    }

    /// Looks at counters.
    pub(in crate::management) fn look<C: Counters<N>, const N: usize>(
        &self,
        kind: Kind,
        recorder: &Recorder<C, N>,
    ) -> Seen<C> {
        self.look_at_all(kind, &[recorder])
    }

    /// Looks at counters, and adds them up.
    pub(in crate::management) fn look_at_all<C: Counters<N>, const N: usize>(
        &self,
        kind: Kind,
        recorders: &[impl Deref<Target = Recorder<C, N>>],
    ) -> Seen<C> {
        let read = || sum(recorders.iter().map(|recorder| recorder.read()));
        let before =
            |age: Duration| sum(recorders.iter().map(|recorder| recorder.read_before(self.now, age)));
        let range = match kind {
            Kind::Lengths => self.lengths,
            Kind::Messages => self.messages,
            Kind::Data => self.data,
            Kind::Node => self.node,
        };
        let samples = range.map(|range| {
            let ages =
                (0..=range.age_s.min(MEMORY_S) / range.increment_s).map(|step| step * range.increment_s);
            ages.map(|age_s| {
                let at_ms = self.wall.as_millis().saturating_sub(age_s * 1000);
                let counts = if age_s == 0 { read() } else { before(Duration::from_secs(age_s)) };
                (at_ms, counts)
            })
            .collect()
        });
        Seen { now: read(), before: before(WINDOW), samples }
    }
}

fn sum<C: Counters<N>, const N: usize>(counts: impl Iterator<Item = C>) -> C {
    let mut sums = [0_u64; N];
    for counts in counts {
        sums.iter_mut().zip(counts.to_array()).for_each(|(sum, count)| *sum += count);
    }
    C::from_array(sums)
}

fn range(params: &Params, prefix: &str) -> Result<Option<Range>, ApiError> {
    let number = |suffix: &str| params.get(&format!("{prefix}_{suffix}"));
    let (Some(age), Some(increment)) = (number("age"), number("incr")) else { return Ok(None) };
    let parsed = age.parse::<u64>().ok().zip(increment.parse::<u64>().ok());
    match parsed {
        Some((age_s, increment_s)) if increment_s > 0 && age_s / increment_s <= SAMPLES_MAX => {
            Ok(Some(Range { age_s, increment_s }))
        }
        _ => Err(ApiError::bad_request(format!("Invalid range parameters: age {age}, incr {increment}"))),
    }
}

/// Counters as they are, and were.
#[derive(Clone, Debug)]
pub(in crate::management) struct Seen<C> {
    now: C,
    before: C,
    /// When, in milliseconds of the wall clock, the newest first.
    samples: Option<Vec<(u64, C)>>,
}

impl<C: Copy> Seen<C> {
    /// Of other counters, which these make.
    pub(in crate::management) fn map(self, make: impl Fn(C) -> C) -> Self {
        let samples = self.samples.map(|samples| samples.into_iter().map(|(at, counts)| (at, make(counts))));
        Self { now: make(self.now), before: make(self.before), samples: samples.map(Iterator::collect) }
    }

    /// What the counters say now.
    pub(in crate::management) const fn now(&self) -> &C {
        &self.now
    }

    /// A sum of counters.
    pub(in crate::management) fn counter(&self, count: impl Fn(&C) -> u64) -> Rated {
        let value = count(&self.now);
        self.rated(value, |counts| count(counts) as f64)
    }

    /// A number that goes up and down, which is `value` now; counters say how it changed.
    pub(in crate::management) fn gauge(&self, value: usize, change: impl Fn(&C) -> i64) -> Rated {
        let now = change(&self.now);
        self.rated(value as u64, |counts| value as f64 - (now - change(counts)) as f64)
    }

    fn rated(&self, value: u64, then: impl Fn(&C) -> f64) -> Rated {
        let rate = (then(&self.now) - then(&self.before)) / WINDOW.as_secs_f64();
        let samples = self.samples.as_ref().map(|samples| {
            samples
                .iter()
                .map(|(timestamp, counts)| Sample {
                    sample: then(counts).max(0.0) as u64,
                    timestamp: *timestamp,
                })
                .collect()
        });
        Rated { value, details: Details { rate, samples } }
    }
}

impl Seen<QueueCounters> {
    /// Together with others, seen at the same time.
    #[must_use]
    pub(in crate::management) fn with(mut self, other: &Self) -> Self {
        self.now.add(&other.now);
        self.before.add(&other.before);
        let samples = self.samples.iter_mut().flatten().zip(other.samples.iter().flatten());
        samples.for_each(|((_, counts), (_, others))| counts.add(others));
        self
    }
}

/// A number with its rate.
#[derive(Clone, Debug)]
pub(in crate::management) struct Rated {
    value: u64,
    details: Details,
}

#[derive(Clone, Debug)]
struct Details {
    /// Per second.
    rate: f64,
    samples: Option<Vec<Sample>>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Sample {
    sample: u64,
    timestamp: u64,
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("rate", &self.rate)?;
        if let Some(samples) = &self.samples {
            let sum: u64 = samples.iter().map(|sample| sample.sample).sum();
            map.serialize_entry("avg", &(sum as f64 / samples.len().max(1) as f64))?;
            map.serialize_entry("avg_rate", &average_rate(samples))?;
            map.serialize_entry("samples", samples)?;
        }
        map.end()
    }
}

fn average_rate(samples: &[Sample]) -> f64 {
    match samples {
        [newest, .., oldest] if newest.timestamp > oldest.timestamp => {
            let change = newest.sample as f64 - oldest.sample as f64;
            change * 1000.0 / (newest.timestamp - oldest.timestamp) as f64
        }
        _ => 0.0,
    }
}

/// Numbers under their names, each followed by its details: to be flattened into an object, or one by itself.
#[derive(Clone, Debug, Default)]
pub(in crate::management) struct RatedMap(Vec<(&'static str, Rated)>);

impl RatedMap {
    /// With one more.
    #[must_use]
    pub(in crate::management) fn with(mut self, name: &'static str, rated: Rated) -> Self {
        self.0.push((name, rated));
        self
    }
}

impl RatedMap {
    /// With one more, of which there is none here.
    #[must_use]
    pub(in crate::management) fn with_none(self, name: &'static str) -> Self {
        self.with(name, Rated { value: 0, details: Details { rate: 0.0, samples: None } })
    }
}

impl Serialize for RatedMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 * self.0.len()))?;
        for (name, rated) in &self.0 {
            map.serialize_entry(name, &rated.value)?;
            map.serialize_entry(&format!("{name}_details"), &rated.details)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::statistics::{ExchangeCounters, ExchangeStatistics};

    fn at(params: &str, ms: u64) -> Clocked {
        let now = Time::ZERO.plus_ms(ms);
        Clocked::of(&Params::parse(params), now, Timestamp::from_millis(1_000_000 + ms)).unwrap()
    }

    fn seen(params: &str) -> Value {
        let recorder = ExchangeStatistics::default();
        for second in 0..20 {
            let counted = ExchangeCounters { published_in: 10, published_out: 5, unroutable: 0 };
            recorder.add(Time::ZERO.plus_ms(second * 1000), &counted);
        }
        let seen = at(params, 20_000).look(Kind::Messages, &recorder);
        let map = RatedMap::default()
            .with("publish_in", seen.counter(|counts| counts.published_in))
            .with("left", seen.gauge(7, |counts| counts.published_in as i64 - counts.published_out as i64));
        serde_json::to_value(map).unwrap()
    }

    #[test]
    fn a_rate_is_over_the_last_seconds() {
        let map = seen("");
        assert_eq!(map["publish_in"], 200);
        let rate = map["publish_in_details"]["rate"].as_f64().unwrap();
        assert!((8.0..=12.0).contains(&rate), "{map}");
        let rate = map["left_details"]["rate"].as_f64().unwrap();
        assert!((4.0..=6.0).contains(&rate), "{map}");
        assert!(map["left_details"]["samples"].is_null() && map["left"] == 7);
    }

    #[test]
    fn samples_are_newest_first_and_only_of_their_kind() {
        let map = seen("msg_rates_age=10&msg_rates_incr=5");
        let samples = map["publish_in_details"]["samples"].as_array().unwrap();
        let times: Vec<u64> = samples.iter().map(|sample| sample["timestamp"].as_u64().unwrap()).collect();
        assert_eq!(times, [1_020_000, 1_015_000, 1_010_000]);
        assert_eq!(samples[0]["sample"], 200);
        assert!(map["publish_in_details"]["avg_rate"].as_f64().unwrap() > 5.0);
        assert_eq!(seen("lengths_age=10&lengths_incr=5")["publish_in_details"]["samples"], json!(null));
    }

    #[test]
    fn too_many_samples_are_refused() {
        let refused =
            |params: &str| Clocked::of(&Params::parse(params), Time::ZERO, Timestamp::default()).is_err();
        assert!(refused("lengths_age=501&lengths_incr=1") && !refused("lengths_age=500&lengths_incr=1"));
        assert!(refused("lengths_age=5&lengths_incr=0") && refused("lengths_age=x&lengths_incr=1"));
        assert!(!refused("lengths_age=5"));
    }
}
