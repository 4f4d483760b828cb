//! Prometheus' text format, version 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>).

use std::fmt::{self, Write as _};

use crate::statistics::Buckets;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Counter,
    Gauge,
    Histogram,
    Untyped,
}

impl Type {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Untyped => "untyped",
        }
    }
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Integer(u64),
    Float(f64),
    /// There is none: no sample is written.
    None,
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl From<Option<u64>> for Number {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::None, Self::Integer)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Integer(number as u64)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::None => Ok(()),
        }
    }
}

/// Labels as they stand between braces, written once for all metrics of a thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Labels(Box<str>);

impl Labels {
    /// These labels with these values.
    pub(super) fn new(labels: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (name, value) in labels {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(name);
            text.push_str("=\"");
            push_escaped(&mut text, value);
            text.push('"');
        }
        Self(text.into())
    }
}

fn push_escaped(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}

/// A page of metrics, as it is written.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// Begins a metric: its samples follow.
    pub(super) fn family(&mut self, name: &str, kind: Type, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {}", kind.name());
    }

    /// A sample, if there is a value.
    pub(super) fn sample(&mut self, name: &str, labels: &Labels, value: impl Into<Number>) {
        let Labels(labels) = labels;
        let value = value.into();
        if value == Number::None {
            return;
        }
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }

    /// A metric with one sample that has no labels.
    pub(super) fn single(&mut self, name: &str, kind: Type, help: &str, value: impl Into<Number>) {
        self.family(name, kind, help);
        self.sample(name, &Labels::default(), value);
    }

    /// A histogram. What is counted is shown in a larger unit, of which it takes so many.
    pub(super) fn histogram(&mut self, name: &str, labels: &[(&str, &str)], shown: &Buckets, per_unit: u64) {
        let scaled = |count: u64| match per_unit {
            1 => Number::Integer(count),
            _ => Number::Float(count as f64 / per_unit as f64),
        };
        let bucket = format!("{name}_bucket");
        let bounds = shown.up_to.iter().map(|(bound, count)| (scaled(*bound).to_string(), *count));
        for (le, count) in bounds.chain([("+Inf".to_owned(), shown.count)]) {
            let labels = [labels, &[("le", &le)]].concat();
            self.sample(&bucket, &Labels::new(&labels), count);
        }
        let labels = Labels::new(labels);
        self.sample(&format!("{name}_sum"), &labels, scaled(shown.sum));
        self.sample(&format!("{name}_count"), &labels, shown.count);
    }

    /// What was written.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out_of_their_line() {
        let mut text = Text::default();
        text.sample("m", &Labels::new(&[("queue", "a\"} 7\nforged 1 \\"), ("vhost", "/")]), 3_u64);
        assert_eq!(text.into_string(), "m{queue=\"a\\\"} 7\\nforged 1 \\\\\",vhost=\"/\"} 3\n");
    }

    #[test]
    fn a_histogram_is_shown_in_its_unit() {
        let mut text = Text::default();
        let shown = Buckets { up_to: vec![(100, 1), (2500, 3)], count: 4, sum: 1_500_000 };
        text.histogram("h_seconds", &[("a", "b")], &shown, 1_000_000);
        let expected = "h_seconds_bucket{a=\"b\",le=\"0.0001\"} 1\nh_seconds_bucket{a=\"b\",le=\"0.0025\"} 3\n\
                        h_seconds_bucket{a=\"b\",le=\"+Inf\"} 4\nh_seconds_sum{a=\"b\"} 1.5\nh_seconds_count{a=\"b\"} 4\n";
        assert_eq!(text.into_string(), expected);
    }
}
