//! Figures for people: one run as lines, many as a Markdown table.

use serde_json::json;

use crate::options::{Metric, Plan, Scene};
use crate::run::{Latency, Outcome};

/// The broker's processor time for a message of the row's rate.
pub const CPU: &str = ", us of the broker's CPU for a message";

/// Prints what a run of this plan is about.
pub fn print(plan: &Plan, outcome: &Outcome) {
    for (name, value) in &outcome.figures {
        println!("{:>14}  {}", grouped(*value), name.trim());
    }
    if matches!(plan.scene, Scene::Connections(_) | Scene::Declares(_)) {
        return;
    }
    if let Some(accepted) = outcome.accepted {
        println!("published  {:>12}/s  (taken by the broker)", grouped(accepted));
        return;
    }
    if outcome.sent > 0.0 {
        println!("sent       {:>12}/s", grouped(outcome.sent));
    }
    if outcome.confirmed > 0.0 {
        println!("confirmed  {:>12}/s", grouped(outcome.confirmed));
    }
    if outcome.nacked > 0.0 {
        println!("nacked     {:>12}/s", grouped(outcome.nacked));
    }
    if outcome.consumed > 0.0 {
        println!("consumed   {:>12}/s  {:.1} MB/s", grouped(outcome.consumed), outcome.megabytes);
    }
    if let Some(cpu) = outcome.cpu {
        println!("cores busy {cpu:>11.2}    (the broker's)");
    }
    for (cores, pid) in outcome.watched.iter().zip(&plan.watched) {
        println!("cores busy {cores:>11.2}    (process {pid})");
    }
    for (what, times) in [("latency", outcome.latency), ("confirm", outcome.confirm_time)] {
        if let Some(Latency { p50, p90, p99, max }) = times {
            println!("{what} us  p50 {p50:.1}  p90 {p90:.1}  p99 {p99:.1}  max {max:.1}");
        }
    }
}

/// The same for programs: rates a second, times in microseconds, the watched processes' time for a confirmed message.
pub fn print_json(_: &Plan, outcome: &Outcome) {
    let times =
        |times: Latency| json!({ "p50": times.p50, "p90": times.p90, "p99": times.p99, "max": times.max });
    let per_message = |cores: &f64| cores * 1e6 / outcome.confirmed;
    let watched = outcome.watched.iter().filter(|_| outcome.confirmed > 0.0).map(per_message);
    let line = json!({
        "confirmed": outcome.confirmed,
        "nacked": outcome.nacked,
        "published": outcome.published,
        "consumed": outcome.consumed,
        "confirm_us": outcome.confirm_time.map(times),
        "latency_us": outcome.latency.map(times),
        "watched_us": watched.collect::<Vec<_>>(),
    });
    println!("{line}");
}

/// The figures of a run that a row is about, each with the word that tells it apart.
pub fn figures(metric: Metric, outcome: &Outcome) -> Vec<(&'static str, f64)> {
    let mut figures = match (metric, outcome.latency) {
        (Metric::Consumed, _) => vec![("", outcome.consumed)],
        (Metric::Confirmed, _) => vec![("", outcome.confirmed)],
        (Metric::Accepted, _) => outcome.accepted.map(|rate| ("", rate)).into_iter().collect(),
        (Metric::Megabytes, _) => vec![("", outcome.megabytes)],
        (Metric::Latency, None) | (Metric::Named, _) => Vec::new(),
        (Metric::Latency, Some(latency)) => {
            vec![(" p50 us", latency.p50), (" p90 us", latency.p90), (" p99 us", latency.p99)]
        }
    };
    let messages = match metric {
        Metric::Consumed | Metric::Megabytes => outcome.consumed,
        Metric::Confirmed => outcome.confirmed,
        Metric::Accepted | Metric::Latency | Metric::Named => 0.0,
    };
    if let Some(cpu) = outcome.cpu.filter(|_| messages > 0.0) {
        figures.push((CPU, cpu * 1e6 / messages));
    }
    figures.extend(outcome.figures.iter().copied());
    figures
}

/// The middle value, or the mean of the two in the middle; none of nothing.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// A figure with thousands apart, and decimals where it is small.
pub fn grouped(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 1000.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// One line of a Markdown table: what, Coney, RabbitMQ, and the first by the second.
pub fn line(title: &str, coney: Option<f64>, rabbitmq: Option<f64>) -> String {
    let cell = |value: Option<f64>| value.map_or_else(|| "-".into(), grouped);
    let ratio = coney.zip(rabbitmq).filter(|&(_, below)| below > 0.0).map(|(above, below)| above / below);
    let ratio = ratio.map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}x"));
    format!("| {title} | {} | {} | {ratio} |", cell(coney), cell(rabbitmq))
}
